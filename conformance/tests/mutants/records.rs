//! Records that are not what was stored: clauses K1 to K3, K7, K8.

use token_storage_core::{
    Extra, Precondition, Result, Revision, Secret, StorageInfo, StoredToken, TokenData, TokenKey, TokenStorage,
    TokenStorageExt as _,
};

use crate::{
    Mutant,
    flaw::{flaw, keys_of},
    registry::memory,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        memory::<DropsExtra>("drops extra", "records::every_field_round_trips"),
        memory::<ReencodesExtra>("re-encodes extra", "records::extra_values_are_verbatim"),
        memory::<DropsRefreshTokenOnUpdate>(
            "drops the refresh token on update",
            "records::a_store_replaces_the_whole_record",
        ),
        memory::<MergesInsteadOfReplacing>(
            "merges instead of replacing",
            "records::a_store_replaces_the_whole_record",
        ),
        memory::<EmptyForAbsent>("empty for absent", "records::optional_fields_stay_absent"),
        memory::<AbsentForEmpty>("absent for empty", "records::empty_texts_stay_empty"),
        memory::<TakesResourceServerFromKey>(
            "takes the resource server from the key",
            "records::the_resource_server_of_the_record_is_not_the_keys",
        ),
        memory::<CutsLongValues>("cuts long values", "limits::a_record_of_half_the_declared_size_fits"),
        memory::<WritesBeforeItRefuses>("writes before it refuses", "limits::the_old_record_stays"),
        memory::<DeclaresLargerRecords>(
            "declares larger records",
            "limits::a_record_of_half_the_declared_size_fits",
        ),
        memory::<TakesMoreThanDeclared>("takes more than declared", "limits::a_larger_record_is_too_large"),
        memory::<ExpiresRecords>("takes the expiry for a time to live", "records::expired_records_stay"),
        memory::<UnknownExpiryIsZero>("unknown expiry is zero", "records::unknown_expiry_is_not_zero"),
        memory::<RoundsExpiry>("rounds the expiry", "records::any_expiry_round_trips"),
        memory::<DropsNegativeExpiry>("drops a negative expiry", "records::any_expiry_round_trips"),
        memory::<LosesNeighbours>("loses the other entries", "records::a_store_touches_no_other_record"),
        memory::<SkipsIdenticalWrites>("skips identical writes", "records::equal_content_has_a_new_revision"),
        memory::<RemoveAlwaysTrue>("remove is always true", "removal::says_whether_something_was_there"),
        memory::<RemoveAlwaysFalse>("remove is always false", "removal::says_whether_something_was_there"),
        memory::<RemoveOfNothingFails>("remove of nothing fails", "removal::says_whether_something_was_there"),
        memory::<RemovesNeighbours>("removes neighbours", "removal::other_records_stay"),
        memory::<AbsentIsAnError>("absent is an error", "records::absent_is_none"),
        memory::<ResurrectsRemoved>(
            "resurrects removed records",
            "removal::removed_records_do_not_come_back",
        ),
    ]
}

fn with(data: &TokenData, change: impl FnOnce(&mut TokenData)) -> TokenData {
    let mut data = data.clone();
    change(&mut data);
    data
}

flaw!(
    /// Knows only the members it has columns for.
    DropsExtra {
        fn written(&self, data: &TokenData) -> TokenData {
            with(data, |data| data.extra = Extra::new())
        }
    }
);

flaw!(
    /// Reads the members that it does not know as numbers and text of its own, and writes them anew.
    ReencodesExtra {
        fn written(&self, data: &TokenData) -> TokenData {
            let mut extra = Extra::new();
            for (name, json) in data.extra.iter() {
                let value: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
                extra.insert(name, &value.to_string()).unwrap();
            }
            with(data, |data| data.extra = extra)
        }
    }
);

flaw!(
    /// Takes an update for a refresh's answer and drops the refresh token.
    DropsRefreshTokenOnUpdate {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let update = self.0.get(key).await?.is_some();
            let data = with(data, |data| if update { data.refresh_token = None });
            self.0.store(key, &data, precondition).await
        }
    }
);

flaw!(
    /// Keeps what the new record does not have.
    MergesInsteadOfReplacing {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let old = self.0.get(key).await?;
            let data = with(data, |data| if let (None, Some(old)) = (&data.refresh_token, old) {
                data.refresh_token = old.data.refresh_token;
            });
            self.0.store(key, &data, precondition).await
        }
    }
);

flaw!(
    /// Answers an absent refresh token with an empty one.
    EmptyForAbsent {
        fn read(&self, data: TokenData) -> TokenData {
            with(&data, |data| {
                data.refresh_token.get_or_insert_with(|| Secret::from(""));
            })
        }
    }
);

flaw!(
    /// Answers an empty optional field as an absent one.
    AbsentForEmpty {
        fn read(&self, data: TokenData) -> TokenData {
            with(&data, |data| {
                data.token_type.take_if(|text| text.is_empty());
                data.identity_id.take_if(|text| text.is_empty());
                data.refresh_token.take_if(|token| token.expose().is_empty());
            })
        }
    }
);

flaw!(
    /// Writes the key's resource server into the record.
    TakesResourceServerFromKey {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let data = with(data, |data| data.resource_server = key.resource_server().to_owned());
            self.0.store(key, &data, precondition).await
        }
    }
);

