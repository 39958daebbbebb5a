use std::sync::Arc;

use token_storage_core::{Result, TokenKey, TokenStorage};

use super::{Runtime, Storage};
use crate::{
    StoredResponse, TokenResponse,
    manager::{self, AccessToken, Logout, ManagerBuilder, ManagerError, TokenEndpoint},
};

/// Hands out valid access tokens, each refreshed exactly once: [`manager::TokenManager`], with calls that block. Clones share
/// everything.
///
/// When the last clone is dropped, a refresh that is under way is waited for: half a minute at most, as a rule.
#[derive(Clone, Debug)]
pub struct TokenManager(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    manager: manager::TokenManager,
    runtime: Runtime,
}

impl TokenManager {
    /// For the tokens of a storage that come from one authorization server, with the usual settings.
    ///
    /// # Errors
    /// Those of [`ManagerBuilder::build`].
    pub fn new(storage: &Storage, endpoint: Arc<dyn TokenEndpoint>) -> Result<Self> {
        Self::with(storage, endpoint, |builder| builder)
    }

    /// With other settings: `|builder| builder.skew(Duration::from_secs(120))`.
    ///
    /// # Errors
    /// Those of [`ManagerBuilder::build`].
    pub fn with(
        storage: &Storage,
        endpoint: Arc<dyn TokenEndpoint>,
        settings: impl FnOnce(ManagerBuilder<Arc<dyn TokenStorage>>) -> ManagerBuilder<Arc<dyn TokenStorage>>,
    ) -> Result<Self> {
        let builder = manager::TokenManager::builder(storage.inner().clone(), endpoint);
        let shared = Shared {
            manager: settings(builder).build()?,
            runtime: storage.runtime().clone(),
        };
        Ok(Self(Arc::new(shared)))
    }

    /// A valid access token, refreshed if need be.
    ///
    /// # Errors
    /// Those of [`manager::TokenManager::access_token`].
    pub fn access_token(&self, key: &TokenKey) -> Result<AccessToken, ManagerError> {
        self.wait(self.0.manager.access_token(key))
    }

    /// Takes a 401 that the resource server answered to `token`, and gives the token to try again with.
    ///
    /// # Errors
    /// Those of [`manager::TokenManager::rejected`].
    pub fn rejected(&self, key: &TokenKey, token: &AccessToken) -> Result<AccessToken, ManagerError> {
        self.wait(self.0.manager.rejected(key, token))
    }

    /// Refreshes the token although it is still good, unless another holder just did.
    ///
    /// # Errors
    /// Those of [`manager::TokenManager::refresh`].
    pub fn refresh(&self, key: &TokenKey) -> Result<AccessToken, ManagerError> {
        self.wait(self.0.manager.refresh(key))
    }

    /// Sends a request with a valid token and, if `is_unauthorized` says that the answer is a 401, once more with a refreshed
    /// one.
    ///
    /// # Errors
    /// - Those of [`access_token`](Self::access_token) and [`rejected`](Self::rejected), as the caller's own error type.
    /// - Those of `send`.
    pub fn send<T, E: From<ManagerError>>(
        &self,
        key: &TokenKey,
        mut send: impl FnMut(&AccessToken) -> Result<T, E>,
        is_unauthorized: impl Fn(&T) -> bool,
    ) -> Result<T, E> {
        let token = self.access_token(key)?;
        let answer = send(&token)?;
        if !is_unauthorized(&answer) {
            return Ok(answer);
        }
        send(&self.rejected(key, &token)?)
    }

    /// Stores the answer to a login.
    ///
    /// # Errors
    /// Those of [`manager::TokenManager::store_login`].
    pub fn store_login(&self, namespace: &str, response: &TokenResponse) -> Result<Vec<StoredResponse>, ManagerError> {
        self.wait(self.0.manager.store_login(namespace, response))
    }

    /// Revokes the tokens at the server, removes them, and says whether there were any.
    ///
    /// # Errors
    /// Those of [`manager::TokenManager::logout`].
    pub fn logout(&self, key: &TokenKey, mode: Logout) -> Result<bool, ManagerError> {
        self.wait(self.0.manager.logout(key, mode))
    }

    /// The manager itself, for what has no blocking form; it must be used within [`Runtime::wait`].
    pub fn inner(&self) -> &manager::TokenManager {
        &self.0.manager
    }

    /// What the calls run on.
    pub fn runtime(&self) -> &Runtime {
        &self.0.runtime
    }

    fn wait<F: Future>(&self, future: F) -> F::Output {
        self.0.runtime.wait(future)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.runtime.wait(self.manager.finish());
    }
}
