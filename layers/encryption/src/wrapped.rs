//! Keys under a key that never leaves its service: one line, `token-storage-keys:1:NAME:WRAPPED:SEALED`.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use token_storage_core::{Error, ErrorKind, Result, async_trait};
use token_storage_files::on_own_thread;
use zeroize::Zeroizing;

use crate::{
    Key, KeyFile, KeyRing, KeySource, code,
    envelope::{self, Closed},
    file::{Stamp, protected_line, read_text},
    passphrase::{BY_PASSPHRASE, HEAD, damaged},
};

/// A service that makes keys and gives them wrapped, too, in a form that it alone can undo: a key management service.
#[async_trait]
pub trait KeyWrap: fmt::Debug + Send + Sync {
    /// What key files call it, for good: ASCII letters, digits and `-`, as in `kms`, and not `argon2id`, by which they name a
    /// passphrase. No file is made for another name.
    fn name(&self) -> &'static str;

    /// A new key, and what [`unwrap`](KeyWrap::unwrap) takes to give it again.
    ///
    /// # Errors
    /// - Why there is none, with the [place](KeyWrap::place) and what to do.
    async fn generate(&self) -> Result<(Key, Vec<u8>)>;

    /// The key that was wrapped so. It is asked for whenever a key file has changed; what it was asked for last it answers without
    /// its service.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`]: it was not wrapped here, or was changed.
    /// - Why it cannot be had now, with the [place](KeyWrap::place) and what to do.
    async fn unwrap(&self, wrapped: &[u8]) -> Result<Key>;

    /// Which of the service's keys it is, for messages.
    fn place(&self) -> String;
}

#[async_trait]
impl<W: KeyWrap + ?Sized> KeyWrap for Arc<W> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    async fn generate(&self) -> Result<(Key, Vec<u8>)> {
        (**self).generate().await
    }

    async fn unwrap(&self, wrapped: &[u8]) -> Result<Key> {
        (**self).unwrap(wrapped).await
    }

    fn place(&self) -> String {
        (**self).place()
    }
}

/// A [`KeyFile`] whose keys are sealed with a key that a [`KeyWrap`] has wrapped: who has the file alone has nothing.
#[derive(Clone, Debug)]
pub struct WrappedKeyFile {
    file: KeyFile,
    wrap: Arc<dyn KeyWrap>,
}

