//! A contestant: a storage that does what `benches/peers/compare.py` asks for, line by line, and tells how long it took.
//!
//! Each is a process, as no program can have two versions of SQLite, and as one's threads and memory must not disturb
//! another's. The lines are the same in Python (`contestants.py`):
//!
//! | asked | answered |
//! |---|---|
//! | (started as `PROGRAM NAME FOLDER RECORDS`) | `ready BESIDE DURABLE PROMISE`: see [`Contestant`] |
//! | `get MILLISECONDS` | `done CALLS NANOSECONDS FAILED`: gets of scattered records, for about so long |
//! | `store MILLISECONDS` | the same for stores, one after the other |
//! | `together MILLISECONDS` | the same for stores by 16 tasks |
//! | `count STORES`, `count-together STORES` | the same for so many stores (by each of 16 tasks), to count system calls |
//! | `check` | `done 1 0 0` if a record that was stored is there after opening anew, else `done 1 0 1` |

use std::{
    error::Error,
    hint::black_box,
    io::{BufRead as _, Write as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

/// What went wrong with a store.
pub type Failed = Box<dyn Error + Send + Sync>;

/// How many tasks store at once.
const TASKS: usize = 16;

/// What is stored: about 1 kB, as members of the JSON that the Globus Python SDK writes. Storages of bytes keep it as such.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Record {
    /// What the record is found by.
    pub resource_server: String,
    /// The scopes, between spaces.
    pub scope: String,
    /// 500 digits that tell in which turn it was stored.
    pub access_token: String,
    /// 200 digits.
    pub refresh_token: String,
    /// Seconds since 1970.
    pub expires_at_seconds: i64,
    /// `Bearer`.
    pub token_type: String,
}

impl Record {
    /// The record with this number, as it is stored in this turn: different each time, as some skip what changes nothing.
    pub fn new(n: usize, turn: u64) -> Self {
        Self {
            resource_server: key(n),
            scope: "openid profile email".to_owned(),
            access_token: format!("{turn:0>500}"),
            refresh_token: format!("{turn:0>200}"),
            expires_at_seconds: 4_102_444_800,
            token_type: "Bearer".to_owned(),
        }
    }

    /// As JSON.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain members")
    }

    /// From JSON.
    pub fn decode(json: &[u8]) -> Self {
        serde_json::from_slice(json).expect("what was stored")
    }
}

impl AsRef<str> for Record {
    fn as_ref(&self) -> &str {
        &self.access_token
    }
}

/// What the record with this number is found by.
pub fn key(n: usize) -> String {
    format!("resource-server-{n}.example.org")
}

/// A storage to be measured.
pub trait Contestant: Sized + Send + Sync + 'static {
    /// The storage of ours that does the same kind of work: `json` (one file, written anew) or `sqlite`.
    const BESIDE: &'static str;
    /// Whether a store that was acknowledged survives a power failure.
    const DURABLE: bool;
    /// Who sees a store, what is kept in what, how it is called.
    const PROMISE: &'static str;

    /// A record as this storage hands it out, decoded; as a string its access token.
    type Got: AsRef<str> + Send;

    /// Makes a storage with so many records, of turn 0. Need not be durable.
    fn fill(folder: &Path, records: usize) -> impl Future<Output = ()>;

    /// Opens what was made.
    fn open(folder: &Path) -> impl Future<Output = Self>;

    /// Reads a record, which is there.
    fn get(&self, n: usize) -> impl Future<Output = Self::Got> + Send;

    /// Stores a record and returns once the storage says that it is stored.
    fn store(&self, n: usize, turn: u64) -> impl Future<Output = Result<(), Failed>> + Send;
}

/// Answers the lines of standard input until it ends.
pub fn play<C: Contestant>(folder: &Path, records: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(C::fill(folder, records));
    let contestant = Arc::new(runtime.block_on(C::open(folder)));
    let mut player = Player {
        runtime,
        contestant,
        records,
    };
    player.expect(0);
    say(&format!("ready {} {} {}", C::BESIDE, C::DURABLE, C::PROMISE));
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let (what, number) = line.split_once(' ').unwrap_or((&line, "0"));
        let number = number.parse().expect("a number");
        let work = match what {
            "get" => player.gets(Duration::from_millis(number)),
            "store" => player.stores(1, Until::Passed(Duration::from_millis(number))),
            "together" => player.stores(TASKS, Until::Passed(Duration::from_millis(number))),
            "count" => player.stores(1, Until::Calls(number)),
            "count-together" => player.stores(TASKS, Until::Calls(number)),
            "check" => {
                let kept = player.check(folder);
                player = kept.0;
                kept.1
            }
            _ => panic!("no such line: {what}"),
        };
        say(&format!("done {} {} {}", work.calls, work.nanoseconds, work.failed));
    }
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().expect("somebody listens");
}

