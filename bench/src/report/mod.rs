//! What was measured: a value for `serde`, and a page for people.

mod chart;
mod html;
pub(crate) mod words;

use serde::{Serialize, Serializer};
use token_storage_core::{Durability, Error, SharingScope, StorageInfo};

use crate::{Ground, Operation, Settings};

/// The results of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of token-storage.
    pub version: &'static str,
    /// How many threads this machine runs at the same time.
    pub cores: usize,
    /// How long each storage was measured at most, in seconds.
    pub budget_seconds: f64,
    /// How many requests each storage might be sent at most.
    pub budget_requests: Option<u64>,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// When it ended, in seconds since the Unix epoch.
    pub finished_at: i64,
    /// Each storage, in the order in which they were named.
    pub storages: Vec<StorageReport>,
}

/// What was measured of one storage.
#[derive(Debug, Serialize)]
pub struct StorageReport {
    /// What the target is called, its URL for example.
    pub name: String,
    /// What the storage is and promises: figures are worth nothing without it.
    #[serde(serialize_with = "promises")]
    pub promises: StorageInfo,
    /// The measurements.
    pub measured: Vec<Measured>,
    /// What was left out.
    pub skipped: Vec<Skipped>,
    /// How many requests it took, counted as the budget does.
    pub requests: u64,
    /// How long it took, in seconds, without removing what was written.
    pub seconds: f64,
    /// How many records could not be removed again; they are in `namespace`.
    pub left: usize,
    /// Where everything was written.
    pub namespace: String,
    /// What the measuring ended with, if it did not come to its end.
    #[serde(serialize_with = "message")]
    pub error: Option<Error>,
}

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// What was done.
    pub operation: Operation,
    /// How many records there were.
    pub records: usize,
    /// How many tasks did it at the same time.
    pub tasks: usize,
    /// How often it was done by all of them.
    pub calls: u64,
    /// How often it was done in a second, by all of them.
    pub per_second: f64,
    /// How long a call took, in seconds.
    pub latency_seconds: Latency,
    /// Which part of the calls took at most how many seconds, as far as there were calls enough to tell.
    pub distribution: Vec<(f64, f64)>,
}

/// How long calls took, in seconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// The fastest.
    pub min: f64,
    /// Half of them took at most this.
    pub p50: f64,
    /// Of ten, nine took at most this.
    pub p90: f64,
    /// Of a hundred, 99 took at most this.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
}

/// A measurement that was left out.
#[derive(Clone, Debug, Serialize)]
pub struct Skipped {
    /// What would have been done.
    pub operation: Operation,
    /// How many records there would have been.
    pub records: usize,
    /// How many tasks would have done it.
    pub tasks: usize,
    /// Why not.
    pub reason: &'static str,
}

impl Report {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            budget_seconds: settings.budget.time.as_secs_f64(),
            budget_requests: settings.budget.requests,
            stopped: false,
            finished_at: 0,
            storages: Vec::new(),
        }
    }

    /// One HTML page with charts: nothing in it comes from elsewhere, and it runs no script.
    pub fn to_html(&self) -> String {
        html::page(self)
    }

    /// All measurements with the number of their storage: those of one kind stand together.
    pub fn rows(&self) -> Vec<(usize, &Measured)> {
        let all = self.storages.iter().enumerate();
        let mut rows: Vec<(usize, &Measured)> = all
            .flat_map(|(at, storage)| storage.measured.iter().map(move |measured| (at, measured)))
            .collect();
        let order = |operation| Operation::ALL.iter().position(|known| *known == operation);
        rows.sort_by_key(|(at, measured)| (order(measured.operation), measured.records, measured.tasks, *at));
        rows
    }

    /// A short name for each storage: its backend's, or the whole one where two have the same.
    pub fn labels(&self) -> Vec<&str> {
        let backend = |storage: &StorageReport| storage.promises.backend.clone();
        let same = |name: &str| self.storages.iter().filter(|other| backend(other) == name).count();
        self.storages
            .iter()
            .map(|storage| match same(&storage.promises.backend) {
                1 => &*storage.promises.backend,
                _ => &*storage.name,
            })
            .collect()
    }
}

impl StorageReport {
    pub(crate) fn new(ground: &Ground) -> Self {
        Self {
            name: ground.name(),
            promises: ground.info().clone(),
            measured: Vec::new(),
            skipped: Vec::new(),
            requests: 0,
            seconds: 0.0,
            left: 0,
            namespace: ground.namespace().to_owned(),
            error: None,
        }
    }
}

fn promises<S: Serializer>(info: &StorageInfo, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Promises<'a> {
        backend: &'a str,
        location: &'a str,
        durability: Durability,
        sharing: SharingScope,
    }
    let promises = Promises {
        backend: &info.backend,
        location: &info.location,
        durability: info.durability,
        sharing: info.sharing,
    };
    promises.serialize(serializer)
}

#[expect(clippy::ref_option, reason = "as serde calls it")]
fn message<S: Serializer>(error: &Option<Error>, serializer: S) -> Result<S::Ok, S::Error> {
    error.as_ref().map(ToString::to_string).serialize(serializer)
}
