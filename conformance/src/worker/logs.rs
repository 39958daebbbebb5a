//! Sees every log record of a worker process, whatever its level.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use crate::cases::CANARY;

static RECORDS: AtomicUsize = AtomicUsize::new(0);
static LEAK: Mutex<Option<String>> = Mutex::new(None);

struct Watcher {
    spans: AtomicU64,
}

/// From now on. Only a worker calls it: the subscriber is the whole process's.
pub(super) fn watch() {
    let watcher = Watcher {
        spans: AtomicU64::new(1),
    };
    // Set already by an earlier request.
    let _ = tracing::subscriber::set_global_default(watcher);
}

/// The number of records so far, and where one showed a canary.
pub(super) fn seen() -> (usize, Option<String>) {
    let leak = LEAK.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (RECORDS.load(Ordering::Relaxed), leak)
}

struct Fields(&'static str);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        RECORDS.fetch_add(1, Ordering::Relaxed);
        if format!("{value:?}").contains(CANARY) {
            *LEAK.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{}, field {field}", self.0));
        }
    }
}

impl Subscriber for Watcher {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Fields(span.metadata().target()));
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Fields("a span"));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Fields(event.metadata().target()));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
