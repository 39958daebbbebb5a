//! What all processes remember of a failed request, kept with the lease: a refusal until the record changes, a pause until
//! it is over. So a program that is started again and again does not ask a server again and again.

use std::time::Duration;

use token_storage_core::{
    Intent, LeaseKind, LeaseView, RefreshFailure, RefreshFailureKind, StoredToken, TokenKey, TokenStorage,
};

use super::{
    Clock, EndpointError, EndpointErrorKind, ManagerError, ManagerErrorKind, ReauthReason, clock::milliseconds,
    hold_off, inner::Inner, jitter::jittered,
};
use crate::IssuedBy;

/// After so many answers in a row that nobody understands, a person had better log in again.
const MANY: u8 = 5;
/// How often the server is asked even then: whatever stands between may go away.
const CONVERGED: Duration = Duration::from_secs(600);
/// No pause is longer than this, whatever is written there.
const LONGEST: Duration = Duration::from_secs(600);
/// Clocks of several machines may differ by this; one that is further back was set back, and what is kept says nothing.
const CLOCKS_DIFFER: i64 = 60_000;

/// What is worth remembering; `None` if nothing was sent. `unknown`: the refresh token may have been spent before.
/// `before`: what was remembered of the same tokens.
pub(super) fn failure_of(
    error: &EndpointError,
    unknown: bool,
    before: Option<&RefreshFailure>,
) -> Option<RefreshFailure> {
    if error.status().is_none() && !error.may_have_been_done() && error.kind() != EndpointErrorKind::Refused {
        return None;
    }
    let kind = kind_of(error, unknown);
    let mut failure = RefreshFailure::new(kind);
    if let Some(before) = before.filter(|before| before.kind == kind) {
        failure.in_a_row = before.in_a_row.saturating_add(1);
    }
    failure.may_have_been_done = unknown || error.may_have_been_done();
    failure.status = error.status();
    failure.code = error.code().map(Into::into);
    failure.pause = pause(&failure)
        .max(error.retry_after().unwrap_or_default())
        .min(LONGEST);
    Some(failure)
}

fn kind_of(error: &EndpointError, unknown: bool) -> RefreshFailureKind {
    let says_nothing = error.code().is_none() && matches!(error.status(), Some(400..=407 | 409..=428 | 430..=499));
    match error.kind() {
        EndpointErrorKind::Refused if unknown => RefreshFailureKind::UnknownOutcome,
        EndpointErrorKind::Refused => RefreshFailureKind::Refused,
        EndpointErrorKind::Unrecognized => RefreshFailureKind::Unrecognized,
        EndpointErrorKind::Transient if says_nothing => RefreshFailureKind::Unrecognized,
        EndpointErrorKind::Transient => RefreshFailureKind::Transient,
        EndpointErrorKind::ClientRejected | EndpointErrorKind::Unsupported => RefreshFailureKind::ClientRejected,
    }
}

fn pause(failure: &RefreshFailure) -> Duration {
    match failure.kind {
        // Whoever corrects the configuration is not to wait.
        RefreshFailureKind::Refused | RefreshFailureKind::UnknownOutcome | RefreshFailureKind::ClientRejected => {
            Duration::ZERO
        }
        RefreshFailureKind::Unrecognized if failure.in_a_row >= MANY => CONVERGED,
        _ => jittered(hold_off::length(failure.in_a_row.saturating_sub(1).into())),
    }
}

/// As it is written down: the pause counts from the full second.
pub(super) fn intent(stored: &StoredToken, failure: &RefreshFailure, clock: &dyn Clock) -> Intent {
    let mut failure = failure.clone();
    let wall = clock.wall();
    failure.pause += Duration::from_nanos(wall.subsec_nanos().into());
    let guarded = failure.kind == RefreshFailureKind::UnknownOutcome;
    Intent::new(stored, guarded, i64::try_from(wall.as_secs()).unwrap_or(i64::MAX)).with_failure(failure)
}

/// Why no request may be made now for this record; `None` if one may.
pub(super) fn verdict(
    intent: &Intent,
    failure: &RefreshFailure,
    stored: &StoredToken,
    key: &TokenKey,
    clock: &dyn Clock,
) -> Option<ManagerError> {
    let unchanged = intent.revision == stored.revision;
    match failure.kind {
        RefreshFailureKind::Refused | RefreshFailureKind::UnknownOutcome => {
            unchanged.then(|| told(failure, stored, key))
        }
        _ => left(intent, failure, milliseconds(clock))
            .map(|left| told(failure, stored, key).with_retry_after(Some(left))),
    }
}

