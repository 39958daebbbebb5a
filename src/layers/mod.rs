//! Layers: storages over storages that change one thing each and forward all else, listing and leases included.
//!
//! | layer | what it changes | what it weakens | feature | in a URL |
//! |---|---|---|---|---|
//! | [`ReadOnly`] | refuses every write | | | `readonly+URL` |
//! | [`Tenant`] | shows one tenant's part as the whole | namespaces are shorter, a listing of them walks over all | | |
//! | [`Traced`] | a span and an event for each call | | `traced` | `traced+URL` |
//! | [`Retrying`] | tries again what may pass, within a budget | calls take as long as the budget says | `retry` | |
//! | [`Cached`] | remembers what was read | A3: an answer may be as old as it says | `cache` | |
//!
//! [`Validating`](crate::validating::Validating) is one more. Each runs the conformance suite, alone and over another, in
//! memory and in files. One of your own takes twenty lines: `docs/writing-a-layer.md` of the repository.
//!
//! ```
//! use token_storage::{ErrorKind, MemoryStorage, TokenKey, TokenStorage, Precondition};
//! use token_storage::layers::{ReadOnly, Tenant};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let tokens = ReadOnly::new(Tenant::new(MemoryStorage::new(), "acme"));
//! let error = tokens.remove(&TokenKey::in_default("rs"), Precondition::Any).await.unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::PermissionDenied);
//! # }
//! ```
//!
//! The order counts: what stands outside sees the call first. Trace outside of a retry to see calls, inside to see tries;
//! cache outside of everything that costs.

#[cfg(feature = "cache")]
mod cached;
mod named;
mod read_only;
#[cfg(feature = "retry")]
mod retrying;
mod tenant;
#[cfg(feature = "traced")]
mod traced;

#[cfg(feature = "cache")]
pub use cached::Cached;
pub use named::ReadOnlyLayer;
#[cfg(feature = "traced")]
pub use named::TracedLayer;
pub use read_only::ReadOnly;
#[cfg(feature = "retry")]
pub use retrying::Retrying;
pub use tenant::Tenant;
#[cfg(feature = "traced")]
pub use traced::Traced;
