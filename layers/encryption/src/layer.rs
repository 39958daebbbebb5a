use std::{env, fmt, sync::Arc};

use token_storage_core::{
    Error, ErrorContext as _, ErrorKind, Finding, Operation, Result, Severity, TokenKey, TokenStorage, async_trait,
    backend::{Layer, LayerInfo, Location, Opened},
};

use crate::{
    Encrypted, KeyFrom, KeySource, Passphrase,
    passphrase::PassphraseFrom,
    record::{self, Refusal, State},
};

/// The variable that says where the keys are: `file:PATH` or `env:NAME`.
pub const KEY_FROM_VARIABLE: &str = "TOKEN_STORAGE_KEY_FROM";
/// The variable with the passphrase of a key file that is protected by one.
pub const PASSPHRASE_VARIABLE: &str = "TOKEN_STORAGE_KEY_PASSPHRASE";

/// The layer of URLs such as `encrypted+sqlite:PATH`: opens [`Encrypted`] over a storage of any scheme.
///
/// A missing key is told when the storage is opened.
#[derive(Clone, Debug)]
pub struct EncryptedLayer {
    keys: Keys,
    allow_plaintext: bool,
}

type Find = dyn Fn() -> Result<Arc<dyn KeySource>> + Send + Sync;

#[derive(Clone)]
enum Keys {
    Given(Arc<dyn KeySource>),
    Found(Arc<Find>),
    /// What the user said, if anything, and whom to ask for a passphrase.
    Named(Option<String>, Arc<dyn Passphrase>),
}

impl EncryptedLayer {
    /// With the keys that [`KEY_FROM_VARIABLE`] names when a storage is opened, and the passphrase of
    /// [`PASSPHRASE_VARIABLE`].
    pub fn from_environment() -> Self {
        let from = env::var(KEY_FROM_VARIABLE).ok().filter(|from| !from.is_empty());
        Self::named(from, PassphraseFrom::Variable(PASSPHRASE_VARIABLE.to_owned()))
    }

    /// With these keys.
    pub fn new(keys: impl KeySource + 'static) -> Self {
        Self {
            keys: Keys::Given(Arc::new(keys)),
            allow_plaintext: false,
        }
    }

    /// With the keys that `find` finds when a storage is opened, each time anew. For sources that [`KeyFrom`] has no name for.
    pub fn found_by(find: impl Fn() -> Result<Arc<dyn KeySource>> + Send + Sync + 'static) -> Self {
        Self {
            keys: Keys::Found(Arc::new(find)),
            allow_plaintext: false,
        }
    }

    /// With the keys that a user named as [`KeyFrom::parse`] reads it, or did not; they are looked for when a storage is
    /// opened.
    pub fn named(from: Option<String>, passphrase: impl Passphrase + 'static) -> Self {
        Self {
            keys: Keys::Named(from, Arc::new(passphrase)),
            allow_plaintext: false,
        }
    }

    /// As [`Encrypted::allow_plaintext`].
    #[must_use]
    pub fn allow_plaintext(mut self) -> Self {
        self.allow_plaintext = true;
        self
    }

    /// The keys.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`]: nothing says where they are, or not in a way that is understood.
    /// - Those of what [`found_by`](EncryptedLayer::found_by) was given.
    pub fn keys(&self) -> Result<Arc<dyn KeySource>> {
        match &self.keys {
            Keys::Given(keys) => Ok(keys.clone()),
            Keys::Found(find) => find(),
            Keys::Named(Some(from), passphrase) => KeyFrom::parse(from)?.source(passphrase.clone()),
            Keys::Named(None, _) => {
                let message = format!(
                    "nothing says where the key of the encrypted storage is; set {KEY_FROM_VARIABLE} to file:PATH or env:NAME, and \
                     make a key with `token-storage key generate` if there is none yet"
                );
                Err(Error::new(ErrorKind::Misconfigured, message))
            }
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(keys) => f.debug_tuple("Given").field(keys).finish(),
            Self::Found(_) => f.write_str("Found"),
            Self::Named(from, passphrase) => f.debug_tuple("Named").field(from).field(passphrase).finish(),
        }
    }
}

