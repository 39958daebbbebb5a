use std::{
    fmt,
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    process::ExitCode,
    sync::Arc,
};

use token_storage_core::{Result, StorageInfo, TokenKey, TokenStorage, async_trait};
use tokio::sync::watch;

use crate::{
    Case, ClockJumping, ClockShifting, Clocks, FaultInjecting, FaultInjector, FileBacked, Harness, MultiProcess, Need,
    Network, RecordDamaging, Report, SecondWay, Unreliable, WriteRefusing, cases, pace::Pace, recorder::Touched,
    rng::fresh_u64, run, runner,
};

type Opening<'a, T = Arc<dyn TokenStorage>> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A handle, and what makes its calls go wrong.
pub(crate) type Faulty = (Arc<dyn TokenStorage>, Box<dyn FaultInjector>);

/// A backend under test: its harness, and what is declared of it.
///
/// Everything is undeclared at first. See the crate's documentation for an example.
pub struct Suite<H: Harness> {
    name: String,
    namespace: String,
    harness: Arc<H>,
    enumerates: bool,
    durable: bool,
    lease: Option<Need>,
    files: Option<FilesOf<H>>,
    processes: Option<ProcessesOf<H>>,
    faulty: Option<FaultyOf<H>>,
    shifted: Option<ShiftedOf<H>>,
    powers: Powers<H>,
    undeclared: Vec<(Need, String)>,
}

/// [`FileBacked`] as a value, so that a harness without it has the same type of suite.
struct FilesOf<H: Harness> {
    file: fn(&H, &H::Place) -> PathBuf,
    open_path: fn(&H, &Path) -> Result<Arc<dyn TokenStorage>>,
    companions: fn(&H, &H::Place) -> Vec<PathBuf>,
    settle: fn(&H, &H::Place),
}

/// [`FaultInjecting::reopen_faulty`] as a value.
type FaultyOf<H> = for<'a> fn(&'a H, &'a <H as Harness>::Place) -> Opening<'a, Faulty>;

/// [`ClockShifting::reopen_shifted`] as a value.
type ShiftedOf<H> = for<'a> fn(&'a H, &'a <H as Harness>::Place, i64) -> Opening<'a>;

type Done<'a, E = token_storage_core::Error> = Pin<Box<dyn Future<Output = Result<(), E>> + Send + 'a>>;

/// A handle, and the way to its data.
pub(crate) type OverNetwork = (Arc<dyn TokenStorage>, Box<dyn Network>);

/// A handle, and its clocks.
pub(crate) type WithClocks = (Arc<dyn TokenStorage>, Box<dyn Clocks>);

type OverwriteOf<H> = for<'a> fn(&'a H, &'a <H as Harness>::Place, &'a TokenKey, &'a [u8]) -> Done<'a>;
type RefuseOf<H> = for<'a> fn(&'a H, &'a <H as Harness>::Place, bool) -> Done<'a, String>;
type OpeningOf<H, T = Arc<dyn TokenStorage>> = for<'a> fn(&'a H, &'a <H as Harness>::Place) -> Opening<'a, T>;

type WaysOf<H> = fn(&H, &<H as Harness>::Place) -> [String; 2];

/// The traits of [`powers`](crate::powers) as values.
struct Powers<H: Harness> {
    overwrite: Option<OverwriteOf<H>>,
    refuse_writes: Option<RefuseOf<H>>,
    otherwise: Option<(OpeningOf<H>, WaysOf<H>)>,
    unreliable: Option<OpeningOf<H, OverNetwork>>,
    jumping: Option<OpeningOf<H, WithClocks>>,
}

impl<H: Harness> Default for Powers<H> {
    fn default() -> Self {
        Self {
            overwrite: None,
            refuse_writes: None,
            otherwise: None,
            unreliable: None,
            jumping: None,
        }
    }
}

struct ProcessesOf<H: Harness> {
    spec: fn(&H, &H::Place) -> String,
    open: for<'a> fn(&'a H, &'a str) -> Opening<'a>,
}

impl<H: Harness> Suite<H> {
    /// The suite for a backend; `name` is for people and tells several suites of one binary apart.
    pub fn new(name: impl Into<String>, harness: H) -> Self {
        Self {
            name: name.into(),
            namespace: format!("conformance-{:016x}", fresh_u64()),
            harness: Arc::new(harness),
            enumerates: false,
            durable: false,
            lease: None,
            files: None,
            processes: None,
            faulty: None,
            shifted: None,
            powers: Powers::default(),
            undeclared: Vec::new(),
        }
    }

