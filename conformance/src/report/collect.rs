use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use token_storage_core::StorageInfo;

use super::Results;
use crate::{Case, Level, Plan, Report, cx::clean_up, live::namespaces, recorder::Touched, run, suite::AnyPlace};

/// Which cases to run.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only these levels; empty: all.
    pub levels: Vec<Level>,
    /// Only cases whose name contains this.
    pub filter: Option<String>,
}

impl Selection {
    /// Whether a case is meant.
    pub fn includes(&self, case: &Case) -> bool {
        let level = self.levels.is_empty() || self.levels.contains(&case.level());
        let name = self
            .filter
            .as_ref()
            .is_none_or(|filter| case.name().contains(filter.as_str()));
        level && name
    }
}

impl Plan {
    /// Runs the selected cases, several at once, and sums up; `progress` hears of each case that has ended. Blocks until
    /// all have.
    pub fn run_all(&self, selection: &Selection, progress: impl Fn(&Report) + Send + Sync) -> Results {
        let started = Instant::now();
        let cases: Vec<&Case> = self.cases().iter().filter(|case| selection.includes(case)).collect();
        let (next, reports) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(cases.len())));
        let worker = || {
            while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                let report = self.run(case);
                progress(&report);
                reports.lock().unwrap_or_else(PoisonError::into_inner).push(report);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..run::threads() {
                scope.spawn(worker);
            }
        });
        let reports = reports.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut results = self.sum_up(started.elapsed(), reports);
        results.left = self.clear_away();
        results
    }

    /// The results of cases that were run one by one, in `took`.
    pub fn sum_up(&self, took: Duration, mut reports: Vec<Report>) -> Results {
        // The order of the suite, whichever ended first.
        reports.sort_by_key(|report| self.cases().iter().position(|case| case.name() == report.name));
        let description = self.describe().map_or_else(Vec::new, |info| describe(&info));
        Results::new(self.name(), description, took, reports)
    }

    /// Removes what cases have left that hung, panicked or were interrupted; answers how many records are still there.
    /// Only where others use the storage too: another place goes as a whole.
    fn clear_away(&self) -> usize {
        let namespace = self.suite.namespace();
        if self.suite.exclusive() {
            return 0;
        }
        run::runtime().block_on(async {
            if let Ok(place) = Arc::clone(&self.suite).place().await {
                note_what_is_listed(&*place, &self.touched, namespace).await;
                clean_up(&*place, &self.touched, namespace).await;
            }
        });
        self.touched.beginning_with(namespace).len()
    }
}

/// A dropped call may have written after its case removed everything; where there is a listing, it tells.
async fn note_what_is_listed(place: &dyn AnyPlace, touched: &Touched, namespace: &str) {
    let Ok(storage) = place.reopen().await else {
        return;
    };
    let Some(listing) = storage.enumerate() else {
        return;
    };
    for namespace in namespaces(&*listing, namespace).await.unwrap_or_default() {
        let mut after = None;
        while let Ok(page) = listing.list_keys(&namespace, after.as_ref()).await {
            page.items.iter().for_each(|key| touched.add(key));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
}

fn describe(info: &StorageInfo) -> Vec<(String, String)> {
    let limits = info.limits;
    let staleness = match info.staleness {
        None => "none: every read sees the last acknowledged write".to_owned(),
        Some(staleness) => format!("up to {} s", staleness.as_secs_f64()),
    };
    [
        ("Backend", info.backend.clone()),
        ("Location", info.location.clone()),
        ("Durability", info.durability.to_string()),
        ("Shared by", info.sharing.to_string()),
        ("Listing", if info.enumerates { "yes" } else { "no" }.to_owned()),
        ("Leases", info.lease.map_or("none".to_owned(), |kind| kind.to_string())),
        ("Staleness", staleness),
        (
            "Largest key",
            format!("{} + {} bytes", limits.namespace_bytes, limits.resource_server_bytes),
        ),
        ("Largest record", format!("{} bytes", limits.record_bytes)),
        (
            "Largest batch",
            format!("{} records, {} bytes", limits.batch_records, limits.batch_bytes),
        ),
    ]
    .map(|(label, text)| (label.to_owned(), text))
    .to_vec()
}
