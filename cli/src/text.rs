//! Text that comes from a storage, made safe for terminals and line-based tools.

use std::fmt::Write as _;

use token_storage::Finding;

/// A name for people and line-based tools: as it is if it is plain, else as a JSON string, so that no name can forge a
/// line or a column, or send an escape sequence to the terminal. `--quoted` takes such a string back.
pub(crate) fn name(text: &str) -> String {
    let mut out = String::new();
    push_name(&mut out, text);
    out
}

/// As [`name`], behind what is there.
pub(crate) fn push_name(out: &mut String, text: &str) {
    let plain = !text.is_empty()
        && !text.starts_with([' ', '"'])
        && !text.ends_with(' ')
        && !text.contains("  ")
        && (text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) || text.chars().all(is_harmless));
    if plain {
        out.push_str(text);
    } else {
        push_quoted(out, text);
    }
}

/// A JSON string literal in which everything that is not plainly visible is escaped.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_quoted(&mut out, text);
    out
}

fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if is_harmless(c) => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

/// A name in a message: in quotes, and cut off if it is very long.
pub(crate) fn mention(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}... ({} bytes)", quoted(&text[..end]), text.len()),
        None => quoted(text),
    }
}

/// A message as one line without control characters, whatever file names and the like are in it.
pub(crate) fn one_line(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for c in message.chars() {
        if is_harmless(c) {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    out
}

/// Neither a control character nor one that is invisible or turns the direction of the text around.
fn is_harmless(c: char) -> bool {
    c == ' ' || !(c.is_control() || c.is_whitespace() || is_invisible(c))
}

fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// What helps, in the words of this command: what the library calls an action is one of its commands.
pub(crate) fn action(name: &str) -> String {
    format!("`token-storage {name}` does it")
}

/// What to do about a finding; empty if nothing.
pub(crate) fn advice(finding: &Finding) -> String {
    match (finding.action, finding.advice.as_str()) {
        (Some(name), "") => action(name),
        (Some(name), advice) => format!("{advice}; {}", action(name)),
        (None, advice) => advice.to_owned(),
    }
}

/// A word for a POSIX shell that stands for exactly this text; `None` if there is none, because of a NUL.
pub(crate) fn shell_word(text: &str) -> Option<String> {
    (!text.contains('\0')).then(|| format!("'{}'", text.replace('\'', r"'\''")))
}

/// A word of a command line in a message: as it is if no shell would make something else of it.
pub(crate) fn command_word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@+,=%".contains(&byte);
    if !text.is_empty() && !text.starts_with('-') && text.bytes().all(plain) {
        return text.to_owned();
    }
    shell_word(text).unwrap_or_else(|| quoted(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_stay_and_others_are_json() {
        for plain in ["groups.api.globus.org", "a b", "é/😀", "a\\b", "x\"y"] {
            assert_eq!(name(plain), plain);
        }
        for odd in [
            "",
            " a",
            "a ",
            "a\nb",
            "\u{1b}[31m",
            "\"x\"",
            "a\0",
            "\u{202e}x",
            "a\tb",
            "\u{e0041}",
        ] {
            let shown = name(odd);
            assert!(shown.starts_with('"') && shown.chars().all(is_harmless), "{shown}");
            assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), odd);
        }
    }

    #[test]
    fn a_long_name_is_cut_off() {
        assert_eq!(mention("a\nb"), r#""a\u000ab""#);
        assert_eq!(mention(&"é".repeat(200)).chars().count(), 202);
        let long = mention(&"é".repeat(201));
        assert!(long.ends_with("é\"... (402 bytes)"), "{long}");
    }

    #[test]
    fn a_message_stays_one_line() {
        assert_eq!(one_line("a\nb\u{1b}c é"), "a\\u{a}b\\u{1b}c é");
    }

    #[test]
    fn shell_words() {
        assert_eq!(shell_word("it's $x `y`").unwrap(), r"'it'\''s $x `y`'");
        assert_eq!(shell_word("a\0b"), None);
    }
}
