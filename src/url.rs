//! The URLs that name a storage.

use std::{fmt, path::PathBuf, str::FromStr};

use token_storage_core::{Error, ErrorKind, Operation, Result};

mod path;
mod query;
#[cfg(test)]
mod tests;

/// Where a storage is: a parsed storage URL.
///
/// | URL | storage |
/// |---|---|
/// | `memory:` | the process's memory, gone with it |
/// | `json:PATH` | a JSON file |
/// | `sqlite:PATH` | a SQLite database |
/// | `sqlite::memory:` | a SQLite database in memory, gone with the process |
/// | `dynamodb:TABLE?region=R&endpoint=URL&profile=P` | an Amazon DynamoDB table; all parameters may be left out |
///
/// `PATH` is taken literally, to the end: relative or absolute, a bare file name, `C:\dir\file`, with `%`, `?` and `#` as
/// they are. So a path needs no escaping, and `json:` in front of any path names it. The form with two slashes,
/// `json:///PATH` or `json://localhost/PATH`, is a URL: there the path is absolute and `%XX` are decoded (which can also
/// express a path that is not Unicode). A path that starts with `~` is refused, since only shells expand it.
///
/// Schemes do not depend on case. Parsing knows all of them, whichever features are compiled in.
///
/// ```
/// use token_storage::StorageUrl;
///
/// let url: StorageUrl = "json:///home/ada/my%20tokens.json".parse()?;
/// assert_eq!(url, StorageUrl::Json("/home/ada/my tokens.json".into()));
/// assert_eq!(StorageUrl::parse("sqlite:tokens.db")?, StorageUrl::Sqlite("tokens.db".into()));
/// assert!(StorageUrl::parse("postgres:tokens").is_err());
/// # Ok::<(), token_storage::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageUrl {
    /// The process's memory.
    Memory,
    /// A JSON file.
    Json(PathBuf),
    /// A SQLite database file.
    Sqlite(PathBuf),
    /// A SQLite database in memory.
    SqliteInMemory,
    /// An Amazon DynamoDB table.
    DynamoDb {
        /// The table's name.
        table: String,
        /// The AWS region; `None`: as the environment says.
        region: Option<String>,
        /// Another endpoint than Amazon's, for an emulator.
        endpoint: Option<String>,
        /// The profile of the AWS configuration files.
        profile: Option<String>,
    },
}

impl StorageUrl {
    /// Reads a storage URL.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`]: no scheme, an unknown one, or something that the scheme does not take. The message
    ///   says what would be right and quotes only the scheme, since anything else might be a secret pasted by mistake.
    pub fn parse(url: &str) -> Result<Self> {
        let (scheme, rest) = split(url)?;
        match scheme.as_str() {
            "memory" => match rest {
                "" | "//" => Ok(Self::Memory),
                _ => Err(misconfigured("`memory:` takes nothing behind the colon")),
            },
            "json" => path::parse("json", rest).map(Self::Json),
            "sqlite" if rest == ":memory:" => Ok(Self::SqliteInMemory),
            "sqlite" => path::parse("sqlite", rest).map(Self::Sqlite),
            "dynamodb" => query::dynamodb(rest),
            _ => Err(misconfigured(format!("the scheme `{scheme}:` is unknown; {KNOWN}"))),
        }
    }
}

impl FromStr for StorageUrl {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        Self::parse(url)
    }
}

/// The URL again, for people; a path that is not Unicode is shown lossily.
impl fmt::Display for StorageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Json(path) => write!(f, "json:{}", path.display()),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::SqliteInMemory => f.write_str("sqlite::memory:"),
            Self::DynamoDb { table, .. } => write!(f, "dynamodb:{table}"),
        }
    }
}

const KNOWN: &str = "known are `memory:`, `json:PATH`, `sqlite:PATH` and `dynamodb:TABLE`";

/// The scheme in lower case, and what follows the colon.
fn split(url: &str) -> Result<(String, &str)> {
    let no_scheme = || {
        misconfigured(format!(
            "it has no scheme; for a file write `sqlite:` or `json:` in front of the path ({KNOWN})"
        ))
    };
    let (scheme, rest) = url.split_once(':').ok_or_else(no_scheme)?;
    let mut bytes = scheme.bytes();
    let starts_well = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let goes_on_well = bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    // One letter is a Windows drive; what is longer than any scheme might be a token.
    if starts_well && goes_on_well && (2..=16).contains(&scheme.len()) {
        Ok((scheme.to_ascii_lowercase(), rest))
    } else {
        Err(no_scheme())
    }
}

fn misconfigured(message: impl AsRef<str>) -> Error {
    let message = format!("the storage URL is not usable: {}", message.as_ref());
    Error::new(ErrorKind::Misconfigured, message).with_operation(Operation::Open)
}
