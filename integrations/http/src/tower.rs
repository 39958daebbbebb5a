//! For clients that are [tower services](tower_service::Service) over [`http::Request`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use token_storage::{TokenStorage, manager::Authorizer};
//! use token_storage_http::{Authorize, OriginError, tower::AuthorizeLayer};
//!
//! /// For `ServiceBuilder::new().layer(...)`; the body `String` can be sent twice.
//! fn layer(
//!     groups: Authorizer<Arc<dyn TokenStorage>>,
//! ) -> Result<AuthorizeLayer<Arc<dyn TokenStorage>, String>, OriginError> {
//!     Ok(AuthorizeLayer::new(Authorize::new(groups, "https://groups.api.globus.org")?))
//! }
//! ```

use std::{
    fmt,
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response, StatusCode};
use token_storage::TokenStorage;
use tower_layer::Layer;
use tower_service::Service;

use crate::{Authorize, AuthorizeError, authorize::Authorized};

/// Makes an [`AuthorizeService`] of a client whose requests have the body `B`.
pub struct AuthorizeLayer<S, B> {
    authorize: Authorize<S>,
    copy: fn(&B) -> Option<B>,
}

/// A client whose requests carry a valid token; see [`AuthorizeLayer`]. Requests must have absolute addresses, as those of
/// clients do: one without scheme and host gets no token.
pub struct AuthorizeService<C, S, B> {
    client: C,
    authorize: Authorize<S>,
    copy: fn(&B) -> Option<B>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E> {
    /// There is no token; the request was not sent, or not a second time.
    #[error(transparent)]
    Authorize(#[from] AuthorizeError),
    /// The client failed.
    #[error("{0}")]
    Client(#[source] E),
}

impl<S: TokenStorage + 'static, B> AuthorizeLayer<S, B> {
    /// For bodies that can be sent twice: text, `Full`, `Empty`.
    pub fn new(authorize: Authorize<S>) -> Self
    where
        B: Clone,
    {
        Self::with_copy(authorize, |body| Some(body.clone()))
    }

    /// For bodies that can be sent only once, streams for example. After a 401 the token is refreshed all the same, and the
    /// caller gets the 401: its next request has the new token.
    pub fn without_retry(authorize: Authorize<S>) -> Self {
        Self::with_copy(authorize, |_| None)
    }

    /// For bodies of which `copy` knows whether they can be sent twice.
    pub fn with_copy(authorize: Authorize<S>, copy: fn(&B) -> Option<B>) -> Self {
        Self { authorize, copy }
    }
}

impl<C, S, B> Layer<C> for AuthorizeLayer<S, B> {
    type Service = AuthorizeService<C, S, B>;

    fn layer(&self, client: C) -> Self::Service {
        AuthorizeService {
            client,
            authorize: self.authorize.clone(),
            copy: self.copy,
        }
    }
}

impl<C, S, B, R> Service<Request<B>> for AuthorizeService<C, S, B>
where
    C: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    C::Future: Send,
    C::Error: Send,
    S: TokenStorage + 'static,
    B: Send + 'static,
    R: Send,
{
    type Response = Response<R>;
    type Error = Error<C::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.client.poll_ready(cx).map_err(Error::Client)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that was asked whether it is ready is the one to be called.
        let other = self.client.clone();
        let client = mem::replace(&mut self.client, other);
        let (authorize, copy) = (self.authorize.clone(), self.copy);
        Box::pin(async move { send(client, &authorize, copy, request).await })
    }
}

async fn send<C, S, B, R>(
    mut client: C,
    authorize: &Authorize<S>,
    copy: fn(&B) -> Option<B>,
    request: Request<B>,
) -> Result<Response<R>, Error<C::Error>>
where
    C: Service<Request<B>, Response = Response<R>>,
    S: TokenStorage + 'static,
{
    let authorized = authorize.begin(request.uri(), request.headers(), request.extensions());
    let Some(mut authorized) = authorized.await? else {
        return client.call(request).await.map_err(Error::Client);
    };
    let (request, again) = prepared(request, copy, &authorized)?;
    let answer = client.call(request).await.map_err(Error::Client)?;
    if answer.status() != StatusCode::UNAUTHORIZED {
        return Ok(answer);
    }
    let Some(mut again) = again else {
        authorized.replace_for_the_next().await;
        return Ok(answer);
    };
    if !authorized.is_replaced().await? {
        return Ok(answer);
    }
    // Its connection is free for the second try.
    drop(answer);
    authorized.authorize(again.headers_mut())?;
    poll_fn(|cx| client.poll_ready(cx)).await.map_err(Error::Client)?;
    client.call(again).await.map_err(Error::Client)
}

/// The request with its token, and another that is like it, if there can be one.
fn prepared<S: TokenStorage + 'static, B>(
    request: Request<B>,
    copy: fn(&B) -> Option<B>,
    authorized: &Authorized<S>,
) -> Result<(Request<B>, Option<Request<B>>), AuthorizeError> {
    let (mut parts, body) = request.into_parts();
    let again = copy(&body).map(|body| Request::from_parts(parts.clone(), body));
    authorized.authorize(&mut parts.headers)?;
    Ok((Request::from_parts(parts, body), again))
}

impl<S, B> Clone for AuthorizeLayer<S, B> {
    fn clone(&self) -> Self {
        Self {
            authorize: self.authorize.clone(),
            copy: self.copy,
        }
    }
}

impl<C: Clone, S, B> Clone for AuthorizeService<C, S, B> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            authorize: self.authorize.clone(),
            copy: self.copy,
        }
    }
}

impl<S, B> fmt::Debug for AuthorizeLayer<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuthorizeLayer").field(&self.authorize).finish()
    }
}

impl<C, S, B> fmt::Debug for AuthorizeService<C, S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuthorizeService").field(&self.authorize).finish()
    }
}
