use std::sync::Arc;

use token_storage_core::{
    Enumerate, Error, ErrorContext as _, ErrorKind, Operation, Precondition, Result, Revision, StorageInfo,
    StoredToken, TokenData, TokenKey, TokenStorage, Write, async_trait, backend::forward,
};

use crate::{
    KeyRing, KeySource,
    envelope::Closed,
    limits,
    record::{self, Refusal, State},
};

/// A storage whose tokens are sealed in the one below it; everything else it forwards, all capabilities included.
///
/// What is stored is sealed with the ring's writing key; what is read opens with any key of the ring. A missing key, a
/// record that was changed or moved, and one that is not sealed are errors of [`get`](TokenStorage::get) that say what is to
/// be done; `remove`, listing and leases need no key. Of a record that does not open the storage below knows the revision, so
/// that a conditional write over it is a [`Conflict`](ErrorKind::Conflict); without condition it is replaced.
///
/// Sealing adds a third and some 400 bytes to a record, so the sizes that [`describe`](TokenStorage::describe) declares are
/// three quarters of those below. Intents and leases hold a digest of tokens and no token, and stay as they are.
#[derive(Clone, Debug)]
pub struct Encrypted<S> {
    storage: S,
    keys: Arc<dyn KeySource>,
    allow_plaintext: bool,
}

/// What [`Encrypted::reseal`] and [`Encrypted::unseal`] did to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resealed {
    /// There is no record of that key.
    Absent,
    /// It was as it should be, and was not written.
    Unchanged,
    /// It has been written.
    Written,
}

/// How often others may replace a record while it is opened and sealed again. Each time means that another writer got
/// through.
const MAX_ROUNDS: usize = 256;

impl<S: TokenStorage> Encrypted<S> {
    /// Wraps a storage. What is not sealed there is refused.
    pub fn new(storage: S, keys: impl KeySource + 'static) -> Self {
        Self {
            storage,
            keys: Arc::new(keys),
            allow_plaintext: false,
        }
    }

    /// Reads records that are not sealed, too; each is sealed when it is next written. It is for the time until all are
    /// sealed: whoever can write the storage can put a record there as long as this is on.
    #[must_use]
    pub fn allow_plaintext(mut self) -> Self {
        self.allow_plaintext = true;
        self
    }

    /// The storage below.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// The storage below, for good.
    pub fn into_storage(self) -> S {
        self.storage
    }

    /// Where the keys come from.
    pub fn keys(&self) -> &Arc<dyn KeySource> {
        &self.keys
    }

    /// Seals a record anew if it is not sealed with the writing key as it is: sealed with an older one or, where
    /// [plaintext is allowed](Encrypted::allow_plaintext), not at all. What another writer stores meanwhile is not overwritten.
    /// The token stays the same, so a refresh that is under way is not disturbed.
    ///
    /// # Errors
    /// - Those of [`get`](TokenStorage::get) and [`store_all`](TokenStorage::store_all).
    /// - [`ErrorKind::Busy`]: others kept replacing the record.
    pub async fn reseal(&self, key: &TokenKey) -> Result<Resealed> {
        let wanted = |ring: &KeyRing, state| state == State::Sealed(ring.writing().id());
        self.rewrite(key, wanted, record::seal).await
    }

    /// Writes a record without encryption, as when this layer is given up. As [`reseal`](Encrypted::reseal) otherwise.
    ///
    /// # Errors
    /// - As [`reseal`](Encrypted::reseal).
    pub async fn unseal(&self, key: &TokenKey) -> Result<Resealed> {
        self.rewrite(key, |_, state| state == State::Plain, |_, _, data| Ok(data.clone()))
            .await
    }

    /// Writes a record as `make` makes it of what is there, unless it is as wanted.
    async fn rewrite(
        &self,
        key: &TokenKey,
        wanted: impl Fn(&KeyRing, State) -> bool,
        make: impl Fn(&KeyRing, &TokenKey, &TokenData) -> Result<TokenData>,
    ) -> Result<Resealed> {
        for _ in 0..MAX_ROUNDS {
            let Some(stored) = self.storage.get(key).await? else {
                return Ok(Resealed::Absent);
            };
            let ring = self.keys.keys().await.during(Operation::Manage).about(key)?;
            if wanted(&ring, record::state(&stored.data)) {
                return Ok(Resealed::Unchanged);
            }
            let Some(data) = self.open(&ring, key, &stored).await? else {
                continue;
            };
            let new = make(&ring, key, &data)?;
            let write = Write::new(key, &new, Precondition::Unchanged(stored.revision));
            let revisions = match self.storage.store_all(&[write]).await {
                Err(error) if error.kind() == ErrorKind::Conflict => continue,
                stored => stored?,
            };
            if record::state(&new) != State::Plain {
                let write = Write::new(key, &data, Precondition::Any);
                self.keep_readable(ring, &[write], revisions).await?;
            }
            return Ok(Resealed::Written);
        }
        let message = "others kept replacing the record; try again";
        Err(Error::new(ErrorKind::Busy, message)
            .with_operation(Operation::Manage)
            .with_key(key))
    }

