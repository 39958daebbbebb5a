//! OAuth tokens in a SQLite database, durable and shared between processes, interchangeable with the Globus Python SDK.
//!
//! ```
//! use token_storage_core::{Precondition, TokenData, TokenKey, TokenStorage, TokenStorageExt as _};
//! use token_storage_sqlite::SqliteStorage;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> token_storage_core::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("tokens.db");
//! let storage = SqliteStorage::open(path)?;
//! let key = TokenKey::in_default("groups.api.globus.org");
//! let data = TokenData::new("groups.api.globus.org", "view_my_groups", "access");
//! storage.store(&key, &data, Precondition::Any).await?;
//! assert_eq!(storage.get(&key).await?.unwrap().data, data);
//! # Ok(()) }
//! ```
//!
//! How it works, in the order of the modules: a [`SqliteStorage`] is a file or in memory. In a file, reads run where they
//! are called, on a pool of connections that are only ever *tried* there, and go to threads of our own when they would
//! wait; a connection keeps the records it read last and asks `PRAGMA data_version` whether they still hold. Writes go
//! through one queue, strictly in order, into group commits behind a lock file. What a file looks like is described in
//! `docs/formats.md` of the repository.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod audit;
mod cache;
mod codec;
mod config;
mod config_storage;
mod create;
mod enumerate;
mod error;
mod examine;
mod file;
mod give_back;
mod lease;
mod look;
mod memory;
mod place;
mod queue;
mod reader;
mod readers;
mod salvage;
mod schema;
mod scheme;
mod shape;
mod storage;
mod warnings;
mod work;
mod workers;
mod writer;
mod writers;

pub use config::Builder;
pub use examine::examine;
pub use give_back::give_back;
pub use scheme::SqliteScheme;
pub use storage::SqliteStorage;
