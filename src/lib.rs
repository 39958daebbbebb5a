//! Pluggable storage for OAuth tokens: one trait, several backends, and what applications need on top of any of them.
//!
//! ```
//! use token_storage::{Namespaced, TokenResponse};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> token_storage::Result<()> {
//! # let now = 1_795_649_003;
//! let tokens = Namespaced::in_default(token_storage::open("memory:").await?);
//! let response = TokenResponse::parse(br#"{"access_token":"at","resource_server":"rs","expires_in":3600}"#, now)?;
//! tokens.store_response(&response).await?;
//! assert_eq!(tokens.get("rs").await?.unwrap().data.expires_at, Some(now + 3600));
//! # Ok(()) }
//! ```
//!
//! | to do this | use |
//! |---|---|
//! | open a storage that a user names | [`open`], [`StorageUrl`] |
//! | open storages of backends that are not built in | [`Schemes`], [`backend`] |
//! | keep one user's, application's or tenant's tokens | [`Namespaced`] |
//! | store a record under a precondition | [`TokenStorageExt`], [`Precondition`] |
//! | store what an authorization server answered | [`TokenResponse`], [`ResponsesExt`] |
//! | write code for any backend, or a backend | [`TokenStorage`] |
//! | hand out valid access tokens, each refreshed once | `manager::TokenManager`, feature `manager` |
//! | refuse writes, trace, retry, remember, part tenants | [`layers`] |
//! | make sure of scopes, refresh tokens, identity | [`validating`] |
//! | know which authorization server a token came from | [`IssuedBy`] |
//! | keep what a refresh must say besides the token | [`Renewal`] |
//! | keep no token readable on a disk | `encryption::Encrypted`, feature `encryption` |
//! | move records to another storage | `migrate::Migration`, feature `migrate` |
//! | call all this without async | `blocking`, feature `blocking` |
//! | take over another program's logins | `import`, feature `import` |
//! | carry records in an encrypted file | `export`, feature `export` |
//! | list what is stored, where the storage can | [`EnumerateExt`], [`Namespaced::listing`] |
//!
//! A guide by task is the module `guide`, there with the features `oauth`, `sqlite` and `migrate`.
//!
//! What each storage promises is written in numbered clauses in
//! `docs/contract.md` of the repository; a name like "L8" in this documentation is one of them.
//!
//! # Features
//! None is on by default: without any, [`MemoryStorage`] is there and everything that works on any storage.
//! `manager` adds the token manager, `oauth` logging in at any OAuth 2 server, `globus` what is particular to Globus;
//! `encryption` adds encryption at rest, in code and in URLs (`encrypted+sqlite:PATH`); `kms` its keys under AWS KMS.
//! `json` adds `JsonStorage`, `sqlite` adds `SqliteStorage`, `dynamodb` adds `DynamoDbStorage` (and the AWS SDK).
#![cfg_attr(docsrs, feature(doc_cfg))]

mod apply;
mod backends;
mod bearer;
#[cfg(feature = "blocking")]
pub mod blocking;
#[cfg(feature = "export")]
pub mod export;
mod ext;
#[cfg(feature = "globus")]
pub mod globus;
#[cfg(feature = "import")]
pub mod import;
mod issued_by;
pub mod layers;
mod lifetime;
#[cfg(feature = "manager")]
pub mod manager;
#[cfg(feature = "migrate")]
pub mod migrate;
mod namespaced;
#[cfg(feature = "oauth")]
pub mod oauth;
mod open;
mod renewal;
mod response;
mod schemes;
mod sealed;
mod url;
pub mod validating;

pub use apply::{StoredResponse, merge};
#[allow(
    unused_imports,
    unreachable_pub,
    reason = "without a backend's feature there is nothing in it"
)]
pub use backends::modules::*;
pub use bearer::is_bearer;
pub use ext::{EnumerateExt, ResponsesExt};
pub use issued_by::IssuedBy;
pub use namespaced::{Listing, Namespaced};
pub use open::{examine, open};
pub use renewal::{Grant, Renewal};
pub use response::{MAX_EXPIRES_IN, ResponseToken, ResponseWarning, TokenPath, TokenResponse};
pub use schemes::Schemes;
pub use sealed::{is_sealed, refuse_sealed};
pub use token_storage_core::{
    Acquisition, Begin, Conflict, Cursor, DEFAULT_NAMESPACE, Durability, Enumerate, Error, ErrorKind, Extra, Finding,
    Freshness, LeaseGuard, LeaseKind, LeaseView, Limits, Members, MemoryStorage, Operation, Page, Precondition,
    RefreshLease, Result, Revision, Secret, Severity, SharingScope, StorageInfo, StoredToken, TokenData, TokenKey,
    TokenStorage, TokenStorageExt, Write, async_trait,
};
#[cfg(feature = "encryption")]
pub use token_storage_encryption as encryption;
#[cfg(feature = "kms")]
pub use token_storage_kms as kms;
pub use url::StorageUrl;

/// What authors of backends, layers and schemes need, and applications do not: the same as in `token-storage-core`.
pub mod backend {
    pub use token_storage_core::{
        ErrorContext, Intent, ProcessLeases, RESERVED_PREFIX, RefreshFailure, RefreshFailureKind, ShowOutline,
        ShownOutline, WriteMark, backend::*, record,
    };
}

/// A guide by task: `docs/guide.md` of the repository, whose links lead to the other pages there.
#[cfg(all(any(doc, doctest), feature = "oauth", feature = "sqlite", feature = "migrate"))]
#[doc = include_str!("../docs/guide.md")]
pub mod guide {}

/// The README's example, compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[derive(Debug)]
pub struct Readme;

/// Those of the page on logging in.
#[cfg(all(doctest, feature = "globus"))]
#[doc = include_str!("../docs/login.md")]
#[derive(Debug)]
pub struct Login;
