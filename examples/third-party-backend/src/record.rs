//! How a record looks as a file: the key as a JSON array on the first line, then the record's JSON text.

use sha2::{Digest, Sha256};
use token_storage_core::{TokenKey, record};
use zeroize::Zeroizing;

/// The name of a key's file. The length keeps apart what would run together: `ab` + `c` and `a` + `bc`.
pub(crate) fn file_name(key: &TokenKey) -> String {
    let mut digest = Sha256::new();
    digest.update((key.namespace().len() as u64).to_be_bytes());
    digest.update(key.namespace());
    digest.update(key.resource_server());
    let digits = digest.finalize().into_iter().map(|byte| format!("{byte:02x}"));
    digits.collect::<String>() + SUFFIX
}

const SUFFIX: &str = ".json";

/// Whether a file is a record, by its name.
pub(crate) fn is_record(name: &str) -> bool {
    let digits = name.strip_suffix(SUFFIX).unwrap_or_default();
    digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(crate) fn encode(key: &TokenKey, record: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(record.len() + 1024));
    text.push('[');
    record::push_json_string(&mut text, key.namespace());
    text.push(',');
    record::push_json_string(&mut text, key.resource_server());
    text.push_str("]\n");
    text.push_str(record);
    text
}

/// The key and the record's JSON text. JSON escapes line breaks in strings, so the first one ends the key.
pub(crate) fn split(text: &str) -> Option<(TokenKey, &str)> {
    let (key, record) = text.split_once('\n')?;
    let (namespace, resource_server): (Box<str>, Box<str>) = serde_json::from_str(key).ok()?;
    Some((TokenKey::new(namespace, resource_server), record))
}
