//! Logging in, against the strict authorization server.

mod algorithms;
mod answers;
mod client_auth;
mod code;
mod connection;
mod device;
mod discovery;
mod fake;
#[cfg(feature = "globus")]
mod globus;
mod hostile;
mod id_token;
#[path = "../log/mod.rs"]
mod log;
mod loopback;
mod moved;
mod parameters;
mod refusals;
mod renewed;
mod revocation;
mod sealed;
mod secrets;
mod support;
