use std::{collections::BTreeMap, fmt, panic::AssertUnwindSafe};

use futures_util::{FutureExt as _, StreamExt as _, stream};

use super::{Ability, RefreshCase, RefreshSubject, refresh_cases};

/// Runs all cases, side by side since most of their time is waiting, and says what came of each. Why one failed is on
/// standard error, as with every panic.
///
/// ```no_run
/// # use token_storage_auth_testing::refreshing::{RefreshSubject, verify};
/// # async fn example(subject: &dyn RefreshSubject) {
/// let summary = verify(subject).await;
/// println!("{summary}");
/// assert!(summary.failed().is_empty());
/// # }
/// ```
pub async fn verify(subject: &dyn RefreshSubject) -> Summary {
    // None waits for its turn behind one that takes long.
    let mut ended: Vec<_> = stream::iter(refresh_cases().iter().enumerate())
        .map(async |(place, case)| (place, ended(case, subject).await))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    ended.sort_unstable_by_key(|(place, _)| *place);
    let mut summary = Summary::default();
    for (_, (name, ended)) in ended {
        summary.add(name, ended);
    }
    summary
}

/// Enough to wait together, and not so many that one holds up another.
const AT_ONCE: usize = 6;

type Ended = Option<Vec<Ability>>;

async fn ended(case: &RefreshCase, subject: &dyn RefreshSubject) -> (&'static str, Ended) {
    let run = AssertUnwindSafe(case.run_on(subject)).catch_unwind().await;
    (case.name(), run.ok().map(Vec::from_iter))
}

/// What came of all cases.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    passed: Vec<&'static str>,
    failed: Vec<&'static str>,
    unproven: BTreeMap<&'static str, Vec<Ability>>,
}

impl Summary {
    fn add(&mut self, name: &'static str, ended: Ended) {
        match ended {
            None => self.failed.push(name),
            Some(missing) if missing.is_empty() => self.passed.push(name),
            Some(missing) => {
                self.unproven.insert(name, missing);
            }
        }
    }

    /// The cases that were proven as a whole.
    pub fn passed(&self) -> &[&'static str] {
        &self.passed
    }

    /// The cases that found something.
    pub fn failed(&self) -> &[&'static str] {
        &self.failed
    }

    /// The cases that found nothing and left something out, for want of these abilities.
    pub fn unproven(&self) -> &BTreeMap<&'static str, Vec<Ability>> {
        &self.unproven
    }
}

/// One line for each case that did not pass, and one with the counts.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.failed {
            writeln!(f, "FAILED    {name}")?;
        }
        for (name, missing) in &self.unproven {
            for ability in missing {
                writeln!(f, "unproven  {name}: {ability}")?;
            }
        }
        write!(
            f,
            "{} passed, {} failed, {} unproven",
            self.passed.len(),
            self.failed.len(),
            self.unproven.len()
        )
    }
}
