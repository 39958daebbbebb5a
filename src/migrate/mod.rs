//! Moving records between storages, or between namespaces of one.
//!
//! ```
//! use token_storage::{MemoryStorage, Precondition, TokenData, TokenKey, TokenStorage as _, TokenStorageExt as _};
//! use token_storage::migrate::{Migration, Selection};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> token_storage::Result<()> {
//! let (old, new) = (MemoryStorage::new(), MemoryStorage::new());
//! let key = TokenKey::in_default("rs");
//! old.store(&key, &TokenData::new("rs", "read", "at"), Precondition::Any).await?;
//!
//! let tally = Migration::new(&old, &new).run(&Selection::All, |_, _| {}).await?;
//! assert_eq!((tally.copied, tally.left), (1, 0));
//! assert_eq!(new.get(&key).await?.unwrap().data.access_token.expose(), "at");
//! # Ok(()) }
//! ```
//!
//! Each record is moved by itself: it is stored, read back and compared, and only then, if that was asked for, removed from
//! the source, on condition that it is still the one that was moved. So a migration that was killed is run again, and goes on
//! where it was.
//!
//! **A refresh token that is in two storages is spent by whichever refreshes first.** A copy is for trying out; to change
//! over, [remove the source](Migration::remove_source): the refresh lease of the record is then held while it is moved, so
//! that no refresh is under way, and whoever asks the source afterwards is told that there is no token.

mod lease;
mod record;
mod run;

use std::time::Duration;

use token_storage_core::{Error, TokenKey, TokenStorage};

/// Moves records from one storage to another; see the [module](self).
#[derive(Debug)]
#[must_use = "nothing is moved until `run` or `carry` is awaited"]
pub struct Migration<'a> {
    from: &'a dyn TokenStorage,
    to: &'a dyn TokenStorage,
    to_namespace: Option<String>,
    overwrite: bool,
    remove_source: bool,
    dry_run: bool,
    lease_wait: Duration,
}

/// Which records are moved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selection {
    /// All of the storage, which must be able to list.
    All,
    /// All of a namespace; the storage must be able to list.
    Namespace(String),
    /// These: for storages that cannot list.
    Keys(Vec<TokenKey>),
}

/// What moving one record came to, or in a [dry run](Migration::dry_run) would come to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It is stored at the target and reads back the same.
    Copied {
        /// Another token was stored there, and is replaced.
        replaced: bool,
    },
    /// The very same token was at the target already.
    AlreadyThere,
    /// There is nothing at the source under this key.
    Absent,
    /// It was left where it is, and nothing was changed.
    Left(Reason),
}

/// Why a record was left where it is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// Another token is stored at the target, and was not to be overwritten.
    Occupied,
    /// Source and target show the same write of the record: they are one place with two names, or copies of one file. It
    /// cannot be told, so nothing is removed.
    SamePlace,
    /// A refresh of it has ended without an answer, so its refresh token may be spent. Get a token from the source, which
    /// settles that, or log in again.
    Unsettled,
    /// Somebody stored another one while it was moved; what was copied is outdated. Move it again, with overwriting.
    Changed,
    /// It cannot be read, at the source or the target.
    Damaged(Error),
    /// The target does not take it: it is larger than that storage allows, say.
    Refused(Error),
}

/// How many records had which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// [Copied](Outcome::Copied), those that replaced another included.
    pub copied: u64,
    /// Of these: in the place of another token.
    pub replaced: u64,
    /// [Already there](Outcome::AlreadyThere).
    pub already_there: u64,
    /// [Absent](Outcome::Absent).
    pub absent: u64,
    /// [Left](Outcome::Left) where they are.
    pub left: u64,
    /// Records at the source whose keys are no Unicode, so that nobody can name them. They stay there.
    pub unnameable: u64,
}

impl<'a> Migration<'a> {
    /// From one storage to another. Nothing at the target is overwritten, nothing at the source removed, unless that is
    /// asked for.
    pub fn new(from: &'a dyn TokenStorage, to: &'a dyn TokenStorage) -> Self {
        Self {
            from,
            to,
            to_namespace: None,
            overwrite: false,
            remove_source: false,
            dry_run: false,
            lease_wait: Duration::from_secs(10),
        }
    }

    /// Stores into this namespace, whatever namespace the records are in now.
    pub fn to_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.to_namespace = Some(namespace.into());
        self
    }

    /// Replaces other tokens at the target, and damaged records. They are not revoked.
    pub fn overwrite(mut self) -> Self {
        self.overwrite = true;
        self
    }

    /// Removes each record from the source once it has been read back from the target.
    pub fn remove_source(mut self) -> Self {
        self.remove_source = true;
        self
    }

    /// Says what would be done, without doing it: reads alone.
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// How long to wait for a refresh that is under way at the source; 10 seconds if nothing is said.
    pub fn lease_wait(mut self, wait: Duration) -> Self {
        self.lease_wait = wait;
        self
    }

    /// Where a record of the source goes.
    fn target(&self, source: &TokenKey) -> TokenKey {
        match &self.to_namespace {
            Some(namespace) => TokenKey::new(namespace.as_str(), source.resource_server()),
            None => source.clone(),
        }
    }
}
