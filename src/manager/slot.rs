//! What a manager remembers of one key: the token it may hand out without looking, and how its refreshes stand.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use token_storage_core::{Revision, Secret, StoredToken, TokenKey};

use super::{
    AccessToken, ManagerError, ManagerErrorKind, ReauthReason,
    clock::Now,
    jitter::jittered,
    refreshing::{Joined, Refreshing, Told},
    settings::Settings,
};

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) key: TokenKey,
    /// How long before expiry this process refreshes ahead: each a little different.
    window: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    seen: Seen,
    refreshing: Refreshing,
    unauthorized: Unauthorized,
}

/// What was read last.
#[derive(Debug, Default)]
struct Seen {
    /// Goes up with everything that makes an older look at the storage worthless.
    generation: u64,
    cached: Option<Cached>,
    /// The revision that this process has seen before its window to refresh ahead began.
    early: Option<Revision>,
}

/// What resource servers answered with a 401.
#[derive(Debug, Default)]
struct Unauthorized {
    rejected: Option<Secret>,
    /// The token that a forced refresh brought, and until when it is not refreshed by force again.
    forced: Option<(Secret, Duration)>,
}

#[derive(Debug)]
struct Cached {
    token: AccessToken,
    revision: Revision,
    trusted_until: Duration,
    /// Whether there is a refresh token.
    renewable: bool,
}

/// A token to hand out, and whether it is time to refresh it in the background.
pub(super) struct Ready {
    pub(super) token: AccessToken,
    pub(super) ahead: Option<Revision>,
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
        self.state().seen.generation
    }

    /// The token that may be handed out without looking into the storage.
    pub(super) fn trusted(&self, now: Now, settings: &Settings) -> Option<Ready> {
        let seen = &mut self.state().seen;
        let cached = seen.cached.as_ref();
        let cached = cached.filter(|cached| now.monotonic < cached.trusted_until)?;
        settings
            .is_fresh(&cached.token, now.epoch)
            .then(|| cached.ready(&mut seen.early, now.epoch, self.window))
    }

    /// The last token that was seen, if it is still good and the storage cannot be asked.
    pub(super) fn last_seen(&self, now: i64, settings: &Settings) -> Option<AccessToken> {
        let state = self.state();
        let token = &state.seen.cached.as_ref()?.token;
        settings.is_fresh(token, now).then(|| token.clone())
    }

    /// Remembers what was read at `generation`, unless that is outdated. Not if a resource server has rejected it.
    pub(super) fn remember(
        &self,
        stored: &StoredToken,
        generation: u64,
        now: i64,
        trusted_until: Duration,
    ) -> Option<Ready> {
        let state = &mut *self.state();
        if state.unauthorized.has_rejected(&stored.data.access_token) {
            return None;
        }
        let is_outdated = state.seen.generation != generation;
        let Seen { cached, early, .. } = &mut state.seen;
        if is_outdated {
            return Some(Cached::new(stored, trusted_until).ready(early, now, self.window));
        }
        let cached = match cached {
            // Of the same revision nothing has to be copied anew.
            Some(cached) if cached.revision == stored.revision => cached,
            _ => cached.insert(Cached::new(stored, trusted_until)),
        };
        cached.trusted_until = trusted_until;
        Some(cached.ready(early, now, self.window))
    }

    /// Forgets the cached token; looks at the storage that began before this are worthless.
    pub(super) fn forget(&self) {
        self.state().seen.forget();
    }

    /// As [`forget`](Self::forget), and forgets failures too.
    pub(super) fn invalidate(&self) {
        let mut state = self.state();
        state.seen.forget();
        state.refreshing.forget_failures();
    }

    /// Remembers that a resource server does not take this token. What is known of failures stays: a 401 makes no
    /// request due that was not.
    pub(super) fn reject(&self, token: &Secret) {
        let mut state = self.state();
        state.seen.forget();
        state.unauthorized.rejected = Some(token.clone());
    }

    pub(super) fn is_rejected(&self, token: &Secret) -> bool {
        self.state().unauthorized.has_rejected(token)
    }

    /// Whether this token comes from a forced refresh not long ago.
    pub(super) fn was_forced(&self, token: &Secret, now: Now) -> bool {
        let state = self.state();
        let forced = state.unauthorized.forced.as_ref();
        forced.is_some_and(|(secret, until)| secret == token && now.monotonic < *until)
    }

    /// The refresh under way.
    pub(super) fn flight(&self) -> Option<Told> {
        self.state().refreshing.under_way().cloned()
    }

    /// Whether forgetting everything would cost no more than a look at the storage.
    pub(super) fn is_idle(&self, now: Now) -> bool {
        let state = self.state();
        let expired = |cached: &Cached| cached.token.is_stale(now.epoch, Duration::ZERO);
        let over = |(_, until): &(Secret, Duration)| *until <= now.monotonic;
        state.refreshing.is_idle(now.monotonic)
            && state.seen.cached.as_ref().is_none_or(expired)
            && state.unauthorized.forced.as_ref().is_none_or(over)
    }

    /// Joins the refresh under way, or becomes the one to start it. A record that was refused for good, a hold-off
    /// after a failure and a token that waits to be stored all mean that no request may be made.
    pub(super) fn join(&self, revision: Revision, now: Now) -> Joined {
        self.state().refreshing.join(revision, now.monotonic)
    }

    /// The refresh under way ended without a result.
    pub(super) fn broke_off(&self) {
        self.state().refreshing.broke_off();
    }

    /// The refresh under way ended well; in one step, so that no second one starts in between.
    pub(super) fn landed(&self, done: &Landed<'_>, now: Now, settings: &Settings) -> AccessToken {
        let cached = Cached::new(done.stored, now.monotonic.saturating_add(settings.trust));
        let token = cached.token.clone();
        let mut state = self.state();
        state.refreshing = Refreshing::Possible;
        if state.seen.generation == done.generation {
            state.seen.cached = Some(cached);
            // A look that began before may have read the token that this one replaces.
            state.seen.generation += 1;
        }
        // If a refresh brings the rejected token again, the authorization server stands by it, and there is no better.
        state
            .unauthorized
            .rejected
            .take_if(|rejected| rejected == token.secret());
        if done.forced {
            let until = now.monotonic.saturating_add(FORCED_PAUSE);
            state.unauthorized.forced = Some((token.secret().clone(), until));
        }
        token
    }

    /// The refresh under way failed.
    pub(super) fn crashed(&self, failed: &ManagerError, tried: Option<Revision>, early: Option<Revision>, now: Now) {
        let mut state = self.state();
        state.refreshing.failed(failed, tried, now.monotonic);
        // Try ahead again after the hold-off.
        state.seen.early = early.or(state.seen.early);
        if let ManagerErrorKind::ReauthRequired(reason) = failed.kind()
            && reason != ReauthReason::Unrecognized
        {
            state.seen.forget();
        }
    }

    /// The token that waited is stored now, or will never be.
    pub(super) fn settled(&self) {
        let mut state = self.state();
        state.refreshing.settled();
        state.seen.forget();
    }

    /// Refreshing ahead was not possible: ask again next time.
    pub(super) fn postpone(&self, revision: Revision) {
        self.state().seen.early = Some(revision);
    }
}