    /// Opens what was read. `None`: the record has another revision by now, and may be sealed with a key that came after the
    /// one that was missing; or that key was found by looking again.
    async fn open(&self, ring: &KeyRing, key: &TokenKey, stored: &StoredToken) -> Result<Option<TokenData>> {
        let refusal = match record::open(ring, key, stored.data.clone()) {
            Ok(data) => return Ok(Some(data)),
            Err(Refusal::Plain) if self.allow_plaintext => return Ok(Some(stored.data.clone())),
            Err(refusal) => refusal,
        };
        if let Refusal::Member(_, Closed::UnknownKey(id)) = refusal {
            let now = self.storage.get(key).await?.map(|stored| stored.revision);
            let again = self.keys.look_again().await.during(Operation::Get).about(key)?;
            if now != Some(stored.revision) || again.find(id).is_some() {
                return Ok(None);
            }
        }
        let error = refusal.into_error(ring, &self.keys.place());
        Err(error.with_operation(Operation::Get).with_key(key))
    }

    async fn seal_all(&self, writes: &[Write<'_>]) -> Result<(Arc<KeyRing>, Vec<TokenData>)> {
        limits::over(self.storage.describe().limits).check_batch(writes, &limits::sizes(writes))?;
        let ring = self.keys.keys().await?;
        let sealed = writes.iter().map(|write| record::seal(&ring, write.key, write.data));
        let sealed = sealed.collect::<Result<_>>()?;
        Ok((ring, sealed))
    }

    /// A write that began with a key and ended after that key was removed would be lost: who removes a key cannot know of it. So
    /// whoever wrote looks again, and seals it with the key of now. What others have stored since is theirs.
    async fn keep_readable(
        &self,
        mut ring: Arc<KeyRing>,
        writes: &[Write<'_>],
        mut revisions: Vec<Revision>,
    ) -> Result<Vec<Revision>> {
        for _ in 0..MAX_ROUNDS {
            // Without any keys there is none to seal with, and the one that was used may come back with them.
            let Ok(now) = self.keys.keys().await else { break };
            if now.find(ring.writing().id()).is_some() {
                break;
            }
            ring = now;
            for (write, revision) in writes.iter().zip(&mut revisions) {
                let sealed = record::seal(&ring, write.key, write.data)?;
                let again = Write::new(write.key, &sealed, Precondition::Unchanged(*revision));
                match self.storage.store_all(&[again]).await {
                    Ok(stored) => *revision = stored[0],
                    Err(error) if error.kind() == ErrorKind::Conflict => {}
                    Err(error) => return Err(error.with_unknown_outcome()),
                }
            }
        }
        Ok(revisions)
    }
}

/// Names alone: the records below are sealed, and whether one opens is asked of each.
struct Listing<'a>(Box<dyn Enumerate + 'a>);

impl Enumerate for Listing<'_> {
    forward!(self.0 => list_keys, list_namespaces);
}

#[async_trait]
impl<S: TokenStorage> TokenStorage for Encrypted<S> {
    forward!(self.storage => remove, lease);

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        Some(Box::new(Listing(self.storage.enumerate()?)))
    }

    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        for _ in 0..MAX_ROUNDS {
            let Some(stored) = self.storage.get(key).await? else {
                return Ok(None);
            };
            // After the record was read: the ring is then at least as new as what sealed it.
            let ring = self.keys.keys().await.during(Operation::Get).about(key)?;
            if let Some(data) = self.open(&ring, key, &stored).await? {
                let revision = stored.revision;
                return Ok(Some(StoredToken { data, revision }));
            }
        }
        let message = "the record was sealed anew each time it was read; try again";
        Err(Error::new(ErrorKind::Busy, message)
            .with_operation(Operation::Get)
            .with_key(key))
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        let (ring, sealed) = self.seal_all(writes).await.during(Operation::StoreAll)?;
        let sealed = writes.iter().zip(&sealed);
        let below: Vec<Write<'_>> = sealed
            .map(|(w, data)| Write::new(w.key, data, w.precondition))
            .collect();
        let revisions = self.storage.store_all(&below).await?;
        self.keep_readable(ring, writes, revisions).await
    }

    /// That there is a key to seal with, and that the storage below can be written.
    async fn prove_writable(&self, key: &TokenKey) -> Result<()> {
        self.keys.keys().await.about(key)?;
        self.storage.prove_writable(key).await
    }

    /// That of the storage below, named as in URLs, with the sizes that are left.
    fn describe(&self) -> StorageInfo {
        let mut info = self.storage.describe();
        info.backend.insert_str(0, "encrypted+");
        info.limits = limits::over(info.limits);
        info
    }
}
