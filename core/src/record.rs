//! How a record looks as JSON: the token object of the Globus SDK's format 2.0, with two reserved members.
//!
//! JSON and SQLite keep records like this, and so may any backend that keeps text: [`decode`] yields the revision too.
//! The Globus SDK requires an integer expiry, so an unknown one is written as 0 with [`EXPIRY_MEMBER`] beside it (K8).

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{
    Extra, Members, RESERVED_PREFIX, Revision, Secret, StoredToken, TokenData, WriteMark,
    canonical::{digest_bytes, digest_json},
    python,
};

/// The reserved member that holds the [`WriteMark`].
pub const MARK_MEMBER: &str = "token-storage.mark";

/// The reserved member that says, with the value `"unknown"`, that an expiry of 0 stands for an unknown one.
pub const EXPIRY_MEMBER: &str = "token-storage.expiry";

/// What each encrypted member begins with, in a record that is encrypted; `docs/formats.md` has the rest.
pub const SEALED_PREFIX: &str = "token-storage-sealed:";

/// The extra member that an encrypted record has, and that binds it together.
pub const SEAL_MEMBER: &str = "token_storage_sealed";

/// The members that have a field in [`TokenData`], in the order in which they are written.
pub const KNOWN_MEMBERS: &[&str] = &[
    "resource_server",
    "identity_id",
    "scope",
    "access_token",
    "refresh_token",
    "expires_at_seconds",
    "token_type",
];

/// Why a text is not a record. Quotes nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It is not a JSON object: truncated, not JSON, or another kind of value.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// A member that every record has is missing or null.
    #[error("the member `{0}` is missing")]
    Missing(&'static str),
    /// A member has another type than it must.
    #[error("the member `{member}` is not {expected}")]
    WrongType {
        /// The member's name.
        member: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// It holds Python's `NaN`, which no JSON value can stand for.
    #[error("it holds NaN, which is no number of JSON")]
    NotANumber,
    /// A member's name is not valid Unicode.
    #[error("the name of a member is not valid Unicode")]
    BadName,
}

/// The JSON text of a record that carries a write mark. It is wiped when dropped.
pub fn encode(data: &TokenData, mark: &WriteMark) -> Zeroizing<String> {
    let Members {
        resource_server,
        scope,
        access_token,
        refresh_token,
        expires_at,
        token_type,
        identity_id,
        extra,
    } = data.members();
    let mut object = ObjectWriter::with_capacity(size_hint(data));
    object.string("resource_server", resource_server);
    if let Some(identity_id) = identity_id {
        object.string("identity_id", identity_id);
    }
    object.string("scope", scope);
    object.string("access_token", access_token.expose());
    if let Some(refresh_token) = refresh_token {
        object.string("refresh_token", refresh_token.expose());
    }
    object.raw("expires_at_seconds", &expires_at.unwrap_or(0).to_string());
    if let Some(token_type) = token_type {
        object.string("token_type", token_type);
    }
    for (name, json) in extra.iter() {
        object.raw(name, json);
    }
    if expires_at.is_none() {
        object.string(EXPIRY_MEMBER, "unknown");
    }
    object.string(MARK_MEMBER, &mark.to_string());
    object.finish()
}

/// Reads a record, whoever wrote it, with its revision: null and absent are the same, `true` and `false` are 1 and 0 where an integer is
/// due, of duplicate members the last wins (all as Python does it), and unknown members are kept verbatim. Python's
/// `Infinity`, which it writes for a number beyond its range, is read as such a number, `1e400`.
///
/// # Errors
/// - [`RecordError`]: what is wrong with it. An expiry beyond `i64` is an error and never clamped.
pub fn decode(json: &str) -> Result<StoredToken, RecordError> {
    match decode_json(json) {
        Err(RecordError::NotAnObject) => match python::translate(json) {
            Some(translated) if translated.had_nan => Err(RecordError::NotANumber),
            Some(translated) => decode_json(&translated.text),
            None => Err(RecordError::NotAnObject),
        },
        result => result,
    }
}

/// What a listing shows of a record: nothing secret is taken out of the text, and no revision is computed, which takes longer
/// than all the rest.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outline<'a> {
    /// [`TokenData::scope`].
    pub scope: Cow<'a, str>,
    /// [`TokenData::expires_at`].
    pub expires_at: Option<i64>,
    /// Whether there is a [`TokenData::refresh_token`].
    pub has_refresh_token: bool,
    extra: Loose<'a>,
}

