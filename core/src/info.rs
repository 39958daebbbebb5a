use std::{collections::HashSet, fmt, time::Duration};

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use crate::{Error, ErrorKind, Result, TokenKey, Write};

/// What a storage says of itself (clause C3). The conformance suite holds it to every word.
///
/// As JSON it has these members, the times in seconds: `token-storage info --json` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StorageInfo {
    /// The backend's name, lower case, as the scheme of its URLs: `memory`.
    pub backend: String,
    /// Where the data is, for people: a path, a table. No credentials.
    pub location: String,
    /// What an acknowledged write survives.
    pub durability: Durability,
    /// Who sees one another's writes.
    pub sharing: SharingScope,
    /// The largest keys, values and batches.
    pub limits: Limits,
    /// Whether keys can be listed, that is, whether [`TokenStorage::enumerate`](crate::TokenStorage::enumerate) is
    /// `Some`.
    pub enumerates: bool,
    /// What ends a refresh lease whose holder is gone; `None` if there are no leases.
    pub lease: Option<LeaseKind>,
    /// How old an answer of `get` may be. `None`: never older than the last acknowledged write (A3). A cache says here
    /// how far it weakens that.
    #[serde(rename = "staleness_seconds", serialize_with = "as_seconds")]
    pub staleness: Option<Duration>,
}

fn as_seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64()).serialize(serializer)
}

impl StorageInfo {
    /// A description of a volatile storage for one handle, without enumeration or leases: set what is more.
    pub fn new(backend: impl Into<String>, location: impl Into<String>, limits: Limits) -> Self {
        Self {
            backend: backend.into(),
            location: location.into(),
            durability: Durability::Volatile,
            sharing: SharingScope::Handle,
            limits,
            enumerates: false,
            lease: None,
            staleness: None,
        }
    }

    /// Sets the durability.
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets the sharing scope.
    pub fn with_sharing(mut self, sharing: SharingScope) -> Self {
        self.sharing = sharing;
        self
    }

    /// Says that keys can be listed.
    pub fn with_enumeration(mut self) -> Self {
        self.enumerates = true;
        self
    }

    /// Says that there are leases, and of which kind.
    pub fn with_lease(mut self, lease: LeaseKind) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Says how old an answer may be.
    pub fn with_staleness(mut self, staleness: Duration) -> Self {
        self.staleness = Some(staleness);
        self
    }
}

/// What an acknowledged write survives (clause D1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Durability {
    /// Nothing beyond the process.
    Volatile,
    /// The death of the process, `kill -9` included, but not a power loss.
    Process,
    /// A power loss.
    PowerLoss,
}

/// Who sees one another's acknowledged writes (clause A3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SharingScope {
    /// Clones of one handle.
    Handle,
    /// All handles in one process.
    Process,
    /// All processes of one host, on a local file system.
    Host,
    /// All hosts that reach the service.
    Network,
}

/// The largest sizes a storage takes; what is larger is `TooLarge` before anything is written (clauses K4, K7).
///
/// Begin with [`Limits::UNLIMITED`] and say each that there is: one that a later version adds is then none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Limits {
    /// The longest namespace, in bytes of UTF-8.
    pub namespace_bytes: usize,
    /// The longest resource server, in bytes of UTF-8.
    pub resource_server_bytes: usize,
    /// The largest record: its JSON text as [`record::encode`](crate::record::encode) makes it or, where a backend says
    /// so, its own encoding, in bytes. A record of half that size always fits.
    pub record_bytes: usize,
    /// The most records in one `store_all`.
    pub batch_records: usize,
    /// The most bytes in one `store_all`, counted as for one record; half of it must fit (K7).
    pub batch_bytes: usize,
}

impl Limits {
    /// No limit at all.
    pub const UNLIMITED: Self = Self {
        namespace_bytes: usize::MAX,
        resource_server_bytes: usize::MAX,
        record_bytes: usize::MAX,
        batch_records: usize::MAX,
        batch_bytes: usize::MAX,
    };

