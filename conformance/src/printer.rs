//! Prints what is logged, for whoever looks through all of it.

use std::{
    fmt::{Debug, Write as _},
    io::Write as _,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// With `1`, every record that is logged in the process of a suite, at any level, is printed on standard error, and the tokens of
/// most cases are an `at-`, `rt-` or `code-` and 32 hexadecimal digits, so that a search finds them.
const VARIABLE: &str = "TOKEN_STORAGE_CONFORMANCE_LOG";

static ON: LazyLock<bool> = LazyLock::new(|| std::env::var(VARIABLE).as_deref() == Ok("1"));

pub(crate) fn is_on() -> bool {
    *ON
}

/// From now on, for the whole process.
pub(crate) fn begin() {
    if is_on() {
        // A test target that has a subscriber of its own keeps it.
        let _ = tracing::subscriber::set_global_default(Printer::default());
    }
}

#[derive(Debug, Default)]
struct Printer {
    spans: AtomicU64,
}

struct Line(String);

impl Line {
    fn of(metadata: &Metadata<'_>) -> Self {
        Self(format!(
            "{} {} {}:",
            metadata.level(),
            metadata.target(),
            metadata.name()
        ))
    }

    fn print(mut self) {
        self.0.push('\n');
        // Nobody may be listening any more.
        let _ = std::io::stderr().write_all(self.0.as_bytes());
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl Subscriber for Printer {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line::of(span.metadata());
        span.record(&mut line);
        line.print();
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = Line("TRACE a span:".to_owned());
        values.record(&mut line);
        line.print();
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::of(event.metadata());
        event.record(&mut line);
        line.print();
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
