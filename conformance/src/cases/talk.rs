//! Everything that a storage says while it is used with tokens that are known: answers, errors, `Debug` of them all.

use token_storage_core::{
    Acquisition, Cursor, Error, Intent, Precondition, Result, Revision, StoredToken, TokenData, TokenKey, TokenStorage,
    TokenStorageExt as _, Write,
};

use super::limits::MOST;
use crate::canary::{ACCESS, canaries};

/// What a storage is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Calls,
    Conflicts,
    Sizes,
    Batches,
    Listings,
    Leases,
}

impl Part {
    pub(crate) const ALL: [Self; 6] = [
        Self::Calls,
        Self::Conflicts,
        Self::Sizes,
        Self::Batches,
        Self::Listings,
        Self::Leases,
    ];
}

/// What said something, and what it said.
type Said = Vec<(&'static str, String)>;

/// Those that [`of`] uses.
pub(crate) fn keys(key: &TokenKey) -> [TokenKey; 2] {
    [key.clone(), TokenKey::new(key.namespace(), "second")]
}

/// What an error says, in every way that a program might print it, its sources and its facts included.
pub(crate) fn of_error(error: &Error) -> Vec<String> {
    let mut texts = vec![format!("{error} {error:?} {error:#?} {}", error.message())];
    if let Some(conflict) = error.conflict() {
        let current = conflict
            .current
            .unwrap_or(Revision::from_bytes(&[]).expect("an empty one is short"));
        texts.push(format!("{conflict:?} {}", String::from_utf8_lossy(current.as_bytes())));
    }
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        texts.push(format!("{inner} {inner:?} {inner:#?}"));
        source = inner.source();
    }
    texts
}

fn refusal<T>(said: &mut Said, what: &'static str, result: Result<T>) {
    if let Err(error) = result {
        said.extend(of_error(&error).into_iter().map(|text| (what, text)));
    }
}

/// Uses the storage, and says what it said. What must be refused is; calls that must succeed fail with their error.
pub(crate) async fn of(part: Part, storage: &dyn TokenStorage, keys: &[TokenKey]) -> Result<Said> {
    let mut said = Said::new();
    let (key, second, data) = (&keys[0], &keys[1], canaries());
    let revision = storage.store(key, &data, Precondition::Any).await?;
    let read = storage.get(key).await?;
    said.push(("Debug of a record", format!("{read:?} {read:#?}")));
    match part {
        Part::Calls => {
            storage.store(key, &data, Precondition::Unchanged(revision)).await?;
            let revisions = storage
                .store_all(&[Write::new(second, &data, Precondition::Any)])
                .await?;
            said.push(("the answer of a batch", format!("{revisions:?}")));
            storage.remove(second, Precondition::Any).await?;
        }
        Part::Conflicts => conflicts(&mut said, storage, key, &data).await?,
        Part::Sizes => sizes(&mut said, storage, keys).await,
        Part::Batches => batches(&mut said, storage, keys, &data).await,
        Part::Listings => listings(&mut said, storage, key.namespace()).await?,
        Part::Leases => leases(&mut said, storage, key, read).await?,
    }
    said.push(("Debug of the storage", format!("{storage:?} {storage:#?}")));
    storage.remove(key, Precondition::Any).await?;
    storage.remove(second, Precondition::Any).await?;
    Ok(said)
}

async fn conflicts(said: &mut Said, storage: &dyn TokenStorage, key: &TokenKey, data: &TokenData) -> Result<()> {
    let strange = Precondition::Unchanged(Revision::from_bytes(&[1; 32])?);
    for precondition in [Precondition::Absent, strange] {
        refusal(said, "a refused store", storage.store(key, data, precondition).await);
        refusal(said, "a refused remove", storage.remove(key, precondition).await);
    }
    Ok(())
}

