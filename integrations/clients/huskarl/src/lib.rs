//! Storages of token-storage for [huskarl], version 0.11, in two ways:
//!
//! - [`RefreshTokens`] is a [`RefreshTokenStore`]: huskarl refreshes, and its refresh token outlives the process. As huskarl says
//!   itself, a public client whose server rotates refresh tokens must not share it with other processes.
//! - [`Tokens`] is a [`TokenSource`]: a [`TokenManager`](token_storage::manager::TokenManager) refreshes, once for all
//!   processes that share the storage, and huskarl's caches and authorizers take their tokens from there. For bearer tokens;
//!   a login with DPoP needs the key that its tokens are bound to, as the project's example `huskarl-login` does it.

mod source;
mod store;

#[cfg(doc)]
use huskarl::cache::{RefreshTokenStore, TokenSource};
pub use source::Tokens;
pub use store::RefreshTokens;
