//! Reading the file so that what was read is known to be one state of it.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    path::Path,
    sync::Arc,
    time::Duration,
};

use token_storage_core::backend::Clock;

use crate::{
    document::{Damage, DamageKind, Document, MOST_BYTES},
    snapshot::{Content, Sighting, Snapshot},
    stamp::{Identity, Stamp},
    text::Buffer,
};

/// How long a file that does not parse, or does not stand still, is read again: a program that writes in place may be
/// at it. A fuzzer writes nothing but such files, and none of them is still being written.
pub(crate) const PATIENCE: Duration = Duration::from_millis(if cfg!(fuzzing) { 0 } else { 250 });

const PAUSE: Duration = Duration::from_millis(10);

/// Why there is nothing to read.
#[derive(Debug)]
pub(crate) enum LoadError {
    Io(io::Error),
    /// A directory, a pipe, a device.
    NotAFile,
}

impl From<io::Error> for LoadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads the file, starting after the call. `before` is what was known; it saves parsing what has not changed. `opened`
/// is called whenever the path's file was opened and turned out to be a token file, before its last look at the stamp.
/// Blocks: for large files, and up to [`PATIENCE`] for damaged ones.
pub(crate) fn load(
    path: &Path,
    mut before: Option<Arc<Snapshot>>,
    clock: &dyn Clock,
    opened: &dyn Fn(),
) -> Result<Arc<Snapshot>, LoadError> {
    let started = clock.monotonic();
    loop {
        let attempt = Attempt { path, clock, opened }.read(before.as_deref())?;
        let out_of_patience = clock.monotonic().saturating_sub(started) >= PATIENCE;
        match attempt {
            Ok(snapshot) => {
                let settled = match &snapshot.content {
                    // Known to be so, and unchanged since: there is nothing to wait for.
                    content if may_be_torn(content) => {
                        out_of_patience || is_known(before.as_deref(), &snapshot, started)
                    }
                    _ => true,
                };
                let snapshot = Arc::new(snapshot);
                if settled {
                    return Ok(snapshot);
                }
                before = Some(snapshot);
                std::thread::sleep(PAUSE);
            }
            // The file changed while it was read. It is read again at once, since every other writer replaces it.
            Err(Moved(Some(unsettled))) if out_of_patience => return Ok(Arc::new(unsettled)),
            Err(Moved(_)) => {}
        }
    }
}

/// Whether a program may be in the middle of writing it.
fn may_be_torn(content: &Content) -> bool {
    match content {
        Content::Absent => false,
        Content::Document(document) => document.is_torn(),
        Content::Damaged(damage) => damage.kind == DamageKind::Corrupt,
    }
}

fn is_known(before: Option<&Snapshot>, now: &Snapshot, started: Duration) -> bool {
    let (Some(before), Some(seen)) = (before, &now.sighting) else {
        return false;
    };
    let same = before.sighting.as_ref().is_some_and(|old| old.stamp == seen.stamp);
    may_be_torn(&before.content) && same && seen.first_seen + PATIENCE <= started
}

/// The file changed while it was read: what was read all the same, if it was the file of that path.
struct Moved(Option<Snapshot>);

struct Attempt<'a> {
    path: &'a Path,
    clock: &'a dyn Clock,
    opened: &'a dyn Fn(),
}

impl Attempt<'_> {
    fn read(&self, before: Option<&Snapshot>) -> Result<Result<Snapshot, Moved>, LoadError> {
        let Some(metadata) = metadata(self.path)? else {
            return Ok(Ok(Snapshot::absent()));
        };
        let known = before.and_then(|snapshot| snapshot.sighting.as_ref());
        // A descriptor that is still open keeps its inode from being given to another file.
        let kept = known.filter(|seen| seen.stamp.identity() == Identity::from(&metadata));
        let file = match kept {
            Some(seen) => Arc::clone(&seen.file),
            None => match self.open()? {
                Some(file) => Arc::new(file),
                None => return Ok(Err(Moved(None))),
            },
        };
        let stamp = Stamp::of(&file)?;
        let first_seen = match known {
            Some(seen) if seen.stamp == stamp => seen.first_seen,
            _ => self.clock.monotonic(),
        };
        let read_at = self.clock.monotonic();
        let content = content(&file, stamp.size(), before.filter(|_| kept.is_some()))?;
        if kept.is_none() && matches!(content, Content::Document(_)) {
            (self.opened)();
        }
        let stands_still = Stamp::of(&file)? == stamp;
        let still_there = Identity::at(self.path)? == Some(stamp.identity());
        let sighting = Sighting::read(file, stamp, first_seen, read_at, self.clock.monotonic());
        let snapshot = Snapshot {
            content,
            sighting: Some(sighting),
        };
        Ok(match (still_there, stands_still) {
            (true, true) => Ok(snapshot),
            (true, false) => Err(Moved(Some(snapshot))),
            (false, _) => Err(Moved(None)),
        })
    }

    fn open(&self) -> Result<Option<File>, LoadError> {
        let file = match File::open(self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(Some(file))
    }
}

/// Looks before opening: opening a pipe would block.
fn metadata(path: &Path) -> Result<Option<Metadata>, LoadError> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(Some(metadata)),
        Ok(_) => Err(LoadError::NotAFile),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn content(file: &File, size: u64, before: Option<&Snapshot>) -> io::Result<Content> {
    if let Some(Content::Document(document)) = before.map(|snapshot| &snapshot.content)
        && document.equals(FromStart::of(file))?
    {
        return Ok(Content::Document(Arc::clone(document)));
    }
    if size > MOST_BYTES {
        return Ok(Content::Damaged(Damage::too_large()));
    }
    Ok(match Document::read(read_all(file, size)?) {
        Ok(document) => Content::Document(Arc::new(document)),
        Err(damage) => Content::Damaged(damage),
    })
}

/// Reads from the start of a file without moving its position: several threads may read one descriptor.
struct FromStart<'a> {
    file: &'a File,
    at: u64,
}

impl<'a> FromStart<'a> {
    fn of(file: &'a File) -> Self {
        Self { file, at: 0 }
    }
}

impl Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(unix)]
        let len = std::os::unix::fs::FileExt::read_at(self.file, buffer, self.at)?;
        #[cfg(windows)]
        let len = std::os::windows::fs::FileExt::seek_read(self.file, buffer, self.at)?;
        self.at += len as u64;
        Ok(len)
    }
}

fn read_all(file: &File, size: u64) -> io::Result<Buffer> {
    let expected = usize::try_from(size).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut buffer = Buffer::zeroed(expected + 1);
    let mut from_start = FromStart::of(file);
    let mut filled = 0;
    loop {
        if filled as u64 > MOST_BYTES {
            // It grows while it is read.
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if filled == buffer.bytes().len() {
            buffer.grow(filled.max(4096));
        }
        match from_start.read(&mut buffer.bytes_mut()[filled..]) {
            Ok(0) => break,
            Ok(len) => filled += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(filled);
    Ok(buffer)
}
