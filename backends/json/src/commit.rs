//! One rewrite of the file: from its content under the lock to the new content in its place.

use std::{
    fs::{File, FileTimes},
    io,
    path::PathBuf,
    sync::Arc,
    time::SystemTime,
};

use token_storage_core::{Durability, Error, Result};
use token_storage_files::{self as files, Directory, Replacement};

use crate::{
    document::{Damage, DamageKind, Document, Format, MOST_BYTES},
    error,
    job::{Applied, Job},
    kept,
    shared::{Retired, Shared},
    snapshot::{Content, Sighting, Snapshot},
    stamp::{Identity, Stamp},
};

/// Whether there is certainly no file, so that there is nothing to remove.
pub(crate) fn is_absent(shared: &Shared) -> bool {
    matches!(Identity::at(&shared.path), Ok(None))
}

/// The content under the lock, and what the jobs of this round make of it.
pub(crate) struct Rewrite<'a> {
    shared: &'a Shared,
    document: Document,
    /// The file is there, but not as it should be.
    damage: Option<Damage>,
    /// A damaged namespace is overwritten.
    throws_away: bool,
}

impl<'a> Rewrite<'a> {
    /// Starts from a content that was read with the lock held.
    pub(crate) fn of(shared: &'a Shared, snapshot: &Snapshot) -> Self {
        let (document, damage) = match &snapshot.content {
            Content::Absent => (Document::empty(), None),
            Content::Document(document) => (Document::clone(document), None),
            Content::Damaged(damage) => (damage.rest(), Some(damage.clone())),
        };
        Self {
            shared,
            document,
            damage,
            throws_away: false,
        }
    }

    /// Applies a job, or says why not. Over a damaged file only what asks nothing of the content that is lost can happen.
    pub(crate) fn apply(&mut self, job: &Job) -> Result<Applied> {
        if let Some(damage) = &self.damage {
            let may_start_anew = damage.kind == DamageKind::Corrupt && job.asks_only_what_is_known(&self.document);
            if !may_start_anew {
                return Err(error::damage(&self.shared.path, damage));
            }
        }
        let throws_away = job.stores_into(|namespace| self.document.is_damaged(namespace));
        let applied = job.apply(&mut self.document, self.shared)?;
        self.throws_away |= throws_away;
        Ok(applied)
    }

    /// Writes the new content in place of the old one; it is durable once the entry is. Returns what was known before, too.
    /// An error has left everything as it was.
    pub(crate) fn commit(mut self) -> Result<(Retired, Entry)> {
        #[cfg(test)]
        self.shared.rewrites.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let found_in = self.document.format();
        self.document.upgraded();
        self.document.tidy();
        let begun = Replacement::begin(&self.shared.path, self.shared.durability == Durability::PowerLoss);
        let replacement = begun.map_err(|error| self.io("create a file beside", error))?;
        let unmistakable = self.fill(&replacement).map_err(|error| self.io("write", error))?;
        if replacement.file().metadata().is_ok_and(|new| new.len() > MOST_BYTES) {
            return Err(error::file_too_large(&self.shared.path));
        }
        let kept = self.keep(found_in)?;
        match replacement.put() {
            Ok((file, directory)) => Ok((self.publish(file, unmistakable), Entry(directory))),
            Err(error) => {
                kept.iter().for_each(|kept| drop(std::fs::remove_file(kept)));
                Err(files::replace_error(&self.shared.path, error))
            }
        }
    }

    /// Writes everything, and says whether no other write can produce the file's stamp.
    fn fill(&self, replacement: &Replacement) -> io::Result<bool> {
        let mut file = replacement.file();
        self.document.write_to(&mut file)?;
        mark_time(file)
    }

    /// Keeps what would be thrown away under another name beside the file.
    fn keep(&self, found_in: Format) -> Result<Option<PathBuf>> {
        let path = &self.shared.path;
        let keep = || -> io::Result<Option<PathBuf>> {
            if self.damage.is_some() || self.throws_away {
                // It may hold tokens, and the mode stays with the copy.
                self.shared.warnings.tighten(path);
                let kept = kept::damaged_path(path)?;
                kept::keep(path, &kept)?;
                return Ok(Some(kept));
            }
            if found_in == Format::V2 {
                return Ok(None);
            }
            kept::keep_original(path, found_in)
        };
        let kept = keep().map_err(|error| self.io("keep a copy of", error))?;
        if let Some(kept) = &kept {
            self.shared.warnings.add(kept::finding(path, kept));
        }
        Ok(kept)
    }

    /// What was just written is known: nobody else has had the file yet, and who writes to it from now on changes its
    /// stamp.
    fn publish(self, file: File, unmistakable: bool) -> Retired {
        let shared = self.shared;
        if self.document.is_empty() {
            for kept in kept::list(&shared.path).unwrap_or_default() {
                shared.warnings.add(kept::finding(&shared.path, &kept));
            }
        }
        let Ok(stamp) = Stamp::of(&file) else {
            return shared.forget();
        };
        shared.publish(Arc::new(Snapshot {
            content: Content::Document(Arc::new(self.document)),
            sighting: Some(Sighting::written(
                Arc::new(file),
                stamp,
                unmistakable,
                shared.clock.monotonic(),
            )),
        }))
    }

    fn io(&self, doing: &str, error: io::Error) -> Error {
        files::io_error(&self.shared.path, doing, error)
    }
}

/// The entry of the new file in its directory.
pub(crate) struct Entry(Directory);

impl Entry {
    /// Makes it durable, and so what was written. It is for the time after the lock was given up: who writes next need not
    /// wait for it, and makes it durable with his own.
    pub(crate) fn make_durable(&self, shared: &Shared) -> Result<()> {
        self.0.sync().map_err(|error| {
            let _forgotten = shared.forget();
            files::io_error(&shared.path, "make durable", error).with_unknown_outcome()
        })
    }
}

/// Gives the file a modification time that no write can give it again: the kernel's own stamps are whole ticks of a
/// coarser clock, or later. So a foreign program that writes in place within the same tick is noticed all the same.
/// `false`: the file system does not keep times exactly enough.
fn mark_time(file: &File) -> io::Result<bool> {
    let now = SystemTime::now();
    file.set_times(FileTimes::new().set_modified(now))?;
    let exact = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let kept = Stamp::of(file)?.modified();
    Ok(!exact.subsec_nanos().is_multiple_of(1000) && kept == (exact.as_secs() as i64, i64::from(exact.subsec_nanos())))
}
