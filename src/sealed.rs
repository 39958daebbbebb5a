use token_storage_core::{
    Error, ErrorKind, Operation, Result, StoredToken, TokenData, TokenKey,
    record::{SEAL_MEMBER, SEALED_PREFIX},
};

/// Whether a record is encrypted and was read without its key: what stands in it for tokens is none, and must neither be
/// handed out nor sent anywhere. From a storage that was opened with the key (`encrypted+URL`) no record is.
pub fn is_sealed(data: &TokenData) -> bool {
    data.access_token.expose().starts_with(SEALED_PREFIX) && data.extra.get(SEAL_MEMBER).is_some()
}

/// What was read, for whoever uses it and does not just show it: hands a token out, sends one to a server, or writes the record
/// back with some of its members changed, which nobody could open then.
///
/// # Errors
/// - [`ErrorKind::Misconfigured`] if it [is sealed](is_sealed).
pub fn refuse_sealed(key: &TokenKey, stored: Option<StoredToken>) -> Result<Option<StoredToken>> {
    match stored {
        Some(stored) if is_sealed(&stored.data) => Err(error(key)),
        stored => Ok(stored),
    }
}

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
            .insert(SEAL_MEMBER, "\"token-storage-sealed:1:0123456789abcdef:AAAA\"")
            .unwrap();
        assert!(is_sealed(&data));
        data.access_token = "at".into();
        assert!(
            !is_sealed(&data),
            "the Python SDK has stored a token there, and kept our members"
        );
    }
}
