//! Whatever happens to a storage while it is measured, the run ends, says so, and leaves nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use token_storage_bench::{Budget, Operation, Settings, Stop, Target, run};
use token_storage_core::{
    Error, ErrorKind, LeaseKind, MemoryStorage, Precondition, Result, Revision, SharingScope, StorageInfo, StoredToken,
    TokenKey, TokenStorage, Write, async_trait, backend::forward,
};

/// A storage that is full from a certain store on, and one that many requests would be paid for.
#[derive(Clone, Debug)]
struct Limited {
    inner: MemoryStorage,
    stores_left: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    sharing: SharingScope,
}

impl Limited {
    fn new(stores: usize, sharing: SharingScope) -> Self {
        Self {
            inner: MemoryStorage::new(),
            stores_left: Arc::new(AtomicUsize::new(stores)),
            requests: Arc::default(),
            sharing,
        }
    }

    fn requested(&self, count: usize) {
        self.requests.fetch_add(count, Ordering::Relaxed);
    }

    fn stores(&self) -> Result<()> {
        let left = self
            .stores_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(drop)
            .map_err(|_| Error::new(ErrorKind::StorageFull, "it is full"))
    }
}

#[async_trait]
impl TokenStorage for Limited {
    forward!(self.inner => prove_writable, enumerate, lease);

    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        self.requested(1);
        self.inner.get(key).await
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        self.requested(writes.len());
        self.stores()?;
        self.inner.store_all(writes).await
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        self.requested(1);
        self.inner.remove(key, precondition).await
    }

    fn describe(&self) -> StorageInfo {
        StorageInfo::new("limited", "nowhere", MemoryStorage::LIMITS)
            .with_sharing(self.sharing)
            .with_enumeration()
            .with_lease(LeaseKind::Process)
    }
}

#[async_trait]
impl Target for Limited {
    fn name(&self) -> String {
        "limited:".to_owned()
    }

    async fn open(&self) -> Result<Arc<dyn TokenStorage>> {
        Ok(Arc::new(self.clone()))
    }
}

async fn is_empty(storage: &MemoryStorage) -> bool {
    let listing = storage.enumerate().unwrap();
    listing.list_namespaces(None).await.unwrap().items.is_empty()
}

fn settings(requests: Option<u64>, operations: &[Operation]) -> Settings {
    Settings {
        budget: Budget {
            time: Duration::from_millis(400),
            requests,
        },
        operations: operations.to_vec(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_ends_the_measuring_of_its_storage_alone() {
    let (full, sound) = (
        Limited::new(5, SharingScope::Handle),
        Limited::new(usize::MAX, SharingScope::Handle),
    );
    let targets: [Arc<dyn Target>; 2] = [Arc::new(full.clone()), Arc::new(sound.clone())];
    let settings = settings(None, &[Operation::Get, Operation::Store]);
    let report = run(&targets, &settings, &Stop::default(), &|_| ()).await.unwrap();
    let error = report.storages[0].error.as_ref().unwrap();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(report.storages[0].left, 0);
    assert!(report.storages[1].error.is_none());
    assert!(report.storages[1].measured.len() > 5, "{report:?}");
    assert!(is_empty(&full.inner).await && is_empty(&sound.inner).await);
    assert!(report.to_html().contains("it is full"));
}

#[tokio::test]
async fn a_storage_that_takes_no_record_is_refused_before_any_is_measured() {
    let (sound, full) = (
        Limited::new(usize::MAX, SharingScope::Handle),
        Limited::new(0, SharingScope::Handle),
    );
    let targets: [Arc<dyn Target>; 2] = [Arc::new(sound.clone()), Arc::new(full)];
    let refused = run(&targets, &settings(None, &[]), &Stop::default(), &|_| ()).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::StorageFull);
    assert!(is_empty(&sound.inner).await);
}

/// The storage itself counts what it is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn the_requests_of_the_budget_are_the_most_that_are_sent() {
    for (limit, most) in [(Some(700), 700), (None, 2000)] {
        let storage = Limited::new(usize::MAX, SharingScope::Network);
        let targets: [Arc<dyn Target>; 1] = [Arc::new(storage.clone())];
        // Leases are not counted by this storage.
        let operations = [
            Operation::Get,
            Operation::Store,
            Operation::CompareAndSwap,
            Operation::StoreResponse,
        ];
        let report = run(&targets, &settings(limit, &operations), &Stop::default(), &|_| ())
            .await
            .unwrap();
        let sent = storage.requests.load(Ordering::Relaxed);
        assert!((200..=most).contains(&sent), "{sent} of {most}");
        let counted = usize::try_from(report.storages[0].requests).unwrap();
        assert!((sent..=most).contains(&counted), "{counted} of {most}, sent {sent}");
        assert!(is_empty(&storage.inner).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_shows_what_it_has_and_leaves_nothing() {
    let storage = Limited::new(usize::MAX, SharingScope::Handle);
    let targets: [Arc<dyn Target>; 1] = [Arc::new(storage.clone())];
    let stop = Stop::default();
    let settings = Settings {
        budget: Budget {
            time: Duration::from_secs(3600),
            requests: None,
        },
        operations: Vec::new(),
    };
    // The first measurement would take minutes: it is stopped from beside.
    let beside = stop.clone();
    let written = storage.clone();
    let stopper = tokio::spawn(async move {
        while is_empty(&written.inner).await {
            tokio::task::yield_now().await;
        }
        beside.stop();
    });
    let report = run(&targets, &settings, &stop, &|_| ()).await.unwrap();
    stopper.await.unwrap();
    assert!(report.stopped);
    assert!(is_empty(&storage.inner).await);
}
