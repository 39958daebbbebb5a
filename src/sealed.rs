use token_storage_core::TokenData;
#[cfg(feature = "manager")]
use token_storage_core::{Error, ErrorKind, Operation, Result, StoredToken, TokenKey};

/// What `docs/formats.md` says of an encrypted record.
const PREFIX: &str = "token-storage-sealed:";
const SEAL: &str = "token_storage_sealed";

/// Whether a record is encrypted and was read without its key: what stands in it for tokens is none, and must neither be
/// handed out nor sent anywhere. From a storage that was opened with the key (`encrypted+URL`) no record is.
pub fn is_sealed(data: &TokenData) -> bool {
    data.access_token.expose().starts_with(PREFIX) && data.extra.get(SEAL).is_some()
}

/// A record that is used, and not just shown.
///
/// # Errors
/// - [`ErrorKind::Misconfigured`] if it [is sealed](is_sealed).
#[cfg(feature = "manager")]
pub(crate) fn refuse_sealed(key: &TokenKey, stored: Option<StoredToken>) -> Result<Option<StoredToken>> {
    match stored {
        Some(stored) if is_sealed(&stored.data) => Err(error(key)),
        stored => Ok(stored),
    }
}

#[cfg(feature = "manager")]
fn error(key: &TokenKey) -> Error {
    let message = "it is encrypted, and the storage was opened without the key; put `encrypted+` in front of its URL";
    Error::new(ErrorKind::Misconfigured, message)
        .with_operation(Operation::Get)
        .with_key(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_sealed_if_token_and_seal_say_so() {
        let mut data = TokenData::new("rs", "read", "token-storage-sealed:1:0123456789abcdef:AAAA");
        assert!(!is_sealed(&data), "a server may give out what it likes");
        data.extra
            .insert(SEAL, "\"token-storage-sealed:1:0123456789abcdef:AAAA\"")
            .unwrap();
        assert!(is_sealed(&data));
        data.access_token = "at".into();
        assert!(
            !is_sealed(&data),
            "the Python SDK has stored a token there, and kept our members"
        );
    }
}
