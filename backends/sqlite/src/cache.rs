//! The records that one connection has read last, decoded.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    mem,
};

use token_storage_core::{StoredToken, TokenKey};

/// A bounded cache of two generations: what was not asked for during a whole generation is forgotten. Simpler than a
/// least-recently-used list, and as good here.
///
/// It knows nothing of staleness: its owner empties it when the database has changed.
#[derive(Default)]
pub(crate) struct Cache {
    young: Generation,
    old: Generation,
    /// Hashes of keys that were read lately. Only the second read of a key is worth a place, so that a program that
    /// reads many keys once each pays for neither the cache nor its revalidation.
    read_once: ReadOnce,
}

#[derive(Default)]
struct Generation {
    records: HashMap<TokenKey, StoredToken>,
    bytes: usize,
}

struct ReadOnce {
    hasher: RandomState,
    hashes: [u64; 64],
}

impl Default for ReadOnce {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            hashes: [0; 64],
        }
    }
}

impl Cache {
    /// The most bytes of records that it holds, about: half of it in each generation.
    const BYTES: usize = 512 * 1024;

    pub(crate) fn get(&mut self, key: &TokenKey) -> Option<&StoredToken> {
        // Where there is but one generation a key is hashed once.
        if !self.old.records.is_empty() && !self.young.records.contains_key(key) {
            let (key, record) = self.old.records.remove_entry(key)?;
            let size = size(&key, &record);
            self.old.bytes = self.old.bytes.saturating_sub(size);
            self.insert(key, record);
        }
        self.young.records.get(key)
    }

    /// Whether the key was asked for before, not too long ago; from now on it was.
    pub(crate) fn read_before(&mut self, key: &TokenKey) -> bool {
        let hash = self.read_once.hasher.hash_one(key) | 1;
        let place = &mut self.read_once.hashes[(hash >> 32) as usize % 64];
        mem::replace(place, hash) == hash
    }

    pub(crate) fn insert(&mut self, key: TokenKey, record: StoredToken) {
        let size = size(&key, &record);
        if size > Self::BYTES / 2 {
            return;
        }
        if self.young.bytes + size > Self::BYTES / 2 {
            self.old = mem::take(&mut self.young);
        }
        self.young.bytes += size;
        self.young.records.insert(key, record);
    }

    pub(crate) fn clear(&mut self) {
        self.young = Generation::default();
        self.old = Generation::default();
    }
}

/// What a record costs in memory, roughly.
pub(crate) fn size(key: &TokenKey, record: &StoredToken) -> usize {
    let data = &record.data;
    let refresh_token = data.refresh_token.as_ref().map_or(0, |token| token.expose().len());
    let extra: usize = data.extra.iter().map(|(name, json)| name.len() + json.len() + 64).sum();
    512 + key.namespace().len()
        + key.resource_server().len()
        + data.resource_server.len()
        + data.scope.len()
        + data.access_token.expose().len()
        + refresh_token
        + extra
}

#[cfg(test)]
mod tests {
    use token_storage_core::{Revision, TokenData};

    use super::*;

    fn record(token: &str) -> StoredToken {
        StoredToken {
            data: TokenData::new("rs", "s", token),
            revision: Revision::from_bytes(b"r").unwrap(),
        }
    }

    fn key(i: usize) -> TokenKey {
        TokenKey::in_default(format!("rs-{i}"))
    }

    #[test]
    fn memory_is_bounded_and_the_hot_record_stays() {
        let mut cache = Cache::default();
        cache.insert(key(0), record("hot"));
        for i in 1..10_000 {
            cache.insert(key(i), record(&"x".repeat(1000)));
            assert_eq!(cache.get(&key(0)).unwrap().data.access_token.expose(), "hot", "{i}");
        }
        let held = cache.young.records.len() + cache.old.records.len();
        assert!(held * 1500 <= Cache::BYTES + 3000, "{held} records are held");
        assert!(cache.get(&key(5)).is_none());
    }

    #[test]
    fn a_huge_record_has_no_place() {
        let mut cache = Cache::default();
        cache.insert(key(0), record(&"x".repeat(1024 * 1024)));
        assert!(cache.get(&key(0)).is_none());
    }

    #[test]
    fn only_the_second_read_counts() {
        let mut cache = Cache::default();
        assert!(!cache.read_before(&key(1)));
        assert!(cache.read_before(&key(1)));
    }
}
