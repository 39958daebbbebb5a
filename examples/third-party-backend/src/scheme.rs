//! `folder:PATH`: how programs name, open, examine and administer such a storage.

use std::{fs, path::PathBuf, sync::Arc};

use token_storage_core::{
    ErrorContext as _, Finding, Operation, Result, Severity, async_trait,
    backend::{
        Action, ActionInfo, Arguments, Location, Opened, Outcome, Progress, Scheme, SchemeInfo, format_path, parse_path,
    },
};
use token_storage_files::{examine_mode, io_error, on_own_thread};

use crate::{FolderStorage, damage};

/// `folder:PATH`. Action: `clear-damaged`, which deletes the damaged files that were kept aside.
#[derive(Clone, Copy, Debug, Default)]
pub struct FolderScheme;

fn clear_damaged() -> ActionInfo {
    ActionInfo::new(
        "clear-damaged",
        "Delete the damaged files that a folder keeps aside",
        "There may be valid tokens in them.",
    )
    .destroying("deletes the damaged files beside the records")
}

impl Scheme for FolderScheme {
    fn describe(&self) -> SchemeInfo {
        SchemeInfo::new("folder", "folder:PATH", "a folder, one file a token").with_action(clear_damaged())
    }

    fn parse(&self, rest: &str) -> Result<Arc<dyn Location>> {
        Ok(Arc::new(Place(parse_path("folder", rest)?)))
    }
}

#[derive(Clone, Debug)]
struct Place(PathBuf);

#[async_trait]
impl Location for Place {
    fn rest(&self) -> String {
        format_path(&self.0)
    }

    async fn open(&self) -> Result<Opened> {
        let storage = FolderStorage::open(&self.0)?;
        let warnings = storage.warnings();
        Ok(Opened::with_warnings(storage, warnings))
    }

    async fn examine(&self) -> Result<Vec<Finding>> {
        let place = self.clone();
        on_own_thread(move || place.findings()).await.during(Operation::Manage)
    }

    fn action(&self, name: &str) -> Option<Box<dyn Action>> {
        (name == clear_damaged().name).then(|| Box::new(ClearDamaged(self.clone())) as Box<dyn Action>)
    }
}

impl Place {
    fn findings(&self) -> Result<Vec<Finding>> {
        let place = self.0.display().to_string();
        if !self.0.exists() {
            let message = "is not there yet; the first login makes it";
            return Ok(vec![Finding::new(Severity::Info, place, message, "")]);
        }
        let mut findings: Vec<Finding> = examine_mode(&self.0, "the folder of the tokens").into_iter().collect();
        for kept in self.damaged()? {
            let message = "a damaged file that was kept aside; there may be a valid token in it";
            let advice = "delete it, with `token-storage clear-damaged`, once nothing in it is needed any more";
            findings.push(Finding::new(
                Severity::Warning,
                kept.display().to_string(),
                message,
                advice,
            ));
        }
        Ok(findings)
    }

    /// The damaged files that were kept aside.
    fn damaged(&self) -> Result<Vec<PathBuf>> {
        let failed = |error| io_error(&self.0, "list", error);
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_name().to_string_lossy().contains(damage::SUFFIX) {
                kept.push(entry.path());
            }
        }
        kept.sort();
        Ok(kept)
    }
}

#[derive(Debug)]
struct ClearDamaged(Place);

#[async_trait]
impl Action for ClearDamaged {
    async fn run(&self, arguments: &Arguments, progress: &mut Progress<'_>) -> Result<Outcome> {
        arguments.check(&clear_damaged())?;
        let place = self.0.clone();
        let kept = on_own_thread(move || place.damaged()).await.during(Operation::Manage)?;
        for path in &kept {
            progress(&format!("deleting {}", path.display()));
            fs::remove_file(path)
                .map_err(|error| io_error(path, "delete", error))
                .during(Operation::Manage)?;
        }
        let count = kept.len();
        let outcome = Outcome::done(
            format!("{{\"deleted\": {count}}}"),
            format!("deleted {count} damaged files"),
        );
        Ok(if count == 0 { outcome.of_nothing() } else { outcome })
    }
}
