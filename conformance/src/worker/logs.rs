//! Sees every log record, whatever its level: in a worker those of the whole process, elsewhere those of one call.

use std::{
    error::Error,
    fmt,
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use crate::canary;

static OF_THE_PROCESS: LazyLock<Arc<Seen>> = LazyLock::new(Arc::default);

/// What was logged so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    records: AtomicUsize,
    leak: Mutex<Option<String>>,
}

impl Seen {
    /// Where a record showed a canary, and how.
    pub(crate) fn leak(&self) -> Option<String> {
        self.leak.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Watcher {
    spans: AtomicU64,
    seen: Arc<Seen>,
}

impl Watcher {
    pub(crate) fn seen(&self) -> Arc<Seen> {
        Arc::clone(&self.seen)
    }

    fn fields<'a>(&'a self, place: &'a str) -> Fields<'a> {
        Fields {
            place,
            seen: &self.seen,
        }
    }
}

/// From now on. Only a worker calls it: the subscriber is the whole process's.
pub(super) fn watch() {
    let watcher = Watcher {
        seen: Arc::clone(&OF_THE_PROCESS),
        ..Watcher::default()
    };
    // Set already by an earlier request.
    let _ = tracing::subscriber::set_global_default(watcher);
}

/// The number of records so far, and where one showed a canary.
pub(super) fn seen() -> (usize, Option<String>) {
    (OF_THE_PROCESS.records.load(Ordering::Relaxed), OF_THE_PROCESS.leak())
}

struct Fields<'a> {
    place: &'a str,
    seen: &'a Seen,
}

impl Fields<'_> {
    fn look_at(&self, field: &Field, text: &str) {
        self.seen.records.fetch_add(1, Ordering::Relaxed);
        if let Some(found) = canary::found(text) {
            let place = format!("{}, field {field}: {found}", self.place);
            *self.seen.leak.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
        }
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.look_at(field, &format!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut source = Some(value);
        while let Some(error) = source {
            self.look_at(field, &format!("{error} {error:?}"));
            source = error.source();
        }
    }
}

impl Subscriber for Watcher {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut self.fields(span.metadata().target()));
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.fields("a span"));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.fields(event.metadata().target()));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
