//! The configuration entries of the SDK's legacy `SQLiteAdapter`.

use token_storage_core::{Error, ErrorContext as _, ErrorKind, Operation, Result, Secret};
use zeroize::Zeroizing;

use crate::{
    SqliteStorage,
    storage::Inner,
    work::{self, Work},
};

impl SqliteStorage {
    /// Reads a configuration entry: the text of a JSON object, verbatim. It is a [`Secret`] because programs keep client
    /// secrets in it. `None` if there is no such entry.
    ///
    /// Entries live in the table `config_storage`, as the SDK's legacy `SQLiteAdapter` has them; the newer
    /// `SQLiteTokenStorage` knows nothing of them and leaves them alone.
    ///
    /// # Errors
    /// - [`ErrorKind::Corrupt`]: the entry is not a JSON object.
    /// - [`ErrorKind::Busy`], [`ErrorKind::Unavailable`], [`ErrorKind::PermissionDenied`].
    pub async fn read_config(&self, namespace: &str, name: &str) -> Result<Option<Secret>> {
        self.config(namespace, name).await.during(Operation::Manage)
    }

    async fn config(&self, namespace: &str, name: &str) -> Result<Option<Secret>> {
        let place = (namespace.to_owned(), name.to_owned());
        let bytes = match &self.0 {
            Inner::File(handle) => {
                let read = handle.file.read("config_storage", move |reader| {
                    work::select_config(reader.connection(), &place.0, &place.1)
                });
                read.await?.flatten()
            }
            Inner::Memory(memory) => memory.read(|connection| work::select_config(connection, namespace, name))?,
        };
        let Some(bytes) = bytes else { return Ok(None) };
        match std::str::from_utf8(&bytes) {
            Ok(json) if is_object(json) => Ok(Some(Secret::from(json))),
            _ => {
                let message = format!(
                    "the configuration entry {name:?} of namespace {namespace:?} is not a JSON object; remove it or store \
                     it anew"
                );
                Err(Error::new(ErrorKind::Corrupt, message))
            }
        }
    }

    /// Stores a configuration entry, replacing an earlier one: the text of a JSON object. Creates the table if need be.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidInput`]: `json` is not an object.
    /// - [`ErrorKind::TooLarge`]: larger than a record may be.
    /// - [`ErrorKind::Busy`], [`ErrorKind::Unavailable`], [`ErrorKind::PermissionDenied`], [`ErrorKind::StorageFull`].
    pub async fn store_config(&self, namespace: &str, name: &str, json: &str) -> Result<()> {
        self.write_config(namespace, name, json).await.during(Operation::Manage)
    }

    async fn write_config(&self, namespace: &str, name: &str, json: &str) -> Result<()> {
        if !is_object(json) {
            let message = format!("the configuration entry {name:?} is not a JSON object");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let limits = Self::LIMITS;
        if namespace.len() > limits.namespace_bytes
            || name.len() > limits.resource_server_bytes
            || json.len() > limits.record_bytes
        {
            let message = "a configuration entry has the limits of a record; see the storage's description";
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let work = Work::StoreConfig {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            json: Zeroizing::new(json.to_owned()),
        };
        self.work(work).await.map(drop)
    }

    /// Removes a configuration entry and says whether it was there.
    ///
    /// # Errors
    /// - [`ErrorKind::Busy`], [`ErrorKind::Unavailable`], [`ErrorKind::PermissionDenied`], [`ErrorKind::StorageFull`].
    pub async fn remove_config(&self, namespace: &str, name: &str) -> Result<bool> {
        let work = Work::RemoveConfig {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        self.work(work).await.during(Operation::Manage)
    }
}

fn is_object(json: &str) -> bool {
    let object = json.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{');
    object && serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok()
}
