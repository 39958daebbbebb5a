//! Keeps a token encrypted in a SQLite database, and then changes the key: nothing is lost, and the old key can go.
//!
//! `cargo run --example encrypted --features encryption,sqlite` works in a temporary folder and prints:
//!
//! ```text
//! through the key: an-access-token
//! in the folder: the resource server true, the token false
//! with another key: refused
//! after a new key was made: Written
//! with the new key alone: an-access-token
//! ```

use std::{error::Error, fs, path::Path};

use token_storage::{
    Precondition, TokenData, TokenKey, TokenStorage, TokenStorageExt as _,
    encryption::{Encrypted, FileKeys, Key, KeyFile, KeyRing, PassphraseFrom},
    sqlite::SqliteStorage,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("tokens/tokens.db");
    // Where a program keeps its keys is for it to say: a file that only its user can read, as here, or the environment.
    let keys = KeyFile::new(folder.path().join("keys/key"));
    keys.create(&KeyRing::new(Key::generate()?), None)?;

    let tokens = Encrypted::new(SqliteStorage::open(&database)?, FileKeys::new(keys.path()));
    let key = TokenKey::in_default("api.example.org");
    let data = TokenData::new("api.example.org", "read", "an-access-token").with_refresh_token("a-refresh-token");
    tokens.store(&key, &data, Precondition::Absent).await?;
    println!("through the key: {}", access_token(&tokens, &key).await?);
    let kept = bytes_of(database.parent().expect("it has one"))?;
    let there = |text: &str| kept.windows(text.len()).any(|part| part == text.as_bytes());
    println!(
        "in the folder: the resource server {}, the token {}",
        there("api.example.org"),
        there("an-access-token")
    );
    let others = Encrypted::new(SqliteStorage::open(&database)?, KeyRing::new(Key::generate()?));
    let read = others.get(&key).await;
    println!("with another key: {}", if read.is_err() { "refused" } else { "read" });

    // The new key writes from now on, and the old one still reads: handles that are open see the file change.
    let (old, new) = (read_keys(&keys)?.writing().id(), Key::generate()?);
    keys.update(&PassphraseFrom::Nowhere, |ring| Ok(ring.write_with(new)))?;
    println!("after a new key was made: {:?}", tokens.reseal(&key).await?);
    // Once every record is sealed anew, the old key is of no use to anybody.
    keys.update(&PassphraseFrom::Nowhere, |ring| ring.without(old))?;
    println!("with the new key alone: {}", access_token(&tokens, &key).await?);
    Ok(())
}

async fn access_token(tokens: &dyn TokenStorage, key: &TokenKey) -> Result<String> {
    let token = tokens.get(key).await?.ok_or("it was just stored")?;
    Ok(token.data.access_token.expose().to_owned())
}

fn read_keys(keys: &KeyFile) -> Result<KeyRing> {
    Ok(keys.read(&PassphraseFrom::Nowhere)?)
}

/// What somebody sees who copies the folder.
fn bytes_of(folder: &Path) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            all.extend(fs::read(path)?);
        }
    }
    Ok(all)
}
