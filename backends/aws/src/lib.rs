//! What the parts of token-storage that ask services of AWS share: [`Service`], where one is and who asks, the meaning of its
//! errors ([`from_sdk`]), and [`quiet`], by which nothing of a request is logged (clause S1).
//!
//! It names no service; messages do so by a [`Place`] that the caller describes.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod error;
mod quiet;
mod service;

pub use error::{Answered, from_sdk, never_connected};
pub use quiet::quiet;
pub use service::{Place, Service, is_plain_http};
