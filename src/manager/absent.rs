//! Tokens that need no login: what stands for the record of one that was never fetched, while it is fetched like any other.

use std::{fmt, sync::Arc};

use token_storage_core::{Precondition, Revision, StoredToken, TokenData, TokenKey};

use crate::{Grant, IssuedBy, Renewal};

/// That of no record: a stored one has a digest, or random bytes.
const NO_RECORD: &[u8; 32] = b"token-storage: there is no token";

/// Which tokens are fetched where there is none, and how.
#[derive(Clone, Default)]
pub(super) struct Absent(pub(super) Option<Arc<RenewalOf>>);

type RenewalOf = dyn Fn(&TokenKey) -> Option<Renewal> + Send + Sync;

impl Absent {
    /// In place of the record: who is to be asked, and how. It has been expired for ever.
    pub(super) fn blank(&self, key: &TokenKey, issued_by: Option<IssuedBy>) -> Option<StoredToken> {
        let renewal = self.0.as_ref()?(key).filter(|renewal| renewal.grant == Grant::ClientCredentials)?;
        let scope = renewal.scope.as_deref().unwrap_or_default();
        let mut data = TokenData::new(key.resource_server(), scope, "").with_expires_at(i64::MIN);
        if let Some(issued_by) = issued_by {
            issued_by.write(&mut data.extra);
        }
        renewal.write(&mut data.extra);
        let revision = Revision::from_bytes(NO_RECORD).ok()?;
        Some(StoredToken { data, revision })
    }
}

/// Whether it stands for a record that is not there.
pub(super) fn is_blank(stored: &StoredToken) -> bool {
    stored.revision.as_bytes() == NO_RECORD
}

/// What must hold for it to be replaced.
pub(super) fn unchanged(stored: &StoredToken) -> Precondition {
    match is_blank(stored) {
        true => Precondition::Absent,
        false => Precondition::Unchanged(stored.revision),
    }
}

impl fmt::Debug for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Absent").field(&self.0.is_some()).finish()
    }
}