/// Too large because of each of the secrets.
async fn sizes(said: &mut Said, storage: &dyn TokenStorage, keys: &[TokenKey]) {
    let limits = storage.describe().limits;
    let (key, data) = (&keys[0], canaries());
    if limits.record_bytes <= MOST {
        let long = format!("{ACCESS}{}{ACCESS}", "x".repeat(limits.record_bytes));
        for large in [
            TokenData::new("rs", "s", long.as_str()),
            canaries().with_refresh_token(long.as_str()),
            canaries().with_extra(crate::data::extra(&[("id_token", &format!("\"{long}\""))])),
        ] {
            let write = Write::new(key, &large, Precondition::Any);
            refusal(
                said,
                "a store of what is too large",
                storage.store(key, &large, Precondition::Any).await,
            );
            refusal(
                said,
                "a batch with what is too large",
                storage.store_all(&[write]).await,
            );
        }
    }
    if limits.resource_server_bytes <= MOST {
        let long = TokenKey::new(key.namespace(), "x".repeat(limits.resource_server_bytes + 1));
        refusal(
            said,
            "a key that is too long",
            storage.store(&long, &data, Precondition::Any).await,
        );
        refusal(
            said,
            "a remove of a key that is too long",
            storage.remove(&long, Precondition::Any).await,
        );
    }
}

async fn batches(said: &mut Said, storage: &dyn TokenStorage, keys: &[TokenKey], data: &TokenData) {
    let (key, second) = (&keys[0], &keys[1]);
    let free = Write::new(second, data, Precondition::Any);
    let refused = Write::new(key, data, Precondition::Absent);
    refusal(said, "a refused batch", storage.store_all(&[free, refused]).await);
    refusal(
        said,
        "a batch with one key twice",
        storage.store_all(&[free, free]).await,
    );
    let many = vec![free; storage.describe().limits.batch_records.min(5000) + 1];
    refusal(said, "a batch of too many records", storage.store_all(&many).await);
}

async fn listings(said: &mut Said, storage: &dyn TokenStorage, namespace: &str) -> Result<()> {
    let Some(listing) = storage.enumerate() else {
        return Ok(());
    };
    let keys = listing.list_keys(namespace, None).await?;
    let namespaces = listing.list_namespaces(None).await?;
    said.push(("a page", format!("{keys:?} {namespaces:?}")));
    // May be refused, or understood.
    for strange in ["", "\0", "no cursor of yours", "{", "999999999999999999999"] {
        let cursor = Cursor::new(strange);
        refusal(
            said,
            "a refused cursor",
            listing.list_keys(namespace, Some(&cursor)).await,
        );
        refusal(said, "a refused cursor", listing.list_namespaces(Some(&cursor)).await);
    }
    Ok(())
}

async fn leases(said: &mut Said, storage: &dyn TokenStorage, key: &TokenKey, read: Option<StoredToken>) -> Result<()> {
    let (Some(lease), Some(read)) = (storage.lease(), read) else {
        return Ok(());
    };
    let acquired = lease.try_acquire(key).await?;
    said.push(("Debug of a lease", format!("{acquired:?} {acquired:#?}")));
    let Acquisition::Acquired(mut guard) = acquired else {
        return Ok(());
    };
    storage.prove_writable(key).await?;
    guard.record_intent(&Intent::new(&read, false, 1_700_000_000)).await?;
    said.push((
        "Debug of a lease with an intent",
        format!("{guard:?} {guard:#?} {:?}", guard.intent()),
    ));
    let held = lease.try_acquire(key).await;
    said.push(("Debug of what is held", format!("{held:?}")));
    guard.renew().await?;
    guard.release().await?;
    let acquired = lease.try_acquire(key).await?;
    said.push((
        "Debug of a lease with a predecessor's intent",
        format!("{acquired:?} {acquired:#?}"),
    ));
    if let Acquisition::Acquired(mut guard) = acquired {
        said.push(("a predecessor's intent", format!("{:?}", guard.intent())));
        guard.clear_intent().await?;
        guard.release().await?;
    }
    Ok(())
}
