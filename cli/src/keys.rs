//! Where the keys of encrypted storages are, and who is asked for a passphrase.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

#[cfg(feature = "keyring")]
use token_storage::encryption::{KeyringEntry, KeyringKeys};
use token_storage::{
    ErrorKind, Secret, StorageUrl, TokenStorage,
    encryption::{EncryptedLayer, KeyFrom, KeySource, Passphrase},
};
#[cfg(feature = "kms")]
use token_storage::{encryption::WrappedKeys, kms};

use crate::{
    PASSPHRASE_VARIABLE,
    args::Global,
    exit::Exit,
    failure::{Failure, Result},
    passphrase,
};

/// An encrypted storage of any kind.
pub(crate) type Encrypted = token_storage::encryption::Encrypted<Arc<dyn TokenStorage>>;

/// What the command line says of keys.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    from: Option<String>,
    given: bool,
    allow_plaintext: bool,
    passphrases: Passphrases,
    source: Found,
}

impl Keys {
    pub(crate) fn new(global: &Global) -> Self {
        Self {
            from: global.key_from.clone(),
            given: global.key_from_given,
            allow_plaintext: global.allow_plaintext,
            passphrases: Passphrases::default(),
            source: Found::default(),
        }
    }

    pub(crate) fn layer(&self) -> EncryptedLayer {
        let (named, source) = (self.named(), self.source.clone());
        let layer = EncryptedLayer::found_by(move || source.of(&named));
        if self.allow_plaintext {
            layer.allow_plaintext()
        } else {
            layer
        }
    }

    fn named(&self) -> EncryptedLayer {
        match &self.from {
            #[cfg(feature = "keyring")]
            Some(from) if from.starts_with("keyring:") => in_keyring(from.clone()),
            #[cfg(feature = "kms")]
            Some(from) if from.starts_with("kms:") => under_kms(from.clone()),
            from => EncryptedLayer::named(from.clone(), self.passphrases.clone()),
        }
    }

    /// What stands in front of the default storage.
    pub(crate) fn layers_by_default(&self) -> &'static str {
        if self.from.is_some() { "encrypted+" } else { "" }
    }

    /// Whoever gives a key means an encrypted storage. A variable may be meant for another one.
    pub(crate) fn check(&self, url: &StorageUrl) -> Result<()> {
        let url = url.to_string();
        let layers = url.split(':').next().unwrap_or_default();
        if !self.given || layers.split('+').any(|layer| layer == "encrypted") {
            return Ok(());
        }
        let message = format!(
            "--key-from is for encrypted storages, and {url} is none; write encrypted+{url}, and encrypt what is there with \
             `token-storage encrypt`"
        );
        Err(Failure::new(Exit::Usage, message))
    }

    /// Wraps a storage, the keys being there.
    pub(crate) async fn over(&self, below: Arc<dyn TokenStorage>, plaintext: bool) -> Result<Encrypted> {
        let keys = self.layer().keys()?;
        keys.keys().await?;
        let storage = Encrypted::new(below, keys);
        Ok(if plaintext || self.allow_plaintext {
            storage.allow_plaintext()
        } else {
            storage
        })
    }

    /// The variable that the key is in.
    pub(crate) fn variable(&self) -> Option<&str> {
        self.from.as_deref()?.strip_prefix("env:").filter(|name| {
            // Neither may be asked of the environment.
            !name.is_empty() && !name.contains(['=', '\0']) && KeyFrom::parse(&format!("env:{name}")).is_ok()
        })
    }
}

#[cfg(feature = "keyring")]
fn in_keyring(from: String) -> EncryptedLayer {
    EncryptedLayer::found_by(move || Ok(Arc::new(KeyringKeys::new(KeyringEntry::parse(&from)?))))
}

#[cfg(feature = "kms")]
fn under_kms(from: String) -> EncryptedLayer {
    EncryptedLayer::found_by(move || Ok(Arc::new(WrappedKeys::new(kms::key_file(&from)?))))
}

/// The keys of all storages that a command opens, and opens again: found once, so that a service or a person is asked once. What
/// could not be found is looked for again.
#[derive(Clone, Debug, Default)]
struct Found(Arc<Mutex<Option<Arc<dyn KeySource>>>>);

impl Found {
    fn of(&self, named: &EncryptedLayer) -> token_storage::Result<Arc<dyn KeySource>> {
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*found {
            return Ok(known.clone());
        }
        Ok(found.insert(named.keys()?).clone())
    }
}

/// The passphrases of key files: from the environment, or asked for at the terminal, once each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passphrases(Arc<Mutex<HashMap<PathBuf, Secret>>>);

impl Passphrase for Passphrases {
    fn ask(&self, file: &Path) -> token_storage::Result<Secret> {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = answers.get(file) {
            return Ok(known.clone());
        }
        let answer = passphrase::ask(PASSPHRASE_VARIABLE, &file.display().to_string())
            .map_err(|failure| token_storage::Error::new(ErrorKind::Misconfigured, failure.message()))?;
        answers.insert(file.to_owned(), answer.clone());
        Ok(answer)
    }
}

/// A passphrase for a new key file, asked for twice.
pub(crate) fn new_passphrase(file: &Path) -> Result<Secret> {
    passphrase::new(PASSPHRASE_VARIABLE, &file.display().to_string())
}
