//! The storage on a sound file: formats, what survives a write, order of calls, modes, paths.

mod common;

use std::fs;

use common::{Site, data, get, key, store, token};
use token_storage_core::{
    Durability, Enumerate as _, ErrorKind, Extra, Precondition, Severity, TokenKey, TokenStorage, TokenStorageExt as _,
    Write,
};
use token_storage_json::{JsonStorage, examine};

const V1: &str = include_str!("fixtures/globus-sdk-4.9.1_SimpleJSONFileAdapter_format1.0.json");
const V2: &str = include_str!("fixtures/globus-sdk-4.9.1_JSONTokenStorage_format2.0_two_namespaces.json");
const V041: &str = include_str!("fixtures/globus-sdk-tokenstorage-0.4.1_SimpleJSONFileAdapter.json");

#[tokio::test]
async fn opening_and_reading_and_removing_nothing_creates_nothing() {
    let site = Site::new();
    let storage = JsonStorage::open(site.path.with_file_name("not").join("there.json")).unwrap();
    assert_eq!(get(&storage, "rs").await, None);
    assert!(!storage.remove(&key("rs"), Precondition::Any).await.unwrap());
    let revision = get(
        &{
            let other = site.open();
            store(&other, "rs", "at").await.unwrap();
            other
        },
        "rs",
    )
    .await
    .unwrap()
    .revision;
    let error = storage
        .remove(&key("rs"), Precondition::Unchanged(revision))
        .await
        .unwrap_err();
    assert_eq!(error.conflict().unwrap().current, None);
    assert!((&storage).list_namespaces(None).await.unwrap().items.is_empty());
    assert_eq!(storage.store_all(&[]).await.unwrap(), []);
    assert_eq!(site.names(), ["tokens.json", "tokens.json.lock"]);
}

