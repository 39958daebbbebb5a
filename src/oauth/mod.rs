//! Logging in at any OAuth 2 server, and everything else that is asked of one: refresh, revocation, discovery.
//!
//! | a login | starts with | ends with |
//! |---|---|---|
//! | in a browser on this machine | [`OAuthClient::begin_loopback_login`] | [`LoopbackLogin::finish`] |
//! | in any browser, with a code to paste | [`OAuthClient::begin_login`] | [`PendingLogin::finish_with_pasted`] |
//! | of a web application | [`OAuthClient::begin_login`] | [`PendingLogin::finish_with_redirect`] |
//! | on another machine (RFC 8628) | [`OAuthClient::begin_device_login`] | [`DeviceLogin::finish`] |
//! | without a person | [`OAuthClient::client_credentials`] | |
//!
//! Each gives a [`TokenResponse`](crate::TokenResponse), which
//! [`TokenManager::store_login`](crate::manager::TokenManager::store_login) keeps. Logins with a browser use PKCE and a
//! state that is checked. Where the answer has an id_token, its signature and claims are checked, and its `sub` becomes
//! the `identity_id` of every token of the answer.
//!
//! [`OAuthClient`] is the [`TokenEndpoint`](crate::manager::TokenEndpoint) that a manager works with.

mod assertion;
mod client;
mod client_key;
mod credentials;
mod device;
mod error;
mod http;
mod id_token;
mod keys;
mod leftover;
mod login;
mod loopback;
mod options;
mod provider;
mod recorded;
mod redirect;
mod renewed;
mod sealed;

pub use assertion::ClientKey;
pub use client::OAuthClient;
pub use credentials::ClientAuth;
pub use device::DeviceLogin;
pub use error::{LoginError, LoginErrorKind};
pub use http::{HttpAnswer, HttpClient, HttpRequest, HttpTransport};
pub use login::PendingLogin;
pub use loopback::LoopbackLogin;
pub use options::LoginOptions;
pub use provider::Provider;
#[cfg(feature = "globus")]
pub(crate) use provider::endpoint;
pub use sealed::LoginKey;