impl<'a> Outline<'a> {
    /// That of a record which has been decoded.
    pub fn of(data: &'a TokenData) -> Self {
        let members = data.extra.iter().map(|(name, json)| (Cow::Borrowed(name), json));
        Self {
            scope: Cow::Borrowed(&data.scope),
            expires_at: data.expires_at,
            has_refresh_token: data.refresh_token.is_some(),
            extra: Loose(members.collect()),
        }
    }

    /// The JSON text of a member of [`TokenData::extra`], which may be secret.
    pub fn extra(&self, name: &str) -> Option<&'a str> {
        // Of duplicate members the last wins.
        let found = self.extra.0.iter().rfind(|(known, _)| known == name);
        found.map(|(_, json)| *json)
    }
}

/// Hands the outline of a record to `show`, or what is wrong with the record: just what [`decode`] would say.
pub fn outline<T>(json: &str, show: impl FnOnce(Result<Outline<'_>, RecordError>) -> T) -> T {
    match outline_json(json) {
        Err(RecordError::NotAnObject) => match python::translate(json) {
            Some(translated) if translated.had_nan => show(Err(RecordError::NotANumber)),
            Some(translated) => show(outline_json(&translated.text)),
            None => show(Err(RecordError::NotAnObject)),
        },
        result => show(result),
    }
}

fn outline_json(json: &str) -> Result<Outline<'_>, RecordError> {
    texts::<Loose<'_>>(json)?.into_outline()
}

/// Whether a text is one value as Python reads it: JSON, or with `Infinity`, `-Infinity` and `NaN` in it.
pub fn is_value_of_python(text: &str) -> bool {
    python::is_value(text)
}

/// Why Python, and so the Globus SDK, cannot read any file that has this JSON value in it, as the end of a sentence about
/// the value; `None` if it can. [`Extra::insert`] refuses such values.
pub fn refusal_of_python(json: &str) -> Option<&'static str> {
    python::refusal(json)
}

/// The same for all members of a record that are in `extra`, as the end of a sentence about one of them.
pub fn refusal_of_python_in(data: &TokenData) -> Option<&'static str> {
    data.extra.iter().find_map(|(_, json)| python::refusal(json))
}

fn decode_json(json: &str) -> Result<StoredToken, RecordError> {
    texts::<Extra>(json)?.into_record()
}

fn texts<'a, E: Unknown<'a>>(json: &'a str) -> Result<Texts<'a, E>, RecordError> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let members = deserializer
        .deserialize_map(TextsVisitor(PhantomData))
        .map_err(|_| RecordError::NotAnObject)?;
    deserializer.end().map_err(|_| RecordError::NotAnObject)?;
    members
}

/// The revision of a record with this content: what [`decode`] of its [`encode`] would say.
pub fn revision_of(data: &TokenData, mark: Option<&WriteMark>) -> Revision {
    let Members {
        resource_server,
        scope,
        access_token,
        refresh_token,
        expires_at,
        token_type,
        identity_id,
        extra,
    } = data.members();
    let mut digest = Sha256::new();
    let mut field = |tag: &[u8; 1], bytes: Option<&[u8]>| {
        if let Some(bytes) = bytes {
            digest.update(tag);
            digest_bytes(&mut digest, bytes);
        }
    };
    field(b"r", Some(resource_server.as_bytes()));
    field(b"i", identity_id.map(str::as_bytes));
    field(b"s", Some(scope.as_bytes()));
    field(b"a", Some(access_token.expose().as_bytes()));
    field(b"f", refresh_token.map(|token| token.expose().as_bytes()));
    field(b"e", expires_at.map(i64::to_be_bytes).as_ref().map(|bytes| &bytes[..]));
    field(b"t", token_type.map(str::as_bytes));
    field(b"m", mark.map(|mark| &mark.as_bytes()[..]));
    for (name, json) in extra.iter() {
        digest.update(b"x");
        digest_bytes(&mut digest, name.as_bytes());
        digest_json(&mut digest, json);
    }
    Revision::from_digest(digest.finalize().into())
}

