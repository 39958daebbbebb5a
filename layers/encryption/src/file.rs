use std::{
    fs, io,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use token_storage_core::{Error, ErrorKind, Result, Secret, async_trait};
use token_storage_files::{Replacement, SidecarLock, create_parents, io_error, on_own_thread, resolve};
use zeroize::Zeroizing;

use crate::{
    KeyRing, KeySource, Passphrase,
    passphrase::{self, HEAD, PassphraseFrom, protect, unprotect},
};

/// A file with keys: as [`KeyRing::parse`] reads them, or under a passphrase (argon2id). `docs/formats.md` describes it.
///
/// On Unix it must belong to this user or to root, nobody but them and its group may read it, and nobody else write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    path: PathBuf,
}

/// Some hundred keys.
const MOST_BYTES: u64 = 64 * 1024;
/// For how long another process that changes the file is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

// What it takes to read what the keys encrypted, for who finds such a file.
const PLAIN: &str = "\
# Keys of token-storage: the first one writes, all of them read. Whoever has this file can read what they encrypted, and
# without it nobody can. Keep a copy, apart from the tokens.
";
const UNDER_PASSPHRASE: &str = "\
# Keys of token-storage, under a passphrase. Who has both this file and its passphrase can read what they encrypted, and
# nobody else can. Keep a copy, apart from the tokens.
";
const WRAPPED: &str = "\
# Keys of token-storage, wrapped by a key management service. Who has this file, and for whom that service unwraps it, can
# read what they encrypted, and nobody else can. Keep a copy, apart from the tokens.
";

impl KeyFile {
    /// The file at this path; it is not looked at.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file, for its owner only, with these keys. Blocks.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidInput`]: there is one already. It stays as it is: tokens may be encrypted with its keys.
    /// - What the operating system refuses.
    pub fn create(&self, ring: &KeyRing, passphrase: Option<&Secret>) -> Result<()> {
        // Before the work that a passphrase is.
        self.refuse_existing(&self.path)?;
        self.create_with(&protected(ring, passphrase)?)
    }

    pub(crate) fn create_with(&self, keys: &str) -> Result<()> {
        self.locked(|path| {
            self.refuse_existing(path)?;
            write(path, keys)
        })
    }

    pub(crate) fn refuse_existing(&self, path: &Path) -> Result<()> {
        if !path.exists() {
            return Ok(());
        }
        let message = format!(
            "{} is there already, and was left as it is; `token-storage key add` adds a key to it",
            self.path.display()
        );
        Err(Error::new(ErrorKind::InvalidInput, message))
    }

    /// Reads the keys. Blocks; `passphrase` is asked if the file is protected by one.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`]: there is no such file, others may read it, there are no keys in it, or the passphrase
    ///   is another.
    /// - What the operating system refuses.
    pub fn read(&self, passphrase: &dyn Passphrase) -> Result<KeyRing> {
        self.read_with(None, passphrase).map(|read| read.ring)
    }

    /// Whether its keys are under a passphrase. Those of a [`WrappedKeyFile`](crate::WrappedKeyFile) are not. Blocks.
    ///
    /// # Errors
    /// - As [`KeyFile::read`], as far as the beginning of the line tells.
    pub fn is_protected(&self) -> Result<bool> {
        let text = read_text(&self.path)?;
        let Some(line) = protected_line(&text) else {
            return Ok(false);
        };
        let parts = passphrase::parts(line).map_err(|error| self.named(&error))?;
        Ok(parts.is_some())
    }

    /// Replaces the keys by what `change` makes of them, in one step, while no other process changes them. Comments are
    /// lost; a passphrase stays. Blocks.
    ///
    /// # Errors
    /// - As [`KeyFile::read`], and those of `change`: the file then stays as it was.
    pub fn update(
        &self,
        passphrase: &dyn Passphrase,
        change: impl FnOnce(KeyRing) -> Result<KeyRing>,
    ) -> Result<KeyRing> {
        // Beside what is no key file no lock is made.
        read_text(&self.path)?;
        self.locked(|path| {
            let read = self.read_with(None, passphrase)?;
            let ring = change(read.ring)?;
            write(path, &protected(&ring, read.passphrase.as_ref())?)?;
            Ok(ring)
        })
    }

