use std::{fmt, sync::Arc};

use http::{Extensions, HeaderMap, HeaderValue, Uri, header::AUTHORIZATION};
use token_storage::{
    TokenKey, TokenStorage,
    manager::{AccessToken, Authorizer, ManagerErrorKind, TokenManager},
};

use crate::{AuthorizeError, Origin, OriginError};

/// Which token a request gets, and where tokens may be sent. With the feature `reqwest` it is a middleware; with `tower` it is
/// what a [`AuthorizeLayer`](crate::tower::AuthorizeLayer) is made of. Cheap to clone.
pub struct Authorize<S = Arc<dyn TokenStorage>> {
    tokens: Tokens<S>,
    origins: Arc<Vec<Origin>>,
}

enum Tokens<S> {
    One(Authorizer<S>),
    PerRequest(TokenManager<S>),
}

impl<S: TokenStorage + 'static> Authorize<S> {
    /// The same token for every request to `origin`, such as `https://api.example.org`.
    ///
    /// # Errors
    /// - [`OriginError`]: that is no origin, or a token must not be sent there.
    pub fn new(authorizer: Authorizer<S>, origin: &str) -> Result<Self, OriginError> {
        Self::with(Tokens::One(authorizer), origin)
    }

    /// For each request to `origin` the token whose [`TokenKey`] is in the request's extensions: for a service that acts for
    /// many users. A request without one is not sent ([`AuthorizeError::NoKey`]).
    ///
    /// # Errors
    /// - [`OriginError`]: that is no origin, or a token must not be sent there.
    pub fn per_request(manager: TokenManager<S>, origin: &str) -> Result<Self, OriginError> {
        Self::with(Tokens::PerRequest(manager), origin)
    }

    fn with(tokens: Tokens<S>, origin: &str) -> Result<Self, OriginError> {
        let origins = Arc::new(vec![origin.parse()?]);
        Ok(Self { tokens, origins })
    }

    /// Requests to this origin get a token, too.
    ///
    /// # Errors
    /// - [`OriginError`]: that is no origin, or a token must not be sent there.
    pub fn also_at(mut self, origin: &str) -> Result<Self, OriginError> {
        Arc::make_mut(&mut self.origins).push(origin.parse()?);
        Ok(self)
    }

    /// Whether a token may be sent there.
    pub(crate) fn goes_to(&self, uri: &Uri) -> bool {
        self.origins.iter().any(|origin| origin.is_of(uri))
    }

    /// The token for a request; `None` if the request is to pass as it is.
    pub(crate) async fn begin(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Option<Authorized<S>>, AuthorizeError> {
        if !self.goes_to(uri) || headers.contains_key(AUTHORIZATION) {
            return Ok(None);
        }
        let authorizer = match &self.tokens {
            Tokens::One(authorizer) => authorizer.clone(),
            Tokens::PerRequest(manager) => {
                manager.authorizer(extensions.get::<TokenKey>().ok_or(AuthorizeError::NoKey)?)
            }
        };
        let token = authorizer.token().await?;
        Ok(Some(Authorized { authorizer, token }))
    }
}

/// A request's token.
pub(crate) struct Authorized<S> {
    authorizer: Authorizer<S>,
    token: AccessToken,
}

impl<S: TokenStorage + 'static> Authorized<S> {
    /// Puts the token into a request.
    pub(crate) fn authorize(&self, headers: &mut HeaderMap) -> Result<(), AuthorizeError> {
        let value = self.token.header_value()?;
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| AuthorizeError::NoHeader)?;
        // Hidden in logs, and left out of the tables of HTTP/2.
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        Ok(())
    }

    /// After a 401: whether there is another token to try. Where a fresh one is refused just so, the answer of the service
    /// says more than an error of ours.
    pub(crate) async fn is_replaced(&mut self) -> Result<bool, AuthorizeError> {
        match self.authorizer.rejected(&self.token).await {
            Ok(token) => {
                self.token = token;
                Ok(true)
            }
            Err(error) if error.kind() == ManagerErrorKind::StillRejected => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// After a 401 to a request that cannot be sent again: the next one finds another token. That this failed the next one
    /// will be told.
    pub(crate) async fn replace_for_the_next(&self) {
        let _ = self.authorizer.rejected(&self.token).await;
    }
}

impl<S> Clone for Tokens<S> {
    fn clone(&self) -> Self {
        match self {
            Self::One(authorizer) => Self::One(authorizer.clone()),
            Self::PerRequest(manager) => Self::PerRequest(manager.clone()),
        }
    }
}

impl<S> Clone for Authorize<S> {
    fn clone(&self) -> Self {
        Self {
            tokens: self.tokens.clone(),
            origins: self.origins.clone(),
        }
    }
}

impl<S> fmt::Debug for Authorize<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorize")
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}
