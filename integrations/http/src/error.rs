use token_storage::manager::{ManagerError, NotBearer};

/// Why a request was not sent: there is no token to authorize it with. No message holds a token.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizeError {
    /// There is no valid token; the error says whether a login helps, or another try.
    #[error(transparent)]
    Token(#[from] ManagerError),
    /// The token must not be sent as a bearer token.
    #[error(transparent)]
    NotBearer(#[from] NotBearer),
    /// The token holds a character that no header can hold, a line break for example.
    #[error("the access token cannot be a part of a header; log in again, or look at what was stored")]
    NoHeader,
    /// The token is chosen per request, and the request has no [`TokenKey`](token_storage::TokenKey) in its extensions.
    #[error("the request does not say whose token it needs: there is no `TokenKey` in its extensions")]
    NoKey,
}