fn size_hint(data: &TokenData) -> usize {
    let Members {
        resource_server,
        scope,
        access_token,
        refresh_token,
        // They take less than the punctuation is estimated at.
        expires_at: _,
        token_type: _,
        identity_id: _,
        extra,
    } = data.members();
    let refresh_token = refresh_token.map_or(0, |token| token.expose().len());
    let extra: usize = extra.iter().map(|(name, json)| name.len() + json.len() + 8).sum();
    320 + resource_server.len() + scope.len() + access_token.expose().len() + refresh_token + extra
}

/// Writes an object the way Python's `json.dump` lays it out, so that a file looks alike whoever wrote it.
struct ObjectWriter(Zeroizing<String>);

impl ObjectWriter {
    fn with_capacity(capacity: usize) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(capacity));
        text.push('{');
        Self(text)
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push_str(", ");
        }
        push_json_string(&mut self.0, name);
        self.0.push_str(": ");
    }

    fn string(&mut self, name: &str, value: &str) {
        self.name(name);
        push_json_string(&mut self.0, value);
    }

    fn raw(&mut self, name: &str, json: &str) {
        self.name(name);
        self.0.push_str(json);
    }

    fn finish(mut self) -> Zeroizing<String> {
        self.0.push('}');
        self.0
    }
}

/// Appends a JSON string literal. By hand because serde_json would write into an unwiped buffer of its own.
pub fn push_json_string(out: &mut String, text: &str) {
    use fmt::Write as _;
    out.push('"');
    let mut rest = text;
    // Each byte that is escaped is a whole character.
    while let Some(at) = rest.bytes().position(|b| matches!(b, b'"' | b'\\' | ..0x20 | 0x7f)) {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            other => {
                let _ = write!(out, "\\u{other:04x}");
            }
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

/// Where the members go that have no field of their own.
trait Unknown<'a>: Default {
    fn add(&mut self, name: Cow<'a, str>, json: &'a str);
}

impl<'a> Unknown<'a> for Extra {
    fn add(&mut self, name: Cow<'a, str>, json: &'a str) {
        self.insert_checked(name.into(), json);
    }
}

/// In the order of the text, duplicates too.
#[derive(Default)]
struct Loose<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl fmt::Debug for Loose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} members", self.0.len())
    }
}

impl<'a> Unknown<'a> for Loose<'a> {
    fn add(&mut self, name: Cow<'a, str>, json: &'a str) {
        self.0.push((name, json));
    }
}

/// The members of the object as they stand in the text, before any is looked at.
#[derive(Default)]
struct Texts<'a, E> {
    resource_server: Option<&'a str>,
    identity_id: Option<&'a str>,
    scope: Option<&'a str>,
    access_token: Option<&'a str>,
    refresh_token: Option<&'a str>,
    expires_at: Option<&'a str>,
    token_type: Option<&'a str>,
    mark: Option<&'a str>,
    expiry: Option<&'a str>,
    extra: E,
}

struct TextsVisitor<E>(PhantomData<E>);

impl<'de, E: Unknown<'de>> Visitor<'de> for TextsVisitor<E> {
    type Value = Result<Texts<'de, E>, RecordError>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut texts = Texts::default();
        let mut bad_name = false;
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            match plain_or_decoded(name.get()) {
                Some(name) => texts.set(name, value.get()),
                None => bad_name = true,
            }
        }
        Ok(if bad_name { Err(RecordError::BadName) } else { Ok(texts) })
    }
}

impl<'a, E: Unknown<'a>> Texts<'a, E> {
    fn set(&mut self, name: Cow<'a, str>, value: &'a str) {
        let place = match &*name {
            "resource_server" => &mut self.resource_server,
            "identity_id" => &mut self.identity_id,
            "scope" => &mut self.scope,
            "access_token" => &mut self.access_token,
            "refresh_token" => &mut self.refresh_token,
            "expires_at_seconds" => &mut self.expires_at,
            "token_type" => &mut self.token_type,
            MARK_MEMBER => &mut self.mark,
            EXPIRY_MEMBER => &mut self.expiry,
            known if known.starts_with(RESERVED_PREFIX) => return,
            _ => return self.extra.add(name, value),
        };
        *place = Some(value);
    }
}

