//! For clients of reqwest-middleware.

use http::{Extensions, StatusCode, Uri};
use reqwest::{Request, Response, Url};
use reqwest_middleware::{Error, Middleware, Next, Result};
use token_storage::TokenStorage;

use crate::{Authorize, AuthorizeError};

/// Redirects are reqwest's own, below this: it takes the token out where one leads to another host or port.
///
/// # Errors
/// [`Error::Middleware`] with an [`AuthorizeError`] in it if there is no token.
#[async_trait::async_trait]
impl<S: TokenStorage + 'static> Middleware for Authorize<S> {
    async fn handle(&self, mut request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        // What is no address for `http` is of no origin that could be named.
        let uri = uri(request.url()).unwrap_or_default();
        let begun = self.begin(&uri, request.headers(), extensions).await;
        let Some(mut authorized) = begun.map_err(failed)? else {
            return next.run(request, extensions).await;
        };
        let again = request.try_clone();
        authorized.authorize(request.headers_mut()).map_err(failed)?;
        let answer = next.clone().run(request, extensions).await?;
        // Another server may have answered after a redirect, and knows nothing of the token.
        let is_theirs = uri_of(&answer).is_some_and(|uri| self.goes_to(&uri));
        if answer.status() != StatusCode::UNAUTHORIZED || !is_theirs {
            return Ok(answer);
        }
        let Some(mut again) = again else {
            authorized.replace_for_the_next().await;
            return Ok(answer);
        };
        if !authorized.is_replaced().await.map_err(failed)? {
            return Ok(answer);
        }
        // Its connection is free for the second try.
        drop(answer);
        authorized.authorize(again.headers_mut()).map_err(failed)?;
        next.run(again, extensions).await
    }
}

fn uri_of(answer: &Response) -> Option<Uri> {
    uri(answer.url())
}

fn uri(url: &Url) -> Option<Uri> {
    url.as_str().parse().ok()
}

fn failed(error: AuthorizeError) -> Error {
    Error::middleware(error)
}
