use token_storage_core::TokenData;

/// `bot` and `user` are Slack's.
const BEARER: [&str; 4] = ["", "bearer", "bot", "user"];

/// Whether a token is a bearer token (RFC 6750), which whoever has it may use, by its `token_type`. A server that names no
/// type means that, and some name the kind of the token's owner instead. A token of any other type, such as `DPoP` or `mac`,
/// must not be sent as one (RFC 6749 section 7.1): it needs a proof that this library does not make.
///
/// ```
/// use token_storage::{TokenData, is_bearer};
///
/// let token = TokenData::new("rs", "read", "at");
/// assert!(is_bearer(&token));
/// assert!(!is_bearer(&token.with_token_type("DPoP")));
/// ```
pub fn is_bearer(data: &TokenData) -> bool {
    is_bearer_type(data.token_type.as_deref())
}

pub(crate) fn is_bearer_type(token_type: Option<&str>) -> bool {
    let plain = |scheme: &str| BEARER.iter().any(|known| scheme.eq_ignore_ascii_case(known));
    token_type.is_none_or(plain)
}
