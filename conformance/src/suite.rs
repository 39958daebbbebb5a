use std::{
    fmt,
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    process::ExitCode,
    sync::Arc,
};

use token_storage_core::{Result, TokenKey, TokenStorage};
use tokio::sync::watch;

use crate::{
    ClockJumping, ClockShifting, Clocks, FaultInjecting, FaultInjector, FileBacked, Harness, MultiProcess, Need,
    Network, RecordDamaging, SecondWay, Unreliable, WriteRefusing, rng::fresh_u64, runner,
};

mod erased;
mod plan;

pub(crate) use erased::{AnyPlace, AnySuite};
pub use plan::Plan;

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
    shifted: Option<(ShiftedOf<H>, LookedOf<H>)>,
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

/// [`ClockShifting::looked`] as a value.
type LookedOf<H> = fn(&H, &<H as Harness>::Place) -> usize;

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
        self.shifted = Some((reopen_shifted::<H>, H::looked));
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
            levels: None,
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