fn left(intent: &Intent, failure: &RefreshFailure, now: i64) -> Option<Duration> {
    let from = intent.recorded_at.saturating_mul(1000);
    if now < from.saturating_sub(CLOCKS_DIFFER) {
        return None;
    }
    let pause = i64::try_from(failure.pause.as_millis()).unwrap_or(i64::MAX);
    let left = from.saturating_add(pause).saturating_sub(now);
    let left = Duration::from_millis(u64::try_from(left).ok()?).min(LONGEST);
    (!left.is_zero()).then_some(left)
}

/// The failure as an error, told to somebody who did not ask the server.
fn told(failure: &RefreshFailure, stored: &StoredToken, key: &TokenKey) -> ManagerError {
    let kind = match failure.kind {
        RefreshFailureKind::Refused | RefreshFailureKind::UnknownOutcome => EndpointErrorKind::Refused,
        RefreshFailureKind::ClientRejected => EndpointErrorKind::ClientRejected,
        RefreshFailureKind::Unrecognized => EndpointErrorKind::Unrecognized,
        _ => EndpointErrorKind::Transient,
    };
    let code = failure.code.as_deref();
    let cause = EndpointError::remembered(kind, code, failure.status, failure.may_have_been_done);
    let server = IssuedBy::of(&stored.data).ok().flatten();
    let cause = match server.as_ref().and_then(IssuedBy::server_name) {
        Some(name) => cause.with_server(name),
        None => cause,
    };
    error(failure, key, cause)
}

/// What a failure means for the caller.
pub(super) fn error(failure: &RefreshFailure, key: &TokenKey, cause: EndpointError) -> ManagerError {
    match failure.kind {
        RefreshFailureKind::Refused => ManagerError::refused(ReauthReason::Refused, key, cause),
        RefreshFailureKind::UnknownOutcome => ManagerError::refused(ReauthReason::UnknownOutcome, key, cause),
        RefreshFailureKind::Unrecognized if failure.in_a_row >= MANY => {
            ManagerError::refused(ReauthReason::Unrecognized, key, cause)
        }
        _ => ManagerError::endpoint(key, cause),
    }
}

/// What is known of the refreshes of one token, without asking any server; see
/// [`TokenManager::refresh_status`](super::TokenManager::refresh_status).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RefreshStatus {
    /// Nothing that matters: a refresh is made when it is due.
    Idle,
    /// Another holder is refreshing now. With a timed lease it may also have died before it recorded what it was about to
    /// do; nobody can tell without taking the lease.
    UnderWay,
    /// One ended without an answer, or its process died: the next one is the guarded try (L5).
    Interrupted,
    /// It failed, and no process asks the server: until the record changes where [`ManagerError::needs_login`], else until
    /// [`ManagerError::retry_after`] is over.
    Failed(ManagerError),
}

/// As [`TokenManager::refresh_status`](super::TokenManager::refresh_status), for programs without a manager. It takes no
/// lease and writes nothing; it costs one read, and a second one if there is something to tell. A storage without leases,
/// or whose leases cannot be looked at, shows nothing.
///
/// # Errors
/// - Those of [`TokenStorage::get`] and of [`RefreshLease::look`](token_storage_core::RefreshLease::look).
pub async fn refresh_status<S: TokenStorage + ?Sized>(
    storage: &S,
    key: &TokenKey,
) -> token_storage_core::Result<RefreshStatus> {
    let clock = super::SystemClock::default();
    let Some((view, held)) = look(storage, key, &clock).await? else {
        return Ok(RefreshStatus::Idle);
    };
    let stored = match &view.intent {
        Some(_) if !held => storage.get(key).await?,
        _ => None,
    };
    Ok(status_of(&view, held, stored.as_ref(), key, &clock))
}

/// As [`refresh_status`], where a token need not have been stored before.
pub(super) async fn status<S: TokenStorage>(inner: &Inner<S>, key: &TokenKey) -> Result<RefreshStatus, ManagerError> {
    let clock = &*inner.clock;
    let looked = look(&inner.storage, key, clock).await;
    let Some((view, held)) = looked.map_err(|error| ManagerError::storage_failed(key, error))? else {
        return Ok(RefreshStatus::Idle);
    };
    let stored = match &view.intent {
        Some(_) if !held => inner.current(key).await?,
        _ => None,
    };
    Ok(status_of(&view, held, stored.as_ref(), key, clock))
}

/// What stands with the lease, and whether somebody is at work under it as far as can be told.
async fn look<S: TokenStorage + ?Sized>(
    storage: &S,
    key: &TokenKey,
    clock: &dyn Clock,
) -> token_storage_core::Result<Option<(LeaseView, bool)>> {
    let Some(leases) = storage.lease() else {
        return Ok(None);
    };
    let Some(view) = leases.look(key).await? else {
        return Ok(None);
    };
    let held = view.held && !is_abandoned(&view, storage.describe().lease, clock);
    Ok(Some((view, held)))
}