impl Texts<'_, Extra> {
    fn into_record(self) -> Result<StoredToken, RecordError> {
        let data = TokenData {
            resource_server: required("resource_server", self.resource_server)?.into_owned(),
            identity_id: optional("identity_id", self.identity_id)?.map(Cow::into_owned),
            scope: required("scope", self.scope)?.into_owned(),
            access_token: Secret::new(required("access_token", self.access_token)?.into_owned()),
            refresh_token: optional("refresh_token", self.refresh_token)?.map(|token| Secret::new(token.into_owned())),
            expires_at: expires_at(self.expires_at, self.expiry)?,
            token_type: optional("token_type", self.token_type)?.map(Cow::into_owned),
            extra: self.extra,
        };
        let mark = self
            .mark
            .and_then(plain_or_decoded)
            .and_then(|text| WriteMark::parse(&text));
        let revision = revision_of(&data, mark.as_ref());
        Ok(StoredToken { data, revision })
    }
}

impl<'a> Texts<'a, Loose<'a>> {
    /// Checks what [`into_record`](Texts::into_record) checks, in its order.
    fn into_outline(self) -> Result<Outline<'a>, RecordError> {
        required("resource_server", self.resource_server)?;
        optional("identity_id", self.identity_id)?;
        let scope = required("scope", self.scope)?;
        checked_secret(required("access_token", self.access_token)?);
        let refresh_token = optional("refresh_token", self.refresh_token)?.map(checked_secret);
        let expires_at = expires_at(self.expires_at, self.expiry)?;
        optional("token_type", self.token_type)?;
        Ok(Outline {
            scope,
            expires_at,
            has_refresh_token: refresh_token.is_some(),
            extra: self.extra,
        })
    }
}

/// A secret with escapes in it was decoded into a text of its own, which is wiped.
fn checked_secret(text: Cow<'_, str>) {
    if let Cow::Owned(text) = text {
        drop(Zeroizing::new(text));
    }
}

fn optional<'a>(member: &'static str, json: Option<&'a str>) -> Result<Option<Cow<'a, str>>, RecordError> {
    match json {
        None | Some("null") => Ok(None),
        Some(json) => match plain_or_decoded(json) {
            Some(text) => Ok(Some(text)),
            None => Err(RecordError::WrongType {
                member,
                expected: "a string of Unicode",
            }),
        },
    }
}

fn required<'a>(member: &'static str, json: Option<&'a str>) -> Result<Cow<'a, str>, RecordError> {
    optional(member, json)?.ok_or(RecordError::Missing(member))
}

fn expires_at(json: Option<&str>, expiry: Option<&str>) -> Result<Option<i64>, RecordError> {
    let unknown = expiry == Some("\"unknown\"");
    match json {
        None | Some("null") => Ok(None),
        Some("0") if unknown => Ok(None),
        Some("true") => Ok(Some(1)),
        Some("false") => Ok(Some(0)),
        Some(json) => match json.parse() {
            Ok(seconds) => Ok(Some(seconds)),
            Err(_) => Err(RecordError::WrongType {
                member: "expires_at_seconds",
                expected: "an integer of 64 bits",
            }),
        },
    }
}

