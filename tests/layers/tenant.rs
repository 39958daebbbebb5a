use token_storage::{
    Acquisition, EnumerateExt as _, ErrorKind, MemoryStorage, Precondition, RefreshLease, TokenKey, TokenStorage,
    TokenStorageExt as _, Write, backend::Intent, layers::Tenant,
};

use crate::{data, key};

/// Each of them looks like a part of another, or like what another is escaped to.
const TENANTS: [&str; 8] = ["", "a", "a/", "a/b", "a%2Fb", "a%", "ab", "/"];

#[tokio::test]
async fn no_tenant_is_in_another() {
    let memory = MemoryStorage::new();
    let tenants: Vec<_> = TENANTS.map(|name| Tenant::new(memory.clone(), name)).into();
    for (tenant, name) in tenants.iter().zip(TENANTS) {
        for namespace in ["", "b", "/", "b/c", "%2F"] {
            tenant
                .store(&key(namespace), &data(name), Precondition::Absent)
                .await
                .unwrap();
        }
    }
    for (tenant, name) in tenants.iter().zip(TENANTS) {
        let listing = tenant.enumerate().unwrap();
        let namespaces = listing.list_namespaces(None).await.unwrap();
        assert_eq!(namespaces.items, ["", "%2F", "/", "b", "b/c"], "{name:?}");
        for namespace in namespaces.items {
            assert_eq!(
                listing.list_keys(&namespace, None).await.unwrap().items,
                [key(&namespace)]
            );
            let stored = tenant.get(&key(&namespace)).await.unwrap().unwrap();
            assert_eq!(stored.data.access_token.expose(), name);
            assert!(
                tenant
                    .remove(&key(&namespace), Precondition::Unchanged(stored.revision))
                    .await
                    .unwrap()
            );
        }
        assert!(listing.list_namespaces(None).await.unwrap().items.is_empty());
    }
}

#[tokio::test]
async fn a_page_and_its_cursor_tell_nothing_of_others() {
    let memory = MemoryStorage::new();
    let (acme, initech) = (
        Tenant::new(memory.clone(), "acme"),
        Tenant::new(memory.clone(), "initech"),
    );
    for number in 0..2500 {
        let namespace = format!("user-{number:04}");
        acme.store(&key(&namespace), &data("at"), Precondition::Any)
            .await
            .unwrap();
    }
    initech
        .store(&key("boss"), &data("at"), Precondition::Any)
        .await
        .unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    let listing = acme.enumerate().unwrap();
    loop {
        let page = listing.list_namespaces(after.as_ref()).await.unwrap();
        seen.extend(page.items);
        let Some(next) = page.next else { break };
        assert!(
            !next.as_str().contains("initech") && !next.as_str().contains("acme/"),
            "{next:?}"
        );
        after = Some(next);
    }
    assert_eq!(seen.len(), 2500);
    assert!(seen.is_sorted() && seen.iter().all(|name| name.starts_with("user-")));
    assert_eq!(
        initech.enumerate().unwrap().list_namespaces(None).await.unwrap().items,
        ["boss"]
    );
    assert_eq!(
        memory
            .enumerate()
            .unwrap()
            .all_keys("initech/boss")
            .await
            .unwrap()
            .items
            .len(),
        1
    );
}

#[tokio::test]
async fn errors_name_the_keys_as_the_tenant_knows_them() {
    let tenant = Tenant::new(MemoryStorage::new(), "acme");
    let revision = tenant
        .store(&key("ns"), &data("1"), Precondition::Absent)
        .await
        .unwrap();
    let again = tenant
        .store(&key("ns"), &data("2"), Precondition::Absent)
        .await
        .unwrap_err();
    let conflict = again.conflict().expect("a conflict");
    assert_eq!((&conflict.key, conflict.current), (&key("ns"), Some(revision)));
    assert_eq!(again.key(), Some(&key("ns")));
    let twice = data("3");
    let same = key("ns");
    let writes = [
        Write::new(&same, &twice, Precondition::Any),
        Write::new(&same, &twice, Precondition::Any),
    ];
    let error = tenant.store_all(&writes).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::InvalidInput, Some(&same)));
    for text in [again.to_string(), error.to_string()] {
        assert!(!text.contains("acme"), "{text}");
    }
}

#[tokio::test]
async fn the_namespace_may_be_as_long_as_it_says() {
    let (memory, prefix) = (MemoryStorage::new(), "%/");
    let tenant = Tenant::new(memory.clone(), prefix);
    let longest = tenant.describe().limits.namespace_bytes;
    assert_eq!(longest, memory.describe().limits.namespace_bytes - "%25%2F/".len());
    let fits = TokenKey::new("n".repeat(longest), "rs");
    tenant.store(&fits, &data("at"), Precondition::Any).await.unwrap();
    let larger = TokenKey::new("n".repeat(longest + 1), "rs");
    let error = tenant.store(&larger, &data("at"), Precondition::Any).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn leases_and_intents_are_the_tenants() {
    let memory = MemoryStorage::new();
    let (acme, initech) = (
        Tenant::new(memory.clone(), "acme"),
        Tenant::new(memory.clone(), "initech"),
    );
    acme.store(&key("ns"), &data("at"), Precondition::Any).await.unwrap();
    let stored = acme.get(&key("ns")).await.unwrap().unwrap();
    let (ours, theirs) = (acme.lease().unwrap(), initech.lease().unwrap());
    let Acquisition::Acquired(mut guard) = ours.try_acquire(&key("ns")).await.unwrap() else {
        panic!("nobody holds it");
    };
    guard.record_intent(&Intent::new(&stored, false, 1)).await.unwrap();
    assert!(matches!(
        ours.try_acquire(&key("ns")).await.unwrap(),
        Acquisition::Held { .. }
    ));
    let shown = async |lease: &dyn RefreshLease, name| {
        let view = lease.look(&key(name)).await.unwrap().unwrap();
        view.intent.is_some()
    };
    assert!(shown(&*ours, "ns").await);
    assert!(!shown(&*theirs, "ns").await);
    assert!(matches!(
        theirs.try_acquire(&key("ns")).await.unwrap(),
        Acquisition::Acquired(_)
    ));
    assert!(shown(&*memory.lease().unwrap(), "acme/ns").await);
}