    /// Names the namespaces that the cases write to: each is this, a dash and a random number. Without it they begin with
    /// `conformance-` and a random number. Only cases that need a place of their own use others, too.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    pub(crate) fn own_namespace(&self) -> &str {
        &self.namespace
    }

    /// Declares that the storage lists keys and namespaces.
    #[must_use]
    pub fn enumerates(mut self) -> Self {
        self.enumerates = true;
        self
    }

    /// Declares leases that are freed when the holder's process dies.
    #[must_use]
    pub fn process_leases(mut self) -> Self {
        self.lease = Some(Need::ProcessLease);
        self
    }

    /// Declares leases that run out. Give the storage under test a short time to live (about a second): the cases wait
    /// for it.
    #[must_use]
    pub fn timed_leases(mut self) -> Self {
        self.lease = Some(Need::TimedLease);
        self
    }

    /// Declares that records outlive all handles.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Declares that the storage is a file and what lies beside it.
    #[must_use]
    pub fn files(mut self) -> Self
    where
        H: FileBacked,
    {
        self.files = Some(FilesOf {
            file: H::file,
            open_path: H::open_path,
            companions: H::companions,
            settle: H::settle,
        });
        self
    }

    /// Declares that several processes can use the storage at once.
    #[must_use]
    pub fn processes(mut self) -> Self
    where
        H: MultiProcess,
    {
        self.processes = Some(ProcessesOf {
            spec: H::spec,
            open: open_spec::<H>,
        });
        self
    }

    /// Declares that the harness can make calls go wrong.
    #[must_use]
    pub fn faults(mut self) -> Self
    where
        H: FaultInjecting,
    {
        self.faulty = Some(reopen_faulty::<H>);
        self
    }

    /// Declares that the harness opens handles whose wall clock is wrong.
    #[must_use]
    pub fn shifted_clocks(mut self) -> Self
    where
        H: ClockShifting,
    {
        self.shifted = Some(reopen_shifted::<H>);
        self
    }

    /// Declares that the harness puts bytes in the place of a record.
    #[must_use]
    pub fn damaged_records(mut self) -> Self
    where
        H: RecordDamaging,
    {
        self.powers.overwrite = Some(|harness, place, key, bytes| harness.overwrite(place, key, bytes));
        self
    }

    /// Declares that the harness makes the storage refuse writes.
    #[must_use]
    pub fn refused_writes(mut self) -> Self
    where
        H: WriteRefusing,
    {
        self.powers.refuse_writes = Some(|harness, place, refuse| harness.refuse_writes(place, refuse));
        self
    }

    /// Declares that the harness opens a place in another way, too.
    #[must_use]
    pub fn second_way(mut self) -> Self
    where
        H: SecondWay,
    {
        self.powers.otherwise = Some((|harness, place| harness.reopen_otherwise(place), H::ways));
        self
    }

    /// Declares that the harness loses, delays and duplicates requests and answers.
    #[must_use]
    pub fn unreliable(mut self) -> Self
    where
        H: Unreliable,
    {
        self.powers.unreliable = Some(|harness, place| harness.reopen_unreliable(place));
        self
    }

    /// Declares that the harness lets the clocks of a handle jump.
    #[must_use]
    pub fn jumping_clocks(mut self) -> Self
    where
        H: ClockJumping,
    {
        self.powers.jumping = Some(|harness, place| harness.reopen_jumping(place));
        self
    }

    /// Leaves something undeclared that the storage reports, with the reason, so that the comparison of both does not
    /// fail and the cases are ignored with this reason. For programs that cannot start themselves as a worker, say.
    #[must_use]
    pub fn without(mut self, need: Need, reason: impl Into<String>) -> Self {
        self.undeclared.push((need, reason.into()));
        self
    }

    /// Makes it ready to run, and forgets its type.
    pub fn plan(self) -> Plan {
        Plan {
            suite: Arc::new(self),
            touched: Arc::default(),
            pace: Arc::default(),
            interrupted: watch::Sender::default(),
        }
    }

    /// Runs as a test target of its own; see [`main`](crate::main()).
    pub fn main(self) -> ExitCode {
        runner::main([self.plan()])
    }
}

fn open_spec<'a, H: MultiProcess>(harness: &'a H, spec: &'a str) -> Opening<'a> {
    harness.open_spec(spec)
}

fn reopen_faulty<'a, H: FaultInjecting>(harness: &'a H, place: &'a H::Place) -> Opening<'a, Faulty> {
    harness.reopen_faulty(place)
}

