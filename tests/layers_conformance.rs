//! C4: each layer keeps the contract, alone and below or above another, over every kind of storage that is built in. What a
//! layer weakens it declares, and the suite asks for the rest.

mod storages;

use std::{
    marker::PhantomData,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;
use token_storage::{
    MemoryStorage, Result, TokenStorage, async_trait,
    backend::forward,
    encryption::{Encrypted, Key, KeyRing},
    json::JsonStorage,
    layers::{Cached, ReadOnly, Retrying, Tenant, Traced},
    sqlite::SqliteStorage,
};
use token_storage_conformance::{Harness, Level, MultiProcess, Plan, Suite, WriteRefusing, main as run};

type Storage = Arc<dyn TokenStorage>;
type Wrap = fn(Storage) -> Storage;

/// Short, as the suite waits for it; long enough that a record is asked for again meanwhile.
const AGE: Duration = Duration::from_millis(40);

/// Of timed leases: short, as cases wait for it.
const LEASE_TTL: Duration = Duration::from_secs(1);

/// All but [`ReadOnly`], which needs a hand that writes.
const LAYERS: [(&str, Wrap); 4] = [
    ("tenant", |storage| Arc::new(Tenant::new(storage, "a/b%"))),
    ("traced", |storage| Arc::new(Traced::new(storage))),
    ("retrying", |storage| Arc::new(Retrying::new(storage))),
    ("cached", |storage| Arc::new(Cached::new(storage, AGE))),
];

/// A storage that is read through [`ReadOnly`] and written around it, until writes are to be refused.
#[derive(Debug)]
struct Switched {
    written: Storage,
    read: ReadOnly<Storage>,
    refuses: Arc<AtomicBool>,
}

impl Switched {
    fn over(written: Storage, refuses: &Arc<AtomicBool>) -> Storage {
        let read = ReadOnly::new(Arc::clone(&written));
        let refuses = Arc::clone(refuses);
        Arc::new(Self { written, read, refuses })
    }

    fn hand(&self) -> &dyn TokenStorage {
        match self.refuses.load(Ordering::SeqCst) {
            true => &self.read,
            false => &self.written,
        }
    }
}

impl TokenStorage for Switched {
    forward!(self.read => get, describe, enumerate);
    forward!(self.hand() => store_all, remove, prove_writable, lease);
}

/// Where the records are.
#[async_trait]
trait Base: Send + Sync + 'static {
    const NAME: &'static str;
    type Data: Send + Sync + 'static;

    async fn fresh() -> Self::Data;
    fn open(data: &Self::Data) -> Result<Storage>;
}

/// Those that other processes open, too.
trait InFile: Base {
    fn path(data: &Self::Data) -> PathBuf;
    fn open_path(path: &Path) -> Result<Storage>;
}

struct Memory;

#[async_trait]
impl Base for Memory {
    const NAME: &'static str = "memory";
    type Data = MemoryStorage;

    async fn fresh() -> MemoryStorage {
        MemoryStorage::new()
    }

    fn open(data: &MemoryStorage) -> Result<Storage> {
        Ok(Arc::new(data.clone()))
    }
}

macro_rules! in_file {
    ($base:ident, $name:literal, $storage:ident) => {
        struct $base;

        #[async_trait]
        impl Base for $base {
            const NAME: &'static str = $name;
            type Data = TempDir;

            async fn fresh() -> TempDir {
                tempfile::tempdir().expect("a temporary directory")
            }

            fn open(data: &TempDir) -> Result<Storage> {
                Self::open_path(&Self::path(data))
            }
        }

        impl InFile for $base {
            fn path(data: &TempDir) -> PathBuf {
                data.path().join("tokens")
            }

            fn open_path(path: &Path) -> Result<Storage> {
                Ok(Arc::new($storage::open(path)?))
            }
        }
    };
}

in_file!(Json, "json", JsonStorage);
in_file!(Sqlite, "sqlite", SqliteStorage);

/// On a server, if the features have such a kind: it cannot enumerate, and its leases are timed.
struct Served;

#[async_trait]
impl Base for Served {
    const NAME: &'static str = "server";
    /// The directory, whose name is the table's, is kept for its name.
    type Data = (TempDir, String);

    async fn fresh() -> Self::Data {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let kind = served().expect("there is one, or nothing is planned for it");
        let place = kind.place(directory.path()).await;
        (directory, place)
    }

    fn open((_, place): &Self::Data) -> Result<Storage> {
        Ok(storages::open(place, LEASE_TTL))
    }
}

#[async_trait]
impl MultiProcess for Over<Served> {
    fn spec(&self, place: &Self::Place) -> String {
        place.data.1.clone()
    }

    async fn open_spec(&self, spec: &str) -> Result<Storage> {
        Ok(self.wrapped(storages::open(spec, LEASE_TTL), &Arc::default()))
    }
}

fn served() -> Option<storages::Kind> {
    storages::all().into_iter().find(|kind| kind.is_timed())
}

/// Layers over a base, the innermost first.
struct Over<B> {
    layers: Vec<Wrap>,
    reads: bool,
    base: PhantomData<fn() -> B>,
}

struct Place<D> {
    data: D,
    refuses: Arc<AtomicBool>,
}

impl<B: Base> Over<B> {
    fn wrapped(&self, base: Storage, refuses: &Arc<AtomicBool>) -> Storage {
        let base = if self.reads {
            Switched::over(base, refuses)
        } else {
            base
        };
        self.layers.iter().fold(base, |storage, wrap| wrap(storage))
    }
}

