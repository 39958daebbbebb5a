//! Keys in the operating system's keyring: the Secret Service of a Linux desktop, macOS's Keychain, Windows's Credential Manager.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use keyring_core::{CredentialStore, Entry, Error as Failure};
use token_storage_core::{Error, ErrorKind, Result, async_trait};
use token_storage_files::{SidecarLock, create_parents, io_error, on_own_thread, resolve};
use zeroize::Zeroizing;

use crate::{Key, KeyRing, KeySource};

/// An entry of the operating system's keyring that holds keys, as [`KeyRing::parse`] reads them. It is named by a service and a
/// user, as keyrings have it; in the Secret Service these are the attributes `service` and `username`.
///
/// Every call asks the keyring, and blocks: a person may have to unlock it first.
#[derive(Clone)]
pub struct KeyringEntry {
    service: String,
    user: String,
    store: Store,
}

type Store = Arc<dyn Fn() -> keyring_core::Result<Arc<CredentialStore>> + Send + Sync>;

/// For how long another process that changes the entry is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

const ALTERNATIVES: &str = "a machine without a desktop keeps its key in a file (file:PATH, which `token-storage key generate PATH \
                            --passphrase` makes) or in a variable (env:NAME)";

impl KeyringEntry {
    /// The entry of this service and user; it is not looked at.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`]: one of them is empty, which not every keyring can tell from "any".
    pub fn new(service: impl Into<String>, user: impl Into<String>) -> Result<Self> {
        Self::within(service.into(), user.into(), Arc::new(of_the_system))
    }

    fn within(service: String, user: String, store: Store) -> Result<Self> {
        if service.is_empty() || user.is_empty() {
            return Err(unnamed());
        }
        Ok(Self { service, user, store })
    }

    /// Reads `keyring:SERVICE/USER`. The last slash divides, so a service may have some and a user none.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`]: it is something else. Nothing of it is quoted: it may be the key itself.
    pub fn parse(text: &str) -> Result<Self> {
        let name = text.strip_prefix("keyring:").and_then(|name| name.rsplit_once('/'));
        let (service, user) = name.ok_or_else(unnamed)?;
        Self::new(service, user)
    }

    /// Its name, SERVICE/USER; `...` if that is a key itself, which somebody wrote there by mistake.
    pub fn name(&self) -> String {
        let name = format!("{}/{}", self.service, self.user);
        if Key::from_base64(&name).is_ok() {
            return "...".to_owned();
        }
        name
    }

    fn place(&self) -> String {
        format!("the entry {:?} of the operating system's keyring", self.name())
    }

