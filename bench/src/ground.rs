//! Where a storage is measured: records of its own, which are removed again.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use token_storage_core::{
    Error, ErrorKind, Precondition, Result, SharingScope, StorageInfo, TokenData, TokenKey, TokenStorage, Write,
};
use tokio::task::JoinSet;

use crate::{Operation, Stop, Target, Worker};

/// How many records there are while everything but growth is measured.
pub const BASE_RECORDS: usize = 100;

/// A storage that was opened to be measured, with records in a namespace of their own: about 1 kB each.
///
/// [`clear`](Ground::clear) removes them; dropping it does not.
#[derive(Debug)]
pub struct Ground {
    target: Arc<dyn Target>,
    storage: Arc<dyn TokenStorage>,
    info: StorageInfo,
    namespace: String,
    keys: Arc<[TokenKey]>,
    /// How many of the first keys may have a record.
    touched: usize,
    filled: usize,
}

impl Ground {
    /// Opens the storage and writes nothing yet.
    ///
    /// # Errors
    /// - What keeps it from being opened, or the system from giving random bits.
    pub async fn open(target: Arc<dyn Target>) -> Result<Self> {
        let storage = target.open().await?;
        Ok(Self {
            info: storage.describe(),
            target,
            storage,
            namespace: random_name()?,
            keys: Arc::new([]),
            touched: 0,
            filled: 0,
        })
    }

    /// What the report calls the storage.
    pub fn name(&self) -> String {
        self.target.name()
    }

    /// What the storage is and promises.
    pub fn info(&self) -> &StorageInfo {
        &self.info
    }

    /// The storage itself.
    pub fn storage(&self) -> &Arc<dyn TokenStorage> {
        &self.storage
    }

    /// Where the records are: `token-storage-bench-` and 128 random bits.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// How many records there are.
    pub fn records(&self) -> usize {
        self.filled
    }

    /// Shows that the storage can be written to: stores a record and removes it. One that is damaged is not written to.
    ///
    /// # Errors
    /// - What a read, a store or a remove fails with.
    pub async fn prove_writable(&mut self) -> Result<()> {
        self.storage.get(&key(&self.namespace, 0)).await?;
        self.fill(1, &Stop::default()).await?;
        match self.clear().await {
            0 => Ok(()),
            _ => Err(Error::new(
                ErrorKind::Unavailable,
                "a record was stored and cannot be removed again",
            )),
        }
    }

    /// Stores records until there are so many; fewer if it is stopped.
    ///
    /// # Errors
    /// - What `store_all` fails with. [`clear`](Ground::clear) removes what was stored till then.
    pub async fn fill(&mut self, records: usize, stop: &Stop) -> Result<()> {
        if self.keys.len() < records {
            self.keys = (0..records).map(|n| key(&self.namespace, n)).collect();
        }
        let batch = self.batch();
        while self.filled < records && !stop.is_stopped() {
            let end = records.min(self.filled + batch);
            let values: Vec<TokenData> = (self.filled..end).map(|n| record(n, 0)).collect();
            let writes: Vec<Write<'_>> = self.keys[self.filled..end]
                .iter()
                .zip(&values)
                .map(|(key, data)| Write::new(key, data, Precondition::Absent))
                .collect();
            self.touched = end;
            self.storage.store_all(&writes).await?;
            self.filled = end;
        }
        Ok(())
    }

    /// Half of the declared sizes is always taken (K7).
    fn batch(&self) -> usize {
        const RECORD_BYTES: usize = 2048;
        let limits = &self.info.limits;
        limits.batch_records.min(limits.batch_bytes / 2 / RECORD_BYTES).max(1)
    }

    /// One that does this operation on the records that are there. Workers with other numbers work on other records, where
    /// there are enough.
    ///
    /// # Errors
    /// - The record to be swapped cannot be read.
    pub async fn worker(&self, operation: Operation, number: usize) -> Result<Worker> {
        let keys = self.keys.clone();
        let (target, storage) = (self.target.clone(), self.storage.clone());
        Worker::new(operation, number, target, storage, keys, self.filled).await
    }

    /// Removes every record. Says how many could not be removed; they are in [`namespace`](Ground::namespace).
    pub async fn clear(&mut self) -> usize {
        // Storages in files take removals that come together in one go.
        let together = if self.info.sharing == SharingScope::Network {
            16
        } else {
            256
        };
        let mut left = 0;
        let keys: Vec<TokenKey> = self.keys[..self.touched].to_vec();
        for keys in keys.chunks(together) {
            let mut removals = JoinSet::new();
            for key in keys {
                removals.spawn(remove(self.storage.clone(), key.clone()));
            }
            left += removals.join_all().await.into_iter().filter(|removed| !removed).count();
        }
        (self.touched, self.filled) = (0, 0);
        left
    }
}

/// Several times, if it may yet work.
async fn remove(storage: Arc<dyn TokenStorage>, key: TokenKey) -> bool {
    for turn in 1..=4 {
        match storage.remove(&key, Precondition::Any).await {
            Ok(_) => return true,
            Err(error) if matches!(error.kind(), ErrorKind::Busy | ErrorKind::Unavailable) => {
                tokio::time::sleep(turn * Duration::from_millis(200)).await;
            }
            Err(_) => return false,
        }
    }
    false
}

fn random_name() -> Result<String> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)
        .map_err(|_| Error::new(ErrorKind::Unavailable, "the system gives no random bits for a name"))?;
    let mut name = "token-storage-bench-".to_owned();
    for byte in bits {
        let _ = write!(name, "{byte:02x}");
    }
    Ok(name)
}

fn key(namespace: &str, number: usize) -> TokenKey {
    TokenKey::new(namespace, format!("resource-server-{number}.example.org"))
}

/// About 1 kB, another for each turn. There is no token in it.
pub(crate) fn record(number: usize, turn: usize) -> TokenData {
    TokenData::new(
        format!("resource-server-{number}.example.org"),
        "openid profile email",
        format!("{turn:0>500}"),
    )
    .with_refresh_token(format!("{turn:0>200}"))
    .with_expires_at(1_795_649_003)
    .with_token_type("Bearer")
}
