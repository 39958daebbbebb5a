//! Getting the right to redeem a refresh token: waiting with jitter, and keeping it.

use std::time::Duration;

use token_storage_core::{Acquisition, LeaseGuard, RefreshLease, Result, StoredToken, TokenKey, TokenStorage};

use super::{Event, ManagerError, ManagerErrorKind, ReauthReason, inner::Inner, jitter::jittered, mode::Mode};

/// Pauses grow with the time waited, up to this many times what the storage asked for; it may let that grow itself.
const MOST_PAUSES: u32 = 8;
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// A lease that cannot be renewed is not tried more often than this.
const SHORTEST_RENEWAL: Duration = Duration::from_millis(50);

pub(super) enum Waited {
    Acquired(Box<dyn LeaseGuard>),
    /// While waiting, the record came to be what was wanted.
    Moved(Box<StoredToken>),
}

/// Waits for the lease, looking at the record before each further try: when the holder has stored its result, there is
/// nothing left to acquire the lease for, and taking it would be two writes and a read for nothing.
pub(super) async fn acquire<S: TokenStorage>(
    inner: &Inner<S>,
    key: &TokenKey,
    mode: &Mode,
) -> Result<Waited, ManagerError> {
    let began = tokio::time::Instant::now();
    let mut told = false;
    loop {
        let retry_after = match try_acquire(inner, key).await {
            Ok(Acquisition::Acquired(guard)) => return Ok(Waited::Acquired(guard)),
            Ok(Acquisition::Held { retry_after }) => retry_after,
            Err(error) => return Err(ManagerError::storage_failed(key, error)),
        };
        if !std::mem::replace(&mut told, true) {
            inner.emit(&Event::Waiting(key.clone()));
        }
        tokio::time::sleep(jittered(pause(retry_after, began.elapsed()))).await;
        match inner.current(key).await? {
            None => return Err(ManagerError::reauth(ReauthReason::NoToken, key)),
            Some(stored) if inner.will_do(mode, &stored) => return Ok(Waited::Moved(Box::new(stored))),
            Some(_) => {}
        }
        if began.elapsed() >= inner.settings.lease_wait {
            let message = "another process holds the refresh lease and did not finish in time";
            return Err(ManagerError::new(ManagerErrorKind::Busy, key, message));
        }
    }
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

async fn try_acquire<S: TokenStorage>(inner: &Inner<S>, key: &TokenKey) -> Result<Acquisition> {
    match (&inner.local, inner.storage.lease()) {
        (Some(local), _) => local.try_acquire(key).await,
        (None, Some(lease)) => lease.try_acquire(key).await,
        // The builder has made sure that there are leases.
        (None, None) => Err(token_storage_core::Error::new(
            token_storage_core::ErrorKind::Misconfigured,
            "the storage no longer has leases",
        )
        .with_operation(token_storage_core::Operation::Lease)),
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
