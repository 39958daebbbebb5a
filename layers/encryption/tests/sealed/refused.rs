//! What does not belong where it is, is refused: with which kind, and with which words.

use token_storage_core::{ErrorKind, MemoryStorage, Precondition, TokenData, TokenKey, TokenStorage, Write};
use token_storage_encryption::{Encrypted, Resealed};

use crate::{data, key, put, ring};

/// A record of `rs` as it is stored, changed, and stored again below the layer.
struct Tampered {
    below: MemoryStorage,
    own: TokenData,
    rs: TokenKey,
}

impl Tampered {
    async fn new() -> Self {
        let below = MemoryStorage::new();
        let rs = TokenKey::new("ns", "rs");
        let storage = Encrypted::new(below.clone(), ring(1));
        put(&storage, &rs, &data("access", "refresh", "id")).await.unwrap();
        let own = below.get(&rs).await.unwrap().unwrap().data;
        Self { below, own, rs }
    }

    /// What a layer makes of the record, the keys being those of `reads`.
    async fn read(&self, key: &TokenKey, changed: &TokenData, reads: u8) -> token_storage_core::Error {
        put(&self.below, key, changed).await.unwrap();
        Encrypted::new(self.below.clone(), ring(reads))
            .get(key)
            .await
            .unwrap_err()
    }

    /// A sealed record of another key, and of another storage.
    async fn other(&self, key: &TokenKey, writes: u8) -> TokenData {
        let below = MemoryStorage::new();
        let storage = Encrypted::new(below.clone(), ring(writes));
        put(&storage, key, &data("access", "refresh", "id")).await.unwrap();
        below.get(key).await.unwrap().unwrap().data
    }
}

