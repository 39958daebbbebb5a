//! Key files: who may read them, what is in them, and what happens while they change.

use std::{
    fs,
    path::Path,
    sync::Arc,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use token_storage_core::{ErrorKind, Result, Secret, TokenKey, TokenStorage};
use token_storage_encryption::{Encrypted, FileKeys, Key, KeyFile, KeySource, Passphrase, PassphraseFrom};

use crate::{data, put, ring};

/// A person who types this, and how often they were asked.
#[derive(Clone, Debug)]
struct Person(&'static str, Arc<AtomicUsize>);

impl Passphrase for Person {
    fn ask(&self, _: &Path) -> Result<Secret> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Ok(self.0.into())
    }
}

fn person(says: &'static str) -> Person {
    Person(says, Arc::default())
}

#[cfg(unix)]
fn mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_file_is_made_for_its_owner_and_never_over_another() {
    let folder = tempfile::tempdir().unwrap();
    let file = KeyFile::new(folder.path().join("new/key"));
    file.create(&ring(1), None).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(file.path()), 0o600);
        assert_eq!(mode(file.path().parent().unwrap()), 0o700);
    }
    let before = fs::read(file.path()).unwrap();
    let error = file.create(&ring(2), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(fs::read(file.path()).unwrap(), before);
    assert_eq!(
        file.read(&PassphraseFrom::Nowhere).unwrap().writing().id(),
        ring(1).writing().id()
    );
}

#[cfg(unix)]
#[test]
fn a_file_that_others_may_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = KeyFile::new(folder.path().join("key"));
    file.create(&ring(1), None).unwrap();
    for (allowed, modes) in [(true, [0o600, 0o400, 0o640]), (false, [0o644, 0o660, 0o604])] {
        for wide in modes {
            mode(file.path(), wide);
            let read = file.read(&PassphraseFrom::Nowhere);
            assert_eq!(read.is_ok(), allowed, "{wide:o}");
            if let Err(error) = read {
                assert_eq!(error.kind(), ErrorKind::Misconfigured);
                assert!(error.message().contains("chmod 600"), "{error}");
            }
        }
    }
}

#[test]
fn what_is_no_key_file_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, content, says) in [
        ("empty", Some(&b""[..]), "no key"),
        ("text", Some(b"canary"), "line 1"),
        ("binary", Some(b"\xff\xfe canary"), "not text"),
        ("large", Some(&[b'#'; 70_000]), "larger than 64 KiB"),
        ("later", Some(b"token-storage-keys:2:whatever"), "update this program"),
        ("absent", None, "key generate"),
        (".", None, "not a file"),
    ] {
        if let Some(content) = content {
            fs::write(at(name), content).unwrap();
            #[cfg(unix)]
            mode(&at(name), 0o600);
        }
        let error = KeyFile::new(at(name)).read(&person("canary")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{name}: {error}");
        assert!(error.message().contains(says), "{name}: {error}");
        KeyFile::new(at(name)).update(&person("canary"), Ok).unwrap_err();
        assert!(!format!("{error:?}").contains("canary"), "{name}");
    }
    assert!(!at("absent.lock").exists(), "nothing is left beside what is not there");
}

#[tokio::test]
async fn a_passphrase_opens_the_file_and_is_asked_for_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = KeyFile::new(folder.path().join("key"));
    file.create(&ring(1), Some(&"open".into())).unwrap();
    assert!(file.is_protected().unwrap());
    let text = fs::read_to_string(file.path()).unwrap();
    assert!(!text.contains(&**ring(1).writing().to_base64()));
    let error = file.read(&person("close")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.message().contains("is another one"), "{error}");
    assert!(file.read(&PassphraseFrom::Nowhere).is_err());

    let asked = person("open");
    let keys = FileKeys::new(file.path()).with_passphrase(asked.clone());
    for _ in 0..3 {
        assert_eq!(keys.keys().await.unwrap().writing().id(), ring(1).writing().id());
    }
    let new = Key::from_bytes(&[2; 32]);
    file.update(&asked, |ring| Ok(ring.write_with(new.clone()))).unwrap();
    assert!(file.is_protected().unwrap(), "it stays so");
    assert_eq!(keys.keys().await.unwrap().writing().id(), new.id());
    assert_eq!(asked.1.load(Ordering::SeqCst), 2, "once by each of the two");
}

/// Who reads that a copy of the file is all it takes may keep the passphrase nowhere.
#[test]
fn the_comment_in_a_file_says_what_it_takes_to_open_it() {
    let folder = tempfile::tempdir().unwrap();
    let plain = KeyFile::new(folder.path().join("plain"));
    plain.create(&ring(1), None).unwrap();
    let under_passphrase = KeyFile::new(folder.path().join("passphrase"));
    under_passphrase.create(&ring(1), Some(&"open".into())).unwrap();
    for _ in 0..2 {
        let text = fs::read_to_string(plain.path()).unwrap();
        assert!(text.contains("Whoever has this file can read"), "{text}");
        let text = fs::read_to_string(under_passphrase.path()).unwrap();
        assert!(text.contains("both this file and its passphrase"), "{text}");
        assert!(!text.contains("Whoever has this file can"), "{text}");
        for file in [&plain, &under_passphrase] {
            file.update(&person("open"), Ok).unwrap();
        }
    }
}

/// Each key that was added is there: a key that got lost would be tokens that got lost.
#[test]
fn keys_that_are_added_at_the_same_time_are_all_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = KeyFile::new(folder.path().join("key"));
    file.create(&ring(0), None).unwrap();
    thread::scope(|scope| {
        for byte in 1..=8 {
            let file = &file;
            scope.spawn(move || {
                let added = file.update(&PassphraseFrom::Nowhere, |ring| Ok(ring.write_with(crate::key(byte))));
                assert_eq!(added.unwrap().writing().id(), crate::key(byte).id());
            });
        }
    });
    let ring = file.read(&PassphraseFrom::Nowhere).unwrap();
    assert_eq!(ring.iter().count(), 9);
}

#[tokio::test]
async fn a_key_file_that_goes_stops_reading_and_writing() {
    let folder = tempfile::tempdir().unwrap();
    let file = KeyFile::new(folder.path().join("key"));
    file.create(&ring(1), None).unwrap();
    let below = token_storage_core::MemoryStorage::new();
    let storage = Encrypted::new(below.clone(), FileKeys::new(file.path()));
    let (rs, token) = (TokenKey::in_default("rs"), data("a", "r", "i"));
    put(&storage, &rs, &token).await.unwrap();
    let before = below.get(&rs).await.unwrap();
    fs::remove_file(file.path()).unwrap();
    for error in [
        storage.get(&rs).await.unwrap_err(),
        put(&storage, &rs, &token).await.unwrap_err(),
        storage.prove_writable(&rs).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
        assert!(error.message().contains("is not there"), "{error}");
    }
    assert_eq!(below.get(&rs).await.unwrap(), before);
    assert_eq!(storage.get(&TokenKey::in_default("none")).await.unwrap(), None);
}
