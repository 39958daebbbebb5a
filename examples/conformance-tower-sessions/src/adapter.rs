//! Our records as sessions: the record is the one member of a session's data, and its key a digest that is the session's id.

use std::{path::Path, sync::Arc};

use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use token_storage_core::{
    Durability, Enumerate, Error, ErrorContext as _, ErrorKind, Limits, Operation, Precondition, RefreshLease, Result,
    Revision, SharingScope, StorageInfo, StoredToken, TokenKey, TokenStorage, Write, WriteMark, async_trait, record,
};
use tokio::sync::RwLock;
use tower_sessions_core::{
    SessionStore as _,
    session::{Id, Record},
    session_store,
};
use tower_sessions_rusqlite_store::{RusqliteStore, tokio_rusqlite::Connection};

const MEMBER: &str = "record";
/// The last second of the year 9999: a session without an end is not provided for.
const NEVER: i64 = 253_402_300_799;
const LIMITS: Limits = Limits::UNLIMITED
    .with_keys(1024, 1024)
    .with_records(1024 * 1024)
    .with_batches(100, 8 * 1024 * 1024);

/// One connection; clones share it.
#[derive(Clone)]
pub(crate) struct SessionStorage {
    store: RusqliteStore,
    /// A store has no preconditions and no batches: within one handle they are made here, by turns.
    turn: Arc<RwLock<()>>,
    durability: Durability,
    sharing: SharingScope,
}

impl std::fmt::Debug for SessionStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionStorage")
    }
}

impl SessionStorage {
    pub(crate) async fn open(path: &Path, durability: Durability, sharing: SharingScope) -> Result<Self> {
        let unusable = || Error::new(ErrorKind::Unavailable, "the database of the sessions cannot be opened");
        let connection = Connection::open(path).await;
        let store = RusqliteStore::new(connection.map_err(|_| unusable()).during(Operation::Open)?);
        store.migrate().await.map_err(|_| unusable()).during(Operation::Open)?;
        Ok(Self {
            store,
            turn: Arc::default(),
            durability,
            sharing,
        })
    }

    async fn read(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        let Some(session) = self.store.load(&id(key)).await.map_err(failed)? else {
            return Ok(None);
        };
        let damaged = || Error::new(ErrorKind::Corrupt, "the session holds no record").with_key(key);
        let text = session.data.get(MEMBER).and_then(|text| text.as_str());
        let record = record::decode(text.ok_or_else(damaged)?).map_err(|_| damaged())?;
        Ok(Some(StoredToken {
            data: record.data,
            revision: record.revision,
        }))
    }

    async fn check(&self, key: &TokenKey, precondition: Precondition) -> Result<()> {
        if precondition == Precondition::Any {
            return Ok(());
        }
        let current = self.read(key).await?.map(|stored| stored.revision);
        if precondition.holds(current) {
            return Ok(());
        }
        Err(Error::precondition_failed(key.clone(), current))
    }

    async fn write(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        let (mut sessions, mut sizes, mut revisions) = (Vec::new(), Vec::new(), Vec::new());
        for write in writes {
            let mark = WriteMark::random()?;
            let text = record::encode(write.data, &mark).to_string();
            sizes.push(text.len());
            sessions.push(session(write.key, text));
            revisions.push(record::revision_of(write.data, Some(&mark)));
        }
        LIMITS.check_batch(writes, &sizes)?;
        let _turn = self.turn.write().await;
        for write in writes {
            self.check(write.key, write.precondition).await?;
        }
        for session in &sessions {
            let saved = self.store.save(session).await;
            saved.map_err(|error| failed(error).with_unknown_outcome())?;
        }
        Ok(revisions)
    }

    async fn remove_if(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        let _turn = self.turn.write().await;
        self.check(key, precondition).await?;
        let there = self.store.load(&id(key)).await.map_err(failed)?.is_some();
        if there {
            let deleted = self.store.delete(&id(key)).await;
            deleted.map_err(|error| failed(error).with_unknown_outcome())?;
        }
        Ok(there)
    }
}

/// The length of the first part tells where the second begins.
fn id(key: &TokenKey) -> Id {
    let mut digest = Sha256::new();
    digest.update((key.namespace().len() as u64).to_be_bytes());
    digest.update(key.namespace());
    digest.update(key.resource_server());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finalize()[..16]);
    Id(i128::from_be_bytes(bytes))
}

fn session(key: &TokenKey, text: String) -> Record {
    Record {
        id: id(key),
        data: [(MEMBER.to_owned(), text.into())].into(),
        expiry_date: OffsetDateTime::from_unix_timestamp(NEVER).unwrap_or(OffsetDateTime::UNIX_EPOCH),
    }
}

/// Without what the store says: it might quote what is stored.
fn failed(error: session_store::Error) -> Error {
    match error {
        session_store::Error::Decode(_) => Error::new(ErrorKind::Corrupt, "the session is damaged"),
        _ => Error::new(ErrorKind::Unavailable, "the session store reports an error"),
    }
}

#[async_trait]
impl TokenStorage for SessionStorage {
    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        let _turn = self.turn.read().await;
        self.read(key).await.during(Operation::Get)
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        self.write(writes).await.during(Operation::StoreAll)
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        self.remove_if(key, precondition).await.during(Operation::Remove)
    }

    /// A store offers no write that changes nothing: one of a session of its own stands for it.
    async fn prove_writable(&self, _: &TokenKey) -> Result<()> {
        let probe = TokenKey::new("conformance-tower-sessions", "probe");
        let saved = self.store.save(&session(&probe, String::new())).await;
        saved.map_err(failed).during(Operation::Store)?;
        self.store
            .delete(&id(&probe))
            .await
            .map_err(failed)
            .during(Operation::Store)
    }

    fn describe(&self) -> StorageInfo {
        StorageInfo::new("tower-sessions", "sessions.sqlite", LIMITS)
            .with_durability(self.durability)
            .with_sharing(self.sharing)
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        None
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        None
    }
}
