//! How several files are replaced together (A2): all new contents first go into one file, and that file is put in place
//! in one step. From then on they are stored: readers look there first, and whoever writes next finishes what a killed
//! writer began.

use std::path::PathBuf;

use token_storage_core::{ErrorKind, Result};
use zeroize::Zeroizing;

use crate::{
    damage::{corrupt, keep_aside},
    folder::Folder,
    record,
};

pub(crate) const NAME: &str = "batch";

/// The names of record files, each with its new content.
pub(crate) type Batch = Vec<(String, Zeroizing<String>)>;

impl Folder {
    fn batch_path(&self) -> PathBuf {
        self.root.join(NAME)
    }

    /// The batch that is stored but not yet in its place; empty if there is none.
    pub(crate) fn batch(&self) -> Result<Batch> {
        let path = self.batch_path();
        match Self::read(&path)? {
            None => Ok(Batch::new()),
            Some(text) => decode(&text).ok_or_else(|| corrupt(&path, "it is not a batch")),
        }
    }

    /// Stores a batch. The lock is held.
    pub(crate) fn store_batch(&self, batch: &Batch) -> Result<()> {
        Self::replace(&self.batch_path(), &encode(batch))?;
        // Stored it is; should this fail, readers still find it, and the next writer goes on.
        let _ = self.put_in_place(batch);
        Ok(())
    }

    /// Finishes what a killed writer began. The lock is held.
    pub(crate) fn finish_batch(&self) -> Result<()> {
        match self.batch() {
            Ok(batch) if batch.is_empty() => Ok(()),
            Ok(batch) => self.put_in_place(&batch),
            Err(error) if error.kind() == ErrorKind::Corrupt => keep_aside(&self.batch_path()),
            Err(error) => Err(error),
        }
    }

    /// The batch is deleted, durably, before anything else is written: after a power loss it would undo a later write.
    fn put_in_place(&self, batch: &Batch) -> Result<()> {
        for (name, text) in batch {
            Self::replace(&self.root.join(name), text)?;
        }
        Self::delete(&self.batch_path())?;
        Ok(())
    }
}

/// A line with the name and the length of each content, then the content.
fn encode(batch: &Batch) -> Zeroizing<String> {
    let size = batch.iter().map(|(_, text)| text.len() + 100).sum();
    let mut all = Zeroizing::new(String::with_capacity(size));
    for (name, text) in batch {
        all.push_str(&format!("{name} {}\n", text.len()));
        all.push_str(text);
    }
    all
}

fn decode(mut rest: &str) -> Option<Batch> {
    let mut batch = Batch::new();
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n')?;
        let (name, length) = line.split_once(' ')?;
        let (text, after) = after.split_at_checked(length.parse().ok()?)?;
        record::is_record(name).then_some(())?;
        batch.push((name.to_owned(), Zeroizing::new(text.to_owned())));
        rest = after;
    }
    (!batch.is_empty()).then_some(batch)
}

#[cfg(test)]
mod tests {
    use token_storage_core::{
        Precondition, TokenData, TokenKey, TokenStorage as _, TokenStorageExt as _, WriteMark, record as json,
    };

    use super::*;
    use crate::FolderStorage;

    fn content(key: &TokenKey, access_token: &str) -> (String, Zeroizing<String>) {
        let data = TokenData::new("rs", "", access_token);
        let record = json::encode(&data, &WriteMark::random().unwrap());
        (record::file_name(key), record::encode(key, &record))
    }

    async fn stored(storage: &FolderStorage, key: &TokenKey) -> String {
        let stored = storage.get(key).await.unwrap().unwrap();
        stored.data.access_token.expose().to_owned()
    }

    /// As a kill leaves it, right after the batch was stored.
    #[tokio::test]
    async fn a2_what_a_killed_writer_began_counts_and_is_finished_by_the_next() {
        let place = tempfile::tempdir().unwrap();
        let storage = FolderStorage::open(place.path()).unwrap();
        let (a, b) = (TokenKey::in_default("a"), TokenKey::in_default("b"));
        let old = TokenData::new("rs", "", "old");
        storage.store(&a, &old, Precondition::Any).await.unwrap();
        let folder = Folder::new(place.path().to_owned());
        let batch = vec![content(&a, "new"), content(&b, "new")];
        Folder::replace(&folder.batch_path(), &encode(&batch)).unwrap();

        assert_eq!(stored(&storage, &a).await, "new");
        assert_eq!(stored(&storage, &b).await, "new");
        let listed = storage.enumerate().unwrap().list_keys("DEFAULT", None).await.unwrap();
        assert_eq!(listed.items, [a.clone(), b.clone()]);

        storage
            .store(&a, &TokenData::new("rs", "", "newer"), Precondition::Any)
            .await
            .unwrap();
        assert!(!folder.batch_path().exists());
        assert_eq!(stored(&storage, &a).await, "newer");
        assert_eq!(stored(&storage, &b).await, "new");
    }

    #[tokio::test]
    async fn d3_a_damaged_batch_is_an_error_until_the_next_write_keeps_it_aside() {
        let place = tempfile::tempdir().unwrap();
        let storage = FolderStorage::open(place.path()).unwrap();
        let a = TokenKey::in_default("a");
        std::fs::write(place.path().join(NAME), "x 5\nabc").unwrap();
        assert_eq!(storage.get(&a).await.unwrap_err().kind(), ErrorKind::Corrupt);
        storage
            .store(&a, &TokenData::new("rs", "", "t"), Precondition::Absent)
            .await
            .unwrap();
        assert_eq!(stored(&storage, &a).await, "t");
        assert!(!place.path().join(NAME).exists());
    }
}
