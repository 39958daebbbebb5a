//! The content of a token file as an index of raw text pieces: what nobody asked for is never decoded, and what nobody
//! changed is written back as it stands.

mod emit;
mod members;
mod parse;
mod scan;

use std::sync::{Arc, OnceLock};

use token_storage_core::{
    Revision, StoredToken, TokenKey,
    record::{self, RecordError},
};

pub(crate) use members::Members;
pub(crate) use parse::{Damage, DamageKind, MOST_BYTES};

#[cfg(test)]
use crate::text::Buffer;
use crate::text::{RawText, Text};

/// The layout a file was found in. Whatever it is, it is written as [`Format::V2`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One token, by `globus-sdk-tokenstorage` 0.4.1: the root object is the record.
    V041,
    /// By the legacy `SimpleJSONFileAdapter`: resource server to record, no namespaces.
    V1,
    /// By `JSONTokenStorage` and by us: namespace to resource server to record.
    V2,
}

impl Format {
    /// How the format is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V041 => "0.4.1",
            Self::V1 => "1.0",
            Self::V2 => "2.0",
        }
    }
}

/// One stored record, decoded when it is first asked for.
#[derive(Debug)]
pub(crate) struct Record {
    text: RawText,
    decoded: OnceLock<Box<Result<StoredToken, RecordError>>>,
}

impl Record {
    fn new(text: RawText) -> Self {
        Self {
            text,
            decoded: OnceLock::new(),
        }
    }

    /// The record, or what is wrong with it.
    pub(crate) fn decoded(&self) -> Result<&StoredToken, RecordDamage> {
        let decoded = self
            .decoded
            .get_or_init(|| Box::new(record::decode(self.text.as_str())));
        decoded.as_ref().as_ref().map_err(|error| RecordDamage::Record(*error))
    }
}

/// The records of one namespace.
#[derive(Clone, Debug)]
pub(crate) enum Namespace {
    Records(Arc<Members<Record>>),
    /// Not an object. Kept until something is stored in that namespace.
    Damaged(RawText),
}

/// A place in an otherwise readable file that is damaged. Quotes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordDamage {
    /// The namespace is not an object.
    Namespace,
    /// The record is not one.
    Record(RecordError),
}

#[derive(Clone, Debug)]
enum RootValue {
    Data,
    FormatVersion,
    Other(RawText),
}

/// A token file's content. A clone is cheap: it shares all text.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    format: Format,
    root: Members<RootValue>,
    namespaces: Members<Namespace>,
    /// What was read, as long as nothing was changed.
    source: Option<Arc<Text>>,
    /// What was read, as long as pieces of it are in use, and how many bytes of records in it are not in use any more.
    base: Option<Arc<Text>>,
    dead_bytes: usize,
    is_torn: bool,
}

pub(crate) const VERSION_MEMBER: &str = "globus-sdk.version";
const OUR_VERSION: &str = concat!("\"token-storage/", env!("CARGO_PKG_VERSION"), "\"");

impl Document {
    /// What a file that does not exist yet holds.
    pub(crate) fn empty() -> Self {
        let mut root = Members::default();
        root.set("data", RootValue::Data);
        root.set("format_version", RootValue::FormatVersion);
        root.set(VERSION_MEMBER, RootValue::Other(RawText::new(OUR_VERSION.to_owned())));
        Self {
            format: Format::V2,
            root,
            namespaces: Members::default(),
            source: None,
            base: None,
            dead_bytes: 0,
            is_torn: false,
        }
    }

    /// Whether it may have been read in the middle of a write of another program: it is empty, or something in it is no
    /// JSON.
    pub(crate) fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// The format it was found in.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Says that what is written from now on is in the current format.
    pub(crate) fn upgraded(&mut self) {
        self.format = Format::V2;
        self.source = None;
        // Odd values may stay in it, but it is written as a whole.
        self.is_torn = false;
    }

