//! Access tokens in the requests of HTTP clients: a [tower layer](tower::AuthorizeLayer) (feature `tower`) and a middleware
//! for [reqwest](reqwest_middleware::Middleware) (feature `reqwest`).
//!
//! Each request to one of the named [origins](Origin) gets a valid access token of a [`TokenManager`], which refreshes it if
//! need be, once for all tasks and processes. If the answer is 401, the token is taken for dead: another is had, and the
//! request is sent once more, if its body can be sent twice. Every other request passes as it is, and so does one that brings
//! an `Authorization` of its own.
//!
//! ```
//! # #[cfg(feature = "reqwest")] {
//! use token_storage::{TokenKey, manager::TokenManager};
//! use token_storage_http::Authorize;
//!
//! fn client(manager: &TokenManager) -> Result<reqwest_middleware::ClientWithMiddleware, Box<dyn std::error::Error>> {
//!     let groups = manager.authorizer(&TokenKey::in_default("groups.api.globus.org"));
//!     let authorize = Authorize::new(groups, "https://groups.api.globus.org")?;
//!     Ok(reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(authorize).build())
//! }
//! # }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod authorize;
mod error;
#[cfg(feature = "reqwest")]
mod middleware;
mod origin;
#[cfg(feature = "tower")]
pub mod tower;

pub use authorize::Authorize;
pub use error::AuthorizeError;
pub use origin::{Origin, OriginError};
#[cfg(doc)]
use token_storage::manager::TokenManager;

/// The examples of the page on fitting in.
#[cfg(all(doctest, feature = "reqwest"))]
#[doc = include_str!("../../../docs/integrations.md")]
#[derive(Debug)]
pub struct Page;
