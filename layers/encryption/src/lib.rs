//! Encryption at rest (clause S3): [`Encrypted`] wraps any storage of token-storage, and no token reaches a disk or a wire
//! unsealed.
//!
//! ```
//! use token_storage_core::{MemoryStorage, Precondition, TokenData, TokenKey, TokenStorage, Write};
//! use token_storage_encryption::{Encrypted, Key, KeyRing};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> token_storage_core::Result<()> {
//! let below = MemoryStorage::new();
//! let tokens = Encrypted::new(below.clone(), KeyRing::new(Key::generate()?));
//! let (key, data) = (TokenKey::in_default("rs"), TokenData::new("rs", "read", "secret"));
//! tokens.store_all(&[Write::new(&key, &data, Precondition::Absent)]).await?;
//! assert_eq!(tokens.get(&key).await?.unwrap().data, data);
//! let kept = below.get(&key).await?.unwrap().data.access_token;
//! assert!(kept.expose().starts_with("token-storage-sealed:1:"));
//! # Ok(()) }
//! ```
//!
//! The access token, the refresh token and all extra members (an id_token among them) are sealed with XChaCha20-Poly1305,
//! each bound to its place; resource server, scope, expiry, token type and identity stay readable, but cannot be changed
//! unnoticed. So layout, listing, compare-and-swap, leases and other programs' readers go on working. `docs/formats.md` of
//! the repository describes each byte, `docs/security.md` what this protects against and what not.
//!
//! | to do this | use |
//! |---|---|
//! | wrap a storage | [`Encrypted`] |
//! | make a key, or take one from bytes or base64 | [`Key`] |
//! | read with many keys and write with one | [`KeyRing`] |
//! | keep keys in a file, with a passphrase or without | [`KeyFile`], [`FileKeys`], [`Passphrase`] |
//! | keep them in the operating system's keyring | `KeyringEntry`, `KeyringKeys`, feature `keyring` |
//! | keep them in a file that only a key management service opens | [`KeyWrap`], [`WrappedKeyFile`], [`WrappedKeys`] |
//! | take keys from wherever a user names | [`KeyFrom`], [`KeySource`] |
//! | read what is there unsealed | [`Encrypted::allow_plaintext`] |
//! | move to another key | [`Encrypted::reseal`] |
//! | have it in URLs, as in `encrypted+sqlite:PATH` | [`EncryptedLayer`] |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod code;
mod envelope;
mod file;
mod key;
#[cfg(feature = "keyring")]
mod keyring;
mod layer;
mod limits;
mod passphrase;
mod record;
mod ring;
mod source;
mod storage;
mod wrapped;

pub use file::{FileKeys, KeyFile};
pub use key::{Key, KeyId};
#[cfg(feature = "keyring")]
pub use keyring::{KeyringEntry, KeyringKeys};
pub use layer::{EncryptedLayer, KEY_FROM_VARIABLE, PASSPHRASE_VARIABLE};
pub use passphrase::{Passphrase, PassphraseFrom};
pub use ring::KeyRing;
pub use source::{EnvKeys, KeyFrom, KeySource};
pub use storage::{Encrypted, Resealed};
pub use wrapped::{KeyWrap, WrappedKeyFile, WrappedKeys};
