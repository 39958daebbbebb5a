//! What a manager remembers of one key: the token it may hand out without looking, and the refresh under way.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use token_storage_core::{Revision, Secret, StoredToken, TokenKey};
use tokio::sync::watch;

use super::{
    AccessToken, ManagerError, ManagerErrorKind, ReauthReason, hold_off::HoldOff, inner::Settings, lease::jittered,
};

pub(super) type Outcome = Result<AccessToken, ManagerError>;

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) key: TokenKey,
    /// How long before expiry this process refreshes ahead: each a little different.
    window: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Goes up with everything that makes an older look at the storage worthless.
    generation: u64,
    cached: Option<Cached>,
    flight: Option<watch::Receiver<Option<Outcome>>>,
    hold_off: Option<HoldOff>,
    /// The revision whose refresh token the server refused for good.
    dead: Option<(Revision, ManagerError)>,
    /// The revision that this process has seen before its window to refresh ahead began.
    seen_early: Option<Revision>,
    /// The token that a forced refresh brought, and when.
    forced: Option<(Secret, Duration)>,
    /// The token that a resource server answered with a 401.
    rejected: Option<Secret>,
    /// A refreshed token that is not stored yet.
    unstored: Option<ManagerError>,
}

#[derive(Debug)]
struct Cached {
    token: AccessToken,
    revision: Revision,
    trusted_until: Duration,
    /// Whether there is a refresh token.
    renewable: bool,
}

impl Cached {
    fn new(stored: &StoredToken, trusted_until: Duration) -> Self {
        Self {
            token: AccessToken::of(&stored.data),
            revision: stored.revision,
            trusted_until,
            renewable: stored.data.refresh_token.is_some(),
        }
    }
}

/// A token to hand out, and whether it is time to refresh it in the background.
pub(super) struct Ready {
    pub(super) token: AccessToken,
    pub(super) ahead: Option<Revision>,
}

/// What joining a refresh led to.
pub(super) enum Joined {
    /// There is one under way.
    Wait(watch::Receiver<Option<Outcome>>),
    /// The caller starts it, and reports to this sender.
    Start(watch::Sender<Option<Outcome>>, watch::Receiver<Option<Outcome>>),
    /// No request may be made now.
    Not(ManagerError),
}

/// For how long a token from a forced refresh is not refreshed by force again.
const FORCED_PAUSE: Duration = Duration::from_secs(60);

impl Slot {
    pub(super) fn new(key: TokenKey, ahead: Duration) -> Self {
        Self {
            key,
            // Between four fifths and six fifths.
            window: ahead.mul_f64(0.6) + jittered(ahead.mul_f64(0.4)),
            state: Mutex::default(),
        }
    }