    /// Makes the entry with these keys. `lock` is a file's path that whoever changes the entry has in common: keyrings cannot change an
    /// entry on a condition, so a lock beside that path keeps two of them from losing a key. The file itself is not touched.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidInput`]: there is one already. It stays as it is: tokens may be encrypted with its keys.
    /// - As [`KeyringEntry::read`], but for an entry that is not there.
    /// - [`ErrorKind::TooLarge`]: the keyring takes no entry of that size.
    /// - [`ErrorKind::Unavailable`]: the keyring did not keep the keys. The message says if that is not certain.
    pub fn create(&self, ring: &KeyRing, lock: &Path) -> Result<()> {
        self.locked(lock, |entry| match entry.get_secret().map(Zeroizing::new) {
            Err(Failure::NoEntry) => self.write(entry, None, &ring.to_text()),
            Err(failure) => Err(self.refused(failure)),
            Ok(_) => {
                let message = format!(
                    "{} is there already, and was left as it is; `token-storage key add` adds a key to it",
                    self.place()
                );
                Err(Error::new(ErrorKind::InvalidInput, message))
            }
        })
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`]: there is no keyring, it is locked and nobody unlocks it, there is no such entry or more than
    ///   one, or there are no keys in it.
    /// - [`ErrorKind::Unavailable`]: the keyring failed.
    pub fn read(&self) -> Result<KeyRing> {
        self.ask(|entry| self.read_from(entry).map(|(ring, _)| ring))
    }

    /// Replaces the keys by what `change` makes of them, while no other process that has `lock` in common changes them; see
    /// [`KeyringEntry::create`].
    ///
    /// # Errors
    /// - As [`KeyringEntry::read`] and [`KeyringEntry::create`], and those of `change`: the entry then stays as it was.
    pub fn update(&self, lock: &Path, change: impl FnOnce(KeyRing) -> Result<KeyRing> + Send) -> Result<KeyRing> {
        self.locked(lock, |entry| {
            let (ring, before) = self.read_from(entry)?;
            let ring = change(ring)?;
            self.write(entry, Some(&before), &ring.to_text())?;
            Ok(ring)
        })
    }

    fn locked<T: Send>(&self, lock: &Path, work: impl FnOnce(&Entry) -> Result<T> + Send) -> Result<T> {
        let failed = |doing| move |error| io_error(lock, doing, error);
        let path = resolve(lock).map_err(failed("find"))?;
        create_parents(&path).map_err(failed("create the folder of"))?;
        let lock = SidecarLock::new(&path).acquire_until(Instant::now() + PATIENCE);
        let Some(_lock) = lock.map_err(failed("lock"))? else {
            let message = format!("another process is changing {}", self.place());
            return Err(Error::new(ErrorKind::Busy, message));
        };
        self.ask(work)
    }

    /// On a thread of its own: the library for D-Bus may run an executor of its own, which panics within another one.
    fn ask<T: Send>(&self, work: impl FnOnce(&Entry) -> Result<T> + Send) -> Result<T> {
        let asked = || {
            let store = (self.store)().map_err(|failure| none_here(&failure))?;
            let entry = Entry::new_in_store(&store, &self.service, &self.user);
            work(&entry.map_err(|failure| self.refused(failure))?)
        };
        thread::scope(|scope| {
            let thread = thread::Builder::new().spawn_scoped(scope, asked);
            let thread = thread.map_err(|_| Error::new(ErrorKind::Unavailable, "no thread can be started"))?;
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn read_from(&self, entry: &Entry) -> Result<(KeyRing, Zeroizing<Vec<u8>>)> {
        let bytes = Zeroizing::new(entry.get_secret().map_err(|failure| self.refused(failure))?);
        let unusable = |why: &str| {
            let message = format!("{}: {why}", self.place());
            Error::new(ErrorKind::Misconfigured, message)
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| unusable("it is not text; keys are in base64"))?;
        let ring = KeyRing::parse(text).map_err(|error| unusable(error.message()))?;
        Ok((ring, bytes))
    }

    /// Writes and reads back. Where the keyring has kept something else, it gets what it had.
    fn write(&self, entry: &Entry, before: Option<&[u8]>, text: &str) -> Result<()> {
        let failure = entry.set_secret(text.as_bytes()).err();
        let kept = entry.get_secret().map(Zeroizing::new);
        if matches!(&kept, Ok(kept) if ***kept == *text.as_bytes()) {
            return Ok(());
        }
        let unchanged = match (&kept, before) {
            (Ok(kept), Some(before)) => ***kept == *before,
            (Err(Failure::NoEntry), None) => true,
            _ => false,
        };
        if !unchanged && let Some(before) = before {
            // What comes of it is told by whoever looks.
            let _ = entry.set_secret(before);
        }
        let error = match failure {
            Some(failure) => self.refused(failure),
            None => {
                let message = format!("the keyring did not keep what it was given for {}", self.place());
                Error::new(ErrorKind::Unavailable, message)
            }
        };
        let (kind, message) = (error.kind(), error.message());
        if unchanged {
            return Err(Error::new(kind, format!("{message}; nothing was changed")));
        }
        let message = format!("{message}; look with `token-storage key list` which keys are in it");
        Err(Error::new(kind, message).with_unknown_outcome())
    }

    /// Of a failure only its kind is told: some hold the entry's bytes.
    fn refused(&self, failure: Failure) -> Error {
        let place = self.place();
        let (kind, message) = match failure {
            Failure::NoEntry => (
                ErrorKind::Misconfigured,
                format!(
                    "{place} is not there; `token-storage key generate keyring:SERVICE/USER` makes one, but only the old one reads \
                     old tokens"
                ),
            ),
            Failure::NoStorageAccess(_) => (
                ErrorKind::Misconfigured,
                format!(
                    "{place} cannot be used: the keyring is locked, nobody unlocked it when asked, or it has no collection to keep \
                     entries in; unlock it, as a login at the desktop does; {ALTERNATIVES}"
                ),
            ),
            Failure::Ambiguous(entries) => (
                ErrorKind::Misconfigured,
                format!(
                    "there are {} entries {:?} in the operating system's keyring; remove all but the one with the keys",
                    entries.len(),
                    self.name()
                ),
            ),
            Failure::TooLong(_, most) => (
                ErrorKind::TooLarge,
                format!(
                    "the keyring takes no more than {most} in one entry, and {place} would be larger; end keys that seal nothing any \
                     more with `token-storage key remove`"
                ),
            ),
            Failure::Invalid(..) | Failure::NotSupportedByStore(_) => (
                ErrorKind::Misconfigured,
                format!("the keyring takes no such name as that of {place}; choose another"),
            ),
            _ => (
                ErrorKind::Unavailable,
                format!(
                    "the keyring failed when it was asked for {place}; try again, or use another place: {ALTERNATIVES}"
                ),
            ),
        };
        Error::new(kind, message)
    }
}

impl fmt::Debug for KeyringEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyringEntry({:?})", self.name())
    }
}

fn unnamed() -> Error {
    let message = "an entry of the operating system's keyring is named by keyring:SERVICE/USER, as in keyring:token-storage/me; the key \
                   itself does not stand there";
    Error::new(ErrorKind::Misconfigured, message)
}

/// Nothing was sent yet, so its words are no secret; of several lines the first says why.
fn none_here(failure: &Failure) -> Error {
    let why = failure.to_string();
    let why = why.lines().next().unwrap_or_default();
    let message = format!("there is no keyring of the operating system here ({why}); {ALTERNATIVES}");
    Error::new(ErrorKind::Misconfigured, message)
}

#[cfg(all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android"))))]
fn of_the_system() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(target_os = "macos")]
fn of_the_system() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn of_the_system() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(windows_native_keyring_store::Store::new()?)
}

#[cfg(not(any(
    windows,
    target_os = "macos",
    all(unix, not(any(target_os = "ios", target_os = "android")))
)))]
fn of_the_system() -> keyring_core::Result<Arc<CredentialStore>> {
    let message = "none is known of this platform";
    Err(Failure::NotSupportedByStore(message.to_owned()))
}

/// The keys of an entry, read when they are first needed, and again when a record is sealed with a key that is not among
/// them: asking each time might ask a person each time. So a key that others add is found by who reads, and one that others
/// remove goes on until the program ends: whoever removes one ends the programs that use it first.
#[derive(Debug)]
pub struct KeyringKeys {
    entry: KeyringEntry,
    known: Mutex<Option<Arc<KeyRing>>>,
}

impl KeyringKeys {
    /// The keys of this entry.
    pub fn new(entry: KeyringEntry) -> Self {
        Self {
            entry,
            known: Mutex::new(None),
        }
    }
}

#[async_trait]
impl KeySource for KeyringKeys {
    async fn keys(&self) -> Result<Arc<KeyRing>> {
        // Nothing panics while it is held, so a poisoned lock is consistent.
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(ring) => Ok(ring),
            None => self.look_again().await,
        }
    }

    async fn look_again(&self) -> Result<Arc<KeyRing>> {
        let entry = self.entry.clone();
        let ring = Arc::new(on_own_thread(move || entry.read()).await?);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(ring.clone());
        Ok(ring)
    }

    fn place(&self) -> String {
        self.entry.place()
    }
}

#[cfg(test)]
mod tests {
    use keyring_core::{api::CredentialStoreApi as _, mock};
    use token_storage_core::{MemoryStorage, Precondition, TokenData, TokenKey, TokenStorage as _, Write};

    use super::*;
    use crate::Encrypted;

    /// A keyring in memory, whose next call may fail.
    struct Keyring {
        store: Arc<mock::Store>,
        entry: KeyringEntry,
        folder: tempfile::TempDir,
    }

    impl Keyring {
        fn new() -> Self {
            let store = mock::Store::new().unwrap();
            let own = store.clone();
            let entry = KeyringEntry::within("svc".into(), "me".into(), Arc::new(move || Ok(own.clone()))).unwrap();
            let folder = tempfile::tempdir().unwrap();
            Self { store, entry, folder }
        }

        fn lock(&self) -> std::path::PathBuf {
            self.folder.path().join("keyring")
        }

        fn create(&self, ring: &KeyRing) -> Result<()> {
            self.entry.create(ring, &self.lock())
        }

        fn add(&self, key: Key) -> Result<KeyRing> {
            self.entry.update(&self.lock(), |ring| Ok(ring.write_with(key)))
        }

        /// As any other program has it.
        fn raw(&self) -> Entry {
            self.store.build("svc", "me", None).unwrap()
        }

        fn fail(&self, failure: Failure) {
            let raw = self.raw();
            raw.as_any().downcast_ref::<mock::Cred>().unwrap().set_error(failure);
        }
    }

    fn key(byte: u8) -> Key {
        Key::from_bytes(&[byte; 32])
    }

    #[test]
    fn an_entry_is_made_once_and_changed() {
        let keyring = Keyring::new();
        let error = keyring.entry.read().unwrap_err();
        assert!(error.message().contains("\"svc/me\""), "{error}");
        assert!(error.message().contains("key generate keyring:"), "{error}");
        assert_eq!(keyring.add(key(2)).unwrap_err().kind(), ErrorKind::Misconfigured);
        keyring.create(&KeyRing::new(key(1))).unwrap();
        let again = keyring.create(&KeyRing::new(key(3))).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::InvalidInput);
        assert_eq!(
            *keyring.entry.read().unwrap().to_text(),
            *KeyRing::new(key(1)).to_text()
        );
        let ring = keyring.add(key(2)).unwrap();
        assert_eq!(ring.writing().id(), key(2).id());
        assert_eq!(*keyring.entry.read().unwrap().to_text(), *ring.to_text());
        let own = keyring.raw().get_password().unwrap();
        assert_eq!(own, *ring.to_text());
    }

    #[test]
    fn two_that_add_a_key_at_the_same_time_lose_none() {
        let keyring = Keyring::new();
        keyring.create(&KeyRing::new(key(0))).unwrap();
        thread::scope(|scope| {
            for byte in 1..=8 {
                let keyring = &keyring;
                scope.spawn(move || keyring.add(key(byte)).unwrap());
            }
        });
        let ring = keyring.entry.read().unwrap();
        assert!((0..=8).all(|byte| ring.find(key(byte).id()).is_some()));
    }

    #[test]
    fn s1_each_failure_says_what_to_do_and_nothing_of_the_entry() {
        let canary = || b"canary".to_vec();
        let cause = || -> keyring_core::error::PlatformError { "canary".into() };
        let failures = [
            (Failure::NoStorageAccess(cause()), ErrorKind::Misconfigured, "is locked"),
            (Failure::NoStorageAccess(cause()), ErrorKind::Misconfigured, "file:PATH"),
            (Failure::PlatformFailure(cause()), ErrorKind::Unavailable, "env:NAME"),
            (Failure::BadEncoding(canary()), ErrorKind::Unavailable, "try again"),
            (
                Failure::BadDataFormat(canary(), cause()),
                ErrorKind::Unavailable,
                "try again",
            ),
            (
                Failure::Ambiguous(Vec::new()),
                ErrorKind::Misconfigured,
                "all but the one",
            ),
            (
                Failure::Invalid("canary".into(), "canary".into()),
                ErrorKind::Misconfigured,
                "choose another",
            ),
        ];
        for (failure, kind, says) in failures {
            let keyring = Keyring::new();
            keyring.create(&KeyRing::new(key(1))).unwrap();
            keyring.fail(failure);
            let error = keyring.entry.read().unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.message().contains("\"svc/me\""), "{error}");
            assert!(error.message().contains(says), "{error}");
            assert!(!format!("{error} {error:?}").contains("canary"));
            keyring.entry.read().unwrap();
        }
    }

    #[test]
    fn what_is_not_keys_is_refused_and_stays() {
        for bytes in [&b"canary"[..], b"", b"\xff\xfe"] {
            let keyring = Keyring::new();
            keyring.raw().set_secret(bytes).unwrap();
            for error in [
                keyring.entry.read().unwrap_err(),
                keyring.add(key(1)).unwrap_err(),
                keyring.create(&KeyRing::new(key(1))).unwrap_err(),
            ] {
                assert!(error.message().contains("\"svc/me\""), "{error}");
                assert!(!format!("{error} {error:?}").contains("canary"));
            }
            assert_eq!(keyring.raw().get_secret().unwrap(), bytes);
        }
    }

    #[test]
    fn a_keyring_that_refuses_loses_nothing() {
        for failure in [
            Failure::NoStorageAccess("canary".into()),
            Failure::TooLong("password".into(), 2560),
            Failure::PlatformFailure("canary".into()),
        ] {
            let keyring = Keyring::new();
            keyring.create(&KeyRing::new(key(1))).unwrap();
            let own = keyring.store.clone();
            let (before, failure) = (keyring.raw().get_secret().unwrap(), Mutex::new(Some(failure)));
            let changed = keyring.entry.update(&keyring.lock(), |ring| {
                // Comes with the call that writes.
                let raw = own.build("svc", "me", None).unwrap();
                let cred: &mock::Cred = raw.as_any().downcast_ref().unwrap();
                cred.set_error(failure.lock().unwrap().take().unwrap());
                Ok(ring.write_with(key(2)))
            });
            let error = changed.unwrap_err();
            assert!(error.message().ends_with("nothing was changed"), "{error}");
            assert!(!format!("{error} {error:?}").contains("canary"));
            assert_eq!(keyring.raw().get_secret().unwrap(), before);
        }
    }

    #[test]
    fn without_a_keyring_the_alternatives_are_named() {
        let none = || Err(Failure::PlatformFailure("no bus\nand more".into()));
        let entry = KeyringEntry::within("svc".into(), "me".into(), Arc::new(none)).unwrap();
        let error = entry.read().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        for says in ["no bus)", "file:PATH", "--passphrase", "env:NAME"] {
            assert!(error.message().contains(says), "{error}");
        }
    }

    #[test]
    fn an_entry_is_named_by_service_and_user() {
        let entry = KeyringEntry::parse("keyring:https://example.org/me").unwrap();
        assert_eq!((&*entry.service, &*entry.user), ("https://example.org", "me"));
        for bad in [
            "",
            "canary/x",
            "keyring:",
            "keyring:canary",
            "keyring:/canary",
            "keyring:canary/",
        ] {
            let error = KeyringEntry::parse(bad).unwrap_err();
            assert!(error.message().contains("keyring:SERVICE/USER"), "{error}");
            assert!(!format!("{error:?}").contains("canary"));
        }
        // A key that somebody wrote there, with a slash in it by chance.
        let pasted = Key::from_bytes(&[0xff; 32]).to_base64();
        assert!(pasted.contains('/'));
        let entry = KeyringEntry::parse(&format!("keyring:{}", pasted.replacen("//", "/a", 1))).unwrap();
        assert_eq!(entry.name(), "...");
        assert!(!format!("{entry:?}").contains("//"));
    }

    /// A program that runs reads what is sealed with a key that came later, and seals with it from then on.
    #[tokio::test]
    async fn a_key_that_others_added_is_found() {
        let keyring = Keyring::new();
        keyring.create(&KeyRing::new(key(1))).unwrap();
        let below = MemoryStorage::new();
        let running = Encrypted::new(below.clone(), KeyringKeys::new(keyring.entry.clone()));
        let (name, data) = (TokenKey::in_default("rs"), TokenData::new("rs", "read", "secret"));
        let write = [Write::new(&name, &data, Precondition::Any)];
        running.store_all(&write).await.unwrap();
        keyring.add(key(2)).unwrap();
        let other = Encrypted::new(below.clone(), KeyringKeys::new(keyring.entry.clone()));
        other.store_all(&write).await.unwrap();
        assert_eq!(running.get(&name).await.unwrap().unwrap().data, data);
        running.store_all(&write).await.unwrap();
        let sealed = below.get(&name).await.unwrap().unwrap().data.access_token;
        assert!(sealed.expose().contains(&key(2).id().to_string()));
        // One that is nowhere is named, as always.
        let lost = Encrypted::new(below, KeyRing::new(key(9)));
        lost.store_all(&write).await.unwrap();
        let error = running.get(&name).await.unwrap_err();
        assert!(error.message().contains(&key(9).id().to_string()), "{error}");
        assert!(error.message().contains("\"svc/me\""), "{error}");
    }
}
