use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use token_storage_core::{Enumerate, Precondition, RefreshLease, StorageInfo, TokenKey, TokenStorage};

use crate::{
    Clocks, FaultInjector, Need, Network,
    check::{Check, Show as _, fail, ignore},
    history::History,
    linear::Call,
    pace::Pace,
    recorder::{Recorder, Touched},
    rng::{Rng, fresh_u64},
    suite::{AnyPlace, AnySuite, Plan},
};

/// A handle onto the storage under test.
pub(crate) type Handle = Arc<dyn TokenStorage>;

/// What a case works with: its place, its namespace, and the record of what it did.
#[derive(Clone)]
pub(crate) struct Cx(Arc<Inner>);

struct Inner {
    suite: Arc<dyn AnySuite>,
    place: Arc<dyn AnyPlace>,
    namespace: String,
    history: Arc<History>,
    touched: Arc<Touched>,
    pace: Arc<Pace>,
    handles: AtomicUsize,
    seed: u64,
}

impl Cx {
    pub(crate) fn new(plan: &Plan, place: Arc<dyn AnyPlace>, history: Arc<History>, seed: u64) -> Self {
        Self(Arc::new(Inner {
            suite: Arc::clone(&plan.suite),
            place,
            namespace: format!("{}-{:016x}", plan.suite.namespace(), fresh_u64()),
            history,
            touched: Arc::clone(&plan.touched),
            pace: Arc::clone(&plan.pace),
            handles: AtomicUsize::new(0),
            seed,
        }))
    }

    /// A new handle onto this case's place.
    pub(crate) async fn open(&self) -> Check<Handle> {
        let inner = self.0.place.reopen().await?;
        Ok(self.record(inner))
    }

    /// A new handle, and what makes its calls go wrong; only for cases that need faults.
    pub(crate) async fn open_faulty(&self) -> Check<(Handle, Box<dyn FaultInjector>)> {
        match self.0.place.reopen_faulty().await {
            Some(opened) => {
                let (inner, faults) = opened?;
                Ok((self.record(inner), faults))
            }
            None => ignore(Need::Faults.missing()),
        }
    }

    /// A new handle whose wall clock is wrong by so many seconds; only for cases that need shifted clocks.
    pub(crate) async fn open_shifted(&self, seconds: i64) -> Check<Handle> {
        match self.0.place.reopen_shifted(seconds).await {
            Some(opened) => Ok(self.record(opened?)),
            None => ignore(Need::ShiftedClocks.missing()),
        }
    }

    /// How often wrong wall clocks were looked at.
    pub(crate) fn looked(&self) -> usize {
        self.0.place.looked().unwrap_or_default()
    }

    /// A handle that was opened in another way; only for cases that need a second way.
    pub(crate) async fn open_otherwise(&self) -> Check<Handle> {
        let (Some(opened), Some([way, other])) = (self.0.place.reopen_otherwise().await, self.0.place.ways()) else {
            return ignore(Need::SecondWay.missing());
        };
        let (one, two) = (self.0.place.reopen().await?, opened?);
        if way == other || Arc::ptr_eq(&one, &two) {
            let got = format!("the harness opened the same way twice: {way:?} and {other:?}");
            return fail("none", "a second way to a place", got, "another path, name or address");
        }
        self.note(format!("opened as {other:?}, and else as {way:?}"));
        Ok(self.record(two))
    }

    /// A new handle, and the way to its data; only for cases that need an unreliable network.
    pub(crate) async fn open_unreliable(&self) -> Check<(Handle, Box<dyn Network>)> {
        match self.0.place.reopen_unreliable().await {
            Some(opened) => {
                let (inner, network) = opened?;
                Ok((self.record(inner), network))
            }
            None => ignore(Need::Unreliable.missing()),
        }
    }

    /// A new handle, and its clocks; only for cases that need jumping clocks.
    pub(crate) async fn open_jumping(&self) -> Check<(Handle, Box<dyn Clocks>)> {
        match self.0.place.reopen_jumping().await {
            Some(opened) => {
                let (inner, clocks) = opened?;
                Ok((self.record(inner), clocks))
            }
            None => ignore(Need::JumpingClocks.missing()),
        }
    }

    /// Puts bytes in the place of a record; only for cases that need damaged records.
    pub(crate) async fn overwrite(&self, key: &TokenKey, bytes: &[u8]) -> Check {
        match self.0.place.overwrite(key, bytes).await {
            Some(done) => {
                done?;
                self.note(format!("{} bytes are put in the place of {}", bytes.len(), key.show()));
                Ok(())
            }
            None => ignore(Need::DamagedRecords.missing()),
        }
    }

    /// Makes the storage refuse writes, or no longer; only for cases that need refused writes.
    pub(crate) async fn refuse_writes(&self, refuse: bool) -> Check {
        match self.0.place.refuse_writes(refuse).await {
            Some(Ok(())) => {
                let how = if refuse { "from now on" } else { "no longer" };
                self.note(format!("writes are refused {how}"));
                Ok(())
            }
            Some(Err(reason)) => ignore(reason),
            None => ignore(Need::RefusedWrites.missing()),
        }
    }

    /// The same without the record, for what must not be slowed down or is called too often.
    pub(crate) async fn open_raw(&self) -> Check<Handle> {
        Ok(self.0.place.reopen().await?)
    }

