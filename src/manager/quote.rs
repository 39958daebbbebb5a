//! What of a server's own words can be shown: no token, nothing that a terminal would obey, not too much.

/// The longest explanation that is kept, in characters.
const MAX_LENGTH: usize = 200;
/// A run of letters and digits that long may be a token.
const MIXED: usize = 16;
/// One of letters alone.
const PLAIN: usize = 24;
/// So much of a secret, in bytes, is too much.
const PIECE: usize = 8;

/// An explanation as it can be shown; `None` if it repeats part of what was sent, or says nothing.
pub(super) fn explanation(text: &str, sent: &[&str]) -> Option<String> {
    if sent.iter().any(|secret| repeats(text, secret)) {
        return None;
    }
    let masked = mask(&clean(text));
    (!masked.is_empty()).then_some(masked)
}

/// Whether a text holds a secret, or a piece of it.
fn repeats(text: &str, secret: &str) -> bool {
    let (text, secret) = (text.as_bytes(), secret.as_bytes());
    let size = secret.len().min(PIECE);
    size > 0
        && secret
            .windows(size)
            .any(|piece| text.windows(size).any(|part| part == piece))
}

/// Without control characters and those that change a line's direction, white space made single, cut to a bound.
pub(crate) fn clean(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let visible: String = text.chars().map(|c| if hidden(c) { ' ' } else { c }).collect();
    let words: Vec<&str> = visible.split_whitespace().collect();
    let joined = words.join(" ");
    match joined.char_indices().nth(MAX_LENGTH) {
        Some((end, _)) => format!("{}…", &joined[..end]),
        None => joined,
    }
}

/// Puts `…` in place of what could be a token.
fn mask(text: &str) -> String {
    let in_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '=' | '~' | '%');
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        // The parts of a JWT are dotted together.
        let hide = word.split('.').any(may_be_a_token);
        masked.push_str(if hide { "…" } else { word });
        let gap = after.find(in_word).unwrap_or(after.len());
        masked.push_str(&after[..gap]);
        rest = &after[gap..];
    }
    masked
}

fn may_be_a_token(word: &str) -> bool {
    let has_digit = word.bytes().any(|b| b.is_ascii_digit());
    let snake = word
        .split(['_', '-'])
        .all(|part| part.len() < MIXED && part.bytes().all(|b| b.is_ascii_lowercase()));
    (has_digit && word.len() >= MIXED) || (word.len() >= PLAIN && !snake)
}

/// An address that can be shown as a page to read.
pub(super) fn is_page(uri: &str) -> bool {
    let address = uri.starts_with("https://") || uri.starts_with("http://");
    address && !uri.contains('?') && uri.chars().all(|c| c.is_ascii_graphic()) && mask(uri) == uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_a_token_is_masked() {
        for (text, shown) in [
            (
                "Token has been expired or revoked.",
                "Token has been expired or revoked.",
            ),
            (
                "refresh_token_not_found_or_expired",
                "refresh_token_not_found_or_expired",
            ),
            ("bad: eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln", "bad: …"),
            ("Trace ID: 8f4b5c1e-9a0b-4d57-9d1e-1f3b54a6f001", "Trace ID: …"),
            ("AADSTS70008: too old", "AADSTS70008: too old"),
            ("abcdefghijklmnopqrstuvwx", "…"),
            ("a\u{1b}[2Jb\r\n c\u{202e}d", "a [2Jb c d"),
        ] {
            assert_eq!(explanation(text, &[]).as_deref(), Some(shown));
        }
    }

    #[test]
    fn a_piece_of_what_was_sent_is_enough_to_say_nothing() {
        for text in ["it was refresh-token-1", "it was 'resh-tok'", "pin"] {
            assert_eq!(explanation(text, &["refresh-token-1", "pin"]), None, "{text}");
        }
        assert!(explanation("it was the token", &["refresh-token-1", ""]).is_some());
    }

    #[test]
    fn long_texts_are_cut() {
        let cut = clean(&"ü ".repeat(500));
        assert_eq!(cut.chars().count(), MAX_LENGTH + 1);
    }

    #[test]
    fn only_pages_without_a_query_are_shown() {
        for (uri, fine) in [
            ("https://docs.example/errors#bad-token", true),
            ("javascript:alert(1)", false),
            ("https://a.example/?token=x", false),
            ("https://a.example/abcdefgh12345678", false),
            ("https://a.example/ x", false),
        ] {
            assert_eq!(is_page(uri), fine, "{uri}");
        }
    }
}