/// A timed lease counts as held until somebody takes it over, although its holder may have died long ago.
fn is_abandoned(view: &LeaseView, kind: Option<LeaseKind>, clock: &dyn Clock) -> bool {
    let (Some(LeaseKind::Timed { ttl }), Some(intent)) = (kind, &view.intent) else {
        return false;
    };
    let most = i64::try_from(ttl.as_millis())
        .unwrap_or(i64::MAX)
        .saturating_add(CLOCKS_DIFFER);
    intent.recorded_at.saturating_mul(1000).saturating_add(most) < milliseconds(clock)
}

fn status_of(
    view: &LeaseView,
    held: bool,
    stored: Option<&StoredToken>,
    key: &TokenKey,
    clock: &dyn Clock,
) -> RefreshStatus {
    if held {
        return RefreshStatus::UnderWay;
    }
    let Some((intent, stored)) = view.intent.as_ref().zip(stored) else {
        return RefreshStatus::Idle;
    };
    if !intent.concerns(stored) {
        return RefreshStatus::Idle;
    }
    let Some(failure) = intent.failure() else {
        return RefreshStatus::Interrupted;
    };
    match verdict(intent, failure, stored, key, clock) {
        Some(error) => RefreshStatus::Failed(error),
        None if failure.may_have_been_done => RefreshStatus::Interrupted,
        None => RefreshStatus::Idle,
    }
}

impl RefreshStatus {
    /// Whether a person must log in again.
    pub fn needs_login(&self) -> bool {
        matches!(self, Self::Failed(error) if matches!(error.kind(), ManagerErrorKind::ReauthRequired(_)))
    }
}

#[cfg(test)]
mod tests {
    use token_storage_core::{Revision, TokenData};

    use super::*;

    fn paused(recorded_at: i64, pause: Duration) -> (Intent, RefreshFailure) {
        let stored = StoredToken {
            data: TokenData::new("rs", "", "at"),
            revision: Revision::from_bytes(&[7; 32]).unwrap(),
        };
        let mut failure = RefreshFailure::new(RefreshFailureKind::Transient);
        failure.pause = pause;
        (
            Intent::new(&stored, false, recorded_at).with_failure(failure.clone()),
            failure,
        )
    }

    #[test]
    fn a_pause_is_bounded_whatever_the_clocks_do() {
        let (intent, failure) = paused(1_000_000, Duration::from_secs(3));
        for (now, seconds) in [
            (1_000_000_000, Some(3)),
            (1_000_002_000, Some(1)),
            (1_000_003_000, None),
            (2_000_000_000, None),
            // Another machine's clock, and one that was set back.
            (999_999_000, Some(4)),
            (900_000_000, None),
            (i64::MIN, None),
            (i64::MAX, None),
        ] {
            assert_eq!(left(&intent, &failure, now), seconds.map(Duration::from_secs), "{now}");
        }
        let (intent, failure) = paused(1_000_000, Duration::from_secs(4_000_000));
        assert_eq!(left(&intent, &failure, 1_000_000_000), Some(LONGEST));
        let (intent, failure) = paused(i64::MAX, Duration::from_secs(3));
        assert_eq!(left(&intent, &failure, 1_000_000_000), None);
    }

    #[test]
    fn what_nobody_knows_converges() {
        let error = EndpointError::from_answer(400, None, br#"{"error":"what_is_this"}"#);
        let mut failure = failure_of(&error, false, None).unwrap();
        for n in 2..=MANY {
            assert!(failure.in_a_row < MANY && failure.pause < CONVERGED);
            failure = failure_of(&error, false, Some(&failure)).unwrap();
            assert_eq!(failure.in_a_row, n);
        }
        assert_eq!(failure.pause, CONVERGED);
        let key = TokenKey::in_default("rs");
        assert!(super::error(&failure, &key, error).needs_login());
        let other = EndpointError::from_answer(503, None, b"");
        assert_eq!(
            failure_of(&other, false, Some(&failure)).unwrap().in_a_row,
            1,
            "not in a row"
        );
    }

    #[test]
    fn what_was_never_sent_is_not_remembered() {
        let misdirected = EndpointError::misdirected(&IssuedBy::default(), &TokenData::new("rs", "", "at"));
        assert_eq!(failure_of(&misdirected, false, None), None);
        assert_eq!(
            failure_of(&EndpointError::transient("no network").not_done(), false, None),
            None
        );
    }
}