#[async_trait]
impl<B: Base> Harness for Over<B> {
    type Place = Place<B::Data>;

    async fn fresh(&self) -> Result<Self::Place> {
        Ok(Place {
            data: B::fresh().await,
            refuses: Arc::default(),
        })
    }

    async fn reopen(&self, place: &Self::Place) -> Result<Storage> {
        Ok(self.wrapped(B::open(&place.data)?, &place.refuses))
    }
}

#[async_trait]
impl<B: Base> WriteRefusing for Over<B> {
    async fn refuse_writes(&self, place: &Self::Place, refuse: bool) -> Result<(), String> {
        place.refuses.store(refuse, Ordering::SeqCst);
        Ok(())
    }
}

#[async_trait]
impl<B: InFile> MultiProcess for Over<B> {
    fn spec(&self, place: &Self::Place) -> String {
        B::path(&place.data).display().to_string()
    }

    async fn open_spec(&self, spec: &str) -> Result<Storage> {
        Ok(self.wrapped(B::open_path(Path::new(spec))?, &Arc::default()))
    }
}

/// What one run goes through: read-only or not, and further layers over it.
#[derive(Clone)]
struct Stack {
    name: String,
    reads: bool,
    layers: Vec<Wrap>,
}

impl Stack {
    fn is_alone(&self) -> bool {
        self.layers.len() + usize::from(self.reads) == 1
    }

    fn remembers(&self) -> bool {
        self.name.starts_with("cached")
    }

    fn suite<B: Base>(&self) -> Suite<Over<B>> {
        let suite = self.bare::<B>().enumerates().process_leases();
        if self.reads { suite.refused_writes() } else { suite }
    }

    fn bare<B: Base>(&self) -> Suite<Over<B>> {
        let harness = Over {
            layers: self.layers.clone(),
            reads: self.reads,
            base: PhantomData,
        };
        Suite::new(format!("{}-{}", self.name, B::NAME), harness)
    }

    fn in_file<B: InFile>(&self) -> Plan {
        self.suite::<B>().durable().processes().plan()
    }

    /// What a refresh needs of it, in a file.
    fn briefly<B: InFile>(&self) -> Plan {
        self.in_file::<B>().only(REFRESH)
    }

    /// The same on a server.
    fn served(&self) -> Plan {
        let suite = self.bare::<Served>().timed_leases().durable().processes();
        suite.plan().only(REFRESH)
    }
}

const REFRESH: &[Level] = &[Level::Core, Level::Lease];

/// Each layer alone, and each two of them.
fn stacks() -> Vec<Stack> {
    let alone = LAYERS.iter().map(|(name, wrap)| Stack {
        name: (*name).to_owned(),
        reads: false,
        layers: vec![*wrap],
    });
    let mut stacks: Vec<Stack> = alone.collect();
    stacks.push(Stack {
        name: "read-only".to_owned(),
        reads: true,
        layers: Vec::new(),
    });
    for (index, (outer, over)) in LAYERS.iter().enumerate() {
        stacks.push(Stack {
            name: format!("{outer}-read-only"),
            reads: true,
            layers: vec![*over],
        });
        for (inner, under) in &LAYERS[..index] {
            stacks.push(Stack {
                name: format!("{outer}-{inner}"),
                reads: false,
                layers: vec![*under, *over],
            });
        }
    }
    stacks
}

/// Two at a time, so that each is once above and once below another.
fn ring() -> Vec<Stack> {
    let mut around: Vec<(&str, Wrap)> = LAYERS.to_vec();
    around.push(("encrypted", |storage| {
        let keys = KeyRing::new(Key::from_bytes(&[7; Key::LEN]));
        Arc::new(Encrypted::new(storage, keys))
    }));
    let below = around.iter().cycle().skip(1);
    around
        .iter()
        .zip(below)
        .map(|((outer, over), (inner, under))| Stack {
            name: format!("{outer}-over-{inner}"),
            reads: false,
            layers: vec![*under, *over],
        })
        .collect()
}

/// By default what takes a minute: in memory every stack but those of the cache and another, whose staleness has to be waited for
/// again and again; in a database each layer alone. With `TOKEN_STORAGE_LAYERS=pairs` the [`ring`] in both kinds of
/// files, too, and a part of it on a server, as far as a refresh needs them; with `all` every stack over every base besides.
fn main() -> ExitCode {
    let which = std::env::var("TOKEN_STORAGE_LAYERS").unwrap_or_default();
    let all = which == "all";
    let mut plans = Vec::new();
    for stack in stacks() {
        if all || stack.is_alone() || !stack.remembers() {
            plans.push(stack.suite::<Memory>().plan());
        }
        if all || stack.is_alone() {
            plans.push(stack.in_file::<Sqlite>());
        }
        if all {
            plans.push(stack.in_file::<Json>());
        }
    }
    if all || which == "pairs" {
        plans.extend(pairs());
    }
    run(plans)
}

fn pairs() -> Vec<Plan> {
    let mut plans = Vec::new();
    for stack in ring() {
        plans.push(stack.briefly::<Sqlite>());
        plans.push(stack.briefly::<Json>());
    }
    if served().is_some() {
        // Every other, which leaves no layer out.
        plans.extend(ring().iter().step_by(2).map(Stack::served));
    }
    plans
}
