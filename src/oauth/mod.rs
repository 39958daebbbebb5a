//! Logging in at any OAuth 2 server, and everything else that is asked of one: refresh, revocation, discovery.
//!
//! [`OAuthClient`] is the [`TokenEndpoint`](crate::manager::TokenEndpoint) that a manager works with.

mod client;
mod error;
mod http;
mod provider;

pub use client::OAuthClient;
pub use error::{LoginError, LoginErrorKind};
pub use http::{ClientAuth, HttpClient};
pub use provider::Provider;
