use serde::{Deserialize, Serialize};
use token_storage_core::{Precondition, Revision, TokenKey};

/// What a worker is told, one JSON text a line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Says that the process is up; the storage is not opened.
    Ready,
    Open,
    Get {
        key: Key,
    },
    /// Stores the record that [`data::full`](crate::data::full) makes of the tag.
    Store {
        key: Key,
        tag: String,
        condition: Condition,
    },
    /// Stores a record with an access token of this many bytes.
    StoreLarge {
        key: Key,
        bytes: usize,
    },
    /// Stores `count` records `prefix0`, `prefix1` and so on, tagged with their number; answers once.
    StoreMany {
        namespace: String,
        prefix: String,
        count: usize,
    },
    /// Stores such a record under each of the keys, in one batch.
    StoreAll {
        keys: Vec<Key>,
        tag: String,
        conditions: Vec<Condition>,
    },
    Remove {
        key: Key,
        condition: Condition,
    },
    /// Lists all keys of a namespace.
    List {
        namespace: String,
    },
    /// As `Flood`, batch after batch of these keys.
    FloodBatches {
        keys: Vec<Key>,
    },
    /// Stores tag after tag until it is killed, and acknowledges each: all under one key, or each under its own.
    Flood {
        namespace: String,
        distinct: bool,
    },
    Acquire {
        key: Key,
    },
    RecordIntent {
        revision: Vec<u8>,
    },
    Renew,
    Release,
    /// Adds 1 to the number in the record this many times, each time under the lease. What another holder wrote
    /// meanwhile is a conflict.
    CountUnderLease {
        key: Key,
        count: usize,
    },
    /// Sets the mask for modes of new files.
    Umask {
        mask: u32,
    },
    /// Sets it to what it is and answers with that.
    AskUmask,
    /// Uses the storage with the canaries, and says whether a log record shows one.
    LogCanaries {
        key: Key,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Done,
    Stored {
        revision: Vec<u8>,
    },
    Got {
        access_token: Option<String>,
    },
    Removed {
        there: bool,
    },
    Listed {
        names: Vec<String>,
    },
    /// The number of the write that was acknowledged.
    Acknowledged {
        number: usize,
    },
    Acquired {
        intent: Option<Vec<u8>>,
    },
    Held,
    Umask {
        mask: u32,
    },
    Logged {
        records: usize,
        leak: Option<String>,
    },
    Failed {
        kind: String,
        message: String,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Key {
    namespace: String,
    resource_server: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Condition {
    None,
    Absent,
    Unchanged(Vec<u8>),
}

impl From<&TokenKey> for Key {
    fn from(key: &TokenKey) -> Self {
        Self {
            namespace: key.namespace().to_owned(),
            resource_server: key.resource_server().to_owned(),
        }
    }
}

impl From<&Key> for TokenKey {
    fn from(key: &Key) -> Self {
        Self::new(key.namespace.as_str(), key.resource_server.as_str())
    }
}

impl From<Precondition> for Condition {
    fn from(precondition: Precondition) -> Self {
        match precondition {
            Precondition::Any => Self::None,
            Precondition::Absent => Self::Absent,
            Precondition::Unchanged(revision) => Self::Unchanged(revision.as_bytes().to_vec()),
        }
    }
}

impl Condition {
    pub(crate) fn precondition(&self) -> token_storage_core::Result<Precondition> {
        Ok(match self {
            Self::None => Precondition::Any,
            Self::Absent => Precondition::Absent,
            Self::Unchanged(bytes) => Precondition::Unchanged(Revision::from_bytes(bytes)?),
        })
    }
}

impl Request {
    /// A batch of these keys, each with its condition.
    pub(crate) fn batch(keys: &[TokenKey], tag: impl Into<String>, conditions: &[Precondition]) -> Self {
        Self::StoreAll {
            keys: keys.iter().map(Key::from).collect(),
            tag: tag.into(),
            conditions: conditions.iter().map(|condition| Condition::from(*condition)).collect(),
        }
    }

    pub(crate) fn remove(key: &TokenKey, precondition: Precondition) -> Self {
        Self::Remove {
            key: key.into(),
            condition: precondition.into(),
        }
    }

    pub(crate) fn store(key: &TokenKey, tag: impl Into<String>, precondition: Precondition) -> Self {
        Self::Store {
            key: key.into(),
            tag: tag.into(),
            condition: precondition.into(),
        }
    }
}
