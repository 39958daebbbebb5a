//! For the tests of whatever logs in and refreshes.
//!
//! - [`auth_server`]: an authorization server that is as strict as a real one may be, on loopback, with faults to order and
//!   a log of every request. For any language it is the program `test-auth-server`.
//! - [`refreshing`]: the cases that a refresher must pass, on the storage that it uses: each refresh token is redeemed
//!   exactly once, whatever fails in between.
//!
//! # Environment
//!
//! | variable | effect |
//! |---|---|
//! | `TOKEN_STORAGE_SOAK` | `1`: the long profile of the refresh cases |

pub mod auth_server;
pub mod refreshing;
