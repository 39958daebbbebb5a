//! Keys of encrypted storages under AWS KMS: [`Kms`] wraps a key file (`WrappedKeyFile` of `token-storage-encryption`) by a key that
//! never leaves KMS.
//!
//! ```no_run
//! use token_storage_core::MemoryStorage;
//! use token_storage_encryption::{Encrypted, WrappedKeys};
//! use token_storage_kms::key_file;
//!
//! # fn example() -> token_storage_core::Result<()> {
//! let file = key_file("kms:alias/tokens?file=tokens.key&region=eu-central-1")?;
//! let storage = Encrypted::new(MemoryStorage::new(), WrappedKeys::new(file));
//! # Ok(()) }
//! ```
//!
//! KMS makes a data key (`GenerateDataKey`), which seals the keys in the file, and gives it wrapped, too; that stands in the file
//! beside them. A `WrappedKeys` has it unwrapped (`Decrypt`) once, when it first needs a key, and again after a change of the file by
//! `token-storage key add`; not for each token. A program that opens several storages gives one of it to all, in an `Arc`, and so asks
//! KMS once. Both requests bring an encryption context, by which a policy can tell them and without which nothing is unwrapped.
//!
//! Calls need a tokio runtime. The policy, the messages and what an attacker can do are in `docs/cli.md` and `docs/security.md` of the
//! repository, the bytes of the file in `docs/formats.md`.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod error;
mod kms;
mod name;
mod private;

pub use kms::{CONTEXT, Kms};
pub use name::key_file;

/// The SDK's client type, for [`Kms::with_client`].
pub use aws_sdk_kms::Client;
