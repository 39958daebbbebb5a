//! Logging in, against the strict authorization server.

mod answers;
mod code;
mod connection;
mod device;
mod discovery;
#[cfg(feature = "globus")]
mod globus;
mod hostile;
mod id_token;
mod loopback;
mod refusals;
mod revocation;
mod sealed;
mod secrets;
mod support;
