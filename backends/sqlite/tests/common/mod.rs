//! What the integration tests share.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::{path::Path, process::Command};

use rusqlite::Connection;
use token_storage_core::{Precondition, TokenData, TokenKey, TokenStorage, TokenStorageExt as _};
use token_storage_sqlite::SqliteStorage;

pub(crate) fn key(resource_server: &str) -> TokenKey {
    TokenKey::in_default(resource_server)
}

pub(crate) fn data(token: &str) -> TokenData {
    TokenData::new("rs", "s1 s2", token)
        .with_refresh_token("rt")
        .with_expires_at(1_795_649_003)
}

pub(crate) async fn store(storage: &SqliteStorage, resource_server: &str, token: &str) {
    storage
        .store(&key(resource_server), &data(token), Precondition::Any)
        .await
        .unwrap();
}

pub(crate) async fn token(storage: &SqliteStorage, resource_server: &str) -> Option<String> {
    let found = storage.get(&key(resource_server)).await.unwrap();
    found.map(|found| found.data.access_token.expose().to_owned())
}

/// A connection as Python's `sqlite3` would open it: rollback journal, no pragma, creating.
pub(crate) fn foreign(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

pub(crate) fn copy_fixture(name: &str, to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::copy(from, to).unwrap();
}

/// The names of the files in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub(crate) fn integrity(path: &Path) -> String {
    foreign(path)
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap()
}

/// This very binary again, to be a process of its own; its `main` or test sees the variable.
pub(crate) fn again(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env("TOKEN_STORAGE_TEST_ROLE", role);
    command
}

pub(crate) fn soak() -> bool {
    std::env::var_os("TOKEN_STORAGE_SOAK").is_some_and(|value| value == "1")
}

#[cfg(unix)]
pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

pub(crate) fn beside(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