impl WrappedKeyFile {
    /// The file at this path; it is not looked at, and nothing is asked.
    pub fn new(path: impl Into<std::path::PathBuf>, wrap: impl KeyWrap + 'static) -> Self {
        Self {
            file: KeyFile::new(path),
            wrap: Arc::new(wrap),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The file and what wraps its keys, for messages.
    pub fn place(&self) -> String {
        format!("the key file {} under {}", self.path().display(), self.wrap.place())
    }

    /// Makes the file, for its owner only, with these keys.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidInput`]: the [name](KeyWrap::name) of the service is none that a file can hold.
    /// - As [`KeyFile::create`] and [`KeyWrap::generate`].
    pub async fn create(&self, ring: &KeyRing) -> Result<()> {
        check_name(self.wrap.name())?;
        let file = self.file.clone();
        on_own_thread(move || file.refuse_existing(file.path())).await?;
        let keys = self.protect(ring, self.wrap.generate().await?)?;
        let file = self.file.clone();
        on_own_thread(move || file.create_with(&keys)).await
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`]: as [`KeyFile::read`], or the file is none of these, or was put together from two.
    /// - As [`KeyWrap::unwrap`].
    pub async fn read(&self) -> Result<KeyRing> {
        let line = self.line().await?;
        self.open(&line, &self.key_of(&line).await?)
    }

    /// Replaces the keys by what `change` makes of them, in one step, under a new key of the service's. Comments are lost.
    ///
    /// # Errors
    /// - As [`WrappedKeyFile::read`] and [`KeyWrap::generate`], and those of `change`: the file then stays as it was.
    /// - [`ErrorKind::Busy`]: another process has changed it meanwhile. It stays as that left it.
    pub async fn update(&self, change: impl FnOnce(KeyRing) -> Result<KeyRing> + Send + 'static) -> Result<KeyRing> {
        let before = self.line().await?;
        let key = self.key_of(&before).await?;
        let ring = self.open(&before, &key)?;
        // Before a new key is asked for: a change that fails needs none. The file is compared before it is written, so what
        // `change` was given is still true then.
        let ring = on_own_thread(move || change(ring)).await?;
        let fresh = self.wrap.generate().await?;
        let own = self.clone();
        on_own_thread(move || {
            own.file.locked(|path| {
                if *own.line_of(path)? != *before {
                    let message = format!("another process has changed {}; try again", own.place());
                    return Err(Error::new(ErrorKind::Busy, message));
                }
                crate::file::write(path, &own.protect(&ring, fresh)?)?;
                Ok(ring)
            })
        })
        .await
    }

    async fn line(&self) -> Result<Zeroizing<String>> {
        let own = self.clone();
        on_own_thread(move || own.line_of(own.path())).await
    }

    fn line_of(&self, path: &Path) -> Result<Zeroizing<String>> {
        let text = read_text(path)?;
        let line = protected_line(&text).filter(|line| line.starts_with(&self.head()));
        line.map(|line| Zeroizing::new(line.to_owned())).ok_or_else(|| {
            let message = format!(
                "the key file {} is not under {}; a file of another kind is named by file:PATH",
                self.path().display(),
                self.wrap.place()
            );
            Error::new(ErrorKind::Misconfigured, message)
        })
    }

    fn head(&self) -> String {
        format!("{HEAD}1:{}:", self.wrap.name())
    }

    async fn key_of(&self, line: &str) -> Result<Key> {
        let wrapped = self.parts(line)?.0;
        let wrapped = code::strict(wrapped).ok_or_else(|| self.named(&damaged()))?;
        self.wrap.unwrap(&wrapped).await
    }

    /// What is wrapped, and what is sealed.
    fn parts<'a>(&self, line: &'a str) -> Result<(&'a str, &'a str)> {
        let rest = line.strip_prefix(&self.head()).unwrap_or_default();
        rest.split_once(':').ok_or_else(|| self.named(&damaged()))
    }

    fn open(&self, line: &str, key: &Key) -> Result<KeyRing> {
        let sealed = self.parts(line)?.1;
        let head = &line[..line.len() - sealed.len() - 1];
        let text = match envelope::open(&KeyRing::new(key.clone()), &[head.as_bytes()], sealed) {
            Ok(text) => text,
            Err(Closed::UnknownKey(_)) => {
                let message = "its keys are sealed with another key than the wrapped one: it was put together from two files; restore it \
                               from a copy";
                return Err(self.named(&Error::new(ErrorKind::Misconfigured, message)));
            }
            Err(_) => return Err(self.named(&damaged())),
        };
        KeyRing::parse(text.expose()).map_err(|error| self.named(&error))
    }

    fn protect(&self, ring: &KeyRing, (key, wrapped): (Key, Vec<u8>)) -> Result<Zeroizing<String>> {
        let mut head = self.head();
        code::append(&mut head, &wrapped);
        let sealed = envelope::seal(&key, &[head.as_bytes()], &ring.to_text())?;
        Ok(Zeroizing::new(format!("{head}:{}", sealed.expose())))
    }

    fn named(&self, error: &Error) -> Error {
        Error::new(error.kind(), format!("{}: {}", self.place(), error.message()))
    }
}

/// A line with another name could not be read again, or would be taken for one under a passphrase.
fn check_name(name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !name.is_empty() && name.bytes().all(plain) && name != BY_PASSPHRASE {
        return Ok(());
    }
    let message = format!(
        "key files cannot call a service {name:?}; its name is of ASCII letters, digits and `-`, and not `{BY_PASSPHRASE}`, by which \
         they name a passphrase"
    );
    Err(Error::new(ErrorKind::InvalidInput, message))
}

/// The keys of a [`WrappedKeyFile`], read again whenever it has changed: what another process adds is known at once.
#[derive(Debug)]
pub struct WrappedKeys {
    file: WrappedKeyFile,
    known: Mutex<Option<(Stamp, Arc<KeyRing>)>>,
}

impl WrappedKeys {
    /// The keys of this file, which is read when they are first needed.
    pub fn new(file: WrappedKeyFile) -> Self {
        Self {
            file,
            known: Mutex::new(None),
        }
    }

    /// Nothing panics while it is held, so a poisoned lock is consistent.
    fn known(&self) -> MutexGuard<'_, Option<(Stamp, Arc<KeyRing>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl KeySource for WrappedKeys {
    async fn keys(&self) -> Result<Arc<KeyRing>> {
        // As it is before it is read: a change that comes meanwhile is seen next time.
        let stamp = Stamp::of(self.file.path());
        if let Some((known, ring)) = &*self.known()
            && *known == stamp
        {
            return Ok(ring.clone());
        }
        let ring = Arc::new(self.file.read().await?);
        *self.known() = Some((stamp, ring.clone()));
        Ok(ring)
    }

    fn place(&self) -> String {
        self.file.place()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    /// Wraps by turning each bit around; knows one key of each number.
    #[derive(Debug)]
    struct Service(Mutex<u8>);

    #[async_trait]
    impl KeyWrap for Service {
        fn name(&self) -> &'static str {
            "test"
        }

        async fn generate(&self) -> Result<(Key, Vec<u8>)> {
            let mut next = self.0.lock().unwrap();
            *next += 1;
            Ok((Key::from_bytes(&[*next; Key::LEN]), vec![!*next; Key::LEN]))
        }

        async fn unwrap(&self, wrapped: &[u8]) -> Result<Key> {
            let bytes: Vec<u8> = wrapped.iter().map(|byte| !byte).collect();
            let bytes = bytes
                .as_slice()
                .try_into()
                .map_err(|_| Error::new(ErrorKind::Misconfigured, "what?"))?;
            Ok(Key::from_bytes(bytes))
        }

        fn place(&self) -> String {
            "key a of a service".to_owned()
        }
    }

    fn ring(byte: u8) -> KeyRing {
        KeyRing::new(Key::from_bytes(&[byte; Key::LEN]))
    }

    async fn made(path: PathBuf, service: &Arc<Service>) -> WrappedKeyFile {
        let file = WrappedKeyFile::new(path, service.clone());
        file.create(&ring(77)).await.unwrap();
        file
    }

    fn service() -> Arc<Service> {
        Arc::new(Service(Mutex::new(0)))
    }

    /// Fixes the format: what was written once must open for ever.
    #[tokio::test]
    async fn the_format_is_this() {
        let folder = tempfile::tempdir().unwrap();
        let file = made(folder.path().join("made"), &service()).await;
        let text = fs::read_to_string(file.path()).unwrap();
        let wrapped = "_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v4";
        assert!(
            text.contains(&format!(
                "\ntoken-storage-keys:1:test:{wrapped}:token-storage-sealed:1:"
            )),
            "{text}"
        );
        let golden = folder.path().join("golden");
        fs::write(&golden, include_str!("../tests/wrapped.txt")).unwrap();
        #[cfg(unix)]
        fs::set_permissions(&golden, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let read = WrappedKeyFile::new(golden, service()).read().await.unwrap();
        assert_eq!(*read.to_text(), *ring(77).to_text());
    }

    #[tokio::test]
    async fn a_line_that_was_changed_or_put_together_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let service = service();
        let file = made(folder.path().join("one"), &service).await;
        let other = made(folder.path().join("other"), &service).await;
        let line = file.line().await.unwrap();
        let other = other.line().await.unwrap();
        let (wrapped, sealed) = file.parts(&line).unwrap();
        let (other_wrapped, other_sealed) = file.parts(&other).unwrap();
        let head = file.head();
        let mut changed: Vec<String> = (0..line.len()).map(|end| line[..end].to_owned()).collect();
        for (at, byte) in line.bytes().enumerate() {
            let turned = if byte == b'A' { "B" } else { "A" };
            changed.push(format!("{}{turned}{}", &line[..at], &line[at + 1..]));
        }
        changed.push(format!("{head}{other_wrapped}:{sealed}"));
        changed.push(format!("{head}{wrapped}:{other_sealed}"));
        changed.push(ring(77).to_text().to_string());
        for text in changed {
            fs::write(file.path(), &text).unwrap();
            let error = file.read().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{text}");
            assert!(file.update(Ok).await.is_err(), "{text}");
            assert_eq!(fs::read_to_string(file.path()).unwrap(), text);
        }
        fs::write(file.path(), &*line).unwrap();
        assert_eq!(*file.read().await.unwrap().to_text(), *ring(77).to_text());
    }

    #[tokio::test]
    async fn what_another_process_has_changed_meanwhile_stays() {
        let folder = tempfile::tempdir().unwrap();
        let service = service();
        let file = made(folder.path().join("keys"), &service).await;
        // It changes while the service is asked for the new key.
        #[derive(Debug)]
        struct Slow(Arc<Service>, PathBuf);
        #[async_trait]
        impl KeyWrap for Slow {
            fn name(&self) -> &'static str {
                "test"
            }

            async fn generate(&self) -> Result<(Key, Vec<u8>)> {
                let faster = WrappedKeyFile::new(&self.1, self.0.clone());
                faster.update(|_| Ok(ring(78))).await?;
                self.0.generate().await
            }

            async fn unwrap(&self, wrapped: &[u8]) -> Result<Key> {
                self.0.unwrap(wrapped).await
            }

            fn place(&self) -> String {
                self.0.place()
            }
        }
        let slow = WrappedKeyFile::new(file.path(), Slow(service, file.path().to_owned()));
        let error = slow.update(|_| Ok(ring(79))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert_eq!(*file.read().await.unwrap().to_text(), *ring(78).to_text());
    }

    /// So it costs no request, and no key of the service's, to be told of a mistake.
    #[tokio::test]
    async fn a_change_that_fails_asks_for_no_new_key() {
        let folder = tempfile::tempdir().unwrap();
        let service = service();
        let file = made(folder.path().join("keys"), &service).await;
        let unknown = ring(78).writing().id();
        let error = file.update(move |ring| ring.without(unknown)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(*service.0.lock().unwrap(), 1);
    }

    #[derive(Debug)]
    struct Called(&'static str);

    #[async_trait]
    impl KeyWrap for Called {
        fn name(&self) -> &'static str {
            self.0
        }

        async fn generate(&self) -> Result<(Key, Vec<u8>)> {
            Ok((Key::from_bytes(&[1; Key::LEN]), vec![1]))
        }

        async fn unwrap(&self, _: &[u8]) -> Result<Key> {
            Ok(Key::from_bytes(&[1; Key::LEN]))
        }

        fn place(&self) -> String {
            "a service".to_owned()
        }
    }

    #[tokio::test]
    async fn a_service_with_a_name_that_no_file_can_hold_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (at, name) in ["", "a:b", "a\nb", "a b", "ä", "argon2id"].into_iter().enumerate() {
            let file = WrappedKeyFile::new(folder.path().join(at.to_string()), Called(name));
            let error = file.create(&ring(77)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}: {error}");
            assert!(error.message().contains(&format!("{name:?}")), "{error}");
            assert!(!file.path().exists(), "{name}");
        }
        let file = WrappedKeyFile::new(folder.path().join("good"), Called("my-KMS-2"));
        file.create(&ring(77)).await.unwrap();
        assert_eq!(*file.read().await.unwrap().to_text(), *ring(77).to_text());
    }

    #[tokio::test]
    async fn what_is_no_passphrase_is_not_taken_for_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = made(folder.path().join("keys"), &service()).await;
        assert!(!KeyFile::new(file.path()).is_protected().unwrap());
    }

    #[tokio::test]
    async fn its_comment_says_that_the_file_alone_opens_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = made(folder.path().join("keys"), &service()).await;
        for _ in 0..2 {
            let text = fs::read_to_string(file.path()).unwrap();
            assert!(text.contains("for whom that service unwraps it"), "{text}");
            assert!(!text.contains("Whoever has this file can"), "{text}");
            file.update(Ok).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_damaged_line_is_told_with_the_file_and_the_key_of_the_service() {
        let folder = tempfile::tempdir().unwrap();
        let file = made(folder.path().join("keys"), &service()).await;
        let line = file.line().await.unwrap();
        fs::write(file.path(), &line[..line.len() - 1]).unwrap();
        let error = file.read().await.unwrap_err();
        assert!(error.message().starts_with(&file.place()), "{error}");
    }
}
