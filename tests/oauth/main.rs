//! Logging in, against the strict authorization server.

mod code;
mod device;
#[cfg(feature = "globus")]
mod globus;
mod hostile;
mod id_token;
mod loopback;
mod refusals;
mod secrets;
mod support;