#[async_trait]
impl Layer for EncryptedLayer {
    fn describe(&self) -> LayerInfo {
        LayerInfo::new("encrypted", "with its tokens encrypted")
    }

    async fn wrap(&self, below: Opened) -> Result<Opened> {
        let keys = self.keys().during(Operation::Open)?;
        keys.keys().await.during(Operation::Open)?;
        let warnings = below.warnings().clone();
        let mut storage = Encrypted::new(below.into_storage(), keys);
        if self.allow_plaintext {
            storage = storage.allow_plaintext();
        }
        Ok(Opened::with_warnings(storage, warnings))
    }

    async fn examine(&self, below: &dyn Location) -> Result<Vec<Finding>> {
        let ring = match self.keys() {
            Ok(keys) => keys.keys().await.map(|ring| (keys.place(), ring)),
            Err(error) => Err(error),
        };
        let (place, ring) = match ring {
            Ok(found) => found,
            Err(error) => return Ok(vec![Finding::new(Severity::Error, "encryption", error.message(), "")]),
        };
        let Ok(opened) = below.open().await else {
            // Its own examination says why.
            return Ok(Vec::new());
        };
        let storage = opened.into_storage();
        let mut found = Found::default();
        let mut findings = Vec::new();
        for key in first_keys(&*storage).await {
            // A record that is damaged below is told there.
            let Ok(Some(stored)) = storage.get(&key).await else {
                continue;
            };
            match record::open(&ring, &key, stored.data.clone()) {
                Ok(_) if record::state(&stored.data) == State::Sealed(ring.writing().id()) => {}
                Ok(_) => found.older += 1,
                Err(Refusal::Plain) => found.plain += 1,
                Err(refusal) => {
                    let error = refusal.into_error(&ring, &place);
                    findings.push(Finding::new(Severity::Error, key.to_string(), error.message(), ""));
                }
            }
        }
        findings.extend(found.findings());
        Ok(findings)
    }
}

/// How many records are not as they should be, and no error.
#[derive(Default)]
struct Found {
    plain: usize,
    older: usize,
}

impl Found {
    fn findings(&self) -> Vec<Finding> {
        let told = [
            (
                Severity::Warning,
                self.plain,
                "are not encrypted",
                "run `token-storage encrypt`",
            ),
            (
                Severity::Info,
                self.older,
                "are sealed with an older key",
                "`token-storage rotate-key` seals them with the one that writes",
            ),
        ];
        told.into_iter()
            .filter(|(_, count, ..)| *count > 0)
            .map(|(severity, count, what, advice)| {
                Finding::new(severity, "encryption", format!("records that {what}: {count}"), advice)
            })
            .collect()
    }
}

/// More records than this are not looked at.
const MOST_RECORDS: usize = 10_000;

/// The first keys of a storage that can list; what cannot be listed is left out.
async fn first_keys(storage: &dyn TokenStorage) -> Vec<TokenKey> {
    let mut keys = Vec::new();
    let Some(listing) = storage.enumerate() else {
        return keys;
    };
    let mut more_namespaces = None;
    loop {
        let Ok(namespaces) = listing.list_namespaces(more_namespaces.as_ref()).await else {
            return keys;
        };
        for namespace in &namespaces.items {
            let mut more = None;
            while keys.len() < MOST_RECORDS {
                let Ok(page) = listing.list_keys(namespace, more.as_ref()).await else {
                    break;
                };
                keys.extend(page.items);
                more = page.next;
                if more.is_none() {
                    break;
                }
            }
        }
        more_namespaces = namespaces.next;
        if more_namespaces.is_none() || keys.len() >= MOST_RECORDS {
            keys.truncate(MOST_RECORDS);
            return keys;
        }
    }
}
