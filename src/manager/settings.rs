use std::time::Duration;

use token_storage_core::{Freshness, TokenData};

use super::AccessToken;
use crate::lifetime;

/// What the builder sets.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) skew: Duration,
    pub(super) valid_for: Duration,
    pub(super) serve_after: Duration,
    pub(super) timeout: Duration,
    pub(super) trust: Duration,
    pub(super) refresh_ahead: Duration,
    pub(super) request_timeout: Duration,
    pub(super) lease_wait: Duration,
    /// The part of a timed lease that is kept for storing the answer.
    pub(super) lease_margin: Duration,
    /// A timed lease with less left than this is renewed before the request.
    pub(super) renew_below: Duration,
    pub(super) store_patience: Duration,
    pub(super) revoke_unstored: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            skew: Duration::from_secs(60),
            valid_for: Duration::ZERO,
            serve_after: Duration::from_secs(1),
            timeout: Duration::MAX,
            trust: Duration::from_secs(5),
            refresh_ahead: Duration::from_secs(300),
            request_timeout: Duration::from_secs(30),
            lease_wait: Duration::from_secs(30),
            lease_margin: Duration::ZERO,
            renew_below: Duration::ZERO,
            store_patience: Duration::from_secs(10),
            revoke_unstored: false,
        }
    }
}

/// The skew is at most this part of a token's lifetime, or a second: otherwise no short-lived token would ever be good
/// enough, and without that second one would be handed out that expires now.
const SKEW_PART: u32 = 4;

const SECOND: Duration = Duration::from_secs(1);

impl Settings {
    fn margin(&self, lifetime: Option<Duration>) -> Duration {
        let most = lifetime.map_or(Duration::MAX, |lifetime| (lifetime / SKEW_PART).max(SECOND));
        let skew = self.skew.min(most);
        skew.max(self.valid_for)
    }

    /// Whether a token may be handed out without a refresh (L9).
    pub(super) fn is_fresh(&self, token: &AccessToken, now: i64) -> bool {
        !token.is_stale(now, self.margin(token.lifetime()))
    }

    /// As [`is_fresh`](Self::is_fresh), of a record.
    pub(super) fn is_fresh_record(&self, data: &TokenData, now: i64) -> bool {
        data.freshness(now, self.margin(lifetime::of(data))) != Freshness::Stale
    }

    /// Whether a token is good for as long as it was asked for, if only for that.
    pub(super) fn is_good_for_the_work(&self, data: &TokenData, now: i64) -> bool {
        data.freshness(now, self.valid_for) != Freshness::Stale
    }
}

/// Whether a token has not expired yet, for at least a second.
pub(super) fn is_valid(data: &TokenData, now: i64) -> bool {
    data.freshness(now, SECOND) != Freshness::Stale
}
