//! One that does an operation again and again.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use token_storage_core::{
    Acquisition, Error, ErrorKind, Intent, LeaseGuard, Precondition, Result, Revision, StoredToken, TokenData,
    TokenKey, TokenStorage, TokenStorageExt as _, Write,
};

use crate::{Operation, Target, ground::record, operation::RESPONSE_RECORDS};

/// Does one [`Operation`] on the records of a [`Ground`](crate::Ground), again and again; made by
/// [`Ground::worker`](crate::Ground::worker).
#[derive(Debug)]
pub struct Worker {
    operation: Operation,
    number: usize,
    turn: usize,
    target: Arc<dyn Target>,
    storage: Arc<dyn TokenStorage>,
    keys: Arc<[TokenKey]>,
    records: usize,
    /// Stored in turn, so that no storage can find that nothing changes.
    values: [TokenData; 2],
    revision: Option<Revision>,
}

impl Worker {
    pub(crate) async fn new(
        operation: Operation,
        number: usize,
        target: Arc<dyn Target>,
        storage: Arc<dyn TokenStorage>,
        keys: Arc<[TokenKey]>,
        records: usize,
    ) -> Result<Self> {
        let mut worker = Self {
            operation,
            number,
            turn: 0,
            target,
            storage,
            keys,
            records,
            values: [record(number, 1), record(number, 2)],
            revision: None,
        };
        if operation == Operation::CompareAndSwap {
            worker.revision = Some(worker.read(worker.own()).await?.revision);
        }
        Ok(worker)
    }

    /// Does it once, and says how long it took.
    ///
    /// # Errors
    /// - What the storage fails with; [`Unavailable`](ErrorKind::Unavailable) if a record is gone, since another program
    ///   removed it.
    pub async fn call(&mut self) -> Result<Duration> {
        self.turn = self.turn.wrapping_add(1);
        let started = Instant::now();
        match self.operation {
            Operation::Get => drop(black_box(self.read(self.another()).await?)),
            Operation::GetAgain => drop(black_box(self.read(self.own()).await?)),
            Operation::Store => drop(self.store(self.another(), Precondition::Any).await?),
            Operation::CompareAndSwap => self.swap().await?,
            Operation::StoreResponse => self.store_response().await?,
            Operation::Open => self.open().await?,
            Operation::List => self.list().await?,
            Operation::Lease => self.acquire().await?.release().await?,
            Operation::Refresh => self.refresh().await?,
        }
        Ok(started.elapsed())
    }

    fn own(&self) -> &TokenKey {
        &self.keys[self.number % self.records]
    }

    /// All over the records, in an order that does not follow that of the keys.
    fn another(&self) -> &TokenKey {
        let at = self
            .number
            .wrapping_mul(104_729)
            .wrapping_add(self.turn.wrapping_mul(7_919));
        &self.keys[at % self.records]
    }

    fn value(&self) -> &TokenData {
        &self.values[self.turn % self.values.len()]
    }

    async fn read(&self, key: &TokenKey) -> Result<StoredToken> {
        self.storage.get(key).await?.ok_or_else(|| gone(key))
    }

    async fn store(&self, key: &TokenKey, precondition: Precondition) -> Result<Revision> {
        self.storage.store(key, self.value(), precondition).await
    }

    async fn swap(&mut self) -> Result<()> {
        let precondition = self.revision.map_or(Precondition::Any, Precondition::Unchanged);
        self.revision = Some(self.store(self.own(), precondition).await?);
        Ok(())
    }

    async fn store_response(&self) -> Result<()> {
        let keys = &self.keys[..RESPONSE_RECORDS.min(self.records)];
        let writes: Vec<Write<'_>> = keys
            .iter()
            .map(|key| Write::new(key, self.value(), Precondition::Any))
            .collect();
        self.storage.store_all(&writes).await?;
        Ok(())
    }

    async fn open(&self) -> Result<()> {
        let storage = self.target.open().await?;
        let key = self.own();
        black_box(storage.get(key).await?.ok_or_else(|| gone(key))?);
        Ok(())
    }

    async fn list(&self) -> Result<()> {
        let listing = self.storage.enumerate().ok_or_else(|| lacking("cannot list"))?;
        let mut after = None;
        loop {
            let page = listing.list_keys(self.own().namespace(), after.as_ref()).await?;
            black_box(page.items);
            after = match page.next {
                Some(next) => Some(next),
                None => return Ok(()),
            };
        }
    }

    async fn acquire(&self) -> Result<Box<dyn LeaseGuard>> {
        let lease = self.storage.lease().ok_or_else(|| lacking("has no leases"))?;
        match lease.try_acquire(self.own()).await? {
            Acquisition::Acquired(guard) => Ok(guard),
            Acquisition::Held { .. } => {
                let message = "the lease of a record that nobody else knows is held";
                Err(Error::new(ErrorKind::Busy, message).with_key(self.own()))
            }
        }
    }

    /// The steps of the token manager, with no server between them.
    async fn refresh(&self) -> Result<()> {
        let key = self.own();
        self.read(key).await?;
        let mut guard = self.acquire().await?;
        let stored = self.read(key).await?;
        self.storage.prove_writable(key).await?;
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let intent = Intent::new(&stored, false, i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        guard.record_intent(&intent).await?;
        self.store(key, Precondition::Unchanged(stored.revision)).await?;
        guard.clear_intent().await?;
        guard.release().await
    }
}

fn gone(key: &TokenKey) -> Error {
    let message = "a record that was stored to be measured is gone; another program has removed it";
    Error::new(ErrorKind::Unavailable, message).with_key(key)
}

fn lacking(what: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("the storage {what}"))
}
