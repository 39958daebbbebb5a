//! What every command works with.

use std::sync::Arc;
#[cfg(feature = "oauth")]
use std::time::Duration;

use etcetera::{BaseStrategy as _, choose_base_strategy};
use token_storage::{DEFAULT_NAMESPACE, Namespaced, StorageUrl, TokenStorage};

use crate::{
    args::Global,
    exit::Exit,
    failure::{Failure, Result},
};

/// The global options, understood.
#[derive(Debug)]
pub(crate) struct Context {
    storage: Option<String>,
    /// The namespace that the command works in.
    pub(crate) namespace: String,
    #[cfg(feature = "conformance")]
    namespace_given: bool,
    /// Whether results are printed as JSON.
    pub(crate) json: bool,
    quoted: bool,
    /// How long to wait, if that was said.
    #[cfg(feature = "oauth")]
    pub(crate) timeout: Option<Duration>,
}

impl Context {
    pub(crate) fn new(global: Global) -> Result<Self> {
        let mut context = Self {
            storage: global.storage,
            namespace: DEFAULT_NAMESPACE.to_owned(),
            #[cfg(feature = "conformance")]
            namespace_given: global.namespace.is_some(),
            json: global.json,
            quoted: global.quoted,
            #[cfg(feature = "oauth")]
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
    #[cfg(feature = "conformance")]
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
        match &self.storage {
            Some(url) => Ok(StorageUrl::parse(url)?),
            None => default_url(),
        }
    }

    /// Opens the storage.
    pub(crate) async fn open(&self) -> Result<Arc<dyn TokenStorage>> {
        Ok(self.url()?.open().await?)
    }

    /// Opens the storage, bound to the namespace.
    pub(crate) async fn tokens(&self) -> Result<Namespaced<Arc<dyn TokenStorage>>> {
        Ok(Namespaced::new(self.open().await?, self.namespace.as_str()))
    }
}

fn default_url() -> Result<StorageUrl> {
    let strategy = choose_base_strategy().map_err(|_| {
        let message = "no home directory is known, so there is no default storage; \
                       say where the tokens are with --storage or TOKEN_STORAGE_URL";
        Failure::new(Exit::Usage, message)
    })?;
    Ok(StorageUrl::Sqlite(
        strategy.data_dir().join("token-storage").join("tokens.db"),
    ))
}
