//! Getting the right to redeem a refresh token: waiting with jitter, and keeping it.

use std::time::Duration;

use token_storage_core::{Acquisition, LeaseGuard, RefreshLease, Result, StoredToken, TokenKey, TokenStorage};

use super::{Event, ManagerError, ManagerErrorKind, ReauthReason, flight::Mode, inner::Inner};

/// A back-off never grows beyond this many times the pause that the storage asked for.
const MOST_PAUSES: u32 = 8;
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// A lease that cannot be renewed is not tried more often than this.
const SHORTEST_RENEWAL: Duration = Duration::from_millis(50);

pub(super) enum Waited {
    Acquired(Box<dyn LeaseGuard>),
    /// While waiting, the record came to be what was wanted.
    Moved(Box<StoredToken>),
}

/// Waits for the lease, looking at the record each time: when the holder has stored its result, there is nothing left to
/// acquire the lease for.
pub(super) async fn acquire<S: TokenStorage>(
    inner: &Inner<S>,
    key: &TokenKey,
    mode: &Mode,
) -> Result<Waited, ManagerError> {
    let deadline = tokio::time::Instant::now() + inner.settings.lease_wait;
    let mut pauses = 1;
    loop {
        let retry_after = match try_acquire(inner, key).await {
            Ok(Acquisition::Acquired(guard)) => return Ok(Waited::Acquired(guard)),
            Ok(Acquisition::Held { retry_after }) => retry_after,
            Err(error) => return Err(ManagerError::storage_failed(key, error)),
        };
        match inner.current(key).await? {
            None => return Err(ManagerError::reauth(ReauthReason::NoToken, key)),
            Some(stored) if inner.will_do(mode, &stored) => return Ok(Waited::Moved(Box::new(stored))),
            Some(_) => {}
        }
        if tokio::time::Instant::now() >= deadline {
            let message = "another process holds the refresh lease and did not finish in time";
            return Err(ManagerError::new(ManagerErrorKind::Busy, key, message));
        }
        if pauses == 1 {
            inner.emit(&Event::Waiting(key.clone()));
        }
        tokio::time::sleep(jittered((retry_after * pauses).min(LONGEST_PAUSE.max(retry_after)))).await;
        pauses = (pauses * 2).min(MOST_PAUSES);
    }
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

/// Between half and one and a half times the duration.
pub(super) fn jittered(duration: Duration) -> Duration {
    let random = getrandom::u64().unwrap_or(u64::MAX / 2);
    duration.mul_f64(0.5 + random as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_its_bounds() {
        let base = Duration::from_millis(100);
        for _ in 0..1000 {
            let pause = jittered(base);
            assert!(pause >= base / 2 && pause <= base * 3 / 2, "{pause:?}");
        }
    }
}
