use std::{fmt, sync::Arc};

use token_storage_core::StorageInfo;
use tokio::sync::watch;

use super::AnySuite;
use crate::{Case, Level, Report, cases, pace::Pace, recorder::Touched, run};

/// A suite that is ready to run, case by case or all at once.
#[derive(Clone)]
pub struct Plan {
    pub(crate) suite: Arc<dyn AnySuite>,
    pub(crate) touched: Arc<Touched>,
    pub(crate) pace: Arc<Pace>,
    pub(crate) interrupted: watch::Sender<bool>,
    pub(crate) levels: Option<&'static [Level]>,
}

impl Plan {
    /// The name it was given.
    pub fn name(&self) -> &str {
        self.suite.name()
    }

    /// What the namespaces begin with that the cases write to.
    pub fn namespace(&self) -> &str {
        self.suite.namespace()
    }

    /// Every case, those included that will be ignored.
    pub fn cases(&self) -> &'static [Case] {
        cases()
    }

    /// What the storage says of itself; `None` if it cannot be opened.
    pub(crate) fn describe(&self) -> Option<StorageInfo> {
        let suite = Arc::clone(&self.suite);
        run::runtime().block_on(async {
            let storage = suite.place().await.ok()?.reopen().await.ok()?;
            Some(storage.describe())
        })
    }

    /// Leaves out what is of no such level, with the reason. For a storage that another run asks everything.
    #[must_use]
    pub fn only(mut self, levels: &'static [Level]) -> Self {
        self.levels = Some(levels);
        self
    }

    /// Why a case would be ignored for what is declared or left out; `None`: it would run.
    pub fn ignored(&self, case: &Case) -> Option<String> {
        if self.levels.is_some_and(|levels| !levels.contains(&case.level())) {
            return Some("its level is left out here".to_owned());
        }
        case.required().iter().find_map(|need| self.suite.missing(*need))
    }

    /// Ends all runs of this plan early, from any thread: the cases in progress are dropped, what they wrote is removed,
    /// and no other begins.
    pub fn interrupt(&self) {
        self.interrupted.send_replace(true);
    }

    /// Whether [`interrupt`](Plan::interrupt) was called.
    pub fn is_interrupted(&self) -> bool {
        *self.interrupted.borrow()
    }

    /// Runs one case and waits for it, on a runtime of the suite's own; call it from any thread that may block. Calls
    /// may overlap.
    pub fn run(&self, case: &Case) -> Report {
        run::run(self, case)
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}
