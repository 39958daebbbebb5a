use std::{collections::BTreeMap, fs, io};

use token_storage_core::{
    Cursor, Enumerate, ErrorContext as _, ErrorKind, Operation, Page, Result, TokenKey, async_trait,
};
use token_storage_files::io_error;

use crate::{FolderStorage, folder::Folder, record};

const PAGE: usize = 256;

/// Every key; `None` stands for a record whose first line is damaged, which exists but cannot be named.
type Keys = BTreeMap<String, Option<TokenKey>>;

impl Folder {
    fn keys(&self) -> Result<Keys> {
        let _lock = self.lock_for_listing()?;
        // What is stored but not yet in its place. First: without the lock it may be put there while the folder is read.
        let batch = self.batch()?;
        let failed = |error| io_error(&self.root, "list", error);
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Keys::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut keys = Keys::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            if !record::is_record(&name) {
                continue;
            }
            match Self::read(&self.root.join(&name)) {
                Ok(Some(text)) => drop(keys.insert(name, record::split(&text).map(|(key, _)| key))),
                // Removed meanwhile.
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::Corrupt => drop(keys.insert(name, None)),
                Err(error) => return Err(error),
            }
        }
        for (name, text) in batch {
            keys.insert(name, record::split(&text).map(|(key, _)| key));
        }
        Ok(keys)
    }
}

impl FolderStorage {
    async fn page<T: Ord>(
        &self,
        after: Option<&Cursor>,
        item: impl Fn(TokenKey) -> Option<T>,
        name: impl Fn(&T) -> &str,
    ) -> Result<Page<T>> {
        let keys = self
            .exclusively(|folder, _| folder.keys())
            .await
            .during(Operation::List)?;
        // Nobody knows whose they are: they are counted once, on the first page.
        let unnameable = keys.values().filter(|key| key.is_none()).count();
        let mut items: Vec<T> = keys.into_values().flatten().filter_map(item).collect();
        items.sort();
        items.dedup();
        let mut page = Page::after(items.into_iter(), after, PAGE, name);
        if after.is_none() {
            page.unnameable = unnameable as u64;
        }
        Ok(page)
    }
}

#[async_trait]
impl Enumerate for &FolderStorage {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let in_namespace = |key: TokenKey| (key.namespace() == namespace).then_some(key);
        self.page(after, in_namespace, TokenKey::resource_server).await
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        self.page(after, |key| Some(key.namespace().to_owned()), String::as_str)
            .await
    }
}
