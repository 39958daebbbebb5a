//! Keys under KMS: who is asked how often, what it is sent, and what is said when it refuses.

mod fake;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use fake::Fake;
use tempfile::TempDir;
use token_storage_core::{ErrorKind, Result};
use token_storage_encryption::{FileKeys, Key, KeyRing, KeySource as _, KeyWrap as _, WrappedKeyFile, WrappedKeys};
use token_storage_kms::Kms;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    (folder, path)
}

fn ring(byte: u8) -> KeyRing {
    KeyRing::new(Key::from_bytes(&[byte; 32]))
}

async fn made(kms: Kms, path: &Path) -> WrappedKeyFile {
    let file = WrappedKeyFile::new(path, kms);
    file.create(&ring(1)).await.unwrap();
    file
}

async fn refused<T: std::fmt::Debug>(work: impl Future<Output = Result<T>>) -> (ErrorKind, String) {
    let error = work.await.unwrap_err();
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    (error.kind(), error.message().to_owned())
}

#[tokio::test]
async fn one_request_however_many_ask() {
    let (_folder, path) = folder();
    let fake = Fake::new();
    made(fake.kms("alias/a"), &path).await;
    assert_eq!(fake.asked(), ["GenerateDataKey"]);
    let keys = Arc::new(WrappedKeys::new(WrappedKeyFile::new(&path, fake.kms("alias/a"))));
    let ask = |keys: &Arc<WrappedKeys>| {
        let keys = keys.clone();
        tokio::spawn(async move { keys.keys().await.unwrap().writing().id() })
    };
    let tasks: Vec<_> = (0..64).map(|_| ask(&keys)).collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), ring(1).writing().id());
    }
    assert_eq!(fake.asked(), ["Decrypt"]);
    // The same in another file's place, as a backup puts it back.
    let bytes = fs::read(&path).unwrap();
    fs::rename(&path, path.with_extension("old")).unwrap();
    made(fake.kms("alias/a"), &path).await;
    fake.asked();
    fs::write(&path, bytes).unwrap();
    ask(&keys).await.unwrap();
    assert_eq!(fake.asked(), [""; 0]);
    // What another program adds is known at once, and asked for once.
    let other = WrappedKeyFile::new(&path, fake.kms("alias/a"));
    other
        .update(|ring| Ok(ring.write_with(Key::from_bytes(&[2; 32]))))
        .await
        .unwrap();
    assert_eq!(fake.asked(), ["Decrypt", "GenerateDataKey"]);
    for _ in 0..3 {
        assert_eq!(keys.keys().await.unwrap().writing().id(), ring(2).writing().id());
    }
    assert_eq!(fake.asked(), ["Decrypt"]);
}

#[tokio::test]
async fn what_refuses_is_named_and_asked_once_for_all_who_wait() {
    let (_folder, path) = folder();
    let fake = Fake::new();
    made(fake.kms("alias/a"), &path).await;
    let before = fs::read(&path).unwrap();
    fake.asked();
    for (status, code, kind, says) in [
        (400, "AccessDeniedException", ErrorKind::PermissionDenied, "kms:Decrypt"),
        (400, "DisabledException", ErrorKind::PermissionDenied, "disabled"),
        (400, "KMSInvalidStateException", ErrorKind::PermissionDenied, "deletion"),
        (400, "NotFoundException", ErrorKind::Misconfigured, "no such key"),
        (400, "IncorrectKeyException", ErrorKind::Misconfigured, "`old=`"),
        (400, "InvalidCiphertextException", ErrorKind::Misconfigured, "`context`"),
        (
            400,
            "InvalidKeyUsageException",
            ErrorKind::Misconfigured,
            "SYMMETRIC_DEFAULT",
        ),
        (400, "ThrottlingException", ErrorKind::Busy, "throttled"),
        (
            400,
            "ExpiredTokenException",
            ErrorKind::PermissionDenied,
            "log in to AWS",
        ),
        (500, "KMSInternalException", ErrorKind::Unavailable, "try again"),
        (500, "KeyUnavailableException", ErrorKind::Unavailable, "try again"),
        (400, "Unheard-of", ErrorKind::Unavailable, "refused"),
    ] {
        fake.fail(Some((status, code)));
        let keys = Arc::new(WrappedKeys::new(WrappedKeyFile::new(&path, fake.kms("alias/a"))));
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let keys = keys.clone();
                tokio::spawn(async move { refused(keys.keys()).await })
            })
            .collect();
        for task in tasks {
            let (found, message) = task.await.unwrap();
            assert_eq!(found, kind, "{code}: {message}");
            assert!(message.contains(says), "{code}: {message}");
            assert!(
                message.starts_with("KMS key alias/a in eu-central-1 answered"),
                "{message}"
            );
            assert!(message.contains("(request request-7)"), "{message}");
        }
        let asked = fake.asked();
        assert!(asked.len() < 16, "{code}: {} requests", asked.len());
        // Nothing is changed or made.
        let file = WrappedKeyFile::new(&path, fake.kms("alias/a"));
        assert_eq!(refused(file.update(Ok)).await.0, kind, "{code}");
        let new = WrappedKeyFile::new(path.with_extension("new"), fake.kms("alias/a"));
        assert_eq!(refused(new.create(&ring(1))).await.0, kind, "{code}");
        assert!(!new.path().exists());
        assert_eq!(fs::read(&path).unwrap(), before);
        // It is not held against it.
        fake.fail(None);
        fake.asked();
        keys.keys().await.unwrap();
        assert_eq!(fake.asked(), ["Decrypt"]);
    }
}

