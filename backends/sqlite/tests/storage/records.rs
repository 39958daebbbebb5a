//! Listing what records say by the page.

use std::fs;

use token_storage_core::record::Outline;
use token_storage_core::{
    Enumerate, ErrorKind, Precondition, Result, TokenKey, TokenStorage, TokenStorageExt as _, Write,
};
use token_storage_sqlite::SqliteStorage;

use crate::common::{data, foreign, key};

/// Key and scope.
type Listed = Vec<(TokenKey, Result<String>)>;

/// Everything, and how large each page was.
async fn list(storage: &SqliteStorage) -> (Listed, Vec<usize>, u64) {
    let (mut listed, mut pages, mut unnameable, mut after) = (Vec::new(), Vec::new(), 0, None);
    loop {
        let show = |name: &str, outline: Result<Outline<'_>>| (key(name), outline.map(|of| of.scope.into_owned()));
        let page = storage
            .list_outlines("DEFAULT", after.as_ref(), show)
            .await
            .unwrap()
            .unwrap();
        pages.push(page.items.len());
        listed.extend(page.items);
        unnameable += page.unnameable;
        after = page.next;
        if after.is_none() {
            return (listed, pages, unnameable);
        }
    }
}

async fn fill(storage: &SqliteStorage, count: usize, filler: usize) {
    let keys: Vec<TokenKey> = (0..count).map(|i| key(&format!("{i:04}"))).collect();
    let records: Vec<_> = (0..count)
        .map(|i| {
            let mut data = data(&format!("at {i:04} {}", "x".repeat(filler)));
            data.scope = format!("scope of {i:04}");
            data
        })
        .collect();
    for (keys, records) in keys.chunks(10).zip(records.chunks(10)) {
        let writes = keys
            .iter()
            .zip(records)
            .map(|(key, data)| Write::new(key, data, Precondition::Any));
        storage.store_all(&writes.collect::<Vec<_>>()).await.unwrap();
    }
}

#[tokio::test]
async fn a_page_shows_what_each_get_has() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    for storage in [
        SqliteStorage::open(&path).unwrap(),
        SqliteStorage::open_in_memory().unwrap(),
    ] {
        assert!(list(&storage).await.0.is_empty(), "there is no database yet");
        fill(&storage, 6000, 10).await;
        let another = TokenKey::new("another", "0001");
        storage.store(&another, &data("at"), Precondition::Any).await.unwrap();
        let (listed, pages, _) = list(&storage).await;
        assert_eq!(pages, [4096, 1904]);
        let keys: Vec<&TokenKey> = listed.iter().map(|(key, _)| key).collect();
        assert_eq!(
            keys,
            (0..6000)
                .map(|i| key(&format!("{i:04}")))
                .collect::<Vec<_>>()
                .iter()
                .collect::<Vec<_>>()
        );
        for (key, record) in &listed {
            let stored = storage.get(key).await.unwrap().unwrap();
            assert_eq!(record.as_ref().unwrap(), &stored.data.scope);
        }
    }
}

#[tokio::test]
async fn d3_damaged_records_are_told_in_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let storage = SqliteStorage::open(&path).unwrap();
    fill(&storage, 300, 10).await;
    for (name, value) in [("0000", "'{'"), ("0255", "7"), ("0256", "X'80'"), ("0299", "''")] {
        let sql = format!("UPDATE token_storage SET token_data_json = {value} WHERE resource_server = '{name}'");
        foreign(&path).execute(&sql, []).unwrap();
    }
    foreign(&path)
        .execute(
            "INSERT INTO token_storage VALUES ('DEFAULT', CAST(X'30323080' AS TEXT), '{}')",
            [],
        )
        .unwrap();
    let (listed, _, unnameable) = list(&storage).await;
    let damaged = listed.iter().filter_map(|(key, record)| {
        let error = record.as_ref().err()?;
        assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(key)), "{error}");
        Some(key.resource_server())
    });
    assert_eq!(damaged.collect::<Vec<_>>(), ["0000", "0255", "0256", "0299"]);
    assert_eq!((listed.len(), unnameable), (300, 1));
}

/// Larger than what is checked as a whole; see `docs/formats.md`.
#[tokio::test]
async fn d3_a_damaged_page_costs_the_records_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let storage = SqliteStorage::open(&path).unwrap();
    fill(&storage, 2500, 2000).await;
    drop(storage);
    let mut bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 4 << 20);
    let wanted = b"at 1234 ";
    let at = bytes.windows(wanted.len()).position(|window| window == wanted).unwrap();
    bytes[at / 4096 * 4096..][..4096].fill(0);
    fs::write(&path, bytes).unwrap();
    let storage = SqliteStorage::open(&path).unwrap();
    let (listed, ..) = list(&storage).await;
    assert_eq!(listed.len(), 2500);
    let damaged: Vec<_> = listed.iter().filter(|(_, record)| record.is_err()).collect();
    assert!(!damaged.is_empty() && damaged.len() < 4, "{} of them", damaged.len());
    for (key, record) in damaged {
        let error = record.as_ref().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert_eq!(storage.get(key).await.unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[tokio::test]
async fn a_page_of_large_records_is_short() {
    let folder = tempfile::tempdir().unwrap();
    let storage = SqliteStorage::open(folder.path().join("tokens.db")).unwrap();
    fill(&storage, 20, 1_000_000).await;
    let (listed, pages, _) = list(&storage).await;
    assert_eq!(listed.len(), 20);
    assert_eq!(pages, [5, 5, 5, 5]);
    assert_eq!((&storage).list_keys("DEFAULT", None).await.unwrap().items.len(), 20);
}
