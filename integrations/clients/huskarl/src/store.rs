use std::{fmt, sync::Arc};

use huskarl::{
    cache::RefreshTokenStore,
    core::{Error, RetryAdvice, platform::MaybeSendBoxFuture, secrets::SecretString},
    token::RefreshToken,
};
use token_storage::{ErrorKind, Namespaced, Precondition, StoredToken, TokenData, TokenStorage, refuse_sealed};

/// The member of a record with the thumbprint of the key that its refresh token is bound to.
const THUMBPRINT: &str = "huskarl_dpop_jkt";
/// Each round means that another writer got through.
const MAX_ATTEMPTS: usize = 32;

/// Keeps one refresh token of huskarl. Where there is a record under that name, its other fields stay as they are; else there
/// is one whose access token is empty and has expired, which whoever reads it refreshes.
pub struct RefreshTokens<S = Arc<dyn TokenStorage>> {
    tokens: Namespaced<S>,
    name: Box<str>,
}

impl<S: TokenStorage> RefreshTokens<S> {
    /// Under a name (a resource server) in a namespace of a storage.
    pub fn new(tokens: Namespaced<S>, name: &str) -> Self {
        let name = name.into();
        Self { tokens, name }
    }

    async fn stored(&self) -> Result<Option<StoredToken>, token_storage::Error> {
        let stored = self.tokens.get(&self.name).await?;
        refuse_sealed(&self.tokens.key(&self.name), stored)
    }

    async fn read(&self) -> Result<Option<RefreshToken>, token_storage::Error> {
        let Some(stored) = self.stored().await? else {
            return Ok(None);
        };
        let thumbprint = stored.data.extra.get(THUMBPRINT);
        let thumbprint = thumbprint.and_then(|json| serde_json::from_str(json).ok());
        let token = stored.data.refresh_token;
        Ok(token.map(|token| RefreshToken::new(SecretString::new(token.expose()), thumbprint)))
    }

    /// Changes the record, again if another writer was faster; `None` removes it.
    async fn change(
        &self,
        change: impl Fn(Option<TokenData>) -> Result<Option<TokenData>, token_storage::Error>,
    ) -> Result<(), token_storage::Error> {
        let mut attempts = 1;
        loop {
            let stored = self.stored().await?;
            let precondition = stored
                .as_ref()
                .map_or(Precondition::Absent, |stored| Precondition::Unchanged(stored.revision));
            let changed = change(stored.map(|stored| stored.data))?;
            let done = match &changed {
                Some(data) => self.tokens.store(&self.name, data, precondition).await.map(|_| ()),
                None => self.tokens.remove(&self.name, precondition).await.map(|_| ()),
            };
            match done {
                Err(error) if error.kind() == ErrorKind::Conflict && attempts < MAX_ATTEMPTS => attempts += 1,
                done => return done,
            }
        }
    }
}

impl<S: TokenStorage> RefreshTokenStore for RefreshTokens<S> {
    fn get(&self) -> MaybeSendBoxFuture<'_, Result<Option<RefreshToken>, Error>> {
        Box::pin(async { self.read().await.map_err(failed) })
    }

    fn set<'a>(&'a self, token: &'a RefreshToken) -> MaybeSendBoxFuture<'a, Result<(), Error>> {
        Box::pin(async {
            let changed = self.change(|data| with_token(data.unwrap_or_else(|| self.empty()), token).map(Some));
            changed.await.map_err(failed)
        })
    }

    fn clear(&self) -> MaybeSendBoxFuture<'_, Result<(), Error>> {
        Box::pin(async {
            self.change(|data| Ok(data.and_then(without_token)))
                .await
                .map_err(failed)
        })
    }
}

impl<S: TokenStorage> RefreshTokens<S> {
    fn empty(&self) -> TokenData {
        TokenData::new(&*self.name, "", "").with_expires_at(0)
    }
}

fn with_token(mut data: TokenData, token: &RefreshToken) -> Result<TokenData, token_storage::Error> {
    data.refresh_token = Some(token.token().expose_secret().into());
    match token.dpop_jkt() {
        // A thumbprint is base64url, so there is nothing to escape.
        Some(thumbprint) => data.extra.insert(THUMBPRINT, &format!("\"{thumbprint}\""))?,
        None => _ = data.extra.remove(THUMBPRINT),
    }
    Ok(data)
}

/// An access token is good without it.
fn without_token(mut data: TokenData) -> Option<TokenData> {
    data.refresh_token = None;
    data.extra.remove(THUMBPRINT);
    (!data.access_token.expose().is_empty()).then_some(data)
}

fn failed(error: token_storage::Error) -> Error {
    let advice = match error.is_retryable() {
        true => RetryAdvice::Retry {
            after: error.retry_after(),
        },
        false => RetryAdvice::No,
    };
    Error::new(advice, error)
}

impl<S> fmt::Debug for RefreshTokens<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshTokens")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
