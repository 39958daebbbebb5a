//! How long calls take here, so that a storage is named that makes the suite slow.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A storage is slow whose calls take so many times the reference.
const TIMES: u32 = 10;

/// Kinds of calls that were made less often are left out.
const ENOUGH: usize = 5;

/// What the reference is at least: where syncing does nothing, as in memory, it would make every storage slow.
const LEAST: Duration = Duration::from_millis(1);

/// The times of calls that were answered, by their kind. Batches are none of them: they are of any size.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<BTreeMap<&'static str, Vec<Duration>>>);

impl Pace {
    pub(crate) fn note(&self, call: &'static str, began: Instant) {
        self.add(call, began.elapsed());
    }

    fn add(&self, call: &'static str, took: Duration) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.entry(call).or_default().push(took);
    }

    /// A line about a storage that is slow in comparison; `None`: it is not. Medians, as some calls are meant to wait.
    pub(crate) fn slow(&self, reference: Duration) -> Option<String> {
        let mut medians: Vec<(Duration, &str)> = {
            let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let often = calls.iter_mut().filter(|(_, times)| times.len() >= ENOUGH);
            often.map(|(call, times)| (median(times), *call)).collect()
        };
        medians.sort_unstable_by(|one, other| other.cmp(one));
        let (slowest, _) = medians.first()?;
        if *slowest < reference * TIMES {
            return None;
        }
        let times = slowest.as_secs_f64() / reference.as_secs_f64();
        let calls = medians
            .iter()
            .take(3)
            .map(|(took, call)| format!("{call} {}", shown(*took)));
        Some(format!(
            "this storage takes {times:.0} times longer here than a file that is written and synced ({}); the slowest calls: {}",
            shown(reference),
            calls.collect::<Vec<_>>().join(", ")
        ))
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// How long a file of the size of a record takes to be written and synced here, now; a millisecond at least.
pub(crate) fn reference() -> Duration {
    let mut times: Vec<Duration> = (0..9).filter_map(|_| written_and_synced().ok()).collect();
    if times.is_empty() {
        LEAST
    } else {
        median(&mut times).max(LEAST)
    }
}

fn written_and_synced() -> io::Result<Duration> {
    let path = std::env::temp_dir().join(format!("token-storage-conformance-{:016x}", crate::rng::fresh_u64()));
    let began = Instant::now();
    let written = File::create_new(&path).and_then(|mut file| {
        file.write_all(&[b'x'; 2048])?;
        file.sync_all()
    });
    let took = began.elapsed();
    fs::remove_file(&path)?;
    written.map(|()| took)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(calls: &[(&'static str, u64, usize)]) -> Pace {
        let pace = Pace::default();
        for (call, milliseconds, count) in calls {
            (0..*count).for_each(|_| pace.add(call, Duration::from_millis(*milliseconds)));
        }
        pace
    }

    #[test]
    fn a_slow_storage_is_named_with_its_slowest_calls() {
        let pace = of(&[("get", 3, 9), ("store", 50, 9), ("remove", 20, 9), ("list", 40, 9)]);
        let text = pace.slow(Duration::from_millis(2)).unwrap();
        let want = "this storage takes 25 times longer here than a file that is written and synced (2.0 ms); \
                    the slowest calls: store 50.0 ms, list 40.0 ms, remove 20.0 ms";
        assert_eq!(text, want);
    }

    #[test]
    fn the_tenfold_counts_and_what_waits_at_times_does_not() {
        let reference = Duration::from_millis(1);
        assert!(of(&[("store", 10, 5)]).slow(reference).is_some());
        assert_eq!(of(&[("store", 9, 5)]).slow(reference), None);
        assert_eq!(of(&[("store", 10, 4)]).slow(reference), None);
        let waits_at_times = of(&[("store", 2, 9)]);
        (0..8).for_each(|_| waits_at_times.add("store", Duration::from_secs(10)));
        assert_eq!(waits_at_times.slow(reference), None);
        assert_eq!(Pace::default().slow(reference), None);
    }

    #[test]
    fn a_storage_that_sleeps_is_named_after_a_run() {
        let plan = crate::Suite::new("slow", crate::made_up::MadeUp::slow(Duration::from_millis(20))).plan();
        let names = ["removal::", "records::a_store"];
        for case in plan
            .cases()
            .iter()
            .filter(|case| names.iter().any(|name| case.name().starts_with(name)))
        {
            plan.run(case);
        }
        let text = plan.pace.slow(LEAST).unwrap();
        assert!(text.contains("slowest calls: store"), "{text}");
    }

    #[test]
    fn a_reference_is_measured_and_leaves_nothing() {
        assert!(reference() >= LEAST);
    }
}
