//! The contract between token-storage and its backends: the [`TokenStorage`] trait, the types it speaks, and
//! [`MemoryStorage`], the smallest storage that keeps it.
//!
//! Authors of backends depend on this crate; applications depend on the facade `token-storage`, which re-exports it: by
//! name what applications use, and the rest in its module `backend`.
//! What each method promises is written in numbered clauses in `docs/contract.md` of the repository; the crate
//! `token-storage-conformance` checks them all, and `docs/writing-a-backend.md` leads from an empty package to a green
//! suite. The trait is kept to what every backend must do itself: everything that can be built on top of it lives in the
//! facade.
//!
//! | to find | look in |
//! |---|---|
//! | what is stored, and under what | [`TokenKey`], [`TokenData`], [`Extra`], [`Secret`] |
//! | the storage itself | [`TokenStorage`], [`TokenStorageExt`], [`Enumerate`], [`RefreshLease`], [`StorageInfo`] |
//! | concurrency | [`Precondition`], [`Revision`], [`WriteMark`], [`LeaseGuard`], [`Intent`] |
//! | how a record looks as JSON | [`record`] |
//! | how a storage is named by a URL, opened and administered | [`backend`] |
//! | what can go wrong | [`Error`], [`ErrorKind`] |
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod backend;
mod canonical;
mod clock;
mod data;
mod deadline;
mod enumerate;
mod error;
mod ext;
mod extra;
mod finding;
mod forward;
mod info;
mod intent;
mod key;
mod lease;
mod mark;
mod memory;
mod precondition;
mod process_leases;
mod python;
pub mod record;
mod revision;
mod rounds;
mod secret;
mod storage;
mod words;

pub use data::{Freshness, Members, TokenData};
pub use enumerate::{Cursor, Enumerate, Page, ShowOutline, ShownOutline};
pub use error::{Conflict, Error, ErrorContext, ErrorKind, Operation, Result};
pub use ext::TokenStorageExt;
pub use extra::{Extra, RESERVED_PREFIX};
pub use finding::{Finding, Severity};
pub use info::{Durability, LeaseKind, Limits, SharingScope, StorageInfo};
pub use intent::{Intent, RefreshFailure, RefreshFailureKind};
pub use key::{DEFAULT_NAMESPACE, TokenKey};
pub use lease::{Acquisition, Begin, LeaseGuard, LeaseView, RefreshLease};
pub use mark::WriteMark;
pub use memory::MemoryStorage;
pub use precondition::Precondition;
pub use process_leases::ProcessLeases;
pub use revision::Revision;
pub use secret::Secret;
pub use storage::{StoredToken, TokenStorage, Write};

/// Re-exported so that a backend's `impl` uses the macro version the trait was built with.
pub use async_trait::async_trait;

/// What a method of the traits returns, for [`backend::forward`].
#[doc(hidden)]
pub type __Future<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
