use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use huskarl::{
    TokenError,
    cache::TokenSource,
    core::{Error, RetryAdvice, platform::MaybeSendBoxFuture, secrets::SecretString},
    grant::core::{RawTokenResponse, TokenResponse},
};
use token_storage::{
    TokenStorage,
    manager::{AccessToken, Authorizer, ManagerError},
};

/// Gives huskarl the tokens of a manager. After [`invalidate`](TokenSource::invalidate), which huskarl calls when a service
/// refused the token, another one is had.
pub struct Tokens<S = Arc<dyn TokenStorage>> {
    authorizer: Authorizer<S>,
    handed_out: Mutex<HandedOut>,
}

#[derive(Default)]
struct HandedOut {
    last: Option<AccessToken>,
    refused: bool,
}

impl<S: TokenStorage + 'static> Tokens<S> {
    /// The tokens of one key of a manager.
    pub fn new(authorizer: Authorizer<S>) -> Self {
        Self {
            authorizer,
            handed_out: Mutex::default(),
        }
    }

    fn handed_out(&self) -> MutexGuard<'_, HandedOut> {
        self.handed_out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self) -> Option<AccessToken> {
        let mut handed_out = self.handed_out();
        let refused = std::mem::take(&mut handed_out.refused);
        handed_out.last.clone().filter(|_| refused)
    }

    async fn next(&self) -> Result<Arc<TokenResponse>, TokenError> {
        let refused = self.refused();
        let token = match &refused {
            Some(token) => self.authorizer.rejected(token).await,
            None => self.authorizer.token().await,
        };
        let token = token.map_err(|error| TokenError::from(failed(error)))?;
        let response = response(&token)?;
        self.handed_out().last = Some(token);
        Ok(Arc::new(response))
    }
}

impl<S: TokenStorage + 'static> TokenSource for Tokens<S> {
    fn token(&self) -> MaybeSendBoxFuture<'_, Result<Arc<TokenResponse>, TokenError>> {
        Box::pin(self.next())
    }

    fn invalidate(&self) {
        self.handed_out().refused = true;
    }
}

fn response(token: &AccessToken) -> Result<TokenResponse, TokenError> {
    let now = SystemTime::now();
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let left = token
        .expires_at()
        .map(|expires_at| u64::try_from(expires_at).unwrap_or_default().saturating_sub(seconds));
    let raw = RawTokenResponse::builder()
        .access_token(SecretString::new(token.expose()))
        .token_type(token.token_type().filter(|kind| !kind.is_empty()).unwrap_or("Bearer"))
        .maybe_expires_in(left)
        .scope(token.scope())
        .build();
    let refused = |error| TokenError::from(Error::new(RetryAdvice::No, error));
    raw.into_token_response(None, now).map_err(refused)
}

fn failed(error: ManagerError) -> Error {
    let advice = match error.is_retryable() {
        true => RetryAdvice::Retry {
            after: error.retry_after(),
        },
        false => RetryAdvice::No,
    };
    Error::new(advice, error)
}

impl<S> fmt::Debug for Tokens<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("authorizer", &self.authorizer)
            .finish_non_exhaustive()
    }
}
