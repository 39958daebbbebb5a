//! What the integration tests share.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use token_storage_core::{
    Precondition, Result, Revision, StoredToken, TokenData, TokenKey, TokenStorage, TokenStorageExt as _,
};
use token_storage_json::JsonStorage;

/// A directory with the path of a token file in it.
pub struct Site {
    pub directory: tempfile::TempDir,
    pub path: PathBuf,
}

impl Site {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap().join("tokens.json");
        Self { directory, path }
    }

    /// With a file of this content.
    pub fn with(content: impl AsRef<[u8]>) -> Self {
        let site = Self::new();
        fs::write(&site.path, content).unwrap();
        site
    }

    pub fn open(&self) -> JsonStorage {
        JsonStorage::open(&self.path).unwrap()
    }

    pub fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    pub fn names(&self) -> Vec<String> {
        names(self.path.parent().unwrap())
    }
}

pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub fn key(resource_server: &str) -> TokenKey {
    TokenKey::in_default(resource_server)
}

pub fn data(access_token: &str) -> TokenData {
    TokenData::new("rs", "s", access_token)
}

pub async fn store(storage: &JsonStorage, resource_server: &str, access_token: &str) -> Result<Revision> {
    storage
        .store(&key(resource_server), &data(access_token), Precondition::Any)
        .await
}

pub async fn get(storage: &JsonStorage, resource_server: &str) -> Option<StoredToken> {
    storage.get(&key(resource_server)).await.unwrap()
}

pub async fn token(storage: &JsonStorage, resource_server: &str) -> Option<String> {
    get(storage, resource_server)
        .await
        .map(|stored| stored.data.access_token.expose().to_owned())
}

#[cfg(unix)]
pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[cfg(unix)]
pub fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
