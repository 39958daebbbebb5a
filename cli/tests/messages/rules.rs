//! What every message about a server has to keep.

use crate::common::has_secret;

/// A message, and what led to it.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) by: By,
    pub(crate) when: String,
    pub(crate) text: String,
    /// The server that it is about, as it is to be named.
    pub(crate) server: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Library,
    Command,
}

/// What the servers on loopback are called on the page.
pub(crate) const SERVER: &str = "auth.example.org";

/// How what helps begins, behind the last semicolon of a message.
const STEPS: [&str; 17] = [
    "log in",
    "try again",
    "try the device flow",
    "start again",
    "check",
    "add the authority",
    "use",
    "ask ",
    "give",
    "name",
    "store it",
    "take",
    "leave ",
    "--offline shows",
    "the token is good all the same",
    "an address of an earlier login is of no use, start again",
    "nothing was stored, start again",
];

impl Message {
    /// About the server with this address: an issuer, or a host with its port.
    pub(crate) fn new(by: By, when: &str, text: &str, server: &str) -> Self {
        let host = server.trim_start_matches("https://").trim_start_matches("http://");
        Self {
            by,
            when: when.to_owned(),
            text: text.trim_end().replace(server, SERVER).replace(host, SERVER),
            server: SERVER.to_owned(),
        }
    }
}

/// Which rules it breaks.
pub(crate) fn broken(message: &Message) -> Option<String> {
    let Message { by, when, text, server } = message;
    let last = text.rsplit("; ").next().unwrap_or_default();
    let names_a_command = text.contains("token-storage") || text.contains('`') || text.contains("--");
    let problems: Vec<&str> = [
        (!text.contains(server.as_str()), "names no server"),
        (has_secret(text), "shows a secret"),
        (text.contains(char::is_control), "has a control character"),
        (*by == By::Library && names_a_command, "names a command"),
        (
            !STEPS.iter().any(|step| last.starts_with(step)),
            "does not say what helps",
        ),
        (text.len() > 800, "is too long"),
        (text.matches(last).count() > 1, "says twice what helps"),
        (text.replace("... ", "").contains(". "), "is more than a sentence"),
    ]
    .into_iter()
    .filter_map(|(broken, rule)| broken.then_some(rule))
    .collect();
    (!problems.is_empty()).then(|| format!("{by:?}, {when}: {}:\n    {text}", problems.join(", ")))
}

#[test]
fn the_rules_can_be_broken() {
    let fine = "auth.example.org did not answer in time; try again later";
    for (text, is_fine) in [
        (fine, true),
        ("the server did not answer in time; try again later", false),
        ("auth.example.org did not answer in time", false),
        ("auth.example.org refuses canary; log in again", false),
        (
            "auth.example.org refuses it; log in again with `token-storage login`",
            false,
        ),
        ("auth.example.org\u{1b}[2J is odd; try again later", false),
    ] {
        let message = Message::new(By::Library, "x", text, SERVER);
        assert_eq!(broken(&message).is_none(), is_fine, "{text}");
    }
}
