//! What every command works with.

use std::{path::PathBuf, sync::Arc, time::Duration};

use etcetera::{BaseStrategy as _, choose_base_strategy};
use token_storage::{
    DEFAULT_NAMESPACE, Finding, Namespaced, Schemes, StorageUrl, TokenStorage,
    backend::{Opened, Warnings, format_path},
};

use crate::{
    args::Global,
    exit::Exit,
    failure::{Failure, Result},
    text, voice,
};

/// The global options, understood.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The kinds of storages that there are.
    pub(crate) schemes: Schemes,
    storage: Option<String>,
    told: Told,
    /// The namespace that the command works in.
    pub(crate) namespace: String,
    namespace_given: bool,
    /// Whether results are printed as JSON.
    pub(crate) json: bool,
    quoted: bool,
    /// How long to wait, if that was said.
    pub(crate) timeout: Option<Duration>,
    #[cfg(feature = "encryption")]
    keys: crate::keys::Keys,
}

impl Context {
    pub(crate) fn new(global: Global, schemes: Schemes) -> Result<Self> {
        #[cfg(feature = "encryption")]
        let keys = crate::keys::Keys::new(&global);
        #[cfg(feature = "encryption")]
        let schemes = schemes.with_layer(keys.layer());
        let mut context = Self {
            schemes,
            #[cfg(feature = "encryption")]
            keys,
            storage: global.storage,
            told: Told::default(),
            namespace: DEFAULT_NAMESPACE.to_owned(),
            namespace_given: global.namespace.is_some(),
            json: global.json,
            quoted: global.quoted,
            timeout: global.timeout.map(|seconds| Duration::from_secs(seconds.into())),
        };
        if let Some(namespace) = global.namespace {
            context.namespace = context.name(namespace, "the namespace")?;
        }
        Ok(context)
    }

    /// A resource server as given on the command line.
    pub(crate) fn resource_server(&self, given: String) -> Result<String> {
        self.name(given, "the resource server")
    }

    /// Another namespace as given on the command line.
    pub(crate) fn given_name(&self, given: String) -> Result<String> {
        self.name(given, "the namespace")
    }

    fn name(&self, given: String, what: &str) -> Result<String> {
        if !self.quoted {
            return Ok(given);
        }
        serde_json::from_str(&given).map_err(|_| {
            let message = format!("{what} is not a JSON string; with --quoted, write '\"...\"'");
            Failure::new(Exit::Usage, message)
        })
    }

    /// The namespace, if one was named.
    pub(crate) fn given_namespace(&self) -> Option<&str> {
        self.namespace_given.then_some(&*self.namespace)
    }

    /// The command that logs in again for a record, whole, to be copied.
    #[cfg(feature = "oauth")]
    pub(crate) fn login_again(&self, resource_server: Option<&str>) -> String {
        let word = |text: &str| crate::text::command_word(text);
        let mut line = "token-storage login".to_owned();
        if let Some(name) = resource_server {
            line += &format!(" --again {}", word(name));
        }
        if self.namespace != DEFAULT_NAMESPACE {
            line += &format!(" --namespace {}", word(&self.namespace));
        }
        // What is in the environment now will be there again.
        let given = self.storage.as_deref();
        if let Some(url) = given.filter(|url| std::env::var("TOKEN_STORAGE_URL").as_deref() != Ok(*url)) {
            line += &format!(" --storage {}", word(url));
        }
        line
    }

    /// The storage that is named, or the platform's default.
    pub(crate) fn url(&self) -> Result<StorageUrl> {
        let url = match &self.storage {
            Some(url) => self.schemes.parse(url)?,
            None => self.default_url()?,
        };
        #[cfg(feature = "encryption")]
        self.keys.check(&url)?;
        Ok(url)
    }

