//! What a person should know although everything went well.

use std::path::Path;

use token_storage_core::{Finding, Severity, backend};
use token_storage_files::{self as files, Obstacle};

/// Logged, and collected until somebody asks; each once.
#[derive(Debug, Default)]
pub(crate) struct Warnings(pub(crate) backend::Warnings);

impl Warnings {
    pub(crate) fn add(&self, finding: Finding) {
        let Finding {
            place, message, advice, ..
        } = &finding;
        let line = format!("{place}: {message}; {advice}");
        if self.0.add(finding) {
            tracing::warn!("{line}");
        }
    }

    /// Makes the file owner-only if it is not (D4). What cannot be changed is told.
    pub(crate) fn tighten(&self, path: &Path) {
        let (message, advice) = match files::tighten(path) {
            Ok(None) => return,
            Ok(Some(mode)) => (
                format!("others could read it (mode {mode:04o}); it is owner-only now"),
                "if others may have read it, log out and in again",
            ),
            Err(error) => (
                format!("others can read it, and that cannot be changed: {error}"),
                "have its owner run chmod 600 on it",
            ),
        };
        self.add(Finding::new(
            Severity::Warning,
            path.display().to_string(),
            message,
            advice,
        ));
    }

    /// Tells of a file that is not what it seems: other programs reach it by another way, and do not see what is written.
    pub(crate) fn obstacles(&self, path: &Path) {
        for obstacle in files::obstacles(path).unwrap_or_default() {
            if let Obstacle::MountPoint | Obstacle::Replaced | Obstacle::HardLinks(_) = obstacle {
                self.add(obstacle.finding(path));
            }
        }
    }

    /// Tells of a file system on which the storage cannot keep what it promises.
    pub(crate) fn network(&self, path: &Path) {
        if let Some(name) = files::network_file_system(path) {
            self.add(Finding::new(
                Severity::Warning,
                path.display().to_string(),
                format!(
                    "is on a network file system ({name}): other hosts' writes may be missed, and locks may not hold"
                ),
                "move it to a local disk",
            ));
        }
    }
}
