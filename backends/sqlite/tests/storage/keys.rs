//! Keys and lists of them.

use token_storage_core::{Enumerate, Precondition, TokenKey, TokenStorage, TokenStorageExt as _, Write};
use token_storage_sqlite::SqliteStorage;

use crate::common::{data, foreign, key};

#[tokio::test]
async fn k4_keys_are_exact_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let storage = SqliteStorage::open(folder.path().join("tokens.db")).unwrap();
    let odd = [
        "",
        " ",
        "a",
        "A",
        "a\0",
        "a\0b",
        "a:b",
        "ü",
        "u\u{308}",
        "line\nbreak",
        "%",
        "😀",
        &"k".repeat(10_000),
    ];
    for namespace in odd {
        for name in odd {
            let token = format!("{namespace:?}+{name:?}");
            storage
                .store(&TokenKey::new(namespace, name), &data(&token), Precondition::Absent)
                .await
                .unwrap();
        }
    }
    for namespace in odd {
        for name in odd {
            let found = storage.get(&TokenKey::new(namespace, name)).await.unwrap().unwrap();
            assert_eq!(found.data.access_token.expose(), format!("{namespace:?}+{name:?}"));
        }
        let listed = (&storage).list_keys(namespace, None).await.unwrap();
        assert_eq!(listed.items.len(), odd.len(), "{namespace:?}");
    }
    assert_eq!((&storage).list_namespaces(None).await.unwrap().items.len(), odd.len());
}

#[tokio::test]
async fn listing_goes_page_by_page_and_past_what_has_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let storage = SqliteStorage::open(&path).unwrap();
    let keys: Vec<TokenKey> = (0..600)
        .map(|i| TokenKey::new(format!("n{i:03}"), "rs"))
        .chain((0..600).map(|i| key(&format!("{i:03}"))))
        .collect();
    let record = data("at");
    for chunk in keys.chunks(1000) {
        let writes: Vec<Write<'_>> = chunk
            .iter()
            .map(|key| Write::new(key, &record, Precondition::Any))
            .collect();
        storage.store_all(&writes).await.unwrap();
    }
    // A text that is no UTF-8, in the middle of a page, at its border, and at the end.
    for text in ["X'30323080'", "X'32353580'", "X'FF'"] {
        foreign(&path).execute(&format!("INSERT INTO token_storage VALUES ('DEFAULT', CAST({text} AS TEXT), '{{}}'), (CAST({text} AS TEXT), 'rs', '{{}}')"), []).unwrap();
    }
    let (mut listed, mut unnameable, mut after) = (Vec::new(), 0, None);
    loop {
        let page = (&storage).list_keys("DEFAULT", after.as_ref()).await.unwrap();
        listed.extend(page.items.iter().map(|key| key.resource_server().to_owned()));
        unnameable += page.unnameable;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed, (0..600).map(|i| format!("{i:03}")).collect::<Vec<_>>());
    assert_eq!(unnameable, 3);
    let (mut count, mut unnameable, mut after) = (0, 0, None);
    loop {
        let page = (&storage).list_namespaces(after.as_ref()).await.unwrap();
        count += page.items.len();
        unnameable += page.unnameable;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((count, unnameable), (601, 3));
}