    /// The storage that is named, with its tokens encrypted whether its URL says so or not. What is not encrypted in it is read
    /// if `plaintext` says so or that was said.
    #[cfg(feature = "encryption")]
    pub(crate) async fn encrypted(&self, plaintext: bool) -> Result<crate::keys::Encrypted> {
        let url = match &self.storage {
            Some(url) => self.schemes.parse(url)?,
            None => self.default_url()?,
        };
        let below = self.schemes.parse(&unencrypted(&url.to_string()))?;
        let opened = below.open().await?;
        self.told.listen(&opened);
        self.keys.over(opened.into_storage(), plaintext).await
    }

    /// Opens the storage.
    pub(crate) async fn open(&self) -> Result<Arc<dyn TokenStorage>> {
        Ok(self.opened().await?.into_storage())
    }

    /// Opens the storage, with the way to what only its kind can do.
    pub(crate) async fn opened(&self) -> Result<Opened> {
        let opened = self.url()?.open().await?;
        self.told.listen(&opened);
        Ok(opened)
    }

    /// Opens a storage that a command names itself.
    pub(crate) async fn open_url(&self, url: &str) -> Result<Arc<dyn TokenStorage>> {
        let opened = self.schemes.parse(url)?.open().await?;
        self.told.listen(&opened);
        Ok(opened.into_storage())
    }

    /// The variable that the key of the storage is in, if it is in one.
    #[cfg(feature = "encryption")]
    pub(crate) fn key_variable(&self) -> Option<&str> {
        self.keys.variable()
    }

    /// Tells what the storages that this command opened warn of.
    pub(crate) fn told(&self) -> &Told {
        &self.told
    }

    /// Whether one was named, by an option or a variable.
    #[cfg(feature = "bench")]
    pub(crate) fn names_storage(&self) -> bool {
        self.storage.is_some()
    }

    fn default_url(&self) -> Result<StorageUrl> {
        let path = format_path(&default_path()?);
        #[cfg(feature = "encryption")]
        let layers = self.keys.layers_by_default();
        #[cfg(not(feature = "encryption"))]
        let layers = "";
        let url = self.schemes.parse(&format!("{layers}sqlite:{path}"));
        url.map_err(|error| {
            Failure::from(error).with_advice("or say where the tokens are with --storage or TOKEN_STORAGE_URL")
        })
    }

    /// Opens the storage, bound to the namespace.
    pub(crate) async fn tokens(&self) -> Result<Namespaced<Arc<dyn TokenStorage>>> {
        Ok(Namespaced::new(self.open().await?, self.namespace.as_str()))
    }
}

/// A storage's URL without the layer that encrypts it, which may stand below others.
#[cfg(feature = "encryption")]
fn unencrypted(url: &str) -> String {
    let (layers, rest) = url.split_once(':').unwrap_or((url, ""));
    let mut layers: Vec<&str> = layers.split('+').collect();
    if let Some(at) = layers.iter().position(|layer| *layer == "encrypted") {
        layers.remove(at);
    }
    format!("{}:{rest}", layers.join("+"))
}

/// What has been told of the warnings of storages: each once, in the moment it comes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told(Warnings);

impl Told {
    pub(crate) fn listen(&self, opened: &Opened) {
        let told = self.0.clone();
        opened.warnings().listen(move |finding| {
            if told.add(finding.clone()) {
                voice::note(&warning(finding));
            }
        });
    }

    /// Whether a storage has warned of that by itself.
    pub(crate) fn has(&self, finding: &Finding) -> bool {
        let same = |told: &Finding| (&told.place, &told.message) == (&finding.place, &finding.message);
        self.0.all().iter().any(same)
    }
}

fn warning(finding: &Finding) -> String {
    let Finding { place, message, .. } = finding;
    let advice = match text::advice(finding) {
        none if none.is_empty() => none,
        advice => format!("; {advice}"),
    };
    format!("warning: {place}: {message}{advice}")
}

/// The file that is used where nothing is named; it need not be there.
pub(crate) fn default_path() -> Result<PathBuf> {
    let strategy = choose_base_strategy().map_err(|_| {
        let message = "no home directory is known, so there is no default storage; \
                       say where the tokens are with --storage or TOKEN_STORAGE_URL";
        Failure::new(Exit::Usage, message)
    })?;
    Ok(strategy.data_dir().join("token-storage").join("tokens.db"))
}
