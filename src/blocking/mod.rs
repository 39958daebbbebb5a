//! For programs without async (feature `blocking`): storages and the token manager as plain calls.
//!
//! ```
//! use token_storage::{TokenResponse, blocking};
//!
//! # fn main() -> token_storage::Result<()> {
//! # let now = 1_795_649_003;
//! let storage = blocking::open("memory:")?;
//! let answer = TokenResponse::parse(br#"{"access_token":"at","resource_server":"rs","expires_in":3600}"#, now)?;
//! storage.store_response("DEFAULT", &answer)?;
//! let token = storage.get(&token_storage::TokenKey::in_default("rs"))?;
//! assert_eq!(token.unwrap().data.expires_at, Some(now + 3600));
//! # Ok(()) }
//! ```
//!
//! Everything is done by the same code as for programs with async, on a [`Runtime`] with a thread of its own, on which
//! refreshes go on that nobody waits for. A call may be made from any thread, one of an async runtime included, which it then
//! blocks. What there is no call for here, [`Runtime::wait`] does.

mod manager;
mod runtime;
mod storage;

pub use manager::TokenManager;
pub use runtime::Runtime;
pub use storage::{Storage, open};
