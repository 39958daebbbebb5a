use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Ends a run early: what it wrote is removed, and what it has measured is reported. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ends the run as soon as the calls that are under way have ended.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it is to end.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
