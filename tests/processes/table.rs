//! What became of each refresh that was broken off, by step and storage, printed at the end.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::storages::Kind;

type Rows = BTreeMap<(&'static str, String), BTreeMap<&'static str, String>>;

static ROWS: Mutex<Rows> = Mutex::new(BTreeMap::new());

/// `what` was done to the holder; `order` and `at` name the row.
pub(crate) fn note(what: &'static str, order: usize, at: &str, kind: Kind, outcome: impl Into<String>) {
    let mut rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    let row = rows.entry((what, format!("{order:02}{at}"))).or_default();
    row.insert(kind.name(), outcome.into());
}

pub(crate) fn print(kinds: &[Kind]) {
    let rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut last = "";
    for ((what, at), outcomes) in &*rows {
        if *what != last {
            let columns: String = kinds.iter().map(|kind| format!("{:<40}", heading(*kind))).collect();
            println!("\n{:<20}{columns}", format!("{what} at"));
            last = what;
        }
        let columns = kinds
            .iter()
            .map(|kind| outcomes.get(kind.name()).map_or("", String::as_str));
        let columns: String = columns.map(|outcome| format!("{outcome:<40}")).collect();
        println!("{:<20}{}", &at[2..], columns.trim_end());
    }
}

fn heading(kind: Kind) -> String {
    let lease = if kind.is_timed() {
        "timed lease"
    } else {
        "lease of the process"
    };
    format!("{} ({lease})", kind.name())
}
