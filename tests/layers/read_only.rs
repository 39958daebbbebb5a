use token_storage::{
    Acquisition, ErrorKind, LeaseView, MemoryStorage, Precondition, Result, Schemes, TokenStorage,
    TokenStorageExt as _, Write, layers::ReadOnly,
};

use crate::{SECRET, data, key};

fn refused<T: std::fmt::Debug>(tried: Result<T>) {
    let error = tried.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(error.key(), Some(&key("ns")));
    assert!(!error.may_have_applied() && !error.is_retryable());
    assert!(error.to_string().contains("to read only"), "{error}");
    assert!(!format!("{error:?}{error}").contains(SECRET));
}

#[tokio::test]
async fn what_writes_is_refused_and_what_reads_is_not() {
    let memory = MemoryStorage::new();
    memory.store(&key("ns"), &data("at"), Precondition::Any).await.unwrap();
    let before = memory.get(&key("ns")).await.unwrap();
    let storage = ReadOnly::new(memory.clone());

    let (key, new) = (key("ns"), data("new"));
    refused(storage.store_all(&[Write::new(&key, &new, Precondition::Any)]).await);
    refused(storage.remove(&key, Precondition::Any).await);
    refused(storage.prove_writable(&key).await);
    let lease = storage.lease().expect("memory has leases");
    refused(lease.try_acquire(&key).await);
    assert!(storage.store_all(&[]).await.unwrap().is_empty());

    assert_eq!(lease.look(&key).await.unwrap(), Some(LeaseView::default()));
    assert_eq!(storage.get(&key).await.unwrap(), before);
    let listing = storage.enumerate().expect("memory lists");
    assert_eq!(
        listing.list_keys("ns", None).await.unwrap().items,
        std::slice::from_ref(&key)
    );
    assert_eq!(memory.get(&key).await.unwrap(), before);
    let free = memory.lease().unwrap().try_acquire(&key).await.unwrap();
    assert!(matches!(free, Acquisition::Acquired(_)), "nothing holds the lease");
}

#[tokio::test]
async fn its_url_opens_it_and_offers_no_action() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("tokens.db").display());
    let schemes = Schemes::builtin();
    let storage = schemes.open(&url).await.unwrap();
    storage.store(&key("ns"), &data("at"), Precondition::Any).await.unwrap();

    let below = schemes.parse(&url).unwrap();
    assert!(below.action("give-back").is_some());
    let read_only = schemes.parse(&format!("readonly+{url}")).unwrap();
    assert!(read_only.action("give-back").is_none());
    let storage = read_only.open().await.unwrap().into_storage();
    assert!(storage.get(&key("ns")).await.unwrap().is_some());
    refused(storage.remove(&key("ns"), Precondition::Any).await);

    let traced = schemes.parse(&format!("traced+{url}")).unwrap();
    assert!(traced.action("give-back").is_some());
    assert_eq!(traced.open().await.unwrap().storage().describe().backend, "sqlite");
}
