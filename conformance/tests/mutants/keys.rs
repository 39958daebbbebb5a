//! Keys that are not what they were: clauses K4 to K6.

use token_storage_core::{
    Error, ErrorKind, MemoryStorage, Operation, Precondition, Result, Revision, StorageInfo, StoredToken, TokenData,
    TokenKey, TokenStorage, TokenStorageExt as _,
};

use crate::{
    Mutant,
    flaw::{flaw, namespaces_of},
    registry::memory,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        memory::<JoinsKeys>("joins keys", "keys::parts_do_not_run_together"),
        memory::<FoldsCase>("folds case", "keys::case_is_kept"),
        memory::<TrimsKeys>("trims keys", "keys::white_space_is_kept"),
        memory::<NormalisesUnicode>("normalises Unicode", "keys::unicode_is_not_normalised"),
        memory::<EndsKeysAtNul>("ends keys at NUL", "keys::odd_resource_servers_are_distinct"),
        memory::<DecodesPercent>("decodes percent", "keys::odd_resource_servers_are_distinct"),
        memory::<RefusesEmptyKeys>("refuses empty keys", "keys::an_empty_resource_server_is_a_key"),
        memory::<CutsLongKeys>("cuts long keys", "keys::longer_parts_are_too_large"),
        memory::<DeclaresLongerKeys>(
            "declares longer keys",
            "keys::parts_up_to_the_declared_length_are_legal",
        ),
        memory::<PrefixMatchesNamespaces>(
            "prefix-matches namespaces",
            "keys::a_namespace_is_not_matched_by_its_prefix",
        ),
        memory::<RemovesInEveryNamespace>(
            "removes in every namespace",
            "keys::a_namespace_sees_nothing_of_another",
        ),
    ]
}

flaw!(
    /// Joins namespace and resource server with a colon.
    JoinsKeys {
        fn key(&self, key: &TokenKey) -> TokenKey {
            TokenKey::new("", format!("{}:{}", key.namespace(), key.resource_server()))
        }
    }
);

fn changed(key: &TokenKey, change: impl Fn(&str) -> String) -> TokenKey {
    TokenKey::new(change(key.namespace()), change(key.resource_server()))
}

flaw!(
    /// Takes `A` for `a`.
    FoldsCase {
        fn key(&self, key: &TokenKey) -> TokenKey {
            changed(key, str::to_lowercase)
        }
    }
);

flaw!(
    /// Drops white space around the parts of a key.
    TrimsKeys {
        fn key(&self, key: &TokenKey) -> TokenKey {
            changed(key, |part| part.trim().to_owned())
        }
    }
);

flaw!(
    /// Takes two ways to write one character for the same.
    NormalisesUnicode {
        fn key(&self, key: &TokenKey) -> TokenKey {
            changed(key, |part| part.replace("e\u{301}", "\u{e9}").replace('\u{212b}', "\u{c5}").replace('\u{2126}', "\u{3a9}"))
        }
    }
);

flaw!(
    /// Ends a key at NUL, as a C string does.
    EndsKeysAtNul {
        fn key(&self, key: &TokenKey) -> TokenKey {
            changed(key, |part| part.split('\0').next().unwrap_or_default().to_owned())
        }
    }
);

flaw!(
    /// Decodes `%61` and its like, which it never encoded.
    DecodesPercent {
        fn key(&self, key: &TokenKey) -> TokenKey {
            changed(key, |part| part.replace("%61", "a").replace("%00", "\0").replace("%2F", "/"))
        }
    }
);

flaw!(
    /// Refuses the empty string, which is a legal part of a key.
    RefusesEmptyKeys {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            if key.resource_server().is_empty() || key.namespace().is_empty() {
                return Err(Error::new(ErrorKind::InvalidInput, "a part of the key is empty").with_operation(Operation::Store));
            }
            self.0.store(key, data, precondition).await
        }
    }
);

flaw!(
    /// Cuts long keys instead of refusing them.
    CutsLongKeys {
        fn key(&self, key: &TokenKey) -> TokenKey {
            let cut = |part: &str, most: usize| {
                let end = (0..=most.min(part.len())).rev().find(|end| part.is_char_boundary(*end));
                part[..end.unwrap_or(0)].to_owned()
            };
            let limits = MemoryStorage::LIMITS;
            TokenKey::new(
                cut(key.namespace(), limits.namespace_bytes),
                cut(key.resource_server(), limits.resource_server_bytes),
            )
        }
    }
);

flaw!(
    /// Declares that keys may be longer than they may.
    DeclaresLongerKeys {
        fn describe(&self) -> StorageInfo {
            let mut info = self.0.describe();
            info.limits.resource_server_bytes += 1;
            info.limits.namespace_bytes += 1;
            info
        }
    }
);

flaw!(
    /// Looks a namespace up by its beginning, as a search with `LIKE 'x%'` would.
    PrefixMatchesNamespaces with Vec<TokenKey> {
        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            if let Some(stored) = self.0.get(key).await? {
                return Ok(Some(stored));
            }
            let other = self.1.lock().unwrap().iter().find(|other| {
                other.namespace().starts_with(key.namespace()) && other.resource_server() == key.resource_server()
            }).cloned();
            match other {
                Some(other) => self.0.get(&other).await,
                None => Ok(None),
            }
        }

        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            self.1.lock().unwrap().push(key.clone());
            self.0.store(key, data, precondition).await
        }
    }
);

flaw!(
    /// Ignores the namespace when it removes.
    RemovesInEveryNamespace {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            let removed = self.0.remove(key, precondition).await?;
            for namespace in namespaces_of(&&self.0).await? {
                let other = TokenKey::new(namespace, key.resource_server());
                self.0.remove(&other, Precondition::Any).await?;
            }
            Ok(removed)
        }
    }
);
