//! `docs/messages.md`.

use std::fmt::Write as _;

use crate::rules::Message;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/messages.md");
const SWITCH: &str = "TOKEN_STORAGE_WRITE_MESSAGES";

const HEAD: &str = "\
# Messages about servers

What the library and the command say when something is wrong with an authorization server or a service, or on the way
there. The page is made by the test `messages`, which has each of them for real from servers on loopback, and holds them
against these rules:

- A message names the server that it is about, by its issuer or its host.
- It keeps what the server says for itself (`error`, `error_description`, `error_uri`): without control characters, cut to
  200 characters, and not where it could repeat a token.
- What could be a token is in none of them.
- It ends with what helps. The library names no command for that: `ManagerError::advice` is data, and whoever shows the
  message may say it in words of its own, as the command does.
- With `--json` every line on standard error is JSON, warnings too.

`auth.example.org` stands for the server's address. Which certificates are trusted is a matter of the operating system, or of
the file that `SSL_CERT_FILE` and the folder that `SSL_CERT_DIR` name.

To write the page anew: `TOKEN_STORAGE_WRITE_MESSAGES=1 cargo test --workspace --all-features --test messages`.
";

/// The page is what the messages say, or is made so.
pub(crate) fn compare(library: &[Message], command: &[Message]) {
    let mut page = HEAD.to_owned();
    for (title, messages) in [("The library", library), ("The command", command)] {
        let _ = write!(page, "\n## {title}\n\n| when | message |\n|---|---|\n");
        for Message { when, text, .. } in messages {
            let _ = writeln!(page, "| {when} | {} |", text.replace('|', "\\|"));
        }
    }
    if std::env::var_os(SWITCH).is_some() {
        std::fs::write(PAGE, page).unwrap();
        return;
    }
    let written = std::fs::read_to_string(PAGE).unwrap_or_default();
    let differs = page.lines().zip(written.lines()).find(|(one, other)| one != other);
    assert!(
        page == written,
        "docs/messages.md is not up to date; {SWITCH}=1 writes it: {differs:#?}"
    );
}