    pub(crate) fn record(&self, inner: Handle) -> Handle {
        let handle = self.0.handles.fetch_add(1, Ordering::Relaxed) + 1;
        Arc::new(Recorder {
            inner,
            handle,
            history: Arc::clone(&self.0.history),
            touched: Arc::clone(&self.0.touched),
            pace: Arc::clone(&self.0.pace),
        })
    }

    /// A resource server in this case's namespace.
    pub(crate) fn key(&self, resource_server: &str) -> TokenKey {
        TokenKey::new(self.0.namespace.as_str(), resource_server)
    }

    /// A resource server in another namespace that is this case's alone too: its own one with a suffix.
    pub(crate) fn key_in(&self, suffix: &str, resource_server: &str) -> TokenKey {
        TokenKey::new(format!("{}{suffix}", self.0.namespace), resource_server)
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.0.namespace
    }

    pub(crate) fn note(&self, line: impl Into<String>) {
        self.0.history.note(line);
    }

    /// Starts the record anew, so that it shows one of many rounds.
    pub(crate) fn forget_history(&self) {
        self.0.history.clear();
    }

    /// A call of a concurrent history, in words.
    pub(crate) fn show_call(&self, call: &Call) -> String {
        let history = &self.0.history;
        let revision = |revision: &Option<_>| revision.as_ref().map_or("nothing".to_owned(), |r| history.revision(r));
        match call {
            Call::Got(seen) => format!("get -> {}", revision(seen)),
            Call::Stored(condition, r) => {
                format!("store{} -> {}", history.precondition(condition), history.revision(r))
            }
            Call::Removed(condition, there) => format!("remove{} -> {there}", history.precondition(condition)),
            Call::Refused(condition, current) => {
                format!(
                    "write{} -> conflict, at {}",
                    history.precondition(condition),
                    revision(current)
                )
            }
        }
    }

    /// Will be removed in the end, whoever wrote it.
    pub(crate) fn touch(&self, key: &TokenKey) {
        self.0.touched.add(key);
    }

    pub(crate) fn rng(&self) -> Rng {
        Rng::new(self.0.seed)
    }

    pub(crate) fn suite(&self) -> &dyn AnySuite {
        &*self.0.suite
    }

    pub(crate) fn declares(&self, need: Need) -> bool {
        self.0.suite.missing(need).is_none()
    }

    pub(crate) fn place(&self) -> &dyn AnyPlace {
        &*self.0.place
    }

    /// A new place, or the same one if there is only one.
    pub(crate) async fn another_place(&self) -> token_storage_core::Result<Arc<dyn AnyPlace>> {
        Arc::clone(&self.0.suite).place().await
    }

    /// The main file; only for cases that need files.
    pub(crate) fn file(&self) -> Check<PathBuf> {
        match self.0.place.file() {
            Some(path) => Ok(path),
            None => ignore(Need::Files.missing()),
        }
    }

    pub(crate) fn open_path(&self, path: &Path) -> Check<Handle> {
        match self.0.place.open_path(path) {
            Some(opened) => Ok(self.record(opened?)),
            None => ignore(Need::Files.missing()),
        }
    }

    /// Removes, by key, what the case wrote; only where others use the place too.
    pub(crate) async fn clean_up(&self) {
        if self.0.place.exclusive() {
            // The place goes as a whole.
            for key in self.0.touched.beginning_with(&self.0.namespace) {
                self.0.touched.forget(&key);
            }
            return;
        }
        clean_up(&*self.0.place, &self.0.touched, &self.0.namespace).await;
    }
}

/// Removes what was written into namespaces that begin with `prefix`. What cannot be removed stays noted.
pub(crate) async fn clean_up(place: &dyn AnyPlace, touched: &Touched, prefix: &str) {
    let Ok(storage) = place.reopen().await else {
        return;
    };
    for key in touched.beginning_with(prefix) {
        if storage.remove(&key, Precondition::Any).await.is_ok() {
            touched.forget(&key);
        }
    }
}

/// The declared listing.
pub(crate) fn listing(storage: &Handle) -> Check<Box<dyn Enumerate + '_>> {
    match storage.enumerate() {
        Some(listing) => Ok(listing),
        None => fail(
            "C1",
            "a storage that is declared to enumerate has the capability",
            "None",
            "Some",
        ),
    }
}

/// The declared leases.
pub(crate) fn leases(storage: &Handle) -> Check<Box<dyn RefreshLease + '_>> {
    match storage.lease() {
        Some(lease) => Ok(lease),
        None => fail(
            "C1",
            "a storage that is declared to have leases has the capability",
            "None",
            "Some",
        ),
    }
}

/// Waits until every handle must see what was acknowledged: for as long as the storage declares to be stale.
pub(crate) async fn settle(storage: &Handle) {
    if let Some(staleness) = storage.describe().staleness {
        tokio::time::sleep(staleness).await;
    }
}

/// A `get` through another handle than the one that wrote: where the storage declares staleness, it is asked again
/// until that time has passed.
pub(crate) async fn get_settled(
    storage: &Handle,
    key: &TokenKey,
    settled: impl Fn(&Option<token_storage_core::StoredToken>) -> bool,
) -> Check<Option<token_storage_core::StoredToken>> {
    let info: StorageInfo = storage.describe();
    let deadline = info.staleness.map(|staleness| tokio::time::Instant::now() + staleness);
    loop {
        let started = tokio::time::Instant::now();
        let answer = storage.get(key).await?;
        if settled(&answer) || deadline.is_none_or(|deadline| started > deadline) {
            return Ok(answer);
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
