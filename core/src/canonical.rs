//! A digest of what a JSON text means, so that a program which re-encodes a value it never changed (Python's `json`
//! does: escapes, white space, order of members, `1e2` for `100.0`) leaves its digest alone.

use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// Deeper values are digested as text. Python's own limit is about a thousand levels; ours keeps the stack small.
const MAX_DEPTH: usize = 64;

/// Feeds the meaning of a valid JSON text into the digest.
pub(crate) fn digest_json(digest: &mut Sha256, json: &str) {
    digest_value(digest, json, MAX_DEPTH);
}

/// Feeds a length and bytes, so that the borders between strings are part of the digest.
pub(crate) fn digest_bytes(digest: &mut Sha256, bytes: &[u8]) {
    digest.update((bytes.len() as u64).to_be_bytes());
    digest.update(bytes);
}

fn digest_value(digest: &mut Sha256, json: &str, depth: usize) {
    match json.as_bytes().first() {
        Some(b'{') if depth > 0 => digest_object(digest, json, depth),
        Some(b'[') if depth > 0 => digest_array(digest, json, depth),
        Some(b'"') => {
            digest.update(b"s");
            digest_bytes(digest, &string_bytes(json));
        }
        Some(b'-' | b'0'..=b'9') => digest_number(digest, json),
        _ => {
            // A literal, or what is nested too deeply.
            digest.update(b"t");
            digest_bytes(digest, json.as_bytes());
        }
    }
}

fn digest_object(digest: &mut Sha256, json: &str, depth: usize) {
    let mut members = members(json);
    // Stable: of duplicate members the last one in the text stays last, and that one counts.
    members.sort_by(|a, b| a.0.cmp(&b.0));
    let mut kept = members
        .iter()
        .enumerate()
        .filter(|(i, m)| members.get(i + 1).is_none_or(|next| next.0 != m.0));
    digest.update(b"{");
    for (_, (name, value)) in &mut kept {
        digest_bytes(digest, name);
        digest_value(digest, value, depth - 1);
    }
    digest.update(b"}");
}

fn digest_array(digest: &mut Sha256, json: &str, depth: usize) {
    digest.update(b"[");
    for value in elements(json) {
        digest_value(digest, value, depth - 1);
    }
    digest.update(b"]");
}

/// An integer counts by its digits, however many; anything else by the double it denotes, as Python reads it.
fn digest_number(digest: &mut Sha256, json: &str) {
    if json.contains(['.', 'e', 'E']) {
        digest.update(b"f");
        let value: f64 = json.parse().unwrap_or(f64::NAN);
        digest.update(value.to_bits().to_be_bytes());
    } else {
        digest.update(b"i");
        digest_bytes(digest, if json == "-0" { b"0" } else { json.as_bytes() });
    }
}

/// The members of an object in the order of the text: decoded names (lone surrogates as three bytes), raw values.
fn members(json: &str) -> Vec<(Vec<u8>, &str)> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(Vec<u8>, &'de str)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                members.push((string_bytes(name.get()), value.get()));
            }
            Ok(members)
        }
    }
    serde_json::Deserializer::from_str(json)
        .deserialize_map(Members)
        .unwrap_or_default()
}

fn elements(json: &str) -> Vec<&str> {
    struct Elements;
    impl<'de> Visitor<'de> for Elements {
        type Value = Vec<&'de str>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut elements = Vec::new();
            while let Some(value) = seq.next_element::<&RawValue>()? {
                elements.push(value.get());
            }
            Ok(elements)
        }
    }
    serde_json::Deserializer::from_str(json)
        .deserialize_seq(Elements)
        .unwrap_or_default()
}

/// The content of a JSON string literal; asked for as bytes, serde_json lets lone surrogates pass.
fn string_bytes(json: &str) -> Vec<u8> {
    struct Bytes;
    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a string")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
            Ok(bytes.to_vec())
        }
    }
    let decoded = serde_json::Deserializer::from_str(json).deserialize_bytes(Bytes);
    // Not reached for valid JSON; the raw text keeps two different strings different all the same.
    decoded.unwrap_or_else(|_| json.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(json: &str) -> Vec<u8> {
        let mut digest = Sha256::new();
        digest_json(&mut digest, json);
        digest.finalize().to_vec()
    }

    #[test]
    fn re_encoding_keeps_the_digest() {
        for (a, b) in [
            (r#"{"a":1,"b":[true,null]}"#, r#"{ "b" : [true , null], "a" : 1 }"#),
            (r#""é\/""#, r#""\u00e9/""#),
            (r#""😀""#, r#""\ud83d\ude00""#),
            ("1e2", "100.0"),
            ("-0", "0"),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#"{"a":{"x":0},"\u0061":{"x":1}}"#, r#"{"a":{"x":1}}"#),
        ] {
            assert_eq!(digest(a), digest(b), "{a} and {b}");
        }
    }

    #[test]
    fn different_meanings_differ() {
        let texts = [
            "1",
            "1.0",
            "\"1\"",
            "true",
            "null",
            "[]",
            "{}",
            "[[]]",
            r#"["a","b"]"#,
            r#"["ab"]"#,
            r#"{"a":"b"}"#,
            r#""\ud800""#,
            r#""\ud801""#,
            "\"\"",
            "100000000000000000000",
            "100000000000000000001",
            "-0.0",
            "0.0",
        ];
        for (i, a) in texts.iter().enumerate() {
            for b in &texts[i + 1..] {
                assert_ne!(digest(a), digest(b), "{a} and {b}");
            }
        }
    }

    #[test]
    fn hostile_depth_neither_overflows_nor_collides() {
        let lists = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert_ne!(digest(&lists(100_000)), digest(&lists(100_001)));
        let objects = |n: usize| "{\"a\":".repeat(n) + "0" + &"}".repeat(n);
        // Its text counts from the 65th level on, and what is around it is digested as ever.
        let (plain, spaced) = (objects(65), objects(64).replacen("0", "{ \"a\":0}", 1));
        assert_ne!(digest(&plain), digest(&spaced));
        assert_eq!(
            digest(&objects(64)),
            digest(&objects(63).replacen("0", "{ \"a\":0}", 1))
        );
    }

    #[test]
    fn lone_surrogate_in_a_name_counts() {
        assert_ne!(digest(r#"{"\ud800":1}"#), digest(r#"{"\ud801":1}"#));
    }
}
