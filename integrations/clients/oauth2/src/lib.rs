//! Tokens of the crate [`oauth2`], version 5, in token-storage: log in with the one, keep the tokens in the other.
//!
//! ```
//! use oauth2::{TokenResponse as _, basic::BasicTokenResponse};
//! use token_storage::Namespaced;
//! use token_storage_oauth2::{response_of, to_oauth2};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> token_storage::Result<()> {
//! # let answer: BasicTokenResponse =
//! #     serde_json::from_str(r#"{"access_token": "at", "token_type": "bearer", "expires_in": 3600}"#).unwrap();
//! # let now = 1_795_649_003;
//! // `answer` is what `exchange_code(...).request_async(...)` brought.
//! let tokens = Namespaced::in_default(token_storage::open("memory:").await?);
//! tokens.store_response(&response_of(&answer, now)?.with_resource_server("api.example.org")?).await?;
//!
//! let stored = tokens.get("api.example.org").await?.unwrap();
//! let again: BasicTokenResponse = to_oauth2(&stored.data, now + 60)?;
//! assert_eq!(again.expires_in().unwrap().as_secs(), 3540);
//! # Ok(()) }
//! ```
//!
//! The fields that a program's `ExtraTokenFields` does not have never come here: with
//! [`EmptyExtraTokenFields`](oauth2::EmptyExtraTokenFields) that is the id_token, and everything else that RFC 6749 does not
//! know. For a refresh once for all processes, [`TokenEndpoint`](token_storage::manager::TokenEndpoint) is the place where a client of
//! this crate goes.

use oauth2::{ExtraTokenFields, StandardTokenResponse, TokenType};
use token_storage::{Error, ErrorKind, Operation, Result, TokenData, TokenResponse, backend::record::push_json_string};
use zeroize::Zeroizing;

/// What is ours in a record, and means nothing elsewhere.
const OURS: &str = "token_storage_";

/// The token response that arrived at `now`, in seconds since the Unix epoch. It names no resource server, unless its extra
/// fields do: see [`TokenResponse::with_resource_server`].
///
/// # Errors
/// - [`ErrorKind::InvalidInput`] if it cannot be written as JSON, or is no token response: without an access token, say.
pub fn response_of<EF, TT>(answer: &StandardTokenResponse<EF, TT>, now: i64) -> Result<TokenResponse>
where
    EF: ExtraTokenFields,
    TT: TokenType,
{
    // Large enough for most, because what is left behind when it grows is not wiped.
    let mut json = Zeroizing::new(Vec::with_capacity(16 * 1024));
    // Errors of serde_json quote values.
    serde_json::to_writer(&mut *json, answer).map_err(|_| invalid("the token response cannot be written as JSON"))?;
    TokenResponse::parse(&*json, now)
}

/// A stored token as this crate has it at `now`, in seconds since the Unix epoch. A token that has expired has 0 seconds left,
/// one of unknown expiry has no `expires_in`, and one without a type is a bearer token.
///
/// # Errors
/// - [`ErrorKind::InvalidInput`] if the record does not fit the type that is asked for: its extra fields want a member that is
///   not there, or of another kind.
pub fn to_oauth2<EF, TT>(data: &TokenData, now: i64) -> Result<StandardTokenResponse<EF, TT>>
where
    EF: ExtraTokenFields,
    TT: TokenType,
{
    // Errors of serde_json quote values.
    serde_json::from_str(&as_response(data, now))
        .map_err(|_| invalid("the stored token does not fit the type of token response that is asked for"))
}

fn as_response(data: &TokenData, now: i64) -> Zeroizing<String> {
    let extra = data.extra.iter().filter(|(name, _)| !name.starts_with(OURS));
    let size: usize = data.extra.iter().map(|(name, json)| name.len() + json.len() + 8).sum();
    let secrets =
        data.access_token.expose().len() + data.refresh_token.as_ref().map_or(0, |token| token.expose().len());
    let mut json = Zeroizing::new(String::with_capacity(2 * (size + secrets + data.scope.len()) + 512));
    json.push('{');
    let mut member = |name: &str, write: &dyn Fn(&mut String)| {
        if json.len() > 1 {
            json.push(',');
        }
        push_json_string(&mut json, name);
        json.push(':');
        write(&mut json);
    };
    let mut text = |name, value: &str| member(name, &|json| push_json_string(json, value));
    text("access_token", data.access_token.expose());
    text("token_type", data.token_type.as_deref().unwrap_or("bearer"));
    if let Some(token) = &data.refresh_token {
        text("refresh_token", token.expose());
    }
    if !data.scope.is_empty() {
        text("scope", &data.scope);
    }
    if let Some(expires_at) = data.expires_at {
        let left = expires_at.saturating_sub(now).max(0).to_string();
        member("expires_in", &|json| json.push_str(&left));
    }
    for (name, value) in extra {
        member(name, &|json| json.push_str(value));
    }
    json.push('}');
    json
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, message).with_operation(Operation::Parse)
}
