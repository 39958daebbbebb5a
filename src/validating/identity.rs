use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use token_storage_core::{Result, TokenData, TokenKey, TokenStorage, Write};

use super::ValidationError;

/// Where this handle has seen whom: the keys of each namespace whose records said so. Only a hint where to look: what
/// counts is what those records say when it matters.
#[derive(Debug, Default)]
pub(super) struct Identities(Mutex<HashMap<String, HashSet<String>>>);

impl Identities {
    /// Nothing panics while it is held, so a poisoned lock is consistent.
    fn seen(&self) -> MutexGuard<'_, HashMap<String, HashSet<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was read, or has been stored.
    pub(super) fn note(&self, key: &TokenKey, data: &TokenData) {
        if data.identity_id.is_some() {
            let mut seen = self.seen();
            let keys = seen.entry(key.namespace().to_owned()).or_default();
            keys.insert(key.resource_server().to_owned());
        }
    }

    pub(super) fn forget(&self, key: &TokenKey) {
        let mut seen = self.seen();
        if let Some(keys) = seen.get_mut(key.namespace()) {
            keys.remove(key.resource_server());
            if keys.is_empty() {
                seen.remove(key.namespace());
            }
        }
    }

    fn keys(&self, namespace: &str) -> Vec<TokenKey> {
        let seen = self.seen();
        let keys = seen.get(namespace).into_iter().flatten();
        keys.map(|name| TokenKey::new(namespace, name.as_str())).collect()
    }

    /// Somebody else than `identity` of whom there is a record in this namespace, other than under the keys of the batch.
    pub(super) async fn other_than<S: TokenStorage>(
        &self,
        storage: &S,
        identity: &str,
        namespace: &str,
        batch: &[Write<'_>],
    ) -> Result<Option<String>> {
        for key in self.keys(namespace) {
            if batch.iter().any(|write| *write.key == key) {
                continue;
            }
            match storage.get(&key).await?.and_then(|stored| stored.data.identity_id) {
                Some(stored) if stored != identity => return Ok(Some(stored)),
                // One witness is enough: all that went through here were the same.
                Some(_) => return Ok(None),
                None => self.forget(&key),
            }
        }
        Ok(None)
    }
}

/// The identity of a record, which must be that of the record it replaces.
pub(super) fn unchanged<'a>(
    data: &'a TokenData,
    replaced: Option<&TokenData>,
) -> std::result::Result<&'a str, ValidationError> {
    let Some(new) = data.identity_id.as_deref() else {
        return Err(ValidationError::MissingIdentity);
    };
    match replaced.and_then(|replaced| replaced.identity_id.as_deref()) {
        Some(stored) if stored != new => Err(changed(stored, new)),
        _ => Ok(new),
    }
}

pub(super) fn changed(stored: &str, new: &str) -> ValidationError {
    ValidationError::IdentityChanged {
        stored: stored.to_owned(),
        new: new.to_owned(),
    }
}
