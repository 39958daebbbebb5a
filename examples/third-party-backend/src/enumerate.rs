use std::{collections::BTreeMap, fs, io, path::Path, time::Instant};

use token_storage_core::{Cursor, Enumerate, ErrorContext as _, Operation, Page, Result, TokenKey, async_trait};
use token_storage_files::io_error;

use crate::{FolderStorage, folder::Folder, record};

const PAGE: usize = 256;

/// Every key; `None` stands for a record whose first line is damaged, which exists but cannot be named.
type Keys = BTreeMap<String, Option<TokenKey>>;

impl Folder {
    fn keys(&self, deadline: Instant) -> Result<Keys> {
        let _lock = self.lock_for_listing(deadline)?;
        let failed = |error| io_error(&self.root, "list", error);
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Keys::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut keys = Keys::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            if record::is_record(&name) {
                let key = key_in(&self.root.join(&name))?;
                keys.insert(name, key);
            }
        }
        // What is stored but not yet in its place.
        for (name, text) in self.batch()? {
            keys.insert(name, record::split(&text).map(|(key, _)| key));
        }
        Ok(keys)
    }
}

fn key_in(path: &Path) -> Result<Option<TokenKey>> {
    match Folder::read(path) {
        Ok(text) => Ok(text.and_then(|text| record::split(&text).map(|(key, _)| key))),
        Err(error) if error.kind() == token_storage_core::ErrorKind::Corrupt => Ok(None),
        Err(error) => Err(error),
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
            .exclusively(|folder, deadline| folder.keys(deadline))
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
