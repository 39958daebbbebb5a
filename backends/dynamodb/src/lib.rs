//! OAuth tokens in an Amazon DynamoDB table: [`DynamoDbStorage`].
//!
//! The backend for many machines. It keeps the contract of `token-storage-core` with single items alone: consistent
//! reads, conditional writes, transactions for batches, and a timed refresh lease. Its items and those of the Globus
//! documentation's Python example are interchangeable. How to run it, the IAM policy included, is in
//! `docs/dynamodb.md` of the repository.
//!
//! It cannot list keys, and its type says so (clause C1): code that needs [`Enumerate`](token_storage_core::Enumerate)
//! does not compile against it.
//!
//! ```compile_fail,E0277
//! fn needs_a_listing(_: impl token_storage_core::Enumerate) {}
//! fn not_with(storage: token_storage_dynamodb::DynamoDbStorage) {
//!     needs_a_listing(storage);
//! }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod abandoned;
mod actions;
mod attempts;
mod backoff;
mod batch;
mod begin;
mod condition;
mod config;
mod error;
mod extra;
mod guard;
mod inner;
mod item;
mod key;
mod lease;
mod lease_requests;
mod outcome;
mod revision;
mod scheme;
mod storage;
mod table;
mod transaction;
mod write;

pub use config::DynamoDbBuilder;
pub use scheme::DynamoDbScheme;
pub use storage::DynamoDbStorage;
pub use table::{Billing, TableDescription, TableOptions};
pub use token_storage_core::backend::Clock;

/// The SDK's client type, for [`DynamoDbStorage::from_client`].
pub use aws_sdk_dynamodb::Client;
