//! The tokens in an answer that cannot be used: they are revoked, as nobody else will ever do so.

use serde_json::Value;
use token_storage_core::Secret;

use crate::manager::TokenKind;

/// More than any server gives at once.
const MAX_TOKENS: usize = 32;

/// Every token of a body, wherever in it, refresh tokens first.
pub(super) fn tokens(body: &[u8]) -> Vec<(Secret, TokenKind)> {
    let mut found = Vec::new();
    match serde_json::from_slice::<Value>(body) {
        Ok(json) => within(&json, &mut found),
        Err(_) => {
            for (name, value) in url::form_urlencoded::parse(body) {
                note(&name, &value, &mut found);
            }
        }
    }
    found.sort_by_key(|(_, kind)| *kind == TokenKind::Access);
    found.truncate(MAX_TOKENS);
    found
}

fn within(json: &Value, found: &mut Vec<(Secret, TokenKind)>) {
    match json {
        Value::Array(elements) => elements.iter().for_each(|element| within(element, found)),
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) => note(name, text, found),
                    value => within(value, found),
                }
            }
        }
        _ => {}
    }
}

fn note(name: &str, value: &str, found: &mut Vec<(Secret, TokenKind)>) {
    let kind = match name {
        "refresh_token" => TokenKind::Refresh,
        "access_token" => TokenKind::Access,
        _ => return,
    };
    if !value.is_empty() {
        found.push((Secret::from(value), kind));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_wherever_they_are() {
        let of = |body: &str| -> Vec<String> {
            let found = tokens(body.as_bytes());
            found.iter().map(|(token, _)| token.expose().to_owned()).collect()
        };
        assert_eq!(
            of(r#"{"a":[{"access_token":"at","refresh_token":"rt"}]}"#),
            ["rt", "at"]
        );
        assert_eq!(of(r#"{"access_token":7,"refresh_token":"rt","other":"x"}"#), ["rt"]);
        assert_eq!(of("access_token=&refresh_token=rt"), ["rt"]);
        assert!(of("<html>").is_empty());
    }
}
