//! What a person should know although nothing failed: logged, and collected until somebody asks; each once.

use std::path::Path;

use token_storage_core::{
    Error, Finding, Severity,
    backend::{self, counted},
};

use crate::place::Place;

#[derive(Debug, Default)]
pub(crate) struct Warnings(pub(crate) backend::Warnings);

impl Warnings {
    fn add(&self, path: &Path, message: impl Into<String>, advice: &str) {
        let finding = Finding::new(Severity::Warning, path.display().to_string(), message, advice);
        let line = format!("{}: {}; {}", finding.place, finding.message, finding.advice);
        if self.0.add(finding) {
            tracing::warn!("{line}");
        }
    }
}

pub(crate) fn tightened(place: &Place, path: &Path, mode: u32) {
    place.warnings.add(
        path,
        format!("others could use it (mode {mode:04o}); it is owner-only now"),
        "if they should not have seen the tokens in it, log in again",
    );
}

pub(crate) fn wide(place: &Place) {
    place.warnings.add(
        place.path(),
        "others can use it, and it belongs to another user, who alone can change that",
        "do not trust the tokens in it",
    );
}

pub(crate) fn other_names(place: &Place, names: u64) {
    place.warnings.add(
        place.path(),
        format!(
            "it has {names} names (hard links); a program that opens it by another name has another log and another lock, \
             and damages it"
        ),
        "give it one name",
    );
}

pub(crate) fn log_stays(place: &Place, fault: &Error) {
    let message = format!(
        "its write-ahead log could not be copied into it and stays beside it: {}",
        fault.message()
    );
    place.warnings.add(place.path(), message, "nothing is lost");
}

pub(crate) fn replaced(place: &Place, aside: &Path, records: u64) {
    let message = format!(
        "the database was damaged and is kept as {}; a new one is in its place, with {} that could be read",
        aside.display(),
        counted(records, "record")
    );
    place
        .warnings
        .add(place.path(), message, "log in again where a token is missing");
}
