use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use token_storage_core::{Result, TokenStorage, async_trait};

/// What the author of a backend implements so that the suite can open storages.
#[async_trait]
pub trait Harness: Send + Sync + 'static {
    /// One storage's data, wherever it is: a temporary directory, the name of a table. Dropping it removes the data, if
    /// they are only the suite's.
    type Place: Send + Sync + 'static;

    /// A place for one case: a new, empty one or, for a storage that is not made so easily, always the same (then
    /// [`exclusive`](Harness::exclusive) says so). A panic is reported as a failure of the case.
    ///
    /// # Errors
    /// - Why there is none. `Unavailable` makes the case indeterminate.
    async fn fresh(&self) -> Result<Self::Place>;

    /// A handle onto that place's data. Each call opens another one, as another part of a program would.
    ///
    /// # Errors
    /// - What opening fails with.
    async fn reopen(&self, place: &Self::Place) -> Result<Arc<dyn TokenStorage>>;

    /// Whether a place belongs to one case alone. `false`: it is shared with other cases or even with strangers; the
    /// suite then keeps to random namespaces of its own and removes, key by key, what it has written.
    fn exclusive(&self) -> bool {
        true
    }

    /// Whether the suite can run at all.
    ///
    /// # Errors
    /// - The reason why not, for example an endpoint that is not configured. Every case is then ignored, or fails if
    ///   `TOKEN_STORAGE_CONFORMANCE_REQUIRE` is set.
    async fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}

/// For storages in files: where they are, so that the suite can look at modes, damage them and look for leftovers.
///
/// It is for storages that are one main file, all of whose damage concerns all records. One of many files tests modes,
/// damage and leftovers itself, as `examples/third-party-backend` of the repository does.
///
/// The main file's directory must hold nothing else than this storage.
pub trait FileBacked: Harness {
    /// The file that the storage was opened with. It need not exist before the first write.
    fn file(&self, place: &Self::Place) -> PathBuf;

    /// A handle onto another path. The suite uses it for symlinks.
    ///
    /// # Errors
    /// - What opening fails with.
    fn open_path(&self, path: &Path) -> Result<Arc<dyn TokenStorage>>;

    /// Files that may hold a part of the data beside the main one, such as a database's write-ahead log.
    fn companions(&self, _place: &Self::Place) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Moves all data into the main file; called while no handle is open, before the suite damages that file.
    fn settle(&self, _place: &Self::Place) {}
}

/// For storages that several processes share: how another process opens the same data.
///
/// Those processes are the test binary started again; [`Suite::main`](crate::Suite::main) recognises them.
#[async_trait]
pub trait MultiProcess: Harness {
    /// What another process needs to know, for example the path or the table's name.
    fn spec(&self, place: &Self::Place) -> String;

    /// In that process: a handle onto the data of `spec`.
    ///
    /// # Errors
    /// - What opening fails with.
    async fn open_spec(&self, spec: &str) -> Result<Arc<dyn TokenStorage>>;
}

/// For storages that are reached through something that can break, such as a network: how the suite breaks it.
#[async_trait]
pub trait FaultInjecting: Harness {
    /// A handle of its own, and what makes its calls go wrong. Other handles are not affected.
    ///
    /// # Errors
    /// - What opening fails with.
    async fn reopen_faulty(&self, place: &Self::Place) -> Result<(Arc<dyn TokenStorage>, Box<dyn FaultInjector>)>;
}

/// Makes the calls of one handle go wrong, below whatever the storage does about it: repeating, reading again.
pub trait FaultInjector: Send + Sync {
    /// The next request that writes is carried out, and its answer is lost.
    fn lose_next_answer(&self);

    /// The next request that writes gets lost before it is carried out.
    fn lose_next_request(&self);

    /// From now on nothing gets through, reads and leases included.
    fn disconnect(&self);

    /// Everything gets through again.
    fn reconnect(&self);

    /// How many requests have got lost so far, how many answers, and how many did not get through, together. A case in
    /// which it does not grow, although something was to go wrong, fails: it would have proven nothing.
    fn struck(&self) -> usize;
}

/// For storages with timed leases that look at a wall clock: how another machine, whose clock is wrong, opens them.
#[async_trait]
pub trait ClockShifting: Harness {
    /// A handle for which the wall clock is wrong by so many seconds, into the future if that is more than 0. Its
    /// monotonic clock runs as ever.
    ///
    /// # Errors
    /// - What opening fails with.
    async fn reopen_shifted(&self, place: &Self::Place, seconds: i64) -> Result<Arc<dyn TokenStorage>>;

    /// How often the storages of [`reopen_shifted`](ClockShifting::reopen_shifted) have looked at their wrong wall clocks so
    /// far, those of this place together. Where it does not grow while they acquire leases, the case fails: the storage was
    /// given another clock, or looks at none and has nothing to prove here.
    fn looked(&self, place: &Self::Place) -> usize;
}
