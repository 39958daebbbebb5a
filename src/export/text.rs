//! What is in an exported file: JSON, `{"format": "token-storage.export", "version": 1, "records": [...]}`, each record with
//! its namespace and its resource server, as JSON and SQLite keep it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use token_storage_core::{
    Error, ErrorKind, Result, TokenData, TokenKey, WriteMark,
    record::{self, push_json_string},
};
use zeroize::Zeroizing;

use super::refused;

const FORMAT: &str = "token-storage.export";
const VERSION: u64 = 1;

/// Writes the text. Each time it grows, what it was in before is wiped.
pub(super) struct Writer(Zeroizing<String>);

impl Writer {
    pub(super) fn new() -> Self {
        let head = format!("{{\"format\": \"{FORMAT}\", \"version\": {VERSION}, \"records\": [");
        Self(Zeroizing::new(head))
    }

    pub(super) fn add(&mut self, key: &TokenKey, data: &TokenData) {
        // Where it is stored it gets a mark of its own.
        let record = record::encode(data, &WriteMark::from_bytes([0; 16]));
        self.make_room(record.len() + 6 * (key.namespace().len() + key.resource_server().len()) + 64);
        let text = &mut *self.0;
        text.push_str(if text.ends_with('[') { "\n" } else { ",\n" });
        text.push_str("{\"namespace\": ");
        push_json_string(text, key.namespace());
        text.push_str(", \"resource_server\": ");
        push_json_string(text, key.resource_server());
        text.push_str(", \"record\": ");
        text.push_str(&record);
        text.push('}');
    }

    pub(super) fn finish(mut self) -> Zeroizing<String> {
        self.make_room(4);
        self.0.push_str("\n]}\n");
        self.0
    }

    fn make_room(&mut self, more: usize) {
        let needed = self.0.len() + more;
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(String::with_capacity(2 * needed));
            larger.push_str(&self.0);
            self.0 = larger;
        }
    }
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    format: Cow<'a, str>,
    version: u64,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    records: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    namespace: Cow<'a, str>,
    #[serde(borrow)]
    resource_server: Cow<'a, str>,
    #[serde(borrow)]
    record: &'a RawValue,
}

/// Reads it whole, or says what is wrong with it, quoting nothing.
pub(super) fn read(text: &[u8]) -> Result<Vec<(TokenKey, TokenData)>> {
    // What serde_json says of a text quotes it.
    let text = str::from_utf8(text).map_err(|_| refused("what is locked in it is not text"))?;
    let head: Head<'_> = serde_json::from_str(text).map_err(|_| refused("what is locked in it is something else"))?;
    if head.format != FORMAT {
        return Err(refused("what is locked in it is something else"));
    }
    if head.version != VERSION {
        let message = format!(
            "the file is of version {}, which only a later version of token-storage reads; update this program",
            head.version
        );
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let body: Body<'_> = serde_json::from_str(text).map_err(|_| refused("its list of records is damaged"))?;
    let records = body.records.into_iter().map(|entry| {
        let key = TokenKey::new(entry.namespace, entry.resource_server);
        match record::decode(entry.record.get()) {
            Ok(stored) => Ok((key, stored.data)),
            Err(error) => Err(refused(&format!("a record in it is damaged: {error}")).with_key(&key)),
        }
    });
    records.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let records = [
            (
                TokenKey::new("a\"\n", ""),
                TokenData::new("rs", "s", "at").with_refresh_token("rt"),
            ),
            (
                TokenKey::in_default("\u{7f}é"),
                TokenData::new("rs", "", "").with_expires_at(i64::MIN),
            ),
        ];
        let mut text = Writer::new();
        for (key, data) in &records {
            text.add(key, data);
        }
        assert_eq!(read(text.finish().as_bytes()).unwrap(), records);
        assert_eq!(read(Writer::new().finish().as_bytes()).unwrap(), []);
    }

    #[test]
    fn s1_what_is_wrong_is_said_and_not_quoted() {
        let good = r#"{"format":"token-storage.export","version":1,"records":[{"namespace":"n","resource_server":"rs",
            "record":{"resource_server":"rs","scope":"s","access_token":"canary"}}]}"#;
        assert_eq!(read(good.as_bytes()).unwrap().len(), 1);
        for (from, to, says) in [
            ("storage.export", "storage.other", "something else"),
            (
                "\"version\":1",
                "\"version\":2,\"cipher\":\"canary\"",
                "update this program",
            ),
            ("\"records\":[", "\"records\":[7,", "list of records"),
            ("\"record\":", "\"other\":", "list of records"),
            ("\"access_token\":\"canary\"", "\"access_token\":7", "a record in it"),
            ("{\"format\"", "canary", "something else"),
        ] {
            let error = read(good.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(error.message().contains(says), "{error}");
            assert!(!format!("{error:?}").contains("canary"), "{says}");
        }
        assert!(read(b"\xff").is_err());
    }
}
