//! How one try of a refresh ended.

use token_storage_core::{Revision, StoredToken};

use super::{ManagerError, settle::Pending};
use crate::IssuedBy;

/// How often a refresh starts over because the record or the lease moved on meanwhile.
pub(super) const MAX_ROUNDS: usize = 8;

/// How one try under the lease ended.
pub(super) enum Round {
    Done(Box<StoredToken>, u64),
    Again,
}

pub(super) struct Failure {
    pub(super) error: ManagerError,
    /// The revision whose refresh token was tried.
    pub(super) tried: Option<Revision>,
    /// An answer that is still to be stored, under the lease that is still held.
    pub(super) pending: Option<Box<Pending>>,
}

impl Failure {
    /// Of the refresh token of this record.
    pub(super) fn of(error: ManagerError, stored: &StoredToken) -> Self {
        let server = IssuedBy::of(&stored.data).ok().flatten();
        Self {
            error: error.at(server.as_ref().and_then(IssuedBy::server_name)),
            tried: Some(stored.revision),
            pending: None,
        }
    }
}

impl From<ManagerError> for Failure {
    fn from(error: ManagerError) -> Self {
        Self {
            error,
            tried: None,
            pending: None,
        }
    }
}
