use token_storage_core::{Error, ErrorKind, Operation, Precondition, TokenKey, TokenStorage, backend::Rounds};

use super::{Event, ManagerError, inner::Inner, login, revoke};
use crate::EnumerateExt as _;

/// What logging out does about the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Logout {
    /// Revokes the tokens, then removes them. If they cannot be revoked, nothing is removed.
    #[default]
    Revoke,
    /// Only removes them. At the server they stay good until they expire.
    RemoveOnly,
}

/// Which records are logged out of together ([`TokenManager::logout_all`](super::TokenManager::logout_all)).
#[derive(Clone, Copy, Debug)]
pub enum LogoutOf<'a> {
    /// All of a namespace, on a storage that can list what is in it.
    Namespace(&'a str),
    /// All that came with the same login as this one, on any storage
    /// ([`TokenManager::login_keys`](super::TokenManager::login_keys)).
    Login(&'a TokenKey),
    /// These.
    Keys(&'a [TokenKey]),
}

/// What became of each.
#[derive(Debug)]
#[non_exhaustive]
pub struct LoggedOut {
    /// Whether there was something, or why it is still there: the failure names the server.
    pub ended: Vec<(TokenKey, Result<bool, ManagerError>)>,
    /// How many records of the namespace cannot be named, because their keys are not valid Unicode; they are still there.
    pub unnameable: u64,
}

pub(super) async fn keys<S: TokenStorage>(
    inner: &Inner<S>,
    of: LogoutOf<'_>,
) -> Result<(Vec<TokenKey>, u64), ManagerError> {
    match of {
        LogoutOf::Keys(keys) => Ok((keys.to_vec(), 0)),
        LogoutOf::Login(key) => Ok((login::keys(inner, key).await?, 0)),
        LogoutOf::Namespace(namespace) => {
            let failed = |error| ManagerError::storage_failed(&TokenKey::new(namespace, ""), error);
            let cannot = || {
                let message = "this storage cannot list what is in it; log out by login, or by keys";
                Error::new(ErrorKind::Misconfigured, message).with_operation(Operation::List)
            };
            let enumerate = inner.storage.enumerate().ok_or_else(|| failed(cannot()))?;
            let page = enumerate.all_keys(namespace).await.map_err(failed)?;
            Ok((page.items, page.unnameable))
        }
    }
}

/// Revokes what is stored and removes it, again if a refresh stored something new meanwhile. A refresh that stores
/// nothing because the record is gone revokes its own tokens (L10).
pub(super) async fn logout<S: TokenStorage>(
    inner: &Inner<S>,
    key: &TokenKey,
    mode: Logout,
) -> Result<bool, ManagerError> {
    if mode == Logout::RemoveOnly {
        // Nothing has to be known of it, so that what is damaged can be removed as well.
        let removed = inner.storage.remove(key, Precondition::Any).await;
        let removed = removed.map_err(|error| ManagerError::storage_failed(key, error))?;
        if removed {
            inner.emit(&Event::LoggedOut(key.clone()));
        }
        return Ok(removed);
    }
    let mut rounds = Rounds::new(key);
    loop {
        let Some(stored) = inner.read(key).await? else {
            return Ok(false);
        };
        revoke::record(inner, key, &stored.data)
            .await
            .map_err(|error| ManagerError::not_revoked(key, error))?;
        let unchanged = Precondition::Unchanged(stored.revision);
        let removed = rounds.settled(inner.storage.remove(key, unchanged).await);
        if removed
            .map_err(|error| ManagerError::storage_failed(key, error))?
            .is_some()
        {
            inner.emit(&Event::LoggedOut(key.clone()));
            return Ok(true);
        }
    }
}
