//! Warnings of the libraries below, told on standard error: a file mode that was tightened, a damaged file kept aside.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use token_storage::Finding;

use crate::voice::note;

/// What has been told.
static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Passes on what our own crates warn of. Other libraries are left out: what they log has not been looked through for
/// secrets. So is the token manager, whose target is the project's name alone: its events are told in full elsewhere.
struct Warnings;

/// Installs it; once, at the start.
pub(crate) fn tell() {
    // The only way this fails is that there is one already.
    let _ = tracing::subscriber::set_global_default(Warnings);
}

/// Whether a library has warned of that by itself.
pub(crate) fn told(finding: &Finding) -> bool {
    let told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    let start = format!("{}: {}", finding.place, finding.message);
    told.iter().any(|text| text.starts_with(&start))
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        metadata.is_event()
            && *metadata.level() <= Level::WARN
            && target.starts_with("token_storage")
            && target != "token_storage"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message::default();
        event.record(&mut message);
        note(&format!("warning: {}{}", message.text, message.fields));
        TOLD.lock().unwrap_or_else(PoisonError::into_inner).push(message.text);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The message, and the other fields behind it.
#[derive(Default)]
struct Message {
    text: String,
    fields: String,
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.text = format!("{value:?}");
        } else {
            self.fields += &format!(", {}: {value:?}", field.name());
        }
    }
}
