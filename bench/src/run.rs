//! A whole run.

use std::{fmt, sync::Arc, time::Instant};

use token_storage_core::{Error, Result, backend::counted};

use crate::{
    Budget, Ground, Operation, Report, Skipped, Stop, StorageReport, Target,
    budget::Purse,
    measure::measure,
    plan::{Point, points},
};

/// What is measured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the measuring of each storage may cost.
    pub budget: Budget,
    /// Which operations; none stands for all.
    pub operations: Vec<Operation>,
}

/// How far a run has come.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// What the report calls the storage.
    pub storage: String,
    /// What is done now.
    pub doing: String,
    /// Measurements that are over, of all storages together.
    pub done: usize,
    /// How many there are.
    pub of: usize,
}

/// A storage cannot be measured; nothing was written to any, but for a record that was removed again.
#[derive(Debug)]
pub struct Refused {
    /// What the storage is called.
    pub name: String,
    /// Why it cannot.
    pub error: Error,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be measured", self.name)
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Measures one storage after the other. Each is opened and shown to be writable before the first is measured. An error
/// ends the measuring of its storage alone, and is in the report. Whatever happens, what was written is removed.
///
/// # Errors
/// - [`Refused`]: a storage cannot be opened, written to or cleared again.
pub async fn run(
    targets: &[Arc<dyn Target>],
    settings: &Settings,
    stop: &Stop,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Report, Refused> {
    let mut grounds = Vec::new();
    for target in targets {
        grounds.push(proven(target.clone()).await?);
    }
    let plan = points(&settings.operations);
    let mut report = Report::new(settings);
    for (at, ground) in grounds.into_iter().enumerate() {
        if stop.is_stopped() {
            break;
        }
        let tell = |doing: String, done: usize| {
            progress(Progress {
                storage: targets[at].name(),
                doing,
                done: at * plan.len() + done,
                of: targets.len() * plan.len(),
            });
        };
        report
            .storages
            .push(one(ground, &plan, settings.budget, stop, &tell).await);
    }
    report.stopped = stop.is_stopped();
    report.finished_at = jiff::Timestamp::now().as_second();
    Ok(report)
}

async fn proven(target: Arc<dyn Target>) -> Result<Ground, Refused> {
    let name = target.name();
    let prove = async {
        let mut ground = Ground::open(target).await?;
        let proof = ground.prove_writable().await;
        if proof.is_err() {
            // It may have been written all the same.
            ground.clear().await;
        }
        proof.map(|()| ground)
    };
    prove.await.map_err(|error| Refused { name, error })
}

async fn one(
    mut ground: Ground,
    plan: &[Point],
    budget: Budget,
    stop: &Stop,
    tell: &(dyn Fn(String, usize) + Send + Sync),
) -> StorageReport {
    let (started, mut purse) = (Instant::now(), Purse::new(budget.of(ground.info().sharing)));
    let mut report = StorageReport::new(&ground);
    // The proof is done already.
    purse.take(PROOF_REQUESTS);
    let ended = all_points(&mut ground, plan, &mut purse, stop, tell, &mut report).await;
    report.seconds = started.elapsed().as_secs_f64();
    report.requests = purse.spent();
    report.error = ended.err();
    tell("removing what was written".to_owned(), plan.len());
    report.left = ground.clear().await;
    report
}

async fn all_points(
    ground: &mut Ground,
    plan: &[Point],
    purse: &mut Purse,
    stop: &Stop,
    tell: &(dyn Fn(String, usize) + Send + Sync),
    report: &mut StorageReport,
) -> Result<()> {
    for (done, point) in plan.iter().enumerate() {
        if stop.is_stopped() {
            return Ok(());
        }
        tell(point.to_string(), done);
        let to_come = weight(&plan[done..], ground.records().max(point.records));
        match measured(ground, *point, to_come, purse, stop).await? {
            Ok(measured) => report.measured.extend(measured),
            Err(reason) => report.skipped.push(Skipped {
                operation: point.operation,
                records: point.records,
                tasks: point.tasks,
                reason,
            }),
        }
    }
    Ok(())
}

/// One record read, stored in a transaction of its own, and removed.
const PROOF_REQUESTS: u64 = 5;
const NO_TIME: &str = "the time of the budget was over";
const NO_REQUESTS: &str = "the requests of the budget do not suffice";

/// How many equal parts the rest of the budget has: one for each measurement, and some for storing the records that are
/// not there yet.
fn weight(rest: &[Point], there: usize) -> usize {
    const RECORDS_IN_A_PART: usize = 2000;
    let records = rest.iter().map(|point| point.records).max().unwrap_or(0);
    rest.len() + records.saturating_sub(there) / RECORDS_IN_A_PART
}

/// The inner error says why it was left out.
async fn measured(
    ground: &mut Ground,
    point: Point,
    left: usize,
    purse: &mut Purse,
    stop: &Stop,
) -> Result<Result<Option<crate::Measured>, &'static str>> {
    if let Some(reason) = point.operation.impossible(ground.info()) {
        return Ok(Err(reason));
    }
    if purse.time_left().is_zero() {
        return Ok(Err(NO_TIME));
    }
    // To store a record and to remove it: a removal without a precondition reads it first.
    let more = point.records.saturating_sub(ground.records()) as u64;
    if !purse.take(3 * more) {
        return Ok(Err(NO_REQUESTS));
    }
    ground.fill(point.records, stop).await?;
    let share = Arc::new(purse.share(left));
    // One that is not timed, one that is, and one to look at what is there.
    let fewest = 2 * point.operation.requests(point.records) + 1;
    if !share.has(fewest * point.tasks as u64) {
        return Ok(Err(NO_REQUESTS));
    }
    let measured = measure(ground, point, share.clone(), stop).await;
    purse.settle(&share);
    measured.map(Ok)
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operation,
            records,
            tasks,
        } = self;
        write!(
            f,
            "{}, {}, {}",
            operation.name(),
            counted(*records, "record"),
            counted(*tasks, "task")
        )
    }
}