flaw!(
    /// Has a column of a fixed width.
    CutsLongValues {
        fn written(&self, data: &TokenData) -> TokenData {
            with(data, |data| {
                let cut: String = data.access_token.expose().chars().take(4096).collect();
                data.access_token = Secret::from(cut);
            })
        }
    }
);

flaw!(
    /// Cuts what is too large, writes that, and then says that it was too large.
    WritesBeforeItRefuses {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let answer = self.0.store(key, data, precondition).await;
            if answer.is_err() {
                let cut = with(data, |data| data.access_token = Secret::from("cut"));
                let _ = self.0.store(key, &cut, precondition).await;
            }
            answer
        }
    }
);

flaw!(
    /// Declares that records may be larger than they may.
    DeclaresLargerRecords {
        fn describe(&self) -> StorageInfo {
            let mut info = self.0.describe();
            info.limits.record_bytes *= 4;
            info
        }
    }
);

flaw!(
    /// Declares a smaller record than it takes, so that the limit is not checked.
    TakesMoreThanDeclared {
        fn describe(&self) -> StorageInfo {
            let mut info = self.0.describe();
            info.limits.record_bytes /= 4;
            info
        }
    }
);

flaw!(
    /// Takes the expiry of the access token for a time to live of the record, which may hold a refresh token.
    ExpiresRecords {
        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
            let stored = self.0.get(key).await?;
            Ok(stored.filter(|stored| stored.data.expires_at.is_none_or(|at| at > now)))
        }
    }
);

flaw!(
    /// Takes an unknown expiry for 0.
    UnknownExpiryIsZero {
        fn read(&self, data: TokenData) -> TokenData {
            with(&data, |data| {
                data.expires_at.get_or_insert(0);
            })
        }
    }
);

flaw!(
    /// Keeps the expiry in a floating point number.
    RoundsExpiry {
        fn read(&self, data: TokenData) -> TokenData {
            with(&data, |data| data.expires_at = data.expires_at.map(|at| at as f64 as i64))
        }
    }
);

flaw!(
    /// Takes a negative expiry for nonsense.
    DropsNegativeExpiry {
        fn written(&self, data: &TokenData) -> TokenData {
            with(data, |data| {
                data.expires_at.take_if(|at| *at < 0);
            })
        }
    }
);

flaw!(
    /// Keeps the tokens of a namespace in one document that each store starts anew.
    LosesNeighbours with Vec<TokenKey> {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let revision = self.0.store(key, data, precondition).await?;
            let lost: Vec<TokenKey> = {
                let mut known = self.1.lock().unwrap();
                let (lost, kept) = known.drain(..).partition(|other| other != key && other.namespace() == key.namespace());
                *known = kept;
                known.push(key.clone());
                lost
            };
            for other in &lost {
                self.0.remove(other, Precondition::Any).await?;
            }
            Ok(revision)
        }
    }
);

flaw!(
    /// Skips the write when nothing seems to change.
    SkipsIdenticalWrites {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            match self.0.get(key).await? {
                Some(old) if old.data == *data && precondition.holds(Some(old.revision)) => Ok(old.revision),
                _ => self.0.store(key, data, precondition).await,
            }
        }
    }
);

flaw!(
    /// Says of every remove that something was there.
    RemoveAlwaysTrue {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            self.0.remove(key, precondition).await?;
            Ok(true)
        }
    }
);

flaw!(
    /// Says of every remove that nothing was there.
    RemoveAlwaysFalse {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            self.0.remove(key, precondition).await?;
            Ok(false)
        }
    }
);

flaw!(
    /// Takes the removal of what is not there for an error.
    RemoveOfNothingFails {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            match self.0.remove(key, precondition).await? {
                true => Ok(true),
                false => {
                    let (kind, operation) = (token_storage_core::ErrorKind::InvalidInput, token_storage_core::Operation::Remove);
                    Err(token_storage_core::Error::new(kind, "there is no such record").with_operation(operation))
                }
            }
        }
    }
);

flaw!(
    /// Removes the neighbours too.
    RemovesNeighbours {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            let removed = self.0.remove(key, precondition).await?;
            for other in keys_of(&&self.0, key.namespace()).await? {
                self.0.remove(&other, Precondition::Any).await?;
            }
            Ok(removed)
        }
    }
);

flaw!(
    /// Takes "absent" for an error.
    AbsentIsAnError {
        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            match self.0.get(key).await? {
                Some(stored) => Ok(Some(stored)),
                None => {
                    let (kind, operation) = (token_storage_core::ErrorKind::Unavailable, token_storage_core::Operation::Get);
                    Err(token_storage_core::Error::new(kind, "there is no such record").with_operation(operation))
                }
            }
        }
    }
);

flaw!(
    /// A removed record comes back when another one is stored: its tombstone was not written.
    ResurrectsRemoved with Vec<(TokenKey, TokenData)> {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let revision = self.0.store(key, data, precondition).await?;
            let removed = std::mem::take(&mut *self.1.lock().unwrap());
            for (other, data) in removed.iter().filter(|(other, _)| other != key) {
                let _ = self.0.store(other, data, Precondition::Absent).await;
            }
            Ok(revision)
        }

        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            let old = self.0.get(key).await?;
            let removed = self.0.remove(key, precondition).await?;
            self.1.lock().unwrap().extend(old.map(|old| (key.clone(), old.data)));
            Ok(removed)
        }
    }
);