    /// Nothing panics while it is held, so a poisoned lock is consistent.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn generation(&self) -> u64 {
        self.state().generation
    }

    /// The token that may be handed out without looking into the storage.
    pub(super) fn trusted(&self, now: i64, monotonic: Duration, settings: &Settings) -> Option<Ready> {
        let mut state = self.state();
        let cached = state
            .cached
            .as_ref()
            .filter(|cached| monotonic < cached.trusted_until)?;
        if !settings.is_fresh(&cached.token, now) {
            return None;
        }
        let (token, revision, renewable) = (cached.token.clone(), cached.revision, cached.renewable);
        let ahead = renewable.then(|| state.time_to_refresh_ahead(&token, revision, now, self.window));
        Some(Ready {
            token,
            ahead: ahead.flatten(),
        })
    }

    /// The last token that was seen, if it is still good and the storage cannot be asked.
    pub(super) fn last_seen(&self, now: i64, settings: &Settings) -> Option<AccessToken> {
        let state = self.state();
        let token = &state.cached.as_ref()?.token;
        settings.is_fresh(token, now).then(|| token.clone())
    }

    /// Remembers what was read at `generation`, unless that is outdated.
    pub(super) fn remember(
        &self,
        stored: &StoredToken,
        generation: u64,
        now: i64,
        monotonic: Duration,
        trust: Duration,
    ) -> Ready {
        let trusted_until = monotonic.saturating_add(trust);
        let mut state = self.state();
        // Of the same revision nothing has to be copied anew.
        let cached = match state.cached.take_if(|cached| cached.revision == stored.revision) {
            Some(cached) => Cached {
                trusted_until,
                ..cached
            },
            None => Cached::new(stored, trusted_until),
        };
        let (token, renewable) = (cached.token.clone(), cached.renewable);
        if state.generation == generation {
            state.cached = Some(cached);
        }
        let ahead = renewable.then(|| state.time_to_refresh_ahead(&token, stored.revision, now, self.window));
        Ready {
            token,
            ahead: ahead.flatten(),
        }
    }

    /// Forgets the cached token; looks at the storage that began before this are worthless.
    pub(super) fn forget(&self) {
        let mut state = self.state();
        state.generation += 1;
        state.cached = None;
    }

    /// As [`forget`](Self::forget), and forgets failures too.
    pub(super) fn invalidate(&self) {
        let mut state = self.state();
        state.generation += 1;
        state.cached = None;
        state.hold_off = None;
        state.dead = None;
    }

    /// Remembers that a resource server does not take this token. What is known of failures stays: a 401 makes no
    /// request due that was not.
    pub(super) fn reject(&self, token: &Secret) {
        self.forget();
        self.state().rejected = Some(token.clone());
    }

    pub(super) fn is_rejected(&self, token: &Secret) -> bool {
        self.state().rejected.as_ref() == Some(token)
    }

    /// The refresh under way.
    pub(super) fn flight(&self) -> Option<watch::Receiver<Option<Outcome>>> {
        self.state().flight.clone()
    }

    /// Whether forgetting everything would cost no more than a look at the storage.
    pub(super) fn is_idle(&self, now: i64, monotonic: Duration) -> bool {
        let state = self.state();
        let expired = |cached: &Cached| is_stale(&cached.token, now, 0);
        state.flight.is_none()
            && state.unstored.is_none()
            && state.cached.as_ref().is_none_or(expired)
            && state
                .hold_off
                .as_ref()
                .is_none_or(|held| held.error_at(monotonic).is_none())
            && state.forced.as_ref().is_none_or(|(_, until)| *until <= monotonic)
    }

    /// Joins the refresh under way, or becomes the one to start it. A record that was refused for good, a hold-off
    /// after a failure and a token that waits to be stored all mean that no request may be made.
    pub(super) fn join(&self, revision: Option<Revision>, monotonic: Duration) -> Joined {
        let mut state = self.state();
        if let Some(flight) = &state.flight
            && flight.has_changed().is_ok()
        {
            return Joined::Wait(flight.clone());
        }
        if let Some(error) = &state.unstored {
            return Joined::Not(error.clone());
        }
        if let Some((dead, error)) = &state.dead
            && revision.is_none_or(|revision| revision == *dead)
        {
            return Joined::Not(error.clone());
        }
        if let Some(error) = state.hold_off.as_ref().and_then(|held| held.error_at(monotonic)) {
            return Joined::Not(error);
        }
        let (sender, receiver) = watch::channel(None);
        state.flight = Some(receiver.clone());
        Joined::Start(sender, receiver)
    }

    /// The refresh under way ended without a result.
    pub(super) fn abandon_flight(&self) {
        self.state().flight = None;
    }

    /// The refresh under way ended well; in one step, so that no second one starts in between.
    pub(super) fn landed(&self, done: &Landed<'_>, monotonic: Duration, settings: &Settings) -> AccessToken {
        let cached = Cached::new(done.stored, monotonic.saturating_add(settings.trust));
        let token = cached.token.clone();
        let mut state = self.state();
        state.flight = None;
        state.hold_off = None;
        state.dead = None;
        // If a refresh brings the rejected token again, the authorization server stands by it, and there is no better.
        state.rejected = None;
        if state.generation == done.generation {
            state.cached = Some(cached);
        }
        if done.forced {
            state.forced = Some((token.secret().clone(), monotonic.saturating_add(FORCED_PAUSE)));
        }
        token
    }

    /// The refresh under way failed.
    pub(super) fn crashed(
        &self,
        failed: &ManagerError,
        tried: Option<Revision>,
        early: Option<Revision>,
        now: Duration,
    ) {
        let mut state = self.state();
        state.flight = None;
        // Try ahead again after the hold-off.
        state.seen_early = early.or(state.seen_early);
        match failed.kind() {
            // Asked again some time later.
            ManagerErrorKind::ReauthRequired(ReauthReason::Unrecognized) => {
                state.hold_off = Some(HoldOff::after(failed, state.hold_off.as_ref(), now));
            }
            ManagerErrorKind::ReauthRequired(_) => {
                state.generation += 1;
                state.cached = None;
                state.dead = tried.map(|revision| (revision, failed.clone()));
            }
            ManagerErrorKind::Transient | ManagerErrorKind::ClientRejected => {
                state.hold_off = Some(HoldOff::after(failed, state.hold_off.as_ref(), now));
            }
            ManagerErrorKind::NotStored => state.unstored = failed.token().map(|_| failed.clone()),
            _ => {}
        }
    }

    /// The token that waited is stored now, or will never be.
    pub(super) fn settled(&self) {
        let mut state = self.state();
        state.unstored = None;
        state.generation += 1;
        state.cached = None;
    }

    /// Refreshing ahead was not possible: ask again next time.
    pub(super) fn postpone(&self, revision: Revision) {
        self.state().seen_early = Some(revision);
    }

    /// Whether this token comes from a forced refresh not long ago.
    pub(super) fn was_forced(&self, token: &Secret, monotonic: Duration) -> bool {
        let state = self.state();
        let forced = state.forced.as_ref();
        forced.is_some_and(|(secret, until)| secret == token && monotonic < *until)
    }
}

