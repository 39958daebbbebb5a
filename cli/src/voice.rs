//! How the command speaks on standard error: in lines for people or in JSON, and never with a value of its command line
//! that may be a token which somebody pasted.

use std::{
    borrow::Cow,
    io::{self, Write as _},
    sync::{LazyLock, OnceLock, PoisonError, RwLock},
};

use serde_json::json;
use token_storage::TokenKey;

use crate::{args::Words, text};

struct Voice {
    json: bool,
    /// The command line.
    given: Vec<String>,
    /// What of it is known to be harmless.
    proven: Vec<String>,
}

/// There is one standard error.
static VOICE: RwLock<Voice> = RwLock::new(Voice {
    json: false,
    given: Vec::new(),
    proven: Vec::new(),
});

/// What words can mean, found out when it is first asked for.
static WORDS: OnceLock<LazyLock<Words, Box<dyn FnOnce() -> Words + Send>>> = OnceLock::new();

/// A value that is shorter, and a plain word up to twice that, is only hidden where it stands in quotes.
const SHORTEST_WORD: usize = 8;

/// Takes note of the command line. Where storages and files are, and servers, has to be told in messages; a token is
/// neither.
pub(crate) fn listen(arguments: impl Iterator<Item = String>, words: impl FnOnce() -> Words + Send + 'static) {
    let mut voice = VOICE.write().unwrap_or_else(PoisonError::into_inner);
    // Behind it the words are those of another command.
    let mut ours = true;
    for argument in arguments {
        ours &= argument != "--";
        voice.json |= ours && argument == "--json";
        // Now, since the command may make what it names, or take it away.
        let values = values(&argument, |_| true);
        voice.proven.extend(values.into_iter().filter(|value| is_place(value)));
        voice.given.push(argument);
    }
    // There is one command line.
    let _ = WORDS.set(LazyLock::new(Box::new(words)));
}

/// What a word of the command line gives, as it stands there and as --quoted understands it.
fn values(argument: &str, is_option: impl Fn(&str) -> bool) -> Vec<String> {
    let value = match argument.split_once('=') {
        Some((option, value)) if option.starts_with("--") && is_option(option) => value,
        _ => argument.trim_start_matches('-'),
    };
    let plain = serde_json::from_str(value).ok();
    plain.into_iter().chain([value.to_owned()]).collect()
}

/// What was given on the command line and is not known to be harmless, the longest first.
fn unproven() -> Vec<String> {
    let voice = VOICE.read().unwrap_or_else(PoisonError::into_inner);
    let Some(words) = WORDS.get().filter(|_| !voice.given.is_empty()) else {
        return Vec::new();
    };
    let given = voice.given.iter().filter(|argument| !words.is_name(argument));
    let mut unproven: Vec<String> = given
        .flat_map(|argument| values(argument, |option| words.is_name(option)))
        .collect();
    unproven.retain(|value| !value.is_empty() && !words.is_storage(value) && !voice.proven.contains(value));
    unproven.sort_by_key(|value| std::cmp::Reverse(value.len()));
    unproven
}

fn is_place(value: &str) -> bool {
    let is_server = ["http://", "https://"].iter().any(|scheme| value.starts_with(scheme));
    is_server || std::path::Path::new(value).exists()
}

/// A value of the command line turned out to be the name of something that is there.
pub(crate) fn prove(name: &str) {
    let mut voice = VOICE.write().unwrap_or_else(PoisonError::into_inner);
    let gives = |argument: &String| {
        let of = |is_option| values(argument, |_| is_option).iter().any(|value| value == name);
        of(true) || of(false)
    };
    if voice.given.iter().any(gives) {
        voice.proven.push(name.to_owned());
    }
}

pub(crate) fn is_json() -> bool {
    VOICE.read().unwrap_or_else(PoisonError::into_inner).json
}

/// An error, the last thing that is said.
pub(crate) fn fail(kind: &str, message: &str) {
    let message = guarded(message);
    write(&if is_json() {
        json!({"error": {"kind": kind, "message": message}}).to_string()
    } else {
        format!("token-storage: {}", text::one_line(&message))
    });
}

/// What people should know and is not a result.
pub(crate) fn note(message: &str) {
    let message = guarded(message);
    write(&match (is_json(), message.strip_prefix("warning: ")) {
        (true, Some(warning)) => json!({"warning": {"message": warning}}).to_string(),
        (true, None) => json!({"note": {"message": message}}).to_string(),
        (false, _) => format!("token-storage: {}", text::one_line(&message)),
    });
}

/// What became of one record, which is there: its names were no tokens.
pub(crate) fn note_of(key: &TokenKey, what: &str) {
    prove(key.resource_server());
    prove(key.namespace());
    note(&format!(
        "{} of namespace {}: {what}",
        text::mention(key.resource_server()),
        text::mention(key.namespace()),
    ));
}

/// Lines of a conversation, as they are. Addresses to visit and codes to enter are in it, so nothing is taken out.
pub(crate) fn say(lines: &str) {
    if !is_json() {
        return write(lines);
    }
    let lines = lines.trim();
    if !lines.is_empty() {
        write(&json!({"note": {"message": lines}}).to_string());
    }
}

/// Asks for a line; it comes on the same one.
#[cfg(feature = "oauth")]
pub(crate) fn ask(prompt: &str) {
    if is_json() {
        return say(prompt);
    }
    let mut stderr = io::stderr();
    let _ = write!(stderr, "{prompt}").and_then(|()| stderr.flush());
}

/// If even that cannot be written, there is nobody left to tell.
fn write(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The message without what was given on the command line and is not known.
pub(crate) fn guarded(message: &str) -> Cow<'_, str> {
    let mut message = Cow::Borrowed(message);
    for value in unproven() {
        for quoted in [
            format!("{value:?}"),
            text::quoted(&value),
            format!("`{value}`"),
            format!("'{value}'"),
        ] {
            if message.contains(&quoted) {
                message = Cow::Owned(message.replace(&quoted, "..."));
            }
        }
        if !is_plain_word(&value) && message.contains(value.as_str()) {
            message = Cow::Owned(without_word(&message, &value));
        }
    }
    message
}

fn is_plain_word(value: &str) -> bool {
    let letters = value.bytes().all(|byte| byte.is_ascii_lowercase());
    value.len() < SHORTEST_WORD || letters && value.len() < 2 * SHORTEST_WORD
}

/// Only as a whole word: "failure" has nothing to do with "fail".
fn without_word(message: &str, word: &str) -> String {
    let in_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let mut out = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let part_of_another =
            in_word(before.chars().next_back().or(out.chars().next_back())) || in_word(after.chars().next());
        out.push_str(before);
        out.push_str(if part_of_another { word } else { "..." });
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_hidden_and_its_like_is_not() {
        assert_eq!(
            without_word("a secret, (secret) secretary secret", "secret"),
            "a ..., (...) secretary ..."
        );
    }
}