    pub(crate) fn locked<T>(&self, work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let failed = |doing| move |error| io_error(&self.path, doing, error);
        let path = resolve(&self.path).map_err(failed("find"))?;
        create_parents(&path).map_err(failed("create the folder of"))?;
        let lock = SidecarLock::new(&path).acquire_until(Instant::now() + PATIENCE);
        let Some(_lock) = lock.map_err(failed("lock"))? else {
            let message = format!("another process is changing the key file {}", self.path.display());
            return Err(Error::new(ErrorKind::Busy, message));
        };
        work(&path)
    }

    /// With a passphrase that worked before, if there is one; else one is asked for.
    fn read_with(&self, known: Option<&Secret>, asking: &dyn Passphrase) -> Result<Keys> {
        let named = |error: Error| self.named(&error);
        let text = read_text(&self.path)?;
        let Some(line) = protected_line(&text) else {
            let ring = KeyRing::parse(&text).map_err(named)?;
            return Ok(Keys { ring, passphrase: None });
        };
        // Before anybody is asked.
        passphrase::check(line).map_err(named)?;
        if let Some(known) = known
            && let Some(ring) = unprotect(line, known).map_err(named)?
        {
            let passphrase = Some(known.clone());
            return Ok(Keys { ring, passphrase });
        }
        let asked = asking.ask(&self.path)?;
        match unprotect(line, &asked).map_err(named)? {
            Some(ring) => Ok(Keys {
                ring,
                passphrase: Some(asked),
            }),
            None => {
                let message = format!("the passphrase of the key file {} is another one", self.path.display());
                Err(Error::new(ErrorKind::Misconfigured, message))
            }
        }
    }

    fn named(&self, error: &Error) -> Error {
        let message = format!("the key file {}: {}", self.path.display(), error.message());
        Error::new(error.kind(), message)
    }
}

/// What stands in front of these keys as a comment.
fn explained(keys: &str) -> &'static str {
    match protected_line(keys).map(passphrase::check) {
        None => PLAIN,
        Some(Ok(_)) => UNDER_PASSPHRASE,
        Some(Err(_)) => WRAPPED,
    }
}

/// What was read, and the passphrase that it took.
struct Keys {
    ring: KeyRing,
    passphrase: Option<Secret>,
}

pub(crate) fn protected_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| line.starts_with(HEAD))
}

fn protected(ring: &KeyRing, passphrase: Option<&Secret>) -> Result<Zeroizing<String>> {
    match passphrase {
        Some(passphrase) => protect(ring, passphrase),
        None => Ok(ring.to_text()),
    }
}

pub(crate) fn write(path: &Path, keys: &str) -> Result<()> {
    let failed = |error| io_error(path, "write", error);
    let replacement = Replacement::begin(path, true).map_err(failed)?;
    let mut file = replacement.file();
    for part in [explained(keys), keys.trim_end(), "\n"] {
        file.write_all(part.as_bytes()).map_err(failed)?;
    }
    replacement.commit().map_err(|(error, _)| failed(error))?;
    Ok(())
}

