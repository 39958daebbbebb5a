use std::{fmt, path::PathBuf, sync::Arc};

use token_storage_core::{Error, ErrorKind, Result, async_trait};
use zeroize::Zeroizing;

use crate::{FileKeys, KeyRing, Passphrase, passphrase::PassphraseFrom};

/// Where keys come from. A [`KeyRing`] is one that never changes.
#[async_trait]
pub trait KeySource: fmt::Debug + Send + Sync {
    /// The keys as they are now. It is asked for each record that is read, after it was read, and before each write: where
    /// nothing has changed it must be cheap.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`]: there are none, or they cannot be used; with the place and what to do. Nothing is
    ///   read or written then.
    async fn keys(&self) -> Result<Arc<KeyRing>>;

    /// The keys, looked for anew: a record is sealed with one that was not among them. A source that does not see by itself
    /// what others change looks again here, and answers [`keys`](KeySource::keys) with what it found from then on. Others are
    /// asked as always.
    ///
    /// # Errors
    /// - As [`keys`](KeySource::keys).
    async fn look_again(&self) -> Result<Arc<KeyRing>> {
        self.keys().await
    }

    /// Where they are, for messages: "the key file /etc/keys". Without any of them.
    fn place(&self) -> String;
}

#[async_trait]
impl KeySource for KeyRing {
    async fn keys(&self) -> Result<Arc<KeyRing>> {
        Ok(Arc::new(self.clone()))
    }

    fn place(&self) -> String {
        "the key ring of this program".to_owned()
    }
}

#[async_trait]
impl<K: KeySource + ?Sized> KeySource for Arc<K> {
    async fn keys(&self) -> Result<Arc<KeyRing>> {
        (**self).keys().await
    }

    async fn look_again(&self) -> Result<Arc<KeyRing>> {
        (**self).look_again().await
    }

    fn place(&self) -> String {
        (**self).place()
    }
}

/// Keys in an environment variable, as [`KeyRing::parse`] reads them: for containers and services. Read once, when it is
/// made: others can see the environment of a process on many systems.
#[derive(Clone, Debug)]
pub struct EnvKeys {
    name: String,
    ring: Arc<KeyRing>,
}

impl EnvKeys {
    /// Reads the variable of this name.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`]: it is not set, or holds no keys.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        // A name with a NUL or `=` would panic within the standard library on some systems.
        let usable = !name.is_empty() && !name.contains(['=', '\0']);
        let text = usable.then(|| std::env::var(&name).ok()).flatten().map(Zeroizing::new);
        let ring = match &text {
            Some(text) => KeyRing::parse(text),
            None => Err(Error::new(
                ErrorKind::Misconfigured,
                "it is not set; it should hold a key in base64, as `token-storage key generate -` prints one",
            )),
        };
        let ring = ring.map_err(|error| {
            let message = format!("the variable {name:?}: {}", error.message());
            Error::new(error.kind(), message)
        })?;
        Ok(Self {
            name,
            ring: Arc::new(ring),
        })
    }
}

#[async_trait]
impl KeySource for EnvKeys {
    async fn keys(&self) -> Result<Arc<KeyRing>> {
        Ok(self.ring.clone())
    }

    fn place(&self) -> String {
        format!("the variable {}", self.name)
    }
}

/// Where keys are, as a user names it: `file:PATH` or `env:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFrom {
    /// A key file, with a passphrase or without: [`FileKeys`].
    File(PathBuf),
    /// An environment variable: [`EnvKeys`].
    Env(String),
}

impl KeyFrom {
    /// Reads `file:PATH` or `env:NAME`.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`]: it is neither. Nothing of it is quoted: it may be the key itself.
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.to_owned())),
            Some((source @ ("keyring" | "kms"), _)) => {
                let (place, type_) = match source {
                    "kms" => ("a file that a key management service opens", "WrappedKeys"),
                    _ => ("the operating system's keyring", "KeyringKeys"),
                };
                let message = format!(
                    "this program does not take keys from {place}: the command does with its feature `{source}`, and a program that \
                     asks `{type_}` for them; use file:PATH or env:NAME, or build it with that"
                );
                Err(Error::new(ErrorKind::Misconfigured, message))
            }
            _ => {
                let message = "where the keys are is said by file:PATH, a file that `token-storage key generate` made, or by \
                               env:NAME, a variable with a key in base64; the key itself does not stand there";
                Err(Error::new(ErrorKind::Misconfigured, message))
            }
        }
    }

    /// The keys there. A file is read when they are first needed; `passphrase` is asked if it is protected by one.
    ///
    /// # Errors
    /// - Those of [`EnvKeys::new`].
    pub fn source(&self, passphrase: impl Passphrase + 'static) -> Result<Arc<dyn KeySource>> {
        Ok(match self {
            Self::File(path) => Arc::new(FileKeys::new(path).with_passphrase(passphrase)),
            Self::Env(name) => Arc::new(EnvKeys::new(name)?),
        })
    }

    /// The keys there, where no passphrase can be asked for.
    ///
    /// # Errors
    /// - Those of [`KeyFrom::source`].
    pub fn unattended(&self) -> Result<Arc<dyn KeySource>> {
        self.source(PassphraseFrom::Nowhere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_names() {
        assert_eq!(KeyFrom::parse("file:a:b").unwrap(), KeyFrom::File("a:b".into()));
        assert_eq!(KeyFrom::parse("env:KEY").unwrap(), KeyFrom::Env("KEY".into()));
        for bad in [
            "",
            "canary",
            "file:",
            "env:",
            "canary:x",
            "keyring:canary/x",
            "kms:canary?file=canary",
            "/etc/canary",
        ] {
            let error = KeyFrom::parse(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured);
            assert!(!format!("{error:?}").contains("canary"));
        }
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        for name in ["TOKEN_STORAGE_NO_SUCH_VARIABLE", "a=b", ""] {
            let error = EnvKeys::new(name).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured);
            assert!(error.message().contains(name), "{error}");
        }
    }
}