#[tokio::test]
async fn another_key_or_context_opens_nothing() {
    let (_folder, path) = folder();
    let fake = Fake::new();
    made(fake.kms("alias/a"), &path).await;
    let of = |kms: Kms| WrappedKeyFile::new(&path, kms);
    let (kind, message) = refused(of(fake.kms("alias/b")).read()).await;
    assert_eq!(kind, ErrorKind::Misconfigured);
    assert!(message.starts_with("KMS key alias/b"), "{message}");
    let (kind, message) = refused(of(fake.kms("alias/a").context("b")).read()).await;
    assert_eq!(kind, ErrorKind::Misconfigured);
    assert!(message.contains("`context`"), "{message}");
    // To another key, by the one who has both.
    let both = of(fake.kms("alias/b").old("alias/a").unwrap());
    both.update(Ok).await.unwrap();
    assert!(of(fake.kms("alias/a")).read().await.is_err());
    let ring_of_b = of(fake.kms("alias/b")).read().await.unwrap();
    assert_eq!(*ring_of_b.to_text(), *ring(1).to_text());
    // Of two refusals the one that is no mere "another key" is told.
    fake.state.lock().unwrap().missing.insert("alias/c");
    let (_, message) = refused(of(fake.kms("alias/d").old("alias/c").unwrap()).read()).await;
    assert!(
        message.starts_with("KMS key alias/c") && message.contains("no such key"),
        "{message}"
    );
}

#[tokio::test]
async fn what_is_no_key_is_not_taken_for_one() {
    let (_folder, path) = folder();
    let fake = Fake::new();
    fake.state.lock().unwrap().short = true;
    let (kind, message) = refused(WrappedKeyFile::new(&path, fake.kms("alias/a")).create(&ring(1))).await;
    assert_eq!(kind, ErrorKind::Misconfigured);
    assert!(message.contains("no key of 32 bytes"), "{message}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_passphrase_is_not_asked_for() {
    let (_folder, path) = folder();
    made(Fake::new().kms("alias/a"), &path).await;
    let (kind, message) = refused(FileKeys::new(&path).keys()).await;
    assert_eq!(kind, ErrorKind::Misconfigured);
    assert!(message.contains("a service has wrapped them"), "{message}");
}

/// Nobody listens there: the request must not be tried.
#[tokio::test]
async fn a_client_of_the_program_sends_nothing_that_others_could_read() {
    let (_folder, path) = folder();
    let fake = Fake::new();
    let file = made(fake.kms("alias/a"), &path).await;
    let abroad = || fake::kms_at("http://192.0.2.1", "alias/a");
    let before = fs::read(file.path()).unwrap();
    let new = WrappedKeyFile::new(path.with_extension("new"), abroad());
    for (kind, message) in [
        refused(WrappedKeyFile::new(&path, abroad()).read()).await,
        refused(new.create(&ring(1))).await,
    ] {
        assert_eq!(kind, ErrorKind::Misconfigured, "{message}");
        assert!(message.contains("not on this machine"), "{message}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(!new.path().exists());
}

#[tokio::test]
async fn an_empty_region_is_none() {
    let (_folder, path) = folder();
    let kms = Kms::new("alias/a").unwrap().region("");
    let (kind, message) = refused(WrappedKeyFile::new(&path, kms).create(&ring(1))).await;
    assert_eq!(kind, ErrorKind::Misconfigured, "{message}");
    assert!(message.contains("no AWS region is known"), "{message}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn s1_no_key_is_in_what_is_logged() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _here = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber);
    tracing::trace!("it is listened");
    let (_folder, path) = folder();
    let fake = Fake::new();
    let file = made(fake.kms("alias/a"), &path).await;
    let keys = WrappedKeys::new(file);
    keys.keys().await.unwrap();
    let kms = fake.kms("alias/a");
    let (key, wrapped) = kms.generate().await.unwrap();
    assert_eq!(kms.unwrap(&wrapped).await.unwrap().id(), key.id());
    let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap() + &format!("{kms:?} {keys:?}");
    let secret = fake.keys();
    assert_eq!(secret.len(), 2);
    for secret in secret.iter().chain([&*ring(1).to_text()]) {
        assert!(!said.contains(secret.trim()), "{said}");
    }
    assert!(said.contains("it is listened"), "{said}");
    // What the SDK leaves out of requests and answers that it logs is its own affair, so it logs none here.
    assert!(!said.contains("orchestrator"), "{said}");
}