#[tokio::test]
async fn a_file_of_the_sdk_changes_only_where_something_is_stored() {
    let site = Site::with(V2);
    let storage = site.open();
    let odd = TokenKey::new("ns:two é", "rs");
    assert_eq!(
        storage.get(&odd).await.unwrap().unwrap().data.access_token.expose(),
        "at"
    );
    assert_eq!(site.text(), V2, "reading changes nothing");
    store(&storage, "new", "at").await.unwrap();
    let (before, after) = V2.split_once(r#"}}, "ns:two"#).unwrap();
    assert!(site.text().starts_with(&format!(r#"{before}}}, "new": {{"#)));
    assert!(site.text().ends_with(&format!(r#"}}}}, "ns:two{after}"#)));
    assert!(storage.remove(&key("new"), Precondition::Any).await.unwrap());
    assert_eq!(site.text(), V2);
}

#[tokio::test]
async fn k2_storing_the_same_again_is_a_new_write() {
    let storage = Site::new();
    let storage = storage.open();
    let first = store(&storage, "rs", "at").await.unwrap();
    let second = store(&storage, "rs", "at").await.unwrap();
    assert_ne!(first, second);
    assert_eq!(get(&storage, "rs").await.unwrap().revision, second);
}

#[tokio::test]
async fn a_1_0_file_is_upgraded_by_the_first_write_and_kept() {
    let original = V1.replacen('{', r#"{"note": "kept", "#, 1);
    let site = Site::with(&original);
    let storage = site.open();
    assert_eq!(
        token(&storage, "groups.api.globus.org").await.as_deref(),
        Some("groups_at_1")
    );
    assert!(!storage.remove(&key("absent"), Precondition::Any).await.unwrap());
    assert_eq!(site.text(), original, "neither reading nor removing nothing upgrades");
    store(&storage, "new", "at").await.unwrap();
    assert!(site.text().contains(r#""format_version": "2.0""#));
    assert!(
        site.text()
            .starts_with(r#"{"note": "kept", "data": {"DEFAULT": {"auth.globus.org": {"scope""#)
    );
    let copy = site.path.with_file_name("tokens.json.original-1.0");
    assert_eq!(fs::read_to_string(&copy).unwrap(), original);
    #[cfg(unix)]
    assert_eq!(common::mode(&copy), 0o600);
    assert_eq!(storage.kept_files().unwrap(), std::slice::from_ref(&copy));
    for resource_server in ["auth.globus.org", "groups.api.globus.org", "new"] {
        assert!(storage.remove(&key(resource_server), Precondition::Any).await.unwrap());
    }
    let names_copy = |place: &str| place == copy.to_str().unwrap();
    assert!(storage.warnings().iter().any(|finding| names_copy(&finding.place)));
    let findings = examine(&site.path);
    assert!(
        findings
            .iter()
            .any(|finding| names_copy(&finding.place) && finding.severity == Severity::Warning)
    );
}

#[tokio::test]
async fn a_second_1_0_file_does_not_overwrite_the_copy_of_the_first() {
    let site = Site::with(V1);
    store(&site.open(), "new", "at").await.unwrap();
    let other = V1.replace("auth_at_1", "auth_at_2");
    fs::write(&site.path, &other).unwrap();
    let storage = site.open();
    store(&storage, "new", "at").await.unwrap();
    let kept = storage.kept_files().unwrap();
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert_eq!(fs::read_to_string(&kept[0]).unwrap(), V1);
    assert_eq!(fs::read_to_string(&kept[1]).unwrap(), other);
    // The same original again needs no second copy.
    fs::write(&site.path, V1).unwrap();
    store(&site.open(), "new", "at").await.unwrap();
    assert_eq!(storage.kept_files().unwrap().len(), 2);
}

#[tokio::test]
async fn the_single_token_file_of_0_4_1_can_be_read_and_written_on() {
    let site = Site::with(V041);
    let storage = site.open();
    assert_eq!(token(&storage, "groups.api.globus.org").await.as_deref(), Some("at"));
    store(&storage, "new", "at2").await.unwrap();
    assert_eq!(
        token(&site.open(), "groups.api.globus.org").await.as_deref(),
        Some("at")
    );
    let kept = storage.kept_files().unwrap();
    assert_eq!(kept, [site.path.with_file_name("tokens.json.original-0.4.1")]);
    assert_eq!(fs::read_to_string(&kept[0]).unwrap(), V041);
}

#[tokio::test]
async fn keys_that_are_no_unicode_are_counted_and_kept() {
    let text = r#"{"data": {"DEFAULT": {"\ud800": {"a": 1}, "x": {"resource_server": "x", "scope": "", "access_token": "at"}}, "\udfff": {}}, "format_version": "2.0", "globus-sdk.version": "4"}"#;
    let site = Site::with(text);
    let storage = site.open();
    let page = (&storage).list_keys("DEFAULT", None).await.unwrap();
    assert_eq!((page.items, page.unnameable), (vec![key("x")], 1));
    let page = (&storage).list_namespaces(None).await.unwrap();
    assert_eq!((page.items, page.unnameable), (vec!["DEFAULT".to_owned()], 1));
    store(&storage, "y", "at").await.unwrap();
    assert!(
        site.text()
            .starts_with(r#"{"data": {"DEFAULT": {"\ud800": {"a": 1}, "x": "#)
    );
    assert!(site.text().contains(r#""\udfff": {}"#));
}

#[tokio::test]
async fn k7_what_is_too_large_is_refused_before_anything_is_written() {
    let site = Site::new();
    let storage = site.open();
    let limits = storage.describe().limits;
    let long = TokenKey::new("n".repeat(limits.namespace_bytes + 1), "rs");
    let big = data(&"x".repeat(limits.record_bytes));
    for (key, data) in [(&long, &data("at")), (&key("rs"), &big)] {
        let error = storage.store(key, data, Precondition::Any).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert_eq!(error.operation(), Some(token_storage_core::Operation::Store));
    }
    let mut extra = Extra::new();
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert_eq!(
        extra.insert("deep", &deep(100_000)).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    extra.insert("deep", &deep(512)).unwrap();
    let longest = TokenKey::new(
        "n".repeat(limits.namespace_bytes),
        "r".repeat(limits.resource_server_bytes),
    );
    let deep = data("at").with_extra(extra);
    storage.store(&longest, &deep, Precondition::Absent).await.unwrap();
    assert_eq!(site.open().get(&longest).await.unwrap().unwrap().data, deep);
}

#[tokio::test]
async fn a2_a_batch_is_all_or_nothing() {
    let site = Site::new();
    let storage = site.open();
    store(&storage, "b", "old").await.unwrap();
    let before = site.text();
    let (a, b, new) = (key("a"), key("b"), data("new"));
    let writes = [
        Write::new(&a, &new, Precondition::Absent),
        Write::new(&b, &new, Precondition::Absent),
    ];
    let error = storage.store_all(&writes).await.unwrap_err();
    assert_eq!(error.conflict().unwrap().key, b);
    assert_eq!(site.text(), before);
    let current = error.conflict().unwrap().current.unwrap();
    let writes = [
        Write::new(&a, &new, Precondition::Absent),
        Write::new(&b, &new, Precondition::Unchanged(current)),
    ];
    let revisions = storage.store_all(&writes).await.unwrap();
    assert_eq!(get(&storage, "b").await.unwrap().revision, revisions[1]);
}

#[tokio::test]
async fn a4_of_racing_writers_one_wins() {
    let site = Site::new();
    let (one, other) = (site.open(), site.open());
    let tasks: Vec<_> = (0..32)
        .map(|n| {
            let storage = if n % 2 == 0 { one.clone() } else { other.clone() };
            tokio::spawn(async move { storage.store(&key("rs"), &data("same"), Precondition::Absent).await })
        })
        .collect();
    let mut won = Vec::new();
    let mut seen = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(revision) => won.push(revision),
            Err(error) => seen.push(error.conflict().unwrap().current),
        }
    }
    assert_eq!(won.len(), 1);
    assert!(seen.iter().all(|current| *current == Some(won[0])));
}

#[tokio::test]
async fn a7_a_dropped_write_never_happens_after_a_later_call() {
    let site = Site::new();
    let storage = site.open();
    for turn in 0..200 {
        let (old, new) = (format!("old {turn}"), format!("new {turn}"));
        {
            let record = data(&old);
            let rs = key("rs");
            let mut dropped = std::pin::pin!(storage.store(&rs, &record, Precondition::Any));
            // Given to the thread, and dropped at some moment of the write.
            std::future::poll_fn(|context| {
                let _ = dropped.as_mut().poll(context);
                std::task::Poll::Ready(())
            })
            .await;
            for _ in 0..turn * 50 {
                std::hint::spin_loop();
            }
        }
        if turn % 2 == 0 {
            store(&storage, "rs", &new).await.unwrap();
            assert_eq!(token(&storage, "rs").await.unwrap(), new);
        } else {
            let seen = token(&storage, "rs").await;
            store(&storage, "other", "x").await.unwrap();
            assert_eq!(
                token(&storage, "rs").await,
                seen,
                "what a get has seen does not change afterwards"
            );
        }
    }
}

#[tokio::test]
async fn the_fast_mode_says_so() {
    let site = Site::new();
    let storage = JsonStorage::builder(&site.path).without_fsync().open().unwrap();
    store(&storage, "rs", "at").await.unwrap();
    assert_eq!(storage.describe().durability, Durability::Process);
    assert_eq!(site.open().describe().durability, Durability::PowerLoss);
    assert_eq!(token(&site.open(), "rs").await.unwrap(), "at");
}

#[test]
fn any_executor_will_do() {
    let site = Site::new();
    let storage = site.open();
    let work = async {
        store(&storage, "rs", "at").await.unwrap();
        token(&site.open(), "rs").await
    };
    // The simplest executor there is: poll, park, poll again.
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut work = std::pin::pin!(work);
    let found = loop {
        match work.as_mut().poll(&mut context) {
            std::task::Poll::Ready(found) => break found,
            std::task::Poll::Pending => std::thread::park(),
        }
    };
    assert_eq!(found.as_deref(), Some("at"));
}

#[test]
fn a_handle_may_outlive_its_runtime() {
    let site = Site::new();
    let storage = site.open();
    for n in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(store(&storage, "rs", &n.to_string())).unwrap();
        assert_eq!(runtime.block_on(token(&storage, "rs")).unwrap(), n.to_string());
    }
}

#[tokio::test]
async fn s1_debug_shows_no_token() {
    let site = Site::new();
    let storage = site.open();
    store(&storage, "rs", "canary").await.unwrap();
    assert!(get(&storage, "rs").await.is_some());
    assert!(!format!("{storage:?} {storage:#?}").contains("canary"));
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::common::{mode, set_mode};

    #[tokio::test]
    async fn d4_everything_is_owner_only_whatever_the_umask() {
        let site = Site::new();
        let storage = JsonStorage::open(site.path.with_file_name("a").join("b/tokens.json")).unwrap();
        store(&storage, "rs", "at").await.unwrap();
        let lease = storage.lease().unwrap().try_acquire(&key("rs")).await.unwrap();
        let b = site.path.with_file_name("a").join("b");
        for directory in [site.path.with_file_name("a"), b.clone(), b.join("tokens.json.leases")] {
            assert_eq!(mode(&directory), 0o700, "{}", directory.display());
        }
        for file in ["tokens.json", "tokens.json.lock"] {
            assert_eq!(mode(&b.join(file)), 0o600, "{file}");
        }
        drop(lease);
    }

    #[tokio::test]
    async fn d4_a_wider_mode_is_tightened_with_a_warning() {
        let site = Site::with(V2);
        set_mode(&site.path, 0o644);
        let findings = examine(&site.path);
        assert!(
            findings.iter().any(|finding| finding.message.contains("0644")),
            "{findings:?}"
        );
        assert_eq!(mode(&site.path), 0o644, "examining changes nothing");
        let storage = site.open();
        assert!(storage.warnings().is_empty());
        assert_eq!(token(&storage, "auth.globus.org").await.unwrap(), "auth_at_1");
        assert_eq!(mode(&site.path), 0o600);
        assert_eq!(storage.warnings().len(), 1);
        assert!(storage.warnings()[0].message.contains("0644"));
    }

    #[tokio::test]
    async fn d4_a_symbolic_link_stays_one() {
        let site = Site::new();
        let real = site.path.with_file_name("real");
        fs::create_dir(&real).unwrap();
        symlink(real.join("target.json"), &site.path).unwrap();
        let storage = site.open();
        store(&storage, "rs", "at").await.unwrap();
        store(&storage, "rs", "at2").await.unwrap();
        assert!(fs::symlink_metadata(&site.path).unwrap().is_symlink());
        assert_eq!(common::names(&real), ["target.json", "target.json.lock"]);
        assert_eq!(site.names(), ["real", "tokens.json"]);
        assert_eq!(storage.path(), real.join("target.json"));
    }

    /// The kernel's stamps are those of its last tick, up to 10 ms old, unless somebody has just looked. Ours are exact,
    /// so that no write within the same tick can have the same one.
    #[tokio::test]
    async fn a_write_of_ours_has_a_time_of_its_own() {
        let site = Site::new();
        let storage = JsonStorage::builder(&site.path).without_fsync().open().unwrap();
        for _ in 0..100 {
            let before = std::time::SystemTime::now();
            store(&storage, "rs", "at").await.unwrap();
            assert!(fs::metadata(&site.path).unwrap().modified().unwrap() >= before);
        }
    }

    #[tokio::test]
    async fn hard_links_and_moves_hide_no_change() {
        let site = Site::new();
        let (one, other) = (site.open(), site.open());
        store(&one, "rs", "1").await.unwrap();
        fs::hard_link(&site.path, site.path.with_file_name("link")).unwrap();
        for n in 2..20 {
            let token_n = n.to_string();
            store(&one, "rs", &token_n).await.unwrap();
            assert_eq!(token(&other, "rs").await.unwrap(), token_n);
        }
        fs::rename(&site.path, site.path.with_file_name("away")).unwrap();
        assert_eq!(token(&other, "rs").await, None);
        fs::rename(site.path.with_file_name("away"), &site.path).unwrap();
        assert_eq!(token(&other, "rs").await.unwrap(), "19");
        fs::rename(site.path.with_file_name("link"), &site.path).unwrap();
        assert_eq!(token(&other, "rs").await.unwrap(), "1");
        assert_eq!(token(&one, "rs").await.unwrap(), "1");
    }
}
