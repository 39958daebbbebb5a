//! Getting the right to redeem a refresh token: waiting with jitter, and keeping it.

use std::time::Duration;

use token_storage_core::{
    Acquisition, Begin, Error, ErrorKind, Intent, LeaseGuard, Operation, RefreshLease as _, Result, StoredToken,
    TokenKey, TokenStorage,
};

use super::{
    Event, ManagerError, ManagerErrorKind, absent,
    inner::{Inner, log_minor},
    jitter::jittered,
    mode::Mode,
};

/// Pauses grow with the time waited, up to this many times what the storage asked for; it may let that grow itself.
const MOST_PAUSES: u32 = 8;
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// A lease that cannot be renewed is not tried more often than this.
const SHORTEST_RENEWAL: Duration = Duration::from_millis(50);

pub(super) enum Waited {
    Acquired(Held),
    /// As `Acquired`, and this record is as it was read, can be written to, and its intent is recorded.
    Begun(Held, Box<StoredToken>),
    /// The record has come to be what was wanted.
    Moved(Box<StoredToken>),
}

/// A lease that is held.
pub(super) struct Held {
    pub(super) guard: Box<dyn LeaseGuard>,
    /// Whether the outcome is known and stored, so that no intent need stay behind.
    pub(super) is_settled: bool,
}

impl Held {
    fn new(guard: Box<dyn LeaseGuard>) -> Self {
        Self {
            guard,
            is_settled: false,
        }
    }

    /// Gives it back. If the storage cannot be reached, it is freed as if its holder had died; an intent that is left behind then
    /// names tokens that are no more, which says the same.
    pub(super) async fn release(self) {
        let released = match self.is_settled {
            true => self.guard.finish().await,
            false => self.guard.release().await,
        };
        log_minor("release the refresh lease", released);
    }
}

/// Waits for the lease, looking at the record before each further try: when the holder has stored its result, there is
/// nothing left to acquire the lease for. `seen`: the record, if it has just been read.
pub(super) async fn acquire<S: TokenStorage>(
    inner: &Inner<S>,
    key: &TokenKey,
    mode: &Mode,
    mut seen: Option<StoredToken>,
) -> Result<Waited, ManagerError> {
    let began = tokio::time::Instant::now();
    let mut told = false;
    loop {
        let stored = match seen.take() {
            Some(stored) => stored,
            None => inner.existing(key).await?,
        };
        if inner.will_do(mode, &stored) {
            return Ok(Waited::Moved(Box::new(stored)));
        }
        if told && began.elapsed() >= inner.settings.lease_wait {
            let message = "another process holds the refresh lease and did not finish in time";
            return Err(ManagerError::new(ManagerErrorKind::Busy, key, message));
        }
        let begun = try_begin(inner, key, &stored).await;
        let retry_after = match begun.map_err(|error| ManagerError::storage_failed(key, error))? {
            Begin::Begun(guard) => return Ok(Waited::Begun(Held::new(guard), Box::new(stored))),
            Begin::Tried(Acquisition::Acquired(guard)) => return Ok(Waited::Acquired(Held::new(guard))),
            Begin::Tried(Acquisition::Held { retry_after }) => retry_after,
        };
        if !std::mem::replace(&mut told, true) {
            inner.emit(&Event::Waiting(key.clone()));
        }
        tokio::time::sleep(jittered(pause(retry_after, began.elapsed()))).await;
    }
}

/// Where nothing is known against it, with all that a refresh needs.
async fn try_begin<S: TokenStorage>(inner: &Inner<S>, key: &TokenKey, stored: &StoredToken) -> Result<Begin> {
    if let Some(local) = &inner.local {
        return local.try_acquire(key).await.map(Begin::Tried);
    }
    // The builder has made sure that there are leases.
    let lease = inner.storage.lease().ok_or_else(no_leases)?;
    if absent::is_blank(stored) || !inner.endpoint.renews(&stored.data) {
        return lease.try_acquire(key).await.map(Begin::Tried);
    }
    // Where there is no refresh token, nothing can be spent, and so nothing has to be known about it.
    let spends = stored.data.refresh_token.is_some();
    let intent = spends.then(|| Intent::new(stored, false, inner.clock.now()));
    lease.try_begin(key, stored.revision, intent.as_ref()).await
}

fn no_leases() -> Error {
    Error::new(ErrorKind::Misconfigured, "the storage no longer has leases").with_operation(Operation::Lease)
}

/// Half as long as it has waited already: so a wait ends late by at most half of what it had to take.
fn pause(retry_after: Duration, waited: Duration) -> Duration {
    let most = (retry_after * MOST_PAUSES).min(LONGEST_PAUSE).max(retry_after);
    (waited / 2).clamp(retry_after, most)
}

/// Does some work and keeps a timed lease meanwhile: it is renewed whenever half of what is left of it has passed. Renewing
/// is best effort; once the lease is lost, preconditions must do.
pub(super) async fn keep<T>(lease: &mut dyn LeaseGuard, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        let Some(left) = lease.remaining().filter(|left| !left.is_zero()) else {
            return work.await;
        };
        let half = (left / 2).max(SHORTEST_RENEWAL);
        if let Ok(done) = tokio::time::timeout(half, &mut work).await {
            return done;
        }
        let _ = tokio::time::timeout(left, lease.renew()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_within_their_bounds() {
        let ms = Duration::from_millis;
        assert_eq!(pause(ms(20), ms(0)), ms(20));
        assert_eq!(pause(ms(20), ms(100)), ms(50));
        assert_eq!(pause(ms(20), ms(10_000)), ms(160));
        assert_eq!(pause(ms(100), ms(10_000)), ms(500));
        assert_eq!(pause(ms(700), ms(10_000)), ms(700), "what the storage asks for counts");
        assert_eq!(pause(ms(500), ms(100)), ms(500), "a storage that lets them grow itself");
    }
}
