use token_storage_core::{Revision, Secret, StoredToken};

use super::settings::{Settings, is_valid};

/// Why it is refreshed, and with it what makes a refresh needless.
#[derive(Clone, Debug)]
pub(super) enum Mode {
    /// This access token is expired, or nearly.
    Stale(Secret),
    /// The token of this revision is good, but will not be for long.
    Ahead(Revision),
    /// The resource server refused this access token.
    Forced(Secret),
}

impl Mode {
    /// Whether a record is what a refresh was to bring. What another holder has brought meanwhile does if it has not
    /// expired: the next one would not be better (L5).
    pub(super) fn is_met_by(&self, stored: &StoredToken, settings: &Settings, now: i64) -> bool {
        let is_fresh = || settings.is_fresh_record(&stored.data, now);
        match self {
            Self::Stale(seen) => is_fresh() || (stored.data.access_token != *seen && is_valid(&stored.data, now)),
            Self::Ahead(revision) => stored.revision != *revision && is_fresh(),
            Self::Forced(rejected) => stored.data.access_token != *rejected && is_valid(&stored.data, now),
        }
    }

    /// The revision that is refreshed before it has to be.
    pub(super) fn early(&self) -> Option<Revision> {
        match self {
            Self::Ahead(revision) => Some(*revision),
            _ => None,
        }
    }

    pub(super) fn is_forced(&self) -> bool {
        matches!(self, Self::Forced(_))
    }
}
