//! From the text of a response to its tokens.

use serde_json::value::RawValue;
use token_storage_core::{Error, Extra, RESERVED_PREFIX, Result, Secret};

use super::{
    ResponseToken, expiry, invalid,
    members::{decode_string, elements, members},
};

/// The error codes of RFC 6749 section 5.2 and RFC 8628 section 3.5. Only these are repeated in a message: anything else
/// that a server puts there might be a secret.
const ERROR_CODES: [&str; 10] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "access_denied",
    "authorization_pending",
    "slow_down",
    "expired_token",
];

pub(super) fn response(json: &[u8], now: i64) -> Result<Vec<ResponseToken>> {
    let root = root(json)?;
    match root.as_bytes()[0] {
        b'{' => {
            let (token, others) = token(root, Place::Root, now)?;
            let mut tokens = vec![token];
            if let Some(others) = others {
                let others = elements(others)
                    .ok_or_else(|| invalid("the member `other_tokens` of the response is not an array"))?;
                for (index, other) in others.into_iter().enumerate() {
                    tokens.push(token_alone(other, Place::Other(index), now)?);
                }
            }
            Ok(tokens)
        }
        b'[' => {
            let elements = elements(root).unwrap_or_default();
            if elements.is_empty() {
                return Err(invalid("the response is an empty array; it holds no token"));
            }
            let elements = elements.into_iter().enumerate();
            elements
                .map(|(index, element)| token_alone(element, Place::Element(index), now))
                .collect()
        }
        _ => Err(invalid("the response is neither a JSON object nor an array of them")),
    }
}

/// The text of the one JSON value of the response.
fn root(json: &[u8]) -> Result<&str> {
    if json.starts_with(b"\xef\xbb\xbf") || json.starts_with(b"\xff\xfe") || json.starts_with(b"\xfe\xff") {
        return Err(invalid(
            "the response starts with a byte order mark; save it as UTF-8 without one",
        ));
    }
    let text = std::str::from_utf8(json).map_err(|error| {
        let line = 1 + json[..error.valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        let offset = error.valid_up_to();
        invalid(format!(
            "the response is not UTF-8: line {line}, byte {offset} of the whole"
        ))
    })?;
    if text.trim().is_empty() {
        return Err(invalid("the response is empty"));
    }
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| not_json(&error))?;
    Ok(raw.get())
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

/// Which token of the response is meant, for messages.
#[derive(Clone, Copy)]
enum Place {
    Root,
    Other(usize),
    Element(usize),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root => f.write_str("the response"),
            Self::Other(index) => write!(f, "other_tokens[{index}] of the response"),
            Self::Element(index) => write!(f, "element {index} of the response"),
        }
    }
}

fn token_alone(json: &str, place: Place, now: i64) -> Result<ResponseToken> {
    Ok(token(json, place, now)?.0)
}

/// A token, and the raw `other_tokens` if it is the one at the top level.
fn token(json: &str, place: Place, now: i64) -> Result<(ResponseToken, Option<&str>)> {
    let members = members(json).ok_or_else(|| invalid(format!("{place} is not a JSON object")))?;
    let mut fields = Fields {
        place,
        known: [None; 9],
    };
    let mut extra = Extra::new();
    let mut others = None;
    for (name, value) in members {
        let name = name.ok_or_else(|| invalid(format!("{place} has a member whose name is not valid Unicode")))?;
        if let Some(index) = KNOWN.iter().position(|known| *known == name) {
            fields.known[index] = (value != "null").then_some(value);
        } else if name == "other_tokens" && matches!(place, Place::Root) {
            others = (value != "null").then_some(value);
        } else if !name.starts_with(RESERVED_PREFIX) {
            extra.insert(&*name, value)?;
        }
    }
    Ok((fields.into_token(extra, now)?, others))
}

const KNOWN: [&str; 9] = [
    "access_token",
    "refresh_token",
    "token_type",
    "expires_in",
    "scope",
    "resource_server",
    "identity_id",
    "expires_at_seconds",
    "error",
];

/// The raw values of the known members; null counts as absent.
struct Fields<'a> {
    place: Place,
    known: [Option<&'a str>; KNOWN.len()],
}

impl<'a> Fields<'a> {
    fn into_token(self, mut extra: Extra, now: i64) -> Result<ResponseToken> {
        let place = self.place;
        let Some(access_token) = self.text("access_token")? else {
            return Err(self.no_access_token());
        };
        if let Some(error) = self.raw("error") {
            extra.insert("error", error)?;
        }
        Ok(ResponseToken {
            access_token: Secret::new(access_token),
            refresh_token: self.text("refresh_token")?.map(Secret::new),
            token_type: self.text("token_type")?,
            scope: self.scope()?,
            resource_server: match self.raw("resource_server") {
                // The empty string is a resource server like any other (K4).
                Some("\"\"") => Some(String::new()),
                _ => self.text("resource_server")?,
            },
            identity_id: self.text("identity_id")?,
            expires_at: self
                .expires_at(now)
                .map_err(|(member, problem)| invalid(format!("the member `{member}` of {place} {problem}")))?,
            extra,
        })
    }

    fn raw(&self, name: &str) -> Option<&'a str> {
        let index = KNOWN.iter().position(|known| *known == name)?;
        self.known[index]
    }

    /// The content of a string member; empty counts as absent.
    fn text(&self, name: &str) -> Result<Option<String>> {
        let Some(json) = self.raw(name) else { return Ok(None) };
        match decode_string(json) {
            Some(text) => Ok(Some(text.into_owned()).filter(|text| !text.is_empty())),
            None => Err(invalid(format!(
                "the member `{name}` of {} is not a string of valid Unicode",
                self.place
            ))),
        }
    }

    fn scope(&self) -> Result<Option<String>> {
        let Some(scopes) = self.raw("scope").and_then(elements) else {
            return self.text("scope");
        };
        let decoded: Option<Vec<_>> = scopes.into_iter().map(decode_string).collect();
        match decoded {
            Some(scopes) => Ok(Some(scopes.join(" ")).filter(|scope| !scope.is_empty())),
            None => Err(invalid(format!(
                "the member `scope` of {} is an array of something else than strings",
                self.place
            ))),
        }
    }

    fn expires_at(&self, now: i64) -> Result<Option<i64>, (&'static str, &'static str)> {
        if let Some(json) = self.raw("expires_in") {
            let expires_at = expiry::expires_at(json, now).map_err(|problem| ("expires_in", problem))?;
            return Ok(Some(expires_at));
        }
        let Some(json) = self.raw("expires_at_seconds") else {
            return Ok(None);
        };
        let seconds = json
            .parse()
            .map_err(|_| ("expires_at_seconds", "is not an integer of 64 bits"))?;
        Ok(Some(seconds))
    }

    fn no_access_token(&self) -> Error {
        let place = self.place;
        let Some(error) = self.raw("error") else {
            return invalid(format!("{place} has no access_token"));
        };
        let code = decode_string(error);
        let known = ERROR_CODES.iter().find(|known| code.as_deref() == Some(**known));
        invalid(match known {
            Some(code) => format!("{place} is an error response ({code}) and has no access_token"),
            None => format!("{place} is an error response and has no access_token"),
        })
    }
}
