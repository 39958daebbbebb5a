use std::{fmt, sync::Arc, time::Duration};

use token_storage_core::{Secret, TokenKey, TokenStorage};

use super::{AccessToken, ManagerError, TokenManager, jitter::jittered, slot::Slot};

/// Hands out the token of one key; see [`TokenManager::authorizer`]. Cheap to clone.
pub struct Authorizer<S = Arc<dyn TokenStorage>> {
    manager: TokenManager<S>,
    slot: Arc<Slot>,
}

impl<S: TokenStorage + 'static> Authorizer<S> {
    pub(super) fn new(manager: TokenManager<S>, slot: Arc<Slot>) -> Self {
        Self { manager, slot }
    }

    /// A valid access token, as [`TokenManager::access_token`].
    ///
    /// # Errors
    /// Those of [`TokenManager::access_token`].
    pub async fn token(&self) -> Result<AccessToken, ManagerError> {
        self.manager.token_of(&self.slot).await
    }

    /// The value of the `Authorization` header.
    ///
    /// # Errors
    /// - [`NotBearer`](super::ManagerErrorKind::NotBearer) if the token is of another type.
    /// - Those of [`TokenManager::access_token`].
    pub async fn header_value(&self) -> Result<Secret, ManagerError> {
        let value = self.token().await?.header_value();
        value.map_err(|error| ManagerError::not_bearer(&self.slot.key, error))
    }

    /// Takes a 401 that the resource server answered to this token, and gives the token to try again with; see
    /// [`TokenManager::rejected`].
    ///
    /// # Errors
    /// Those of [`TokenManager::rejected`].
    pub async fn rejected(&self, token: &AccessToken) -> Result<AccessToken, ManagerError> {
        self.manager.rejected(&self.slot.key, token).await
    }

    /// Sends a request with a valid token and, if `is_unauthorized` says that the answer is a 401, once more with a
    /// refreshed one.
    ///
    /// # Errors
    /// - Those of [`TokenManager::access_token`] and [`TokenManager::rejected`], as the caller's own error type.
    /// - Those of `send`.
    pub async fn send<T, E, F>(
        &self,
        mut send: impl FnMut(AccessToken) -> F,
        is_unauthorized: impl Fn(&T) -> bool,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: From<ManagerError>,
    {
        let token = self.token().await?;
        let answer = send(token.clone()).await?;
        if !is_unauthorized(&answer) {
            return Ok(answer);
        }
        send(self.rejected(&token).await?).await
    }

    /// The key.
    pub fn key(&self) -> &TokenKey {
        &self.slot.key
    }

    /// Keeps the token fresh in the background until the returned value is dropped, so that a program that asks seldom
    /// never waits for a refresh.
    pub fn keep_fresh(&self) -> KeepFresh {
        let authorizer = self.clone();
        KeepFresh(tokio::spawn(async move {
            loop {
                // Asking is what starts a refresh ahead of expiry; failures are told as events.
                let _ = authorizer.token().await;
                tokio::time::sleep(jittered(CHECK_EVERY)).await;
            }
        }))
    }
}

/// How often a token that is kept fresh is looked at.
const CHECK_EVERY: Duration = Duration::from_secs(20);

impl<S> Clone for Authorizer<S> {
    fn clone(&self) -> Self {
        Self {
            manager: self.manager.clone(),
            slot: self.slot.clone(),
        }
    }
}

impl<S> fmt::Debug for Authorizer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer")
            .field("key", &self.slot.key)
            .finish_non_exhaustive()
    }
}

/// Keeps a token fresh until it is dropped; see [`Authorizer::keep_fresh`].
#[derive(Debug)]
pub struct KeepFresh(tokio::task::JoinHandle<()>);

impl Drop for KeepFresh {
    fn drop(&mut self) {
        self.0.abort();
    }
}
