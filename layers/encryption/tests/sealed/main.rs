//! S3: no token is stored unsealed, what was moved or changed is refused, keys fail closed, and rotation loses nothing.

mod at_rest;
mod keys;
mod layer;
mod refused;
mod rotation;

use token_storage_core::{Extra, Precondition, Result, Revision, TokenData, TokenKey, TokenStorage, Write};
use token_storage_encryption::{Key, KeyRing};

/// The key of these bytes.
fn key(byte: u8) -> Key {
    Key::from_bytes(&[byte; 32])
}

fn ring(byte: u8) -> KeyRing {
    KeyRing::new(key(byte))
}

/// A record with these tokens.
fn data(access: &str, refresh: &str, id: &str) -> TokenData {
    let mut extra = Extra::new();
    extra.insert("id_token", &format!("\"{id}\"")).unwrap();
    TokenData::new("rs", "read", access)
        .with_refresh_token(refresh)
        .with_expires_at(1_700_000_000)
        .with_extra(extra)
}

async fn put(storage: &dyn TokenStorage, key: &TokenKey, data: &TokenData) -> Result<Revision> {
    let stored = storage.store_all(&[Write::new(key, data, Precondition::Any)]).await?;
    Ok(stored[0])
}
