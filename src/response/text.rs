//! From the bytes of a response to the text of one JSON value.

use std::borrow::Cow;

use serde_json::value::RawValue;
use token_storage_core::{Error, Result};
use zeroize::Zeroizing;

use super::{invalid, warning::ResponseWarning};

/// The JSON text of a response, made of a form if it is one.
///
/// What is wrong with the text but not with the tokens in it is a warning.
pub(super) fn json(body: &[u8], warnings: &mut Vec<ResponseWarning>) -> Result<Zeroizing<String>> {
    let Decoded { text, problem } = decoded(body);
    let odd = |problem: String, consequence| ResponseWarning::new("", problem, consequence);
    warnings.extend(problem.map(|problem| odd(problem, "which is made up for")));
    if text.trim().is_empty() {
        return Err(invalid("the response is empty"));
    }
    let error = match serde_json::from_str::<&RawValue>(&text) {
        Ok(raw) => return Ok(Zeroizing::new(raw.get().to_owned())),
        Err(error) => error,
    };
    if let Some(form) = form(&text) {
        return Ok(form);
    }
    let value = within(&text).ok_or_else(|| not_json(&error))?;
    warnings.push(odd(not_json(&error).message().to_owned(), "so the JSON in it is taken"));
    Ok(Zeroizing::new(value.to_owned()))
}

/// The text of a body that is UTF-8, UTF-16 or UTF-32 throughout, without what stands around JSON; `None` if it is none
/// of them.
#[cfg(feature = "manager")]
pub(crate) fn plain(body: &[u8]) -> Option<Zeroizing<String>> {
    let text = decoded(body).text;
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return None;
    }
    let inner = match is_whole(text.as_bytes()) || form(&text).is_some() {
        true => None,
        false => within(&text).map(|value| Zeroizing::new(value.to_owned())),
    };
    Some(inner.unwrap_or(text))
}

/// Whether these bytes are one object of JSON, or an array, from its beginning to its end.
#[cfg(feature = "manager")]
pub(crate) fn is_whole(body: &[u8]) -> bool {
    let begins = matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
    begins && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

/// The text of a body, and what is odd about it.
struct Decoded {
    text: Zeroizing<String>,
    problem: Option<String>,
}

fn decoded(body: &[u8]) -> Decoded {
    let wide = |text: String, name: &str| Decoded {
        text: Zeroizing::new(text),
        problem: Some(format!(
            "the response is {name}; save it as UTF-8 without a byte order mark"
        )),
    };
    // The first characters of JSON, and of a form, are of ASCII, so that zeros tell (RFC 4627 section 3).
    match *body {
        [0xff, 0xfe, 0, 0, ref rest @ ..] | ref rest @ [1..=255, 0, 0, 0, ..] => {
            wide(utf32(rest, u32::from_le_bytes), "UTF-32")
        }
        [0, 0, 0xfe, 0xff, ref rest @ ..] | ref rest @ [0, 0, 0, 1..=255, ..] => {
            wide(utf32(rest, u32::from_be_bytes), "UTF-32")
        }
        [0xff, 0xfe, ref rest @ ..] | ref rest @ [1..=255, 0, 1..=255, 0, ..] => {
            wide(utf16(rest, u16::from_le_bytes), "UTF-16")
        }
        [0xfe, 0xff, ref rest @ ..] | ref rest @ [0, 1..=255, 0, 1..=255, ..] => {
            wide(utf16(rest, u16::from_be_bytes), "UTF-16")
        }
        _ => utf8(body),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let (units, rest) = bytes.as_chunks();
    let units = units.iter().map(|pair| unit(*pair));
    let text = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
    text.chain(rest.first().map(|_| char::REPLACEMENT_CHARACTER)).collect()
}

fn utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> String {
    let (units, rest) = bytes.as_chunks();
    let text = units
        .iter()
        .map(|four| char::from_u32(unit(*four)).unwrap_or(char::REPLACEMENT_CHARACTER));
    text.chain(rest.first().map(|_| char::REPLACEMENT_CHARACTER)).collect()
}

fn utf8(body: &[u8]) -> Decoded {
    let (rest, marked) = match body.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => (rest, true),
        None => (body, false),
    };
    let problem = match std::str::from_utf8(rest) {
        Err(error) => {
            let (good, _) = rest.split_at(error.valid_up_to());
            let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
            let offset = good.len();
            Some(format!(
                "the response is not UTF-8: line {line}, byte {offset} of the whole"
            ))
        }
        Ok(_) if marked => Some("the response starts with a byte order mark; save it as UTF-8 without one".to_owned()),
        Ok(_) => None,
    };
    Decoded {
        text: Zeroizing::new(String::from_utf8_lossy(rest).into_owned()),
        problem,
    }
}

/// How many brackets are looked behind.
const MAX_BRACKETS: usize = 16;

/// The JSON object or array in a text that has more: a prefix against hijacking (`)]}'`, `while(1);`, `for(;;);`,
/// `&&&START&&&`), a call (`callback(...)`), a notice of the server's own language before it, or a comment behind it.
///
/// A page that has JSON somewhere in it is none: behind what comes after something else is nothing more.
fn within(text: &str) -> Option<&str> {
    for (at, _) in text.match_indices(['{', '[']).take(MAX_BRACKETS) {
        let (before, rest) = text.split_at(at);
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        match values.next() {
            Some(Ok(value)) => {
                let behind = &rest[values.byte_offset()..];
                if is_around(before, behind) {
                    return Some(value.get());
                }
            }
            // It begins and does not end: what looks whole further on may be a part of it.
            Some(Err(error)) if error.is_eof() => return None,
            _ => {}
        }
        if rest[1..].trim_start().starts_with('"') {
            // It is meant to be an object with members, so what follows is inside of it or behind it.
            return None;
        }
    }
    None
}

fn is_around(before: &str, behind: &str) -> bool {
    let closes = |c: char| c.is_whitespace() || c == ')' || c == ';' || c == '\0';
    match before.trim().is_empty() {
        // Of two values nobody knows which is meant.
        true => !behind.contains(['{', '[']),
        false => behind.trim_matches(closes).is_empty(),
    }
}

/// serde_json's own message can quote the text, so only its position is used.
fn not_json(error: &serde_json::Error) -> Error {
    let (line, column) = (error.line(), error.column());
    invalid(if error.is_eof() {
        format!("the response ends in the middle, at line {line} column {column}; it seems to be truncated")
    } else {
        format!("the response is not JSON, or more than one value: line {line} column {column}")
    })
}

/// A form (`access_token=...&scope=...`) as an object of strings, with what stands in it twice. As the answer of a server
/// that is no JSON it is one if it has a token or an error in it.
fn form(text: &str) -> Option<Zeroizing<String>> {
    let text = text.trim();
    let looks_like_one = !text.starts_with(['{', '[', '"', '<']) && !text.contains(char::is_whitespace);
    let members: Vec<_> = form_urlencoded::parse(text.as_bytes()).collect();
    let last = |name: &str| members.iter().rfind(|(member, _)| member == name);
    let known = |name: &str| last(name).is_some_and(|(_, value)| !value.is_empty());
    let is_one = looks_like_one && (known("access_token") || known("error"));
    is_one.then(|| {
        let json = |text: &str| serde_json::Value::from(text).to_string();
        let member = |(name, value): &(Cow<'_, str>, Cow<'_, str>)| format!("{}:{}", json(name), json(value));
        let members: Vec<String> = members.iter().map(member).collect();
        Zeroizing::new(format!("{{{}}}", members.join(",")))
    })
}