    /// The longest namespace and the longest resource server, in bytes of UTF-8.
    pub const fn with_keys(mut self, namespace_bytes: usize, resource_server_bytes: usize) -> Self {
        self.namespace_bytes = namespace_bytes;
        self.resource_server_bytes = resource_server_bytes;
        self
    }

    /// The largest record, in bytes.
    pub const fn with_records(mut self, record_bytes: usize) -> Self {
        self.record_bytes = record_bytes;
        self
    }

    /// The most records in one `store_all`, and the most bytes.
    pub const fn with_batches(mut self, batch_records: usize, batch_bytes: usize) -> Self {
        self.batch_records = batch_records;
        self.batch_bytes = batch_bytes;
        self
    }

    /// For backends: refuses keys, records and batches that are too large, and two records of one key; `sizes` are the
    /// encoded sizes of the records in bytes.
    ///
    /// # Errors
    /// - [`ErrorKind::TooLarge`] or [`ErrorKind::InvalidInput`], naming the key and the limit.
    pub fn check_batch(&self, writes: &[Write<'_>], sizes: &[usize]) -> Result<()> {
        let mut seen = HashSet::with_capacity(writes.len());
        for (write, size) in writes.iter().zip(sizes) {
            self.check_key(write.key)?;
            if *size > self.record_bytes {
                return Err(too_large("the record", *size, self.record_bytes).with_key(write.key));
            }
            if !seen.insert(write.key) {
                let message = "the batch holds two records of this key; keep the one that is meant";
                return Err(Error::new(ErrorKind::InvalidInput, message).with_key(write.key));
            }
        }
        if writes.len() > self.batch_records {
            let message = format!(
                "a batch has at most {}, this one {}",
                crate::backend::counted(self.batch_records, "record"),
                writes.len()
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let total = sizes.iter().sum();
        if total > self.batch_bytes {
            Err(too_large("the batch", total, self.batch_bytes))
        } else {
            Ok(())
        }
    }

    /// For backends: refuses a key with a part that is too long.
    ///
    /// # Errors
    /// - [`ErrorKind::TooLarge`], naming the part and the limit, but not the key: it may be very long.
    pub fn check_key(&self, key: &TokenKey) -> Result<()> {
        let parts = [
            ("the namespace", key.namespace().len(), self.namespace_bytes),
            (
                "the resource server",
                key.resource_server().len(),
                self.resource_server_bytes,
            ),
        ];
        match parts.into_iter().find(|(_, size, limit)| size > limit) {
            Some((part, size, limit)) => Err(too_large(part, size, limit)),
            None => Ok(()),
        }
    }
}

fn too_large(what: &str, size: usize, limit: usize) -> Error {
    let message = format!("{what} has {size} bytes; this storage takes at most {limit}");
    Error::new(ErrorKind::TooLarge, message)
}

/// What frees a lease whose holder is gone (clause L2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaseKind {
    /// The operating system, at once when the holder's process dies. A stopped process keeps it.
    Process,
    /// A waiter that has watched it stand still for its time to live.
    Timed {
        /// The time to live.
        ttl: Duration,
    },
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Volatile => "none, gone with the process",
            Self::Process => "survives kill -9, not power loss",
            Self::PowerLoss => "survives kill -9 and power loss",
        })
    }
}

impl fmt::Display for SharingScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handle => "clones of one handle",
            Self::Process => "one process",
            Self::Host => "all processes of one host, on a local file system",
            Self::Network => "all hosts that reach it",
        })
    }
}

impl fmt::Display for LeaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process => f.write_str("bound to the process"),
            Self::Timed { ttl } => write!(f, "timed, {} s", ttl.as_secs_f64()),
        }
    }
}

/// As `{"kind": "process"}` or `{"kind": "timed", "ttl_seconds": 30.0}`.
impl Serialize for LeaseKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let (kind, ttl) = match self {
            Self::Process => ("process", None),
            Self::Timed { ttl } => ("timed", Some(ttl.as_secs_f64())),
        };
        let mut object = serializer.serialize_struct("LeaseKind", 1 + usize::from(ttl.is_some()))?;
        object.serialize_field("kind", kind)?;
        if let Some(seconds) = ttl {
            object.serialize_field("ttl_seconds", &seconds)?;
        }
        object.end()
    }
}
