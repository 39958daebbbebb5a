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
    if body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff") {
        return Err(invalid(
            "the response starts with a byte order mark of UTF-16; save it as UTF-8 without one",
        ));
    }
    let text = decoded(body, warnings);
    if text.trim().is_empty() {
        return Err(invalid("the response is empty"));
    }
    match serde_json::from_str::<&RawValue>(&text) {
        Ok(raw) => Ok(Zeroizing::new(raw.get().to_owned())),
        Err(error) => form(&text).ok_or_else(|| not_json(&error)),
    }
}

fn decoded<'a>(body: &'a [u8], warnings: &mut Vec<ResponseWarning>) -> Cow<'a, str> {
    let mut warn = |problem: String| warnings.push(ResponseWarning::new("", problem, "which is made up for"));
    let body = match body.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => {
            warn("the response starts with a byte order mark; save it as UTF-8 without one".to_owned());
            rest
        }
        None => body,
    };
    if let Err(error) = std::str::from_utf8(body) {
        let (good, _) = body.split_at(error.valid_up_to());
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        let offset = good.len();
        warn(format!(
            "the response is not UTF-8: line {line}, byte {offset} of the whole"
        ));
    }
    String::from_utf8_lossy(body)
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
