//! The URLs that name a storage.

use std::{fmt, str::FromStr, sync::Arc};

use token_storage_core::{
    Error, Finding, Result,
    backend::{Action, Layer, Location, Opened, Scheme, SchemeInfo, layered},
};

use crate::Schemes;

/// Where a storage is: a parsed storage URL.
///
/// | URL | storage | feature |
/// |---|---|---|
/// | `memory:` | the process's memory, gone with it | |
/// | `json:PATH` | a JSON file | `json` |
/// | `sqlite:PATH` | a SQLite database | `sqlite` |
/// | `sqlite::memory:` | a SQLite database in memory, gone with the process | `sqlite` |
/// | `dynamodb:TABLE?region=R&endpoint=URL&profile=P` | an Amazon DynamoDB table; all parameters may be left out | `dynamodb` |
///
/// Each backend has its own; [`Schemes::describe`] says which there are, [`Schemes::with`] adds others. What is
/// understood of a `PATH` is told at [`parse_path`](crate::backend::parse_path): it is taken literally, and so `json:` in
/// front of any path names it. Parameters are told at [`Named`](crate::backend::Named). Schemes do not depend on case.
///
/// In front of each may stand layers, the outermost first: `encrypted+sqlite:PATH`. [`Schemes::layers`] says which there are.
///
/// Its text is a storage URL again, without loss. There is no secret in it. Two are equal if their texts are.
///
/// ```
/// # #[cfg(feature = "json")] {
/// use token_storage::StorageUrl;
///
/// let url: StorageUrl = "JSON:///home/ada/my%20tokens.json".parse()?;
/// assert_eq!(url.to_string(), "json:/home/ada/my tokens.json");
/// assert_eq!(url, StorageUrl::parse("json:/home/ada/my tokens.json")?);
/// assert!(StorageUrl::parse("postgres:tokens").is_err());
/// # }
/// # Ok::<(), token_storage::Error>(())
/// ```
#[derive(Clone)]
pub struct StorageUrl {
    /// Each with its `+`, the outermost first.
    layers: String,
    scheme: Arc<dyn Scheme>,
    location: Arc<dyn Location>,
}

impl StorageUrl {
    pub(crate) fn new(scheme: Arc<dyn Scheme>, location: Arc<dyn Location>) -> Self {
        Self {
            layers: String::new(),
            scheme,
            location,
        }
    }

    /// The same storage below this layer.
    pub(crate) fn below(self, layer: Arc<dyn Layer>) -> Self {
        Self {
            layers: format!("{}+{}", layer.describe().name, self.layers),
            scheme: self.scheme,
            location: layered(layer, self.location),
        }
    }

    /// Reads a storage URL of a built-in scheme; for others there is [`Schemes::parse`].
    ///
    /// # Errors
    /// Those of [`Schemes::parse`].
    pub fn parse(url: &str) -> Result<Self> {
        Schemes::builtin().parse(url)
    }

    /// What kind of storage it names, below all layers.
    pub fn scheme(&self) -> SchemeInfo {
        self.scheme.describe()
    }

    /// Opens the storage: with its warnings, and with a way to what only this kind of storage can do
    /// ([`Opened::downcast`]).
    ///
    /// ```
    /// # #[cfg(feature = "json")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> token_storage::Result<()> {
    /// use token_storage::{StorageUrl, json::JsonStorage};
    ///
    /// let opened = StorageUrl::parse("json:tokens.json")?.open().await?;
    /// opened.warnings().listen(|finding| eprintln!("{}: {}", finding.place, finding.message));
    /// let json = opened.downcast::<JsonStorage>().expect("it is one");
    /// assert!(json.kept_files()?.is_empty());
    /// # Ok(()) }
    /// # #[cfg(not(feature = "json"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// Those of [`open`](crate::open).
    pub async fn open(&self) -> Result<Opened> {
        self.location.open().await
    }

    /// Examines the storage; see [`examine`](crate::examine).
    ///
    /// # Errors
    /// What keeps the backend from looking.
    pub async fn examine(&self) -> Result<Vec<Finding>> {
        self.location.examine().await
    }

    /// Something that can be done to the storage as a whole, if it can be done to this one: making its table, for example.
    /// [`scheme`](StorageUrl::scheme) says what there is.
    pub fn action(&self, name: &str) -> Option<Box<dyn Action>> {
        self.location.action(name)
    }
}

impl FromStr for StorageUrl {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        Self::parse(url)
    }
}

/// The URL again. (Of a relative path that is not Unicode, which no URL names, it is the nearest text.)
impl fmt::Display for StorageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.scheme.describe().name;
        write!(f, "{}{scheme}:{}", self.layers, self.location.rest())
    }
}

impl fmt::Debug for StorageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StorageUrl").field(&self.to_string()).finish()
    }
}

impl PartialEq for StorageUrl {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for StorageUrl {}