    pub(crate) fn get(&self, key: &TokenKey) -> Result<Option<&StoredToken>, RecordDamage> {
        match self.namespaces.get(key.namespace()) {
            None => Ok(None),
            Some(Namespace::Damaged(_)) => Err(RecordDamage::Namespace),
            Some(Namespace::Records(records)) => records.get(key.resource_server()).map(Record::decoded).transpose(),
        }
    }

    /// The revision of a record, to check a precondition.
    pub(crate) fn revision(&self, key: &TokenKey) -> Result<Option<Revision>, RecordDamage> {
        Ok(self.get(key)?.map(|stored| stored.revision))
    }

    /// Whether a write to this namespace would throw away something that is not a record.
    pub(crate) fn is_damaged(&self, namespace: &str) -> bool {
        matches!(self.namespaces.get(namespace), Some(Namespace::Damaged(_)))
    }

    fn has_sound_record(&self) -> bool {
        self.namespaces.iter().any(|namespace| match &namespace.value {
            Namespace::Records(records) => records.iter().any(|record| record.value.decoded().is_ok()),
            Namespace::Damaged(_) => false,
        })
    }

    /// Replaces the record of a key.
    pub(crate) fn set(&mut self, key: &TokenKey, text: RawText) {
        let old = self
            .records_mut(key.namespace())
            .set(key.resource_server(), Record::new(text));
        self.changed(old.as_deref().map(|member| &member.value));
    }

    /// Removes the record of a key and says whether there was one. A namespace that it empties stays, as with Python.
    pub(crate) fn remove(&mut self, key: &TokenKey) -> bool {
        let there = match self.namespaces.get(key.namespace()) {
            Some(Namespace::Records(records)) => records.get(key.resource_server()).is_some(),
            _ => false,
        };
        if there {
            let old = self.records_mut(key.namespace()).remove(key.resource_server());
            self.changed(old.as_deref().map(|member| &member.value));
        }
        there
    }

    pub(crate) fn namespaces(&self) -> &Members<Namespace> {
        &self.namespaces
    }

    /// Whether no record is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.namespaces.iter().all(|member| match &member.value {
            Namespace::Records(records) => records.len() == 0,
            Namespace::Damaged(_) => false,
        })
    }

    /// Makes the records of a namespace changeable; a damaged or missing namespace becomes an empty one.
    fn records_mut(&mut self, namespace: &str) -> &mut Members<Record> {
        if !matches!(self.namespaces.get(namespace), Some(Namespace::Records(_))) {
            self.namespaces.set(namespace, Namespace::Records(Arc::default()));
        }
        match self.namespaces.value_mut(namespace) {
            Some(Namespace::Records(records)) => Arc::make_mut(records),
            _ => unreachable!("the namespace was just made an object"),
        }
    }

    fn changed(&mut self, old: Option<&Record>) {
        self.source = None;
        if let (Some(base), Some(old)) = (&self.base, old)
            && old.text.is_piece_of(base)
        {
            self.dead_bytes += old.text.as_str().len();
        }
    }

    /// Gives up the text that was read once most of it is dead: replaced tokens are then wiped, and no more than twice
    /// the file stays in memory. To be called once after a batch of changes.
    pub(crate) fn tidy(&mut self) {
        let Some(base) = self.base.take_if(|base| 2 * self.dead_bytes > base.as_str().len()) else {
            return;
        };
        self.dead_bytes = 0;
        let own = |text: &RawText| {
            if text.is_piece_of(&base) {
                text.detached()
            } else {
                text.clone()
            }
        };
        self.root.rewrite(&own, |value| match value {
            RootValue::Other(text) => RootValue::Other(own(text)),
            value => value.clone(),
        });
        self.namespaces.rewrite(&own, |value| match value {
            Namespace::Damaged(text) => Namespace::Damaged(own(text)),
            Namespace::Records(records) => {
                let mut records = Members::clone(records);
                records.rewrite(&own, |record| Record {
                    text: own(&record.text),
                    decoded: record.decoded.clone(),
                });
                Namespace::Records(Arc::new(records))
            }
        });
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
