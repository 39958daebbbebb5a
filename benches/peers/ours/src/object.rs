//! `object_store`: a file for each record.

use std::path::Path;

use object_store::{ObjectStoreExt as _, local::LocalFileSystem, path::Path as Location};
use peers_contestant::{Contestant, Failed, Record, key};

pub(crate) struct Object(LocalFileSystem);

impl Contestant for Object {
    const BESIDE: &'static str = "sqlite";
    const DURABLE: bool = true;
    const PROMISE: &'static str = "every process sees it; a file for each record, with_fsync";
    type Got = Record;

    async fn fill(folder: &Path, records: usize) {
        for n in 0..records {
            std::fs::write(folder.join(key(n)), Record::new(n, 0).encode()).expect("to fill");
        }
    }

    async fn open(folder: &Path) -> Self {
        let storage = LocalFileSystem::new_with_prefix(folder).expect("to open");
        Self(storage.with_fsync(true))
    }

    async fn get(&self, n: usize) -> Record {
        let found = self.0.get(&Location::from(key(n))).await.expect("a record");
        Record::decode(&found.bytes().await.expect("to read"))
    }

    async fn store(&self, n: usize, turn: u64) -> Result<(), Failed> {
        let bytes = Record::new(n, turn).encode();
        self.0.put(&Location::from(key(n)), bytes.into()).await?;
        Ok(())
    }
}