impl State {
    /// Says so once for each revision that was seen before its window began: a token that comes with less time than the
    /// window is short-lived, and refreshing it ahead would never end.
    fn time_to_refresh_ahead(
        &mut self,
        token: &AccessToken,
        revision: Revision,
        now: i64,
        window: Duration,
    ) -> Option<Revision> {
        let left = token.expires_at()?.saturating_sub(now);
        let window = i64::try_from(window.as_secs()).unwrap_or(i64::MAX);
        if left > window {
            self.seen_early = Some(revision);
            return None;
        }
        self.seen_early.take_if(|seen| *seen == revision)
    }
}

/// How a refresh ended.
pub(super) struct Landed<'a> {
    pub(super) stored: &'a StoredToken,
    pub(super) generation: u64,
    pub(super) forced: bool,
}

/// What [`TokenData::freshness`](crate::TokenData::freshness) calls stale.
pub(super) fn is_stale(token: &AccessToken, now: i64, skew: i64) -> bool {
    token
        .expires_at()
        .is_some_and(|expires_at| now > expires_at.saturating_sub(skew))
}

/// Invalidates a slot when it is dropped: after a change that may have happened although its call was dropped.
pub(super) struct InvalidateOnDrop(pub(super) Arc<Slot>);

impl Drop for InvalidateOnDrop {
    fn drop(&mut self) {
        self.0.invalidate();
    }
}

/// An [`Arc`] to a slot whose flight is taken back if it ends without a result.
pub(super) struct FlightGuard {
    pub(super) slot: Arc<Slot>,
    pub(super) finished: bool,
}

impl Drop for FlightGuard {
    fn drop(&mut self) {
        if !self.finished {
            self.slot.abandon_flight();
        }
    }
}
