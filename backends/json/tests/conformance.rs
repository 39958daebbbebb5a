//! `JsonStorage` keeps the contract.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use tempfile::TempDir;
use token_storage_conformance::{
    FileBacked, Harness, MultiProcess, RecordDamaging, SecondWay, Suite, WriteRefusing, refuse_writes_in,
};
use token_storage_core::{Result, TokenKey, TokenStorage, async_trait};
use token_storage_json::JsonStorage;

struct Json;

fn open(path: &Path) -> Result<Arc<dyn TokenStorage>> {
    Ok(Arc::new(JsonStorage::open(path)?))
}

#[async_trait]
impl Harness for Json {
    type Place = TempDir;

    async fn fresh(&self) -> Result<TempDir> {
        let place = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(place.path().join("tokens")).expect("a folder");
        Ok(place)
    }

    async fn reopen(&self, place: &TempDir) -> Result<Arc<dyn TokenStorage>> {
        open(&self.file(place))
    }
}

impl FileBacked for Json {
    fn file(&self, place: &TempDir) -> PathBuf {
        place.path().join("tokens/tokens.json")
    }

    fn open_path(&self, path: &Path) -> Result<Arc<dyn TokenStorage>> {
        open(path)
    }
}

#[async_trait]
impl MultiProcess for Json {
    fn spec(&self, place: &TempDir) -> String {
        self.file(place).display().to_string()
    }

    async fn open_spec(&self, spec: &str) -> Result<Arc<dyn TokenStorage>> {
        open(Path::new(spec))
    }
}

#[async_trait]
impl RecordDamaging for Json {
    /// What is JSON stands there as it is, other bytes as a text: the file as a whole stays readable.
    async fn overwrite(&self, place: &TempDir, key: &TokenKey, bytes: &[u8]) -> Result<()> {
        let text = || serde_json::Value::from(String::from_utf8_lossy(bytes));
        let record = serde_json::from_slice(bytes).unwrap_or_else(|_| text());
        let path = self.file(place);
        let mut file: serde_json::Value = serde_json::from_slice(&fs::read(&path).expect("a file")).expect("JSON");
        file["data"][key.namespace()][key.resource_server()] = record;
        fs::write(&path, file.to_string()).expect("the suite may damage the file");
        Ok(())
    }
}

#[async_trait]
impl WriteRefusing for Json {
    async fn refuse_writes(&self, place: &TempDir, refuse: bool) -> Result<(), String> {
        refuse_writes_in(&place.path().join("tokens"), &[], refuse)
    }
}

/// Through a symlink, beside the folder.
const OTHERWISE: &str = "link/../link/./tokens.json";

#[async_trait]
impl SecondWay for Json {
    async fn reopen_otherwise(&self, place: &TempDir) -> Result<Arc<dyn TokenStorage>> {
        // There already, if it is opened more than once.
        let _ = std::os::unix::fs::symlink("tokens", place.path().join("link"));
        open(&place.path().join(OTHERWISE))
    }

    fn ways(&self, place: &TempDir) -> [String; 2] {
        [self.file(place), place.path().join(OTHERWISE)].map(|path| path.display().to_string())
    }
}

fn main() -> ExitCode {
    Suite::new("json", Json)
        .enumerates()
        .process_leases()
        .durable()
        .files()
        .processes()
        .damaged_records()
        .refused_writes()
        .second_way()
        .main()
}