/// When a row of calls ends.
#[derive(Clone, Copy)]
enum Until {
    Passed(Duration),
    Calls(u64),
}

#[derive(Clone, Copy, Default)]
struct Work {
    calls: u64,
    nanoseconds: u128,
    failed: u64,
}

struct Player<C> {
    runtime: Runtime,
    contestant: Arc<C>,
    records: usize,
}

impl<C: Contestant> Player<C> {
    /// The record 0 is that of this turn, or there is nothing to measure.
    fn expect(&self, turn: u64) {
        let got = self.runtime.block_on(self.contestant.get(0));
        assert_eq!(got.as_ref(), Record::new(0, turn).access_token, "not what was stored");
    }

    fn gets(&self, budget: Duration) -> Work {
        let (contestant, records) = (Arc::clone(&self.contestant), self.records);
        let reading = async move {
            let (mut scattered, mut calls, mut batch) = (Scattered::new(records), 0, 1);
            let started = Instant::now();
            // The clock is looked at seldom where a call takes little longer than that.
            while calls == 0 || started.elapsed() < budget {
                for _ in 0..batch {
                    black_box(contestant.get(scattered.next()).await);
                }
                calls += batch;
                if started.elapsed() < budget / 16 {
                    batch = (batch * 2).min(256);
                }
            }
            Work {
                calls,
                nanoseconds: started.elapsed().as_nanos(),
                failed: 0,
            }
        };
        self.run(reading)
    }

    fn stores(&self, tasks: usize, until: Until) -> Work {
        let (contestant, records) = (Arc::clone(&self.contestant), self.records);
        self.run(async move {
            let started = Instant::now();
            let tasks: Vec<_> = (0..tasks)
                .map(|_| tokio::spawn(store_until(Arc::clone(&contestant), records, started, until)))
                .collect();
            let mut all = Work::default();
            for task in tasks {
                let work = task.await.expect("a task");
                all.calls += work.calls;
                all.failed += work.failed;
            }
            all.nanoseconds = started.elapsed().as_nanos();
            all
        })
    }

    fn run(&self, work: impl Future<Output = Work> + Send + 'static) -> Work {
        self.runtime.block_on(self.runtime.spawn(work)).expect("a task")
    }

    /// Whether what is acknowledged is there for the next who opens it.
    fn check(self, folder: &Path) -> (Self, Work) {
        let turn = next_turn();
        let stored = self.runtime.block_on(self.contestant.store(0, turn));
        // Some may be open but once.
        drop(self.contestant);
        let contestant = Arc::new(self.runtime.block_on(C::open(folder)));
        let got = self.runtime.block_on(contestant.get(0));
        let kept = stored.is_ok() && got.as_ref() == Record::new(0, turn).access_token;
        let work = Work {
            calls: 1,
            nanoseconds: 0,
            failed: u64::from(!kept),
        };
        (
            Self {
                runtime: self.runtime,
                contestant,
                records: self.records,
            },
            work,
        )
    }
}

async fn store_until<C: Contestant>(contestant: Arc<C>, records: usize, started: Instant, until: Until) -> Work {
    let (mut scattered, mut work) = (Scattered::new(records), Work::default());
    loop {
        let stored = contestant.store(scattered.next(), next_turn()).await;
        work.calls += 1;
        work.failed += u64::from(stored.is_err());
        let ends = match until {
            Until::Passed(budget) => started.elapsed() >= budget,
            Until::Calls(calls) => work.calls >= calls,
        };
        if ends {
            work.nanoseconds = started.elapsed().as_nanos();
            return work;
        }
    }
}

/// No two stores of a process are alike.
fn next_turn() -> u64 {
    static TURN: AtomicU64 = AtomicU64::new(1);
    TURN.fetch_add(1, Ordering::Relaxed)
}

/// Numbers of records, in an order without order. Each row begins elsewhere.
struct Scattered {
    state: u64,
    below: usize,
}

impl Scattered {
    fn new(below: usize) -> Self {
        let state = 0x9e37_79b9_7f4a_7c15 ^ next_turn().wrapping_mul(0x2545_f491_4f6c_dd1d);
        Self { state, below }
    }

    fn next(&mut self) -> usize {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) as usize % self.below
    }
}

/// What a program was started with: the contestant's name, the folder, how many records.
pub fn arguments() -> (String, std::path::PathBuf, usize) {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().unwrap_or_else(|| panic!("{what} is missing"));
    let (name, folder, records) = (next("the name"), next("the folder"), next("the number of records"));
    (name, folder.into(), records.parse().expect("a number"))
}
