//! What the file system tells of a file, to notice that it was changed.

use std::{
    fs::{File, Metadata},
    io,
    path::Path,
};

/// Everything that changes when a file's content or its place does. A link count of 0 or one less than before: another
/// file has taken its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    identity: Identity,
    links: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Which file it is. A descriptor that is kept open makes sure that its inode is not given to another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

/// Whether stamps can be trusted at all; where they cannot, everything is read again each time.
pub(crate) const MEANINGFUL: bool = cfg!(unix);

#[cfg(unix)]
impl Stamp {
    /// The stamp of an open file. By `fstat`: the standard library asks for more, which takes half as long again.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let stat = rustix::fs::fstat(file)?;
        // The fields' types differ between platforms.
        #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
        Ok(Self {
            identity: Identity {
                device: stat.st_dev as u64,
                inode: stat.st_ino as u64,
            },
            links: stat.st_nlink as u64,
            size: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        })
    }
}

#[cfg(unix)]
impl From<&Metadata> for Identity {
    fn from(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

#[cfg(not(unix))]
impl Stamp {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let modified = metadata.modified().ok();
        let since_epoch = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let modified = since_epoch.map_or((0, 0), |time| (time.as_secs() as i64, i64::from(time.subsec_nanos())));
        Ok(Self {
            identity: Identity::from(&metadata),
            links: 1,
            size: metadata.len(),
            modified,
            changed: (0, 0),
        })
    }
}

#[cfg(not(unix))]
impl From<&Metadata> for Identity {
    fn from(_: &Metadata) -> Self {
        Self { device: 0, inode: 0 }
    }
}

impl Stamp {
    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The time of the last change, seconds and nanoseconds.
    pub(crate) fn modified(&self) -> (i64, i64) {
        self.modified
    }
}

impl Identity {
    /// Which file a path names; `None`: there is none.
    pub(crate) fn at(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::metadata(path) {
            Ok(metadata) => Ok(Some(Self::from(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
