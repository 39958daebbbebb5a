//! What the suite cannot ask of a storage of many files: modes, damage, what a kill leaves.

use std::{fs, path::Path, path::PathBuf};

use tempfile::TempDir;
use token_storage_core::{ErrorKind, Precondition, TokenData, TokenKey, TokenStorage as _, TokenStorageExt as _};
use token_storage_folder::FolderStorage;

fn key(resource_server: &str) -> TokenKey {
    TokenKey::in_default(resource_server)
}

fn data(access_token: &str) -> TokenData {
    TokenData::new("rs", "scope", access_token)
}

/// A folder with one record of each name.
async fn filled(names: &[&str]) -> (TempDir, PathBuf, FolderStorage) {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("tokens");
    let storage = FolderStorage::open(&root).unwrap();
    for name in names {
        storage
            .store(&key(name), &data(name), Precondition::Absent)
            .await
            .unwrap();
    }
    (place, root, storage)
}

/// The one record file whose first line names this resource server.
fn file_of(root: &Path, name: &str) -> PathBuf {
    let files = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let line = format!("[\"DEFAULT\",\"{name}\"]\n");
    let mut found = files.filter(|path| fs::read_to_string(path).is_ok_and(|text| text.starts_with(&line)));
    found.next().unwrap()
}

fn names(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn d3_one_damaged_record_hides_no_other_and_is_kept_aside() {
    let (_place, root, storage) = filled(&["good", "bad"]).await;
    let path = file_of(&root, "bad");
    for damage in [
        "",
        "not a record",
        "[\"DEFAULT\",\"bad\"]\n{\"access_token\": \"canary",
        "[\"DEFAULT\",\"good\"]\n{}",
    ] {
        fs::write(&path, damage).unwrap();
        let error = storage.get(&key("bad")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{damage}");
        assert!(error.message().contains(path.to_str().unwrap()));
        assert!(!format!("{error} {error:?}").contains("canary"));
        let refused = storage.store(&key("bad"), &data("new"), Precondition::Absent).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            damage,
            "reading and refusing move nothing"
        );

        storage
            .store(&key("bad"), &data("new"), Precondition::Any)
            .await
            .unwrap();
        assert_eq!(storage.get(&key("bad")).await.unwrap().unwrap().data, data("new"));
        assert_eq!(storage.get(&key("good")).await.unwrap().unwrap().data, data("good"));
        let kept = names(&root).into_iter().filter(|name| name.contains(".damaged-"));
        let mut kept = kept.map(|name| fs::read_to_string(root.join(name)).unwrap());
        assert!(kept.any(|text| text == damage), "{damage}");
    }
}

#[tokio::test]
async fn d3_a_refused_batch_keeps_nothing_aside() {
    let (_place, root, storage) = filled(&["good", "bad"]).await;
    let path = file_of(&root, "bad");
    fs::write(&path, "?").unwrap();
    let (new, good, bad) = (data("new"), key("good"), key("bad"));
    let writes = [
        token_storage_core::Write::new(&bad, &new, Precondition::Any),
        token_storage_core::Write::new(&good, &new, Precondition::Absent),
    ];
    assert_eq!(
        storage.store_all(&writes).await.unwrap_err().kind(),
        ErrorKind::Conflict
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "?");
}

#[tokio::test]
async fn a_damaged_record_is_listed_and_can_be_removed() {
    let (_place, root, storage) = filled(&["bad", "unnameable"]).await;
    let path = file_of(&root, "bad");
    fs::write(&path, "[\"DEFAULT\",\"bad\"]\n?").unwrap();
    fs::write(file_of(&root, "unnameable"), b"\xff").unwrap();
    let page = storage.enumerate().unwrap().list_keys("DEFAULT", None).await.unwrap();
    assert_eq!((page.items, page.unnameable), (vec![key("bad")], 1));
    assert!(storage.remove(&key("bad"), Precondition::Any).await.unwrap());
    assert!(!path.exists());
}

#[tokio::test]
async fn d2_the_next_writer_removes_what_a_kill_left() {
    let (_place, root, storage) = filled(&["a"]).await;
    let left = root.join(".something.json.0123456789abcdef.tmp");
    fs::write(&left, "half a rec").unwrap();
    // As a kill leaves the lock file: its holder was at work.
    fs::write(root.join("batch.lock"), "1").unwrap();
    storage.store(&key("b"), &data("b"), Precondition::Any).await.unwrap();
    assert!(!left.exists());
    assert_eq!(names(&root).len(), 3, "two records and the lock");
}

#[tokio::test]
async fn k1_reading_creates_nothing() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("tokens");
    let storage = FolderStorage::open(&root).unwrap();
    assert!(storage.get(&key("a")).await.unwrap().is_none());
    assert!(!storage.remove(&key("a"), Precondition::Any).await.unwrap());
    assert!(
        storage
            .enumerate()
            .unwrap()
            .list_namespaces(None)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert!(!root.exists());
}

#[tokio::test]
async fn what_is_no_folder_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = FolderStorage::open(file.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
}

#[cfg(unix)]
#[tokio::test]
async fn d4_everything_is_the_owners_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_place, root, storage) = filled(&["a"]).await;
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
    drop(storage.lease().unwrap().try_acquire(&key("a")).await.unwrap());
    storage.store(&key("a"), &data("new"), Precondition::Any).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&root), 0o700);
    for name in names(&root) {
        let path = root.join(name);
        assert_eq!(mode(&path), if path.is_dir() { 0o700 } else { 0o600 }, "{path:?}");
    }
}