/// The content of a JSON string literal; `None` if it is no string, or not valid Unicode.
fn plain_or_decoded(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.as_bytes().contains(&b'\\') {
        serde_json::from_str(json).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MARK: WriteMark = WriteMark::from_bytes([0xab; 16]);

    fn minimal(more: &str) -> String {
        format!(r#"{{"resource_server":"rs","scope":"s","access_token":"at"{more}}}"#)
    }

    #[test]
    fn k8_null_and_absent_are_the_same() {
        let absent = decode(&minimal("")).unwrap();
        let null = decode(&minimal(
            r#","refresh_token":null,"token_type":null,"identity_id":null,"expires_at_seconds":null"#,
        ));
        assert_eq!(null.unwrap().revision, absent.revision);
        assert_eq!(absent.data, TokenData::new("rs", "s", "at"));
    }

    #[test]
    fn k8_unknown_expiry_is_zero_with_a_member_beside_it() {
        let text = encode(&TokenData::new("rs", "s", "at"), &MARK);
        assert!(text.contains(r#""expires_at_seconds": 0, "token-storage.expiry": "unknown""#));
        assert_eq!(decode(&text).unwrap().data.expires_at, None);
        let zero = encode(&TokenData::new("rs", "s", "at").with_expires_at(0), &MARK);
        assert_eq!(decode(&zero).unwrap().data.expires_at, Some(0));
    }

    #[test]
    fn k8_a_foreign_expiry_wins_over_a_stale_unknown() {
        let text = minimal(r#","expires_at_seconds":5,"token-storage.expiry":"unknown""#);
        assert_eq!(decode(&text).unwrap().data.expires_at, Some(5));
    }

    /// Those that are written and read by name are those that `extra` refuses, and in the order that is promised.
    #[test]
    fn the_known_members_are_those_that_are_written() {
        let full = TokenData::new("rs", "s", "at")
            .with_refresh_token("rt")
            .with_expires_at(1)
            .with_token_type("Bearer")
            .with_identity_id("me");
        let text = encode(&full, &MARK);
        let written: Vec<&str> = text.split("\"").filter(|part| KNOWN_MEMBERS.contains(part)).collect();
        assert_eq!(written, KNOWN_MEMBERS);
        assert_eq!(text.matches("\": ").count(), KNOWN_MEMBERS.len() + 1, "and the mark");
        assert_eq!(decode(&text).unwrap().data, full);
    }

    #[test]
    fn python_leniency() {
        for (json, want) in [("true", 1), ("false", 0), ("-5", -5), ("9223372036854775807", i64::MAX)] {
            let text = minimal(&format!(r#","expires_at_seconds":{json}"#));
            assert_eq!(decode(&text).unwrap().data.expires_at, Some(want), "{json}");
        }
        let last = minimal(r#","scope":"\ud800","scope":"last""#);
        assert_eq!(decode(&last).unwrap().data.scope, "last");
    }

    #[test]
    fn d3_damage_is_named_and_never_clamped() {
        for json in ["9223372036854775808", "1.0", "1e9", "\"1\"", "[]"] {
            let text = minimal(&format!(r#","expires_at_seconds":{json}"#));
            assert!(matches!(decode(&text), Err(RecordError::WrongType { .. })), "{json}");
        }
        for text in ["", "{", "[]", "null", "{} x", "\u{feff}{}", "{}{}", "\0\0"] {
            assert!(decode(text).is_err(), "{text:?}");
        }
        assert_eq!(
            decode(r#"{"scope":"s","access_token":"a"}"#).unwrap_err(),
            RecordError::Missing("resource_server")
        );
        assert_eq!(decode(&minimal(r#","\ud800":1"#)).unwrap_err(), RecordError::BadName);
        assert!(matches!(
            decode(&minimal(r#","scope":"\ud800""#)),
            Err(RecordError::WrongType { .. })
        ));
    }

    #[test]
    fn unknown_members_are_verbatim_and_reserved_ones_hidden() {
        let odd = r#"{"b":1e400,"b":[ 100000000000000000000000 ],"s":"\ud800x"}"#;
        let text = minimal(&format!(
            r#","odd":{odd},"token-storage.mark":"{MARK}","token-storage.later":1"#
        ));
        let record = decode(&text).unwrap();
        assert_eq!(record.data.extra.get("odd"), Some(odd));
        assert_eq!(record.data.extra.len(), 1);
        assert_eq!(record.revision, revision_of(&record.data, Some(&MARK)));
    }

    #[test]
    fn pythons_infinity_is_a_number_beyond_range_and_nan_is_damage() {
        let ours = decode(&minimal(r#","odd":[1e400,-1e999],"s":"Infinity""#)).unwrap();
        let pythons = decode(&minimal(r#", "odd": [Infinity, -Infinity], "s": "Infinity""#)).unwrap();
        assert_eq!(pythons.revision, ours.revision, "Python only re-encoded it");
        assert_eq!(pythons.data.extra.get("odd"), Some("[1e400, -1e400]"));
        assert_eq!(decode(&minimal(r#","odd":NaN"#)).unwrap_err(), RecordError::NotANumber);
        assert!(matches!(
            decode(&minimal(r#","expires_at_seconds":Infinity"#)),
            Err(RecordError::WrongType { .. })
        ));
    }

    /// The outline of a text is that of its record, and wrong with one is what is wrong with the other.
    #[test]
    fn an_outline_is_what_the_record_says() {
        let more = [
            "",
            r#","expires_at_seconds":5,"refresh_token":"r\u0041","odd":1,"odd":[2],"token-storage.later":1"#,
            r#","expires_at_seconds":0,"token-storage.expiry":"unknown","scope":"a\"b""#,
            r#","odd":Infinity"#,
            r#","odd":NaN"#,
            r#","expires_at_seconds":1e9"#,
            r#","identity_id":1"#,
            r#","token_type":[]"#,
            r#","access_token":"\ud800""#,
            r#","refresh_token":{}"#,
            r#","\ud800":1"#,
            r#","scope":null"#,
            r#","resource_server":null"#,
            "} x",
        ];
        for text in more.map(minimal) {
            let record = decode(&text);
            outline(&text, |outline| match (outline, &record) {
                (Err(one), Err(other)) => assert_eq!(one, *other, "{text}"),
                (Ok(read), Ok(record)) => {
                    let told = Outline::of(&record.data);
                    for outline in [&read, &told] {
                        assert_eq!(outline.scope, record.data.scope, "{text}");
                        assert_eq!(outline.expires_at, record.data.expires_at, "{text}");
                        assert_eq!(outline.has_refresh_token, record.data.refresh_token.is_some(), "{text}");
                        assert_eq!(outline.extra("odd"), record.data.extra.get("odd"), "{text}");
                        assert_eq!(outline.extra("token-storage.later"), None, "{text}");
                    }
                    assert!(!format!("{read:?}").contains("[2]"), "S1");
                }
                (outline, record) => panic!("{text}: {outline:?}, {:?}", record.is_ok()),
            });
        }
    }

    #[test]
    fn s2_no_text_is_written_that_outgrows_its_buffer() {
        // What is moved leaves its old place unwiped.
        let mut data = TokenData::new("rs".repeat(90), "scope ".repeat(90), "at".repeat(900))
            .with_refresh_token("rt".repeat(900))
            .with_expires_at(i64::MIN);
        for name in ["id_token", "more"] {
            data.extra.insert(name, &format!("\"{}\"", "x".repeat(1000))).unwrap();
        }
        assert!(size_hint(&data) >= encode(&data, &MARK).len());
    }

    #[test]
    fn what_python_cannot_read_is_found_among_the_members() {
        let mut data = TokenData::new("rs", "s", "at");
        data.extra.insert("fine", "[1e400]").unwrap();
        assert_eq!(refusal_of_python_in(&data), None);
        data.extra.insert_checked("odd".into(), &"9".repeat(5000));
        assert!(refusal_of_python_in(&data).is_some_and(|why| !why.is_empty()));
    }

    #[test]
    fn the_mark_makes_equal_contents_differ() {
        let data = TokenData::new("rs", "s", "at");
        assert_ne!(revision_of(&data, Some(&MARK)), revision_of(&data, None));
        assert_ne!(
            revision_of(&data, Some(&MARK)),
            revision_of(&data, Some(&WriteMark::from_bytes([0; 16])))
        );
    }

    proptest! {
        #[test]
        fn k1_every_field_round_trips(
            rs in any::<String>(), scope in any::<String>(), at in any::<String>(),
            rt in any::<Option<String>>(), id in any::<Option<String>>(), tt in any::<Option<String>>(),
            expires_at in any::<Option<i64>>(), name in "[a-z\\PC]{0,8}x", value in any::<String>(),
        ) {
            let mut data = TokenData::new(rs, scope, at);
            data.refresh_token = rt.map(Secret::from);
            data.identity_id = id;
            data.token_type = tt;
            data.expires_at = expires_at;
            let mut json = String::new();
            push_json_string(&mut json, &value);
            data.extra.insert(name, &json).unwrap();
            let record = decode(&encode(&data, &MARK)).unwrap();
            prop_assert_eq!(&record.data, &data);
            prop_assert_eq!(record.revision, revision_of(&data, Some(&MARK)));
        }

        #[test]
        fn decoding_never_panics(text in "\\PC*") {
            let _ = decode(&text);
        }
    }
}