pub(crate) fn read_text(path: &Path) -> Result<Zeroizing<String>> {
    let unusable = |why: &str| {
        let message = format!("the key file {} {why}", path.display());
        Err(Error::new(ErrorKind::Misconfigured, message))
    };
    // Before it is opened: opening a pipe would wait for its writer.
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return unusable(
                "is not there; `token-storage key generate` makes one, but only the old one reads old tokens",
            );
        }
        Err(error) => return Err(io_error(path, "read the key file", error)),
    };
    if !found.is_file() {
        return unusable("is not a file");
    }
    let file = fs::File::open(path).map_err(|error| io_error(path, "read the key file", error))?;
    if let Some(why) = too_open(
        &file
            .metadata()
            .map_err(|error| io_error(path, "read the key file", error))?,
    ) {
        return unusable(&why);
    }
    let mut text = Zeroizing::new(String::with_capacity(MOST_BYTES as usize + 1));
    match file.take(MOST_BYTES + 1).read_to_string(&mut text) {
        Ok(_) if text.len() as u64 > MOST_BYTES => unusable("is larger than 64 KiB; that is no key file"),
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => unusable("is not text; that is no key file"),
        Err(error) => Err(io_error(path, "read the key file", error)),
    }
}

/// Who else may use the file. A group may read it, since services get theirs so.
#[cfg(unix)]
fn too_open(found: &fs::Metadata) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let mode = found.mode() & 0o777;
    if mode & 0o027 != 0 {
        return Some(format!(
            "may be used by others (mode {mode:04o}); run chmod 600 on it, and take a new key if others may have read it"
        ));
    }
    let me = rustix::process::geteuid().as_raw();
    if me != 0 && ![0, me].contains(&found.uid()) {
        return Some("belongs to another user, who can change it; make a copy of your own".to_owned());
    }
    None
}

#[cfg(not(unix))]
fn too_open(_: &fs::Metadata) -> Option<String> {
    None
}

/// The keys of a file, read again whenever it has changed: what another process adds is known at once.
#[derive(Debug)]
pub struct FileKeys {
    file: KeyFile,
    passphrase: Arc<dyn Passphrase>,
    known: Mutex<Option<Known>>,
}

#[derive(Clone, Debug)]
struct Known {
    stamp: Stamp,
    ring: Arc<KeyRing>,
    passphrase: Option<Secret>,
}

impl FileKeys {
    /// The keys of the file at this path, which is read when they are first needed.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            file: KeyFile::new(path),
            passphrase: Arc::new(PassphraseFrom::Nowhere),
            known: Mutex::new(None),
        }
    }

    /// Says whom to ask if the file is protected by a passphrase. What was answered is kept, and asked for again only if the
    /// file has another one by then.
    #[must_use]
    pub fn with_passphrase(mut self, passphrase: impl Passphrase + 'static) -> Self {
        self.passphrase = Arc::new(passphrase);
        self
    }

    /// Nothing panics while it is held, so a poisoned lock is consistent.
    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl KeySource for FileKeys {
    async fn keys(&self) -> Result<Arc<KeyRing>> {
        let stamp = Stamp::of(&self.file.path);
        let known = self.known().clone();
        if let Some(known) = &known
            && known.stamp == stamp
        {
            return Ok(known.ring.clone());
        }
        let (file, passphrase) = (self.file.clone(), self.passphrase.clone());
        let before = known.and_then(|known| known.passphrase);
        let read = on_own_thread(move || file.read_with(before.as_ref(), &*passphrase)).await?;
        let ring = Arc::new(read.ring);
        *self.known() = Some(Known {
            // As it was before it was read: a change that came meanwhile is seen next time.
            stamp,
            ring: ring.clone(),
            passphrase: read.passphrase,
        });
        Ok(ring)
    }

    fn place(&self) -> String {
        format!("the key file {}", self.file.path.display())
    }
}

/// By what a file that was changed, or put in its place, is told. `None`: it is not there, and reading it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(Option<(u64, u64, u64, Option<SystemTime>)>);

impl Stamp {
    /// Costs a system call, some microseconds.
    pub(crate) fn of(path: &Path) -> Self {
        Self(fs::metadata(path).ok().map(|found| {
            let (device, number) = identity(&found);
            (device, number, found.len(), found.modified().ok())
        }))
    }
}

#[cfg(unix)]
fn identity(found: &fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (found.dev(), found.ino())
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> (u64, u64) {
    (0, 0)
}
