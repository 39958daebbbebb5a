use std::{
    fmt,
    time::{Duration, SystemTime},
};

use token_storage_core::{Secret, TokenData, TokenKey, async_trait};

use crate::TokenResponse;

/// The authorization server, as far as the manager needs it: redeem a refresh token, revoke a token.
///
/// The feature `oauth` has an implementation for any OAuth 2 server; programs that bring their own HTTP client implement
/// it themselves and let [`EndpointError::from_answer`] classify what came back.
#[async_trait]
pub trait TokenEndpoint: fmt::Debug + Send + Sync {
    /// Redeems the refresh token of `request.data` (RFC 6749 section 6), in one request that is never repeated by itself:
    /// a second one may look like theft to the server.
    ///
    /// # Errors
    /// - What the server refused, or what went wrong; above all whether the request may have been carried out.
    async fn refresh(&self, request: RefreshRequest<'_>) -> Result<TokenResponse, EndpointError>;

    /// Whether the tokens of this record may be sent there at all. Asked before a stored token is revoked; `refresh` has
    /// to see to it itself.
    ///
    /// # Errors
    /// - [`EndpointError::misdirected`] if another server issued them.
    fn accepts(&self, data: &TokenData) -> Result<(), EndpointError> {
        let _ = data;
        Ok(())
    }

    /// Revokes a token (RFC 7009). A token that is unknown or revoked already is a success.
    ///
    /// # Errors
    /// - [`EndpointErrorKind::Unsupported`] if the server cannot revoke; otherwise as for `refresh`.
    async fn revoke(&self, token: &Secret, kind: TokenKind) -> Result<(), EndpointError>;
}

/// What is to be redeemed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RefreshRequest<'a> {
    /// Whose token it is.
    pub key: &'a TokenKey,
    /// The stored record, refresh token included.
    pub data: &'a TokenData,
    /// The time just before the request is sent, in seconds since the Unix epoch: what `expires_in` counts from.
    pub now: i64,
}

impl<'a> RefreshRequest<'a> {
    /// A request; for tests of endpoints, the manager makes its own.
    pub fn new(key: &'a TokenKey, data: &'a TokenData, now: i64) -> Self {
        Self { key, data, now }
    }
}

/// Which of the two tokens: the `token_type_hint` of RFC 7009.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// An access token.
    Access,
    /// A refresh token.
    Refresh,
}

/// What an authorization server refused, or what went wrong on the way. It never quotes an answer's body; of an OAuth
/// error only the code is kept, and only if it looks like one.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct EndpointError {
    kind: EndpointErrorKind,
    code: Option<Box<str>>,
    message: String,
    retry_after: Option<Duration>,
    status: Option<u16>,
    may_have_been_done: bool,
}

/// The kind of an [`EndpointError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndpointErrorKind {
    /// Terminal: this refresh token is expired, revoked, spent or unknown.
    Refused,
    /// The server does not accept the client or its request; the token may be fine. The configuration must change.
    ClientRejected,
    /// Network, time-out, 408, 429, 5xx, an answer that cannot be read: later it may work.
    Transient,
    /// The server has no such endpoint.
    Unsupported,
}

/// The longest `Retry-After` that is believed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

impl EndpointError {
    /// A terminal refusal of the refresh token with this OAuth error code.
    pub fn refused(code: &str) -> Self {
        let mut error = Self::new(EndpointErrorKind::Refused, "");
        error.set_code(code);
        error.message = format!("the authorization server refuses the token ({})", error.code_or_none());
        error
    }

    /// The client or its request was rejected with this OAuth error code.
    pub fn client_rejected(code: &str) -> Self {
        let mut error = Self::new(EndpointErrorKind::ClientRejected, "");
        error.set_code(code);
        error.message = format!(
            "the authorization server rejects this client or its request ({}); check client id, secret and scopes",
            error.code_or_none()
        );
        error
    }

    /// The token came from another server, or belongs to another client, so nothing was sent.
    pub fn misdirected() -> Self {
        let message = "the record says that another authorization server, or another client, is meant, so nothing was \
                       sent; name the server and the client that the token came from, or log in again";
        Self::new(EndpointErrorKind::ClientRejected, message)
    }

    /// A failure that may pass. The request may have been carried out, unless [`not_done`](Self::not_done) says
    /// otherwise. The message must not quote an answer.
    pub fn transient(message: impl Into<String>) -> Self {
        let mut error = Self::new(EndpointErrorKind::Transient, message);
        error.may_have_been_done = true;
        error
    }

