//! One measurement: some tasks that call again and again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use token_storage_core::Result;
use tokio::task::JoinSet;

use crate::{Ground, Latency, Measured, Stop, Worker, budget::Share, plan::Point};

/// `None` if it was stopped before a single call had been timed.
pub(crate) async fn measure(ground: &Ground, point: Point, share: Arc<Share>, stop: &Stop) -> Result<Option<Measured>> {
    let mut tasks = JoinSet::new();
    let until = Instant::now() + share.time;
    for number in 0..point.tasks {
        let worker = ground.worker(point.operation, number).await?;
        let cost = point.operation.requests(point.records);
        tasks.spawn(repeat(worker, until, share.clone(), cost, stop.clone()));
    }
    let mut all = Calls::default();
    let mut failed = None;
    for task in tasks.join_all().await {
        match task {
            Ok(calls) => all.add(calls),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(all.summary(point)),
    }
}

/// What one task, or all of them, did.
struct Calls {
    nanoseconds: Histogram<u64>,
    span: Option<(Instant, Instant)>,
}

impl Default for Calls {
    fn default() -> Self {
        // Three digits are the most that is sensible, and a histogram that grows has no other limit.
        let nanoseconds = Histogram::new(3).unwrap_or_else(|_| unreachable!("three digits are allowed"));
        Self {
            nanoseconds,
            span: None,
        }
    }
}

/// The first call is not timed: it opens connections and fills caches.
async fn repeat(mut worker: Worker, until: Instant, share: Arc<Share>, cost: u64, stop: Stop) -> Result<Calls> {
    let mut calls = Calls::default();
    if stop.is_stopped() || !share.take(cost) {
        return Ok(calls);
    }
    worker.call().await?;
    let started = Instant::now();
    let mut now = started;
    // At least one is timed, however long it takes.
    while !stop.is_stopped() && (now < until || calls.span.is_none()) && share.take(cost) {
        calls.note(worker.call().await?);
        now = Instant::now();
        calls.span = Some((started, now));
    }
    Ok(calls)
}

impl Calls {
    fn note(&mut self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        // One that grows takes every value.
        let _ = self.nanoseconds.record(nanoseconds.max(1));
    }

    fn add(&mut self, other: Self) {
        let _ = self.nanoseconds.add(&other.nanoseconds);
        self.span = match (self.span, other.span) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, another) => one.or(another),
        };
    }

    fn summary(&self, point: Point) -> Option<Measured> {
        let (from, to) = self.span?;
        let calls = self.nanoseconds.len();
        Some(Measured {
            operation: point.operation,
            records: point.records,
            tasks: point.tasks,
            calls,
            per_second: calls as f64 / (to - from).as_secs_f64().max(1e-9),
            latency_seconds: self.latency(),
            distribution: self.distribution(),
        })
    }

    fn latency(&self) -> Latency {
        let at = |quantile| seconds(self.nanoseconds.value_at_quantile(quantile));
        Latency {
            min: seconds(self.nanoseconds.min()),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: seconds(self.nanoseconds.max()),
            mean: self.nanoseconds.mean() / 1e9,
        }
    }

    /// As far as there are calls enough to tell.
    fn distribution(&self) -> Vec<(f64, f64)> {
        const QUANTILES: [f64; 13] = [
            0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999, 0.9995, 0.9999,
        ];
        let calls = self.nanoseconds.len() as f64;
        QUANTILES
            .into_iter()
            .filter(|quantile| calls * (1.0 - quantile) >= 1.0)
            .map(|quantile| (quantile, seconds(self.nanoseconds.value_at_quantile(quantile))))
            .collect()
    }
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}
