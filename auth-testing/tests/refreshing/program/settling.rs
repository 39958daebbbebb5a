//! Bringing an answer into the storage.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use token_storage_core::{ErrorKind, Precondition, Secret, StoredToken, TokenData, TokenKey, TokenStorageExt as _};

use super::Program;
use crate::flaw::Flaw;

impl Program {
    /// Stores the answer, whatever has become of the record.
    pub(super) async fn settle(
        &self,
        key: &TokenKey,
        stored: StoredToken,
        answer: &Value,
    ) -> Result<Option<Secret>, String> {
        let redeemed = stored.data.refresh_token.clone();
        let mut base = stored;
        let mut pause = Duration::from_millis(20);
        let mut has_failed = false;
        if self.has(Flaw::OddExpiryIsAnError) && !answer["expires_in"].is_u64() {
            return Err("the answer makes no sense".into());
        }
        if self.has(Flaw::StoresOtherTokens) {
            self.store_others(key, answer).await;
        }
        loop {
            let mut merged = self.merge(&base.data, answer);
            if self.has(Flaw::RenamesTheRecord) {
                merged.resource_server = key.resource_server().to_owned();
            }
            if self.has(Flaw::StoresUnderItsName) {
                let named = TokenKey::new(key.namespace(), &*base.data.resource_server);
                let _ = self.storage.store(&named, &merged, Precondition::Any).await;
                return Ok(Some(merged.access_token));
            }
            if self.has(Flaw::HandsOutFirst) {
                let (storage, key, data) = (Arc::clone(&self.storage), key.clone(), merged.clone());
                tokio::spawn(async move { storage.store(&key, &data, Precondition::Any).await });
                return Ok(Some(merged.access_token));
            }
            let blindly = self.has(Flaw::StoresBlindly) || self.has(Flaw::RepeatsBlindly) && has_failed;
            let precondition = match blindly {
                true => Precondition::Any,
                false => Precondition::Unchanged(base.revision),
            };
            let error = match self.storage.store(key, &merged, precondition).await {
                Ok(_) => {
                    self.after_storing(key, &base.data).await;
                    return Ok(Some(merged.access_token));
                }
                Err(error) => error,
            };
            if error.kind() != ErrorKind::Conflict {
                if self.has(Flaw::StoresOnce) {
                    return Err(error.to_string());
                }
                if self.has(Flaw::HandsOutUnstored) {
                    return Ok(Some(merged.access_token));
                }
                has_failed = true;
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
                continue;
            }
            if self.has(Flaw::ConflictIsFailure) {
                return Err(error.to_string());
            }
            match self.storage.get(key).await {
                Err(_) if self.has(Flaw::HandsOutAtUnreadConflict) => return Ok(Some(merged.access_token)),
                Err(_) => tokio::time::sleep(pause).await,
                Ok(None) if self.has(Flaw::BringsItBack) => {
                    let _ = self.storage.store(key, &merged, Precondition::Absent).await;
                    return Ok(Some(merged.access_token));
                }
                Ok(None) => {
                    self.gone.lock().unwrap().push(key.clone());
                    self.revoke(&merged).await;
                    return Err("somebody logged out".into());
                }
                Ok(Some(current)) => {
                    let ours = current.data.access_token == merged.access_token && !self.has(Flaw::DisownsItsOwn);
                    if ours {
                        return Ok(Some(merged.access_token));
                    }
                    let same = current.data.refresh_token == redeemed && !self.has(Flaw::EditIsAnother);
                    if same || self.has(Flaw::OverwritesNewer) {
                        base = current;
                        continue;
                    }
                    let whose = if self.has(Flaw::RevokesTheirs) {
                        &current.data
                    } else {
                        &merged
                    };
                    self.revoke(whose).await;
                    return Ok(None);
                }
            }
        }
    }

    /// For flaws alone.
    async fn after_storing(&self, key: &TokenKey, before: &TokenData) {
        if self.has(Flaw::RevokesTheOld) {
            self.revoke(before).await;
        }
        if self.has(Flaw::KeepsACopy) {
            let copy = TokenKey::new(key.namespace(), format!("{}.bak", key.resource_server()));
            let _ = self.storage.store(&copy, before, Precondition::Any).await;
        }
    }

    async fn store_others(&self, key: &TokenKey, answer: &Value) {
        for other in answer["other_tokens"].as_array().into_iter().flatten() {
            let text = |name: &str| other[name].as_str().unwrap_or_default();
            let data = TokenData::new(text("resource_server"), text("scope"), text("access_token"));
            let key = TokenKey::new(key.namespace(), text("resource_server"));
            let _ = self.storage.store(&key, &data, Precondition::Any).await;
        }
    }
}