    /// The server has no such endpoint.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(EndpointErrorKind::Unsupported, message)
    }

    fn new(kind: EndpointErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: None,
            message: message.into(),
            retry_after: None,
            status: None,
            may_have_been_done: false,
        }
    }

    /// Says that the request was certainly not carried out: it was never sent, or turned away at the door.
    pub fn not_done(mut self) -> Self {
        self.may_have_been_done = false;
        self
    }

    /// Says when a new try is worth while at the earliest.
    pub fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after.map(|after| after.min(MAX_RETRY_AFTER));
        self
    }

    /// Classifies an answer that is no token response: its status, its header `Retry-After` if it has one, its body.
    ///
    /// | answer | kind | may have been done |
    /// |---|---|---|
    /// | error `invalid_grant` with any status below 500 (GitHub's `bad_refresh_token` too) | refused | no |
    /// | another OAuth error with a status below 500 | client rejected | no |
    /// | errors `temporarily_unavailable`, `server_error`, `slow_down`; 408, 5xx | transient | yes |
    /// | 429 | transient | no |
    /// | 401 without an OAuth error | client rejected | no |
    /// | everything else, a body that cannot be read above all | transient | yes |
    pub fn from_answer(status: u16, retry_after: Option<&str>, body: &[u8]) -> Self {
        let code = error_code(body);
        let code = code.as_deref();
        let mut error = match (status, code) {
            (429, _) => Self::transient("the authorization server is overloaded (HTTP status 429)").not_done(),
            (408 | 500.., _) => Self::transient(format!("the authorization server failed (HTTP status {status})")),
            (_, Some("temporarily_unavailable" | "server_error" | "slow_down" | "authorization_pending")) => {
                Self::transient("the authorization server cannot answer now")
            }
            (_, Some(code @ ("invalid_grant" | "bad_refresh_token" | "expired_token" | "access_denied"))) => {
                Self::refused(code)
            }
            (_, Some(code)) => Self::client_rejected(code),
            (401, None) => Self::client_rejected("HTTP status 401"),
            _ => Self::transient(format!(
                "the answer of the authorization server cannot be read (HTTP status {status})"
            )),
        };
        // Callers tell `slow_down` from `authorization_pending` by it.
        error.set_code(code.unwrap_or_default());
        error.status = Some(status);
        error.with_retry_after(retry_after.and_then(|text| pause(text, SystemTime::now())))
    }

    fn set_code(&mut self, code: &str) {
        let plausible = |b: u8| b.is_ascii_alphanumeric() || b"_- .".contains(&b);
        if !code.is_empty() && code.len() <= 40 && code.bytes().all(plausible) {
            self.code = Some(code.into());
        }
    }

    fn code_or_none(&self) -> &str {
        self.code.as_deref().unwrap_or("no error code")
    }

    /// The kind.
    pub fn kind(&self) -> EndpointErrorKind {
        self.kind
    }

    /// The OAuth error code, such as `invalid_grant`.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The HTTP status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// When a new try is worth while at the earliest.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether the server may have done what it was asked. A refresh token is then perhaps spent.
    pub fn may_have_been_done(&self) -> bool {
        self.may_have_been_done
    }
}

/// What a header `Retry-After` says: seconds, or a date (RFC 9110 section 10.2.3). A date that is past means no pause.
fn pause(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More seconds than fit are many.
        return Some(text.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// The member `error` of a JSON body.
fn error_code(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Refusal {
        error: String,
    }
    serde_json::from_slice::<Refusal>(body)
        .ok()
        .map(|refusal| refusal.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l7_answers_are_classified() {
        use EndpointErrorKind::{ClientRejected, Refused, Transient};
        for (status, body, kind, done) in [
            (400, r#"{"error":"invalid_grant"}"#, Refused, false),
            (401, r#"{"error":"invalid_grant"}"#, Refused, false),
            (200, r#"{"error":"bad_refresh_token"}"#, Refused, false),
            (400, r#"{"error":"invalid_client"}"#, ClientRejected, false),
            (401, "", ClientRejected, false),
            (400, r#"{"error":"temporarily_unavailable"}"#, Transient, true),
            (503, r#"{"error":"invalid_grant"}"#, Transient, true),
            (408, "", Transient, true),
            (429, r#"{"error":"invalid_grant"}"#, Transient, false),
            (502, "<html>", Transient, true),
            (200, "<html>", Transient, true),
            (400, "<html>", Transient, true),
            (302, "", Transient, true),
            (400, r#"{"error":{"code":1}}"#, Transient, true),
        ] {
            let error = EndpointError::from_answer(status, None, body.as_bytes());
            assert_eq!(
                (error.kind(), error.may_have_been_done()),
                (kind, done),
                "{status} {body}"
            );
        }
    }

    #[test]
    fn retry_after_is_bounded() {
        let after = |text| EndpointError::from_answer(503, Some(text), b"").retry_after();
        assert_eq!(after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        for huge in ["99999999", "99999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            assert_eq!(after(huge), Some(MAX_RETRY_AFTER), "{huge}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (text, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sunday, 06-Nov-94 08:50:37 GMT", Some(60)),
            ("Sun Nov  6 08:50:37 1994", Some(60)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("soon", None),
            ("1994-11-06T08:50:37Z", None),
            ("Sun, 06 Nov 1994 08:50:37 CET", None),
            ("Sun, 32 Nov 1994 25:50:37 GMT", None),
            ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ] {
            assert_eq!(pause(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn s1_bodies_and_odd_codes_are_not_quoted() {
        let error =
            EndpointError::from_answer(400, None, br#"{"error":"canary{}canary","error_description":"canary"}"#);
        assert!(!format!("{error:?} {error}").contains("canary"));
    }
}
