//! OAuth tokens in one JSON file, in the format 2.0 of the Globus Python SDK: durable, shared between processes, and
//! readable by the SDK.
//!
//! [`JsonStorage`] is the storage, [`Builder`] its options, [`examine`] a look at the file that changes nothing,
//! [`JsonScheme`] its URLs.
//! The layout of the file, what is read and who else can read it stand in `docs/formats.md` of the repository; what the
//! storage promises, in `docs/contract.md`.
//!
//! How it works: the file is kept in memory as an index of raw text pieces, and trusted as long as `fstat` of the open
//! file says that nothing has changed. Reads that need the file go to a thread of their own; so do writes, which share
//! one rewrite if they come together: lock, temporary file, `fsync`, rename, `fsync` of the directory. Nothing here
//! needs a particular executor.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod commit;
mod config;
mod document;
mod enumerate;
mod error;
mod examine;
mod job;
mod kept;
mod lease;
mod load;
mod queue;
mod reader;
#[cfg(test)]
mod revalidation_tests;
mod scheme;
mod shared;
mod snapshot;
mod stamp;
mod storage;
mod text;
mod warnings;
mod writer;
#[cfg(test)]
mod writer_tests;

pub use config::Builder;
pub use examine::examine;
pub use scheme::JsonScheme;
pub use storage::JsonStorage;
