//! Where the commands for keys find them: a file, one that a service has wrapped, or an entry of the operating system's keyring.

use std::path::Path;

use serde_json::{Value, json};
use token_storage::{
    Secret,
    encryption::{KeyFile, KeyFrom, KeyRing},
};
#[cfg(feature = "kms")]
use token_storage::{encryption::WrappedKeyFile, kms};
#[cfg(feature = "keyring")]
use {crate::context::default_path, std::path::PathBuf, token_storage::encryption::KeyringEntry};

use crate::{
    exit::Exit,
    failure::{Failure, Result},
    keys::{Passphrases, new_passphrase},
    voice,
};

/// A place whose keys can be changed.
pub(crate) enum KeyPlace {
    File {
        name: String,
        file: KeyFile,
    },
    #[cfg(feature = "kms")]
    Wrapped(WrappedKeyFile),
    #[cfg(feature = "keyring")]
    Keyring(KeyringEntry),
}

impl KeyPlace {
    /// Reads a path, or what `--key-from` takes.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        match text.split_once(':') {
            #[cfg(feature = "keyring")]
            Some(("keyring", _)) => Ok(Self::Keyring(KeyringEntry::parse(text)?)),
            #[cfg(feature = "kms")]
            Some(("kms", _)) => Ok(Self::Wrapped(kms::key_file(text)?)),
            #[cfg(not(feature = "keyring"))]
            Some(("keyring", _)) => Err(KeyFrom::parse(text).unwrap_err().into()),
            #[cfg(not(feature = "kms"))]
            Some(("kms", _)) => Err(KeyFrom::parse(text).unwrap_err().into()),
            Some(("file" | "env", rest)) => match KeyFrom::parse(text)? {
                KeyFrom::File(_) => Ok(Self::file(rest)),
                _ => {
                    let message =
                        "a variable is not changed by a command; `token-storage key generate -` prints a key for one";
                    Err(Failure::new(Exit::Usage, message))
                }
            },
            _ => Ok(Self::file(text)),
        }
    }

    fn file(path: &str) -> Self {
        Self::File {
            name: path.to_owned(),
            file: KeyFile::new(path),
        }
    }

    /// Makes it with these keys; `passphrase` asks for one that protects them. It must not be there.
    pub(crate) async fn create(&self, ring: &KeyRing, passphrase: bool) -> Result<()> {
        match self {
            Self::File { name, file } => {
                // Before anything is asked.
                if file.path().exists() {
                    voice::prove(name);
                    let message = format!(
                        "{name} is there already, and was left as it is; `token-storage key add` adds a key to it"
                    );
                    return Err(Failure::new(Exit::Usage, message));
                }
                file.create(ring, asked(passphrase, file.path())?.as_ref())?;
                voice::prove(name);
            }
            #[cfg(feature = "kms")]
            Self::Wrapped(_) if passphrase => {
                let message =
                    "a passphrase protects a file by itself, and this one is protected by a key of its service";
                return Err(Failure::new(Exit::Usage, message));
            }
            #[cfg(feature = "kms")]
            Self::Wrapped(file) => file.create(ring).await?,
            #[cfg(feature = "keyring")]
            Self::Keyring(_) if passphrase => {
                let message = "a passphrase protects a file; the operating system's keyring has a password of its own";
                return Err(Failure::new(Exit::Usage, message));
            }
            #[cfg(feature = "keyring")]
            Self::Keyring(entry) => entry.create(ring, &lock()?)?,
        }
        Ok(())
    }

    pub(crate) async fn read(&self) -> Result<KeyRing> {
        Ok(match self {
            Self::File { file, .. } => file.read(&Passphrases::default())?,
            #[cfg(feature = "kms")]
            Self::Wrapped(file) => file.read().await?,
            #[cfg(feature = "keyring")]
            Self::Keyring(entry) => entry.read()?,
        })
    }

    pub(crate) async fn update(
        &self,
        change: impl FnOnce(KeyRing) -> token_storage::Result<KeyRing> + Send + 'static,
    ) -> Result<KeyRing> {
        Ok(match self {
            Self::File { file, .. } => file.update(&Passphrases::default(), change)?,
            #[cfg(feature = "kms")]
            Self::Wrapped(file) => file.update(change).await?,
            #[cfg(feature = "keyring")]
            Self::Keyring(entry) => entry.update(&lock()?, change)?,
        })
    }

    /// Whether a passphrase of ours protects it.
    pub(crate) fn is_protected(&self) -> Result<bool> {
        Ok(match self {
            Self::File { file, .. } => file.is_protected()?,
            #[cfg(feature = "kms")]
            Self::Wrapped(_) => false,
            #[cfg(feature = "keyring")]
            Self::Keyring(_) => false,
        })
    }

    /// For a message.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File { name, .. } => name.clone(),
            #[cfg(feature = "kms")]
            Self::Wrapped(file) => file.place(),
            #[cfg(feature = "keyring")]
            Self::Keyring(entry) => format!("the entry {:?} of the operating system's keyring", entry.name()),
        }
    }

    /// As a member of what is printed with `--json`.
    pub(crate) fn generated(&self, key: &str) -> Value {
        match self {
            Self::File { name, .. } => json!({"file": name, "key": key}),
            #[cfg(feature = "kms")]
            Self::Wrapped(file) => json!({"file": file.path().display().to_string(), "key": key}),
            #[cfg(feature = "keyring")]
            Self::Keyring(entry) => json!({"keyring": entry.name(), "key": key}),
        }
    }
}

fn asked(passphrase: bool, path: &Path) -> Result<Option<Secret>> {
    passphrase.then(|| new_passphrase(path)).transpose()
}

/// What all commands of this user that change entries have in common; the lock lies beside it.
#[cfg(feature = "keyring")]
fn lock() -> Result<PathBuf> {
    Ok(default_path()?.with_file_name("keyring"))
}
