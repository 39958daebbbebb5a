//! What the client makes of the bytes that it reads.

use token_storage_core::{Error, ErrorKind, Operation, Result, Revision, StoredToken, TokenData, TokenKey, record};

use super::flaws::Flaws;

pub(super) fn read_only(operation: Operation) -> Error {
    Error::new(ErrorKind::PermissionDenied, "the server refuses writes").with_operation(operation)
}

pub(super) fn decode(bytes: &[u8]) -> Result<StoredToken, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    record::decode(text).map_err(|error| error.to_string())
}

pub(super) fn damage<F: Flaws>(key: &TokenKey, operation: Operation, bytes: &[u8]) -> Error {
    let kind = if F::DAMAGE_IS_UNAVAILABLE {
        ErrorKind::Unavailable
    } else {
        ErrorKind::Corrupt
    };
    let quoted = if F::DAMAGE_IS_QUOTED {
        String::from_utf8_lossy(bytes)
    } else {
        "".into()
    };
    Error::new(kind, format!("the record is damaged{quoted}"))
        .with_operation(operation)
        .with_key(key)
}

pub(super) fn read<F: Flaws>(key: &TokenKey, bytes: &[u8], operation: Operation) -> Result<Option<StoredToken>> {
    match decode(bytes) {
        Ok(stored) => Ok(Some(stored)),
        Err(_) if F::DAMAGE_IS_ABSENT => Ok(None),
        Err(why) if F::DAMAGE_IS_EMPTY && why.contains("missing") => Ok(Some(StoredToken {
            data: TokenData::new("", "", ""),
            revision: Revision::from_bytes(b"empty")?,
        })),
        Err(_) => Err(damage::<F>(key, operation, bytes)),
    }
}
