//! The words of an answer: the members in which servers put codes and texts, wherever they stand. Nothing else of a body
//! is decoded or copied, as there may be tokens in it.

use std::borrow::Cow;

use zeroize::Zeroizing;

use crate::response::{
    members::{Member, decode_string, elements, members},
    plain,
};

/// Members whose value is a code.
const CODES: [&str; 17] = [
    "error",
    "code",
    "error_code",
    "errorcode",
    "errortype",
    "error_type",
    "errcode",
    "error_subtype",
    "suberror",
    "serviceerrorcode",
    "status",
    "type",
    "__type",
    ".tag",
    "reason",
    "name",
    "resource",
];
/// Members whose value is a text for people. Some servers put a text where a code belongs.
const TEXTS: [&str; 12] = [
    "error_description",
    "message",
    "msg",
    "errmsg",
    "error",
    "reason",
    "detail",
    "details",
    "description",
    "title",
    "errorsummary",
    "error_message",
];
/// Members that may hold further objects with codes.
const NESTED: [&str; 4] = ["error", "errors", "details", "fault"];
/// How far down is looked, and at how many objects.
const MAX_DEPTH: usize = 4;
const MAX_OBJECTS: usize = 32;
/// The longest code, in bytes.
const MAX_CODE: usize = 40;

/// What was found, in the order of importance.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) codes: Vec<String>,
    pub(super) texts: Vec<Zeroizing<String>>,
    pub(super) description: Option<String>,
    pub(super) uri: Option<String>,
    /// Whether the body says that this is an error, whatever it is called.
    pub(super) refuses: bool,
}

/// The words of a body that is JSON or a form; `None` if it is neither.
pub(super) fn words(body: &[u8]) -> Option<Words> {
    let text = plain(body)?;
    let text = text.trim();
    let mut words = Words::default();
    if matches!(text.as_bytes().first(), Some(b'{' | b'[')) {
        Walk {
            words: &mut words,
            left: MAX_OBJECTS,
        }
        .value(text, 0);
    } else {
        words.form(text);
    }
    Some(words)
}

struct Walk<'w> {
    words: &'w mut Words,
    left: usize,
}

impl Walk<'_> {
    fn value(&mut self, json: &str, depth: usize) {
        if depth > MAX_DEPTH || self.left == 0 {
            return;
        }
        if let Some(members) = members(json) {
            self.left -= 1;
            self.object(&members, depth);
        } else if let Some(elements) = elements(json) {
            for element in elements {
                self.value(element, depth + 1);
            }
        }
    }

    fn object(&mut self, members: &[Member<'_>], depth: usize) {
        let named = |wanted: &str| {
            let is = |name: &str| name.eq_ignore_ascii_case(wanted);
            let found = members
                .iter()
                .rfind(|(name, _)| name.as_deref().is_some_and(is))
                .map(|(_, value)| *value);
            found.filter(|value| *value != "null")
        };
        // Strava's three together are one code.
        let parts: Vec<_> = ["resource", "field", "code"]
            .into_iter()
            .filter_map(|name| decode_string(named(name)?))
            .collect();
        if parts.len() == 3 {
            self.words.code(&parts.join(" "));
        }
        for name in CODES {
            let Some(json) = named(name) else { continue };
            match decode_string(json) {
                Some(text) => self.words.code(&text),
                None if json.parse::<i64>().is_ok() => self.words.code(&format!("{name}={json}")),
                None => {}
            }
        }
        for name in TEXTS {
            if let Some(text) = named(name).and_then(decode_string) {
                self.words.text(&text);
            }
        }
        if depth == 0 {
            self.words.refuses = refuses(named);
            let text = |name| named(name).and_then(decode_string).map(Cow::into_owned);
            self.words.description = text("error_description");
            self.words.uri = text("error_uri");
        }
        for json in NESTED.into_iter().filter_map(named) {
            self.value(json, depth + 1);
        }
    }
}

/// The ways to say no at all.
fn refuses<'a>(named: impl Fn(&str) -> Option<&'a str>) -> bool {
    let is = |name: &str, value: &str| named(name) == Some(value);
    let number = |name: &str| named(name).and_then(|json| json.parse::<i64>().ok());
    named("error").is_some_and(|error| error != r#""""# && error != "false" && error != "0")
        || named("errors").is_some_and(|errors| errors != "[]")
        || is("ok", "false")
        || is("success", "false")
        || is("status", r#""error""#)
        || ["status", "errcode"]
            .into_iter()
            .filter_map(number)
            .any(|number| number != 0 && number != 200)
}

impl Words {
    /// Keeps what looks like a code: letters, digits and few signs.
    fn code(&mut self, text: &str) {
        let plausible = |b: u8| b.is_ascii_alphanumeric() || b"_- .=".contains(&b);
        if !text.is_empty() && text.len() <= MAX_CODE && text.bytes().all(plausible) {
            self.codes.push(text.to_owned());
        }
    }

    fn text(&mut self, text: &str) {
        self.texts.push(text.to_owned().into());
    }

    fn form(&mut self, text: &str) {
        // A page or a note is no form: it has spaces.
        if text.contains(|c: char| c.is_whitespace() || c == '<') {
            return;
        }
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            match &*name {
                "error" => {
                    self.refuses |= !value.is_empty();
                    self.code(&value);
                }
                "error_description" => {
                    self.text(&value);
                    self.description = Some(value.into_owned());
                }
                "error_uri" => self.uri = Some(value.into_owned()),
                _ => {}
            }
        }
    }
}