impl Unauthorized {
    fn has_rejected(&self, token: &Secret) -> bool {
        self.rejected.as_ref() == Some(token)
    }
}

impl Seen {
    fn forget(&mut self) {
        self.generation += 1;
        self.cached = None;
    }
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

    /// Says once for each revision that it is time to refresh it ahead, if it was seen before its window began (`early`): a
    /// token that comes with less time than the window is short-lived, and refreshing it ahead would never end.
    fn ready(&self, early: &mut Option<Revision>, now: i64, window: Duration) -> Ready {
        let mut ahead = None;
        if let Some(expires_at) = self.token.expires_at().filter(|_| self.renewable) {
            let left = expires_at.saturating_sub(now);
            if left > i64::try_from(window.as_secs()).unwrap_or(i64::MAX) {
                *early = Some(self.revision);
            } else {
                ahead = early.take_if(|seen| *seen == self.revision);
            }
        }
        let token = self.token.clone();
        Ready { token, ahead }
    }
}

/// How a refresh ended.
pub(super) struct Landed<'a> {
    pub(super) stored: &'a StoredToken,
    pub(super) generation: u64,
    pub(super) forced: bool,
}

/// Invalidates a slot when it is dropped: after a change that may have happened although its call was dropped.
pub(super) struct InvalidateOnDrop(pub(super) Arc<Slot>);

impl Drop for InvalidateOnDrop {
    fn drop(&mut self) {
        self.0.invalidate();
    }
}

#[cfg(test)]
mod tests {
    use token_storage_core::TokenData;

    use super::*;

    const START: Now = Now {
        epoch: 0,
        monotonic: Duration::ZERO,
    };

    #[test]
    fn a_refresh_that_broke_off_is_under_way_no_more() {
        let slot = Slot::new(TokenKey::in_default("rs"), Duration::ZERO);
        let Joined::Start(sender, _) = slot.join(Revision::from_bytes(&[1; 8]).unwrap(), START) else {
            panic!("nothing is in the way");
        };
        assert!(slot.flight().is_some() && !slot.is_idle(START));
        drop(sender);
        slot.broke_off();
        assert!(slot.flight().is_none() && slot.is_idle(START));
    }

    /// A look began, the token was replaced, and only then the look ends, with the old one.
    #[test]
    fn a_slow_look_brings_no_replaced_token_back() {
        for is_rejected in [false, true] {
            let slot = Slot::new(TokenKey::in_default("rs"), Duration::ZERO);
            let settings = Settings::default();
            let [old, new] = [1, 2].map(stored);
            if is_rejected {
                slot.reject(&old.data.access_token);
            }
            let generation = slot.generation();
            let landed = Landed {
                stored: &new,
                generation,
                forced: is_rejected,
            };
            slot.landed(&landed, START, &settings);
            let ready = slot.remember(&old, generation, START.epoch, settings.trust);
            assert_eq!(
                ready.is_none(),
                is_rejected,
                "a rejected token is never handed out again"
            );
            let trusted = slot.trusted(START, &settings).unwrap().token;
            assert_eq!(*trusted.secret(), new.data.access_token);
        }
    }

    #[test]
    fn a_rejected_token_that_a_refresh_brings_again_counts() {
        let slot = Slot::new(TokenKey::in_default("rs"), Duration::ZERO);
        let same = stored(1);
        slot.reject(&same.data.access_token);
        let landed = Landed {
            stored: &same,
            generation: slot.generation(),
            forced: true,
        };
        slot.landed(&landed, START, &Settings::default());
        assert!(!slot.is_rejected(&same.data.access_token));
    }

    fn stored(number: u8) -> StoredToken {
        StoredToken {
            data: TokenData::new("rs", "", format!("token {number}").as_str()),
            revision: Revision::from_bytes(&[number; 8]).unwrap(),
        }
    }
}
