//! Storages that are wrong about few keys, few fields or few sizes, or in what they say of themselves: clauses C1 to C3,
//! K1 to K8, S1.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use token_storage_core::{
    Enumerate, Error, ErrorKind, Extra, MemoryStorage, Precondition, RefreshLease, Result, Revision, StorageInfo,
    StoredToken, TokenData, TokenKey, TokenStorage as _, TokenStorageExt as _, async_trait,
};

use crate::{
    Mutant,
    flaw::{self, Flaw, flaw, keys_of, written},
    registry::memory,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    let without_listing = "capability::nothing_but_listing_needs_a_listing";
    vec![
        memory::<FieldsInLatin1>(
            "keeps fields in Latin-1",
            "records::odd_text_round_trips_in_every_field",
        ),
        memory::<NamesWithoutCase>("names of members have no case", "records::extra_names_are_exact"),
        memory::<MembersStay>("members of before stay", "records::a_store_keeps_no_extra_of_before"),
        memory::<IdentityOfRefresh>(
            "no identity without a refresh token",
            "records::each_optional_field_alone_round_trips",
        ),
        memory::<ShowsItsVersion>("its own member shows", "records::reserved_members_never_show"),
        memory::<Tombstones>(
            "a removed key is taken",
            "removal::a_removed_record_can_be_stored_again",
        ),
        memory::<MixesUpColumns>("mixes up two columns", "secrets::debug_of_a_record_shows_none"),
        memory::<LikePrefix>("finds by prefix", "keys::a_prefix_is_another_key"),
        memory::<LikePatterns>("finds by pattern", "keys::patterns_are_plain_text"),
        memory::<EmptyIsDefault>(
            "the empty namespace is the default one",
            "keys::an_empty_namespace_is_a_namespace",
        ),
        memory::<NamespaceIsALine>("a namespace is one line", "keys::odd_namespaces_are_distinct"),
        memory::<OneByteShort>(
            "has room for a byte less than it says",
            "keys::long_parts_differ_in_their_last_byte",
        ),
        memory::<CountsNoIdentity>("does not count the identity", "limits::every_field_counts"),
        memory::<CutsALittle>(
            "cuts what is a little too long",
            "limits::sizes_around_the_limit_are_stored_or_refused",
        ),
        memory::<DescribesItsRoom>(
            "describes what room is left",
            "capability::the_description_does_not_change",
        ),
        memory::<CapableOnce>(
            "hands out its capabilities once",
            "capability::pointers_forward_everything",
        ),
        Mutant {
            name: "cannot remove without a listing",
            caught_by: without_listing,
            plan: flaw::suite::<RemovesByListing>("cannot remove without a listing")
                .process_leases()
                .plan(),
        },
    ]
}

fn latin1(text: &str) -> String {
    text.chars().map(|c| if c <= '\u{ff}' { c } else { '?' }).collect()
}

fn lower_case(extra: &Extra) -> Extra {
    let mut changed = Extra::new();
    for (name, json) in extra.iter() {
        changed
            .insert(name.to_lowercase(), json)
            .expect("what was valid stays valid");
    }
    changed
}

written! {
    /// The columns that are not looked up.
    FieldsInLatin1, |data| {
        data.scope = latin1(&data.scope);
        data.identity_id = data.identity_id.as_deref().map(latin1);
    };
    /// As columns are.
    NamesWithoutCase, |data| data.extra = lower_case(&data.extra);
    /// They are one structure.
    IdentityOfRefresh, |data| if data.refresh_token.is_none() { data.identity_id = None };
}

flaw!(
    /// Members are merged, all else is replaced.
    MembersStay {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let mut data = data.clone();
            if let Some(there) = self.0.get(key).await? {
                let mut all = there.data.extra;
                for (name, json) in data.extra.iter() {
                    all.insert(name, json)?;
                }
                data.extra = all;
            }
            self.0.store(key, &data, precondition).await
        }
    }
);

flaw!(
    /// Where a record has no members, it takes its own one for one.
    ShowsItsVersion {
        fn read(&self, mut data: TokenData) -> TokenData {
            if data.extra.is_empty() {
                data.extra.insert("version", "1").expect("it is valid");
            }
            data
        }
    }
);

flaw!(
    /// What is left of a removed record is a record to `Absent`.
    Tombstones with HashSet<TokenKey> {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            if precondition == Precondition::Absent && self.1.lock().unwrap().contains(key) {
                return Err(Error::precondition_failed(key.clone(), None));
            }
            self.0.store(key, data, precondition).await
        }

        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            let removed = self.0.remove(key, precondition).await?;
            if removed {
                self.1.lock().unwrap().insert(key.clone());
            }
            Ok(removed)
        }
    }
);