fn reopen_shifted<'a, H: ClockShifting>(harness: &'a H, place: &'a H::Place, seconds: i64) -> Opening<'a> {
    harness.reopen_shifted(place, seconds)
}

impl<H: Harness> fmt::Debug for Suite<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A suite that is ready to run, case by case or all at once.
#[derive(Clone)]
pub struct Plan {
    pub(crate) suite: Arc<dyn AnySuite>,
    pub(crate) touched: Arc<Touched>,
    pub(crate) pace: Arc<Pace>,
    pub(crate) interrupted: watch::Sender<bool>,
}

impl Plan {
    /// The name it was given.
    pub fn name(&self) -> &str {
        self.suite.name()
    }

    /// What the namespaces begin with that the cases write to.
    pub fn namespace(&self) -> &str {
        self.suite.namespace()
    }

    /// Every case, those included that will be ignored.
    pub fn cases(&self) -> &'static [Case] {
        cases()
    }

    /// What the storage says of itself; `None` if it cannot be opened.
    pub(crate) fn describe(&self) -> Option<StorageInfo> {
        let suite = Arc::clone(&self.suite);
        run::runtime().block_on(async {
            let storage = suite.place().await.ok()?.reopen().await.ok()?;
            Some(storage.describe())
        })
    }

    /// Why a case would be ignored for what is declared; `None`: it would run.
    pub fn ignored(&self, case: &Case) -> Option<String> {
        case.required().iter().find_map(|need| self.suite.missing(*need))
    }

    /// Ends all runs of this plan early, from any thread: the cases in progress are dropped, what they wrote is removed,
    /// and no other begins.
    pub fn interrupt(&self) {
        self.interrupted.send_replace(true);
    }

    /// Whether [`interrupt`](Plan::interrupt) was called.
    pub fn is_interrupted(&self) -> bool {
        *self.interrupted.borrow()
    }

    /// Runs one case and waits for it, on a runtime of the suite's own; call it from any thread that may block. Calls
    /// may overlap.
    pub fn run(&self, case: &Case) -> Report {
        run::run(self, case)
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

/// A [`Suite`] without its type.
#[async_trait]
pub(crate) trait AnySuite: Send + Sync {
    fn name(&self) -> &str;
    fn namespace(&self) -> &str;
    /// Whether each case has a place of its own.
    fn exclusive(&self) -> bool;
    /// Why a need is not met.
    fn missing(&self, need: Need) -> Option<String>;
    /// Whether the need is undeclared on purpose.
    fn waived(&self, need: Need) -> bool;
    async fn ready(&self) -> Result<(), String>;
    async fn place(self: Arc<Self>) -> Result<Arc<dyn AnyPlace>>;
    /// In a worker process. `None`: several processes are not declared.
    async fn open_spec(&self, spec: &str) -> Option<Result<Arc<dyn TokenStorage>>>;
}

/// A place without its type. What is not declared answers `None`.
#[async_trait]
pub(crate) trait AnyPlace: Send + Sync {
    async fn reopen(&self) -> Result<Arc<dyn TokenStorage>>;
    async fn reopen_faulty(&self) -> Option<Result<Faulty>>;
    async fn reopen_shifted(&self, seconds: i64) -> Option<Result<Arc<dyn TokenStorage>>>;
    async fn overwrite(&self, key: &TokenKey, bytes: &[u8]) -> Option<Result<()>>;
    async fn refuse_writes(&self, refuse: bool) -> Option<Result<(), String>>;
    async fn reopen_otherwise(&self) -> Option<Result<Arc<dyn TokenStorage>>>;
    fn ways(&self) -> Option<[String; 2]>;
    async fn reopen_unreliable(&self) -> Option<Result<OverNetwork>>;
    async fn reopen_jumping(&self) -> Option<Result<WithClocks>>;
    fn exclusive(&self) -> bool;
    fn file(&self) -> Option<PathBuf>;
    fn open_path(&self, path: &Path) -> Option<Result<Arc<dyn TokenStorage>>>;
    fn companions(&self) -> Vec<PathBuf>;
    fn settle(&self);
    fn spec(&self) -> Option<String>;
}

#[async_trait]
impl<H: Harness> AnySuite for Suite<H> {
    fn name(&self) -> &str {
        &self.name
    }

    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn exclusive(&self) -> bool {
        self.harness.exclusive()
    }

    fn missing(&self, need: Need) -> Option<String> {
        let met = match need {
            Need::Enumeration => self.enumerates,
            Need::Lease => self.lease.is_some(),
            Need::ProcessLease | Need::TimedLease => self.lease == Some(need),
            Need::Durable => self.durable,
            Need::Files => self.files.is_some(),
            Need::Processes => self.processes.is_some(),
            Need::Faults => self.faulty.is_some(),
            Need::ShiftedClocks => self.shifted.is_some(),
            Need::DamagedRecords => self.powers.overwrite.is_some(),
            Need::RefusedWrites => self.powers.refuse_writes.is_some(),
            Need::Unreliable => self.powers.unreliable.is_some(),
            Need::JumpingClocks => self.powers.jumping.is_some(),
            Need::SecondWay => self.powers.otherwise.is_some(),
            Need::ExclusivePlace => self.harness.exclusive(),
        };
        let waived = self.undeclared.iter().find(|(waived, _)| *waived == need);
        match waived {
            Some((_, reason)) => Some(reason.clone()),
            None => (!met).then(|| need.missing().to_owned()),
        }
    }

    fn waived(&self, need: Need) -> bool {
        self.undeclared.iter().any(|(waived, _)| *waived == need)
    }

    async fn ready(&self) -> Result<(), String> {
        self.harness.ready().await
    }

    async fn place(self: Arc<Self>) -> Result<Arc<dyn AnyPlace>> {
        let place = self.harness.fresh().await?;
        Ok(Arc::new(PlaceOf { suite: self, place }))
    }

    async fn open_spec(&self, spec: &str) -> Option<Result<Arc<dyn TokenStorage>>> {
        let processes = self.processes.as_ref()?;
        Some((processes.open)(&self.harness, spec).await)
    }
}

struct PlaceOf<H: Harness> {
    suite: Arc<Suite<H>>,
    place: H::Place,
}

#[async_trait]
impl<H: Harness> AnyPlace for PlaceOf<H> {
    async fn reopen(&self) -> Result<Arc<dyn TokenStorage>> {
        self.suite.harness.reopen(&self.place).await
    }

    async fn reopen_faulty(&self) -> Option<Result<Faulty>> {
        let open = self.suite.faulty?;
        Some(open(&self.suite.harness, &self.place).await)
    }

    async fn reopen_shifted(&self, seconds: i64) -> Option<Result<Arc<dyn TokenStorage>>> {
        let open = self.suite.shifted?;
        Some(open(&self.suite.harness, &self.place, seconds).await)
    }

    async fn overwrite(&self, key: &TokenKey, bytes: &[u8]) -> Option<Result<()>> {
        let overwrite = self.suite.powers.overwrite?;
        Some(overwrite(&self.suite.harness, &self.place, key, bytes).await)
    }

    async fn refuse_writes(&self, refuse: bool) -> Option<Result<(), String>> {
        let refuse_writes = self.suite.powers.refuse_writes?;
        Some(refuse_writes(&self.suite.harness, &self.place, refuse).await)
    }

    async fn reopen_otherwise(&self) -> Option<Result<Arc<dyn TokenStorage>>> {
        let (open, _) = self.suite.powers.otherwise?;
        Some(open(&self.suite.harness, &self.place).await)
    }

    fn ways(&self) -> Option<[String; 2]> {
        let (_, ways) = self.suite.powers.otherwise?;
        Some(ways(&self.suite.harness, &self.place))
    }

    async fn reopen_unreliable(&self) -> Option<Result<OverNetwork>> {
        let open = self.suite.powers.unreliable?;
        Some(open(&self.suite.harness, &self.place).await)
    }

    async fn reopen_jumping(&self) -> Option<Result<WithClocks>> {
        let open = self.suite.powers.jumping?;
        Some(open(&self.suite.harness, &self.place).await)
    }

    fn exclusive(&self) -> bool {
        self.suite.harness.exclusive()
    }

    fn file(&self) -> Option<PathBuf> {
        let files = self.suite.files.as_ref()?;
        Some((files.file)(&self.suite.harness, &self.place))
    }

    fn open_path(&self, path: &Path) -> Option<Result<Arc<dyn TokenStorage>>> {
        let files = self.suite.files.as_ref()?;
        Some((files.open_path)(&self.suite.harness, path))
    }

    fn companions(&self) -> Vec<PathBuf> {
        let files = self.suite.files.as_ref();
        files.map_or_else(Vec::new, |f| (f.companions)(&self.suite.harness, &self.place))
    }

    fn settle(&self) {
        if let Some(files) = &self.suite.files {
            (files.settle)(&self.suite.harness, &self.place);
        }
    }

    fn spec(&self) -> Option<String> {
        let processes = self.suite.processes.as_ref()?;
        Some((processes.spec)(&self.suite.harness, &self.place))
    }
}