#[tokio::test]
async fn the_table_of_what_is_moved_changed_or_unknown() {
    use ErrorKind::{Corrupt, Misconfigured};

    let t = Tampered::new().await;
    let (other_rs, other_ns) = (TokenKey::new("ns", "other"), TokenKey::new("other", "rs"));
    // Names that would be one if they were joined.
    let joined = TokenKey::new("nsr", "s");
    let elsewhere = t.other(&t.rs, 2).await;
    let with = |change: &dyn Fn(&mut TokenData)| {
        let mut changed = t.own.clone();
        change(&mut changed);
        changed
    };
    let cut = |data: &TokenData, by: usize| {
        let text = data.access_token.expose();
        text[..text.len() - by].to_owned()
    };
    let later = t.own.access_token.expose().replacen(":1:", ":2:", 1);
    let fitting = with(&|d| d.access_token = elsewhere.access_token.clone());
    for (what, at, changed, kind, says) in [
        (
            "moved to another resource server",
            &other_rs,
            t.own.clone(),
            Corrupt,
            "another record",
        ),
        (
            "moved to another namespace",
            &other_ns,
            t.own.clone(),
            Corrupt,
            "another record",
        ),
        (
            "moved to names that join alike",
            &joined,
            t.own.clone(),
            Corrupt,
            "another record",
        ),
        (
            "the refresh token in the access token's place",
            &t.rs,
            with(&|d| d.access_token = d.refresh_token.clone().unwrap()),
            Corrupt,
            "access token was changed",
        ),
        (
            "the access token in the refresh token's place",
            &t.rs,
            with(&|d| d.refresh_token = Some(d.access_token.clone())),
            Corrupt,
            "refresh token was changed",
        ),
        (
            "of another storage",
            &t.rs,
            elsewhere.clone(),
            Misconfigured,
            "add that key",
        ),
        (
            "a part of another storage",
            &t.rs,
            fitting,
            Misconfigured,
            "add that key",
        ),
        (
            "cut off",
            &t.rs,
            with(&|d| d.access_token = cut(d, 1).into()),
            Corrupt,
            "access token",
        ),
        (
            "cut off in the middle",
            &t.rs,
            with(&|d| d.access_token = cut(d, 40).into()),
            Corrupt,
            "access token",
        ),
        (
            "cut off behind its head",
            &t.rs,
            with(&|d| d.access_token = d.access_token.expose()[..40].into()),
            Corrupt,
            "cut off",
        ),
        (
            "without its refresh token",
            &t.rs,
            with(&|d| d.refresh_token = None),
            Corrupt,
            "the record was changed",
        ),
        (
            "with another scope",
            &t.rs,
            with(&|d| d.scope = "all".into()),
            Corrupt,
            "the record was changed",
        ),
        (
            "with another expiry",
            &t.rs,
            with(&|d| d.expires_at = Some(i64::MAX)),
            Corrupt,
            "the record was changed",
        ),
        (
            "without its seal",
            &t.rs,
            with(&|d| d.extra = token_storage_core::Extra::new()),
            Corrupt,
            "another program",
        ),
        (
            "with a plain token",
            &t.rs,
            with(&|d| d.access_token = "plain".into()),
            Corrupt,
            "not sealed although",
        ),
        (
            "of a later version",
            &t.rs,
            with(&|d| d.access_token = later.as_str().into()),
            Misconfigured,
            "update this program",
        ),
        (
            "not sealed at all",
            &t.rs,
            data("a", "r", "i"),
            Misconfigured,
            "token-storage encrypt",
        ),
        (
            "a plain token that looks sealed",
            &t.rs,
            TokenData::new("rs", "read", "token-storage-sealed:1:0123456789abcdef:AAAA"),
            Misconfigured,
            "0123456789abcdef",
        ),
        (
            "one that begins so",
            &t.rs,
            TokenData::new("rs", "read", "token-storage-sealed:"),
            Corrupt,
            "cut off",
        ),
    ] {
        let error = t.read(at, &changed, 1).await;
        assert_eq!(error.kind(), kind, "{what}: {error}");
        assert!(error.message().contains(says), "{what}: {error}");
        assert_eq!(error.key(), Some(at), "{what}");
        assert!(error.message().contains("; "), "{what}: what to do: {error}");
    }
    let error = t.read(&t.rs, &t.own, 3).await;
    assert_eq!(error.kind(), Misconfigured);
    for named in [key(1).id(), key(3).id()] {
        assert!(
            error.message().contains(&named.to_string()),
            "the key that is missing, and those there are: {error}"
        );
    }
    // As it was.
    put(&t.below, &t.rs, &t.own).await.unwrap();
    assert!(
        Encrypted::new(t.below.clone(), ring(1))
            .get(&t.rs)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn where_plaintext_is_allowed_only_plaintext_is_more() {
    let t = Tampered::new().await;
    let storage = Encrypted::new(t.below.clone(), ring(1)).allow_plaintext();
    let plain = data("a", "r", "i");
    let revision = put(&t.below, &t.rs, &plain).await.unwrap();
    let stored = storage.get(&t.rs).await.unwrap().unwrap();
    assert_eq!((stored.data, stored.revision), (plain.clone(), revision));
    // Sealed at its next write, on condition of what was read.
    let write = Write::new(&t.rs, &plain, Precondition::Unchanged(revision));
    storage.store_all(&[write]).await.unwrap();
    let below = t.below.get(&t.rs).await.unwrap().unwrap().data;
    assert!(below.access_token.expose().starts_with("token-storage-sealed:1:"));
    assert_eq!(storage.get(&t.rs).await.unwrap().unwrap().data, plain);
    for changed in [
        TokenData::new("rs", "read", "token-storage-sealed:1:0123456789abcdef:AAAA"),
        t.other(&TokenKey::new("ns", "other"), 1).await,
        TokenData::new("rs", "read", "plain").with_refresh_token(t.own.access_token.expose()),
    ] {
        put(&t.below, &t.rs, &changed).await.unwrap();
        storage.get(&t.rs).await.unwrap_err();
    }
}

#[tokio::test]
async fn what_does_not_open_is_removed_and_replaced() {
    let t = Tampered::new().await;
    let storage = Encrypted::new(t.below.clone(), ring(3));
    assert_eq!(storage.get(&t.rs).await.unwrap_err().kind(), ErrorKind::Misconfigured);
    assert!(storage.reseal(&t.rs).await.is_err());
    let new = data("new", "new", "new");
    let absent = Write::new(&t.rs, &new, Precondition::Absent);
    let conflict = storage.store_all(&[absent]).await.unwrap_err();
    assert_eq!(conflict.kind(), ErrorKind::Conflict, "it is there");
    put(&storage, &t.rs, &new).await.unwrap();
    assert_eq!(storage.get(&t.rs).await.unwrap().unwrap().data, new);
    put(&t.below, &t.rs, &t.own).await.unwrap();
    assert!(storage.remove(&t.rs, Precondition::Any).await.unwrap());
    assert_eq!(storage.get(&t.rs).await.unwrap(), None);
    assert_eq!(storage.reseal(&t.rs).await.unwrap(), Resealed::Absent);
}

/// The sizes that are left are declared, and what is larger is refused before anything is written.
#[tokio::test]
async fn what_sealing_adds_counts() {
    let below = MemoryStorage::new();
    let storage = Encrypted::new(below.clone(), ring(1));
    let (limits, inner) = (storage.describe().limits, below.describe().limits);
    assert!(limits.record_bytes < inner.record_bytes && limits.batch_bytes < inner.batch_bytes);
    let rs = TokenKey::new("ns", "rs");
    let record = |bytes: usize| TokenData::new("rs", "", "x".repeat(bytes));
    put(&storage, &rs, &record(limits.record_bytes - 200)).await.unwrap();
    let before = below.get(&rs).await.unwrap();
    let error = put(&storage, &rs, &record(limits.record_bytes)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(below.get(&rs).await.unwrap(), before);
}