flaw!(
    /// The token is where the scope should be.
    MixesUpColumns {
        fn read(&self, mut data: TokenData) -> TokenData {
            let scope = std::mem::replace(&mut data.scope, data.access_token.expose().to_owned());
            data.access_token = scope.as_str().into();
            data
        }
    }
);

/// Whether `text` is like `pattern`, in which `%` stands for anything and `_` for one character.
fn like(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['%', rest @ ..], _) => like(rest, text) || matches!(text, [_, others @ ..] if like(pattern, others)),
        (['_', rest @ ..], [_, others @ ..]) => like(rest, others),
        ([p, rest @ ..], [t, others @ ..]) => p == t && like(rest, others),
        _ => false,
    }
}

/// What is found of those that match: the last in order.
async fn last(base: &MemoryStorage, asked: &TokenKey, matches: impl Fn(&str) -> bool) -> Result<Option<StoredToken>> {
    let keys = keys_of(&base, asked.namespace()).await?;
    match keys.iter().rfind(|key| matches(key.resource_server())) {
        Some(key) => base.get(key).await,
        None => Ok(None),
    }
}

flaw!(
    /// `LIKE 'transfer%'`.
    LikePrefix {
        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            last(&self.0, key, |text| text.starts_with(key.resource_server())).await
        }
    }
);

flaw!(
    /// `LIKE` instead of `=`.
    LikePatterns {
        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            let pattern: Vec<char> = key.resource_server().chars().take(40).collect();
            last(&self.0, key, |text| like(&pattern, &text.chars().take(40).collect::<Vec<_>>())).await
        }
    }
);

flaw!(
    /// As in a configuration file.
    EmptyIsDefault {
        fn key(&self, key: &TokenKey) -> TokenKey {
            match key.namespace() {
                "" => TokenKey::in_default(key.resource_server()),
                _ => key.clone(),
            }
        }
    }
);

flaw!(
    /// A heading of a section; what follows is not part of it.
    NamespaceIsALine {
        fn key(&self, key: &TokenKey) -> TokenKey {
            let line = key.namespace().lines().next().unwrap_or_default();
            TokenKey::new(line, key.resource_server())
        }
    }
);

flaw!(
    /// It forgot the NUL at the end.
    OneByteShort {
        fn key(&self, key: &TokenKey) -> TokenKey {
            let most = MemoryStorage::LIMITS.resource_server_bytes - 1;
            let cut = |text: &str| text.get(..most).unwrap_or(text).to_owned();
            TokenKey::new(cut(key.namespace()), cut(key.resource_server()))
        }
    }
);

flaw!(
    /// It is a number of a table.
    CountsNoIdentity {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let mut counted = data.clone();
            counted.identity_id = None;
            self.0.store(key, &counted, precondition).await
        }
    }
);

flaw!(
    /// It makes room for what comes around it.
    CutsALittle {
        fn written(&self, data: &TokenData) -> TokenData {
            let mut data = data.clone();
            let room = MemoryStorage::LIMITS.record_bytes - 300;
            if let Some(cut) = data.access_token.expose().get(..room) {
                data.access_token = cut.to_owned().into();
            }
            data
        }
    }
);

flaw!(
    /// What it takes is what is left.
    DescribesItsRoom with usize {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            *self.1.lock().unwrap() += 1;
            self.0.store(key, data, precondition).await
        }

        fn describe(&self) -> StorageInfo {
            let mut info = self.0.describe();
            info.limits.batch_bytes -= *self.1.lock().unwrap();
            info
        }
    }
);

/// A capability is taken out of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct CapableOnce(MemoryStorage, Arc<AtomicBool>);

#[async_trait]
impl Flaw for CapableOnce {
    fn new() -> Self {
        Self::default()
    }

    fn base(&self) -> &MemoryStorage {
        &self.0
    }

    fn handle(&self) -> Self {
        Self(self.0.clone(), Arc::default())
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        match self.1.swap(true, Ordering::SeqCst) {
            true => None,
            false => self.0.lease(),
        }
    }
}

flaw!(
    /// It looks for the key in its listing, which it does not have.
    RemovesByListing {
        fn describe(&self) -> StorageInfo {
            let mut info = self.0.describe();
            info.enumerates = false;
            info
        }

        fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
            None
        }

        async fn remove(&self, _: &TokenKey, _: Precondition) -> Result<bool> {
            Err(Error::new(ErrorKind::Misconfigured, "listing is not supported"))
        }
    }
);
