//! Logging in, against the strict authorization server.

mod code;
mod device;
mod hostile;
mod id_token;
mod loopback;
mod secrets;
mod support;
