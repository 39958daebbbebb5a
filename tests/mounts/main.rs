//! Files as containers mount them, and others that cannot be replaced: nothing is lost in silence, and no refresh token is
//! spent for nothing.
#![cfg(target_os = "linux")]

mod json;
mod layouts;
mod refresh;
mod sandbox;
mod sqlite;
