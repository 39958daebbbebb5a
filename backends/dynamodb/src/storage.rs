use std::{fmt, sync::Arc};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use token_storage_core::{
    Durability, Enumerate, ErrorContext as _, LeaseKind, Limits, Operation, Precondition, RefreshLease, Result,
    Revision, SharingScope, StorageInfo, StoredToken, TokenKey, TokenStorage, Write, WriteMark,
};

use crate::{
    DynamoDbBuilder,
    abandoned::Abandoned,
    inner::Inner,
    item::{PREVIOUS_BYTES, encode},
    key::item_key,
    lease::Leases,
    revision::revision_of,
    scheme::Table,
    write::Prepared,
};

/// OAuth tokens in an Amazon DynamoDB table.
///
/// Clones share everything and cost nothing. Reads are consistent and one request each; every write is conditional, so
/// that neither a lost answer nor a late duplicate harms a newer record. There is no
/// [`Enumerate`]: listing would be a Scan of the whole table, and neither that nor a Query is ever sent.
///
/// Calls need a tokio runtime. A write runs in a task of its own: a caller that goes away does not break it off.
///
/// ```no_run
/// use token_storage_core::{Precondition, TokenData, TokenKey, TokenStorage, TokenStorageExt as _};
/// use token_storage_dynamodb::DynamoDbStorage;
///
/// # async fn example() -> token_storage_core::Result<()> {
/// let storage = DynamoDbStorage::open("dynamodb:tokens?region=eu-central-1").await?;
/// let key = TokenKey::new("tenant-7", "groups.api.globus.org");
/// let data = TokenData::new("groups.api.globus.org", "view_my_groups", "access");
/// let revision = storage.store(&key, &data, Precondition::Absent).await?;
/// storage.remove(&key, Precondition::Unchanged(revision)).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct DynamoDbStorage {
    pub(crate) inner: Arc<Inner>,
    abandoned: Arc<Abandoned>,
}

impl DynamoDbStorage {
    /// The sizes that DynamoDB takes. Together, the longest parts make up the 2,048 bytes of a partition key even if
    /// every byte of the namespace has to be escaped. A record counts as the whole item, names of attributes included.
    pub const LIMITS: Limits = Limits::UNLIMITED
        .with_keys(512, 511)
        .with_records(409_600)
        .with_batches(100, 4 * 1024 * 1024);

    /// Opens a table by URL: `dynamodb:TABLE?region=..&endpoint=..&profile=..`, as [`DynamoDbScheme`](crate::DynamoDbScheme)
    /// understands it. What is left out comes from AWS's
    /// standard places: environment, shared configuration files, container and instance metadata. No request is sent to
    /// the table.
    ///
    /// # Errors
    /// - [`Misconfigured`](token_storage_core::ErrorKind::Misconfigured): not such a URL, or no region is known.
    pub async fn open(url: &str) -> Result<Self> {
        Table::of_url(url)?.builder().open().await
    }

    /// Settings for a table of this name, or with this ARN.
    pub fn builder(table: impl Into<String>) -> DynamoDbBuilder {
        DynamoDbBuilder::new(table)
    }

    /// A storage over a client that is ready: with credentials, retries, time-outs and interceptors of its own.
    pub fn from_client(client: Client, table: impl Into<String>) -> Self {
        DynamoDbBuilder::new(table).with_client(client)
    }

    pub(crate) fn new(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
            abandoned: Arc::default(),
        }
    }

    async fn read(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        Self::LIMITS.check_key(key)?;
        self.abandoned.settle(key).await;
        let item = self.inner.read(&item_key(key)).await?;
        item.map(|item| item.into_record(key)).transpose()
    }

    async fn write(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        let prepared = self.prepare(writes)?;
        for write in writes {
            self.abandoned.settle(write.key).await;
        }
        let inner = self.inner.clone();
        let task = async move {
            match prepared.as_slice() {
                [] => Ok(Vec::new()),
                // One record needs no transaction, which costs twice as much.
                [write] => inner.put(write).await.map(|revision| vec![revision]),
                writes => inner.put_all(writes).await,
            }
        };
        let keys = writes.iter().map(|write| write.key.clone()).collect();
        self.abandoned.run(keys, task).await
    }

    async fn delete(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        Self::LIMITS.check_key(key)?;
        self.abandoned.settle(key).await;
        let (inner, id) = (self.inner.clone(), key.clone());
        let task = async move { inner.delete(&id, precondition).await };
        self.abandoned.run(vec![key.clone()], task).await
    }

    /// Everything that can be refused before a request is made.
    fn prepare(&self, writes: &[Write<'_>]) -> Result<Vec<Prepared>> {
        for write in writes {
            Self::LIMITS.check_key(write.key)?;
        }
        let clean_up_at = self.inner.clean_up_at();
        let prepared: Vec<Prepared> = writes
            .iter()
            .map(|write| {
                let mark = WriteMark::random()?;
                Ok(Prepared {
                    key: write.key.clone(),
                    item: encode(write.key, write.data, &mark, clean_up_at),
                    mark,
                    revision: revision_of(write.data, Some(&mark)),
                    precondition: write.precondition,
                })
            })
            .collect::<Result<_>>()?;
        let sizes: Vec<usize> = prepared
            .iter()
            .map(|write| write.item.size() + PREVIOUS_BYTES)
            .collect();
        Self::LIMITS.check_batch(writes, &sizes)?;
        Ok(prepared)
    }
}

impl Inner {
    pub(crate) fn limits(&self) -> Limits {
        DynamoDbStorage::LIMITS
    }
}

#[async_trait]
impl TokenStorage for DynamoDbStorage {
    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        self.read(key).await.during(Operation::Get).about(key)
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        self.write(writes).await.during(Operation::StoreAll)
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        let removed = self.delete(key, precondition).await;
        removed.during(Operation::Remove).about(key)
    }

    async fn prove_writable(&self, key: &TokenKey) -> Result<()> {
        self.inner.prove(key).await.during(Operation::Store).about(key)
    }

    fn describe(&self) -> StorageInfo {
        StorageInfo::new("dynamodb", self.inner.place.describe(), Self::LIMITS)
            .with_durability(Durability::PowerLoss)
            .with_sharing(SharingScope::Network)
            .with_lease(LeaseKind::Timed {
                ttl: self.inner.options.lease_ttl,
            })
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        None
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        Some(Box::new(Leases(self.inner.clone())))
    }
}

impl fmt::Debug for DynamoDbStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDbStorage")
            .field("place", &self.inner.place.describe())
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}
