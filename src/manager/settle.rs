//! Bringing a redeemed answer into the storage, whatever happened to the record meanwhile (clauses L6, L8 and L10).

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use token_storage_core::{
    Error, ErrorKind, Intent, LeaseGuard, Operation, Secret, StoredToken, TokenData, TokenKey, TokenStorage,
    TokenStorageExt as _,
};

use super::{AccessToken, Event, ManagerError, absent, inner::Inner, jitter::jittered, lease, slot::Slot, step::Step};
use crate::{IssuedBy, ResponseToken, TokenResponse, lifetime, merge, renewal};

/// An answer and the record that it is merged onto.
#[derive(Debug)]
pub(super) struct Pending {
    base: StoredToken,
    /// The refresh token that was redeemed.
    redeemed: Option<Secret>,
    answer: ResponseToken,
    merged: TokenData,
}

/// What became of the answer.
pub(super) enum Settled {
    Stored(Box<StoredToken>),
    /// The record is gone; ours was revoked.
    LoggedOut,
    /// The record has another refresh token; ours was revoked.
    Superseded,
    Failed(Error),
}

enum Attempt {
    Stored(Box<StoredToken>),
    Gone,
    Replaced,
    Rebased,
    Failed(Error),
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_KEEPER_PAUSE: Duration = Duration::from_secs(30);

impl Pending {
    /// The part of a response that is for this key, and the rest. `sent_at`: when it was asked for.
    pub(super) fn new(
        key: &TokenKey,
        base: StoredToken,
        response: TokenResponse,
        sent_at: i64,
    ) -> (Self, Vec<ResponseToken>) {
        let mut tokens = response.into_tokens();
        let names = [base.data.resource_server.as_str(), key.resource_server()];
        let named = |token: &ResponseToken| {
            token
                .resource_server
                .as_deref()
                .is_some_and(|name| names.contains(&name))
        };
        let ours = tokens.iter().position(named);
        let nameless = || tokens.iter().position(|token| token.resource_server.is_none());
        let mut answer = tokens.remove(ours.or_else(nameless).unwrap_or(0));
        // The record's own name stays, whatever the server calls it.
        answer.resource_server = None;
        // How it is asked for is not for an answer to say.
        renewal::remove(&mut answer.extra);
        lifetime::write(&mut answer.extra, answer.expires_at, sent_at);
        let pending = Self {
            redeemed: base.data.refresh_token.clone(),
            merged: merge(&base.data, &answer),
            base,
            answer,
        };
        (pending, tokens)
    }

    /// The new access token.
    pub(super) fn token(&self) -> AccessToken {
        AccessToken::of(&self.merged)
    }

    /// What the lease must say while this is not stored: that the refresh token of the record was sent.
    pub(super) fn intent(&self, now: i64, guarded: bool) -> Intent {
        Intent::new(&self.base, guarded, now)
    }

    fn rebase(&mut self, current: StoredToken) {
        self.merged = merge(&current.data, &self.answer);
        self.base = current;
    }

    /// What the answer alone brought, to be revoked.
    fn fresh(&self) -> TokenData {
        let mut fresh = TokenData::new("", "", self.answer.access_token.clone());
        fresh.refresh_token.clone_from(&self.answer.refresh_token);
        fresh
    }

    async fn attempt<S: TokenStorage>(&mut self, inner: &Inner<S>, key: &TokenKey) -> Attempt {
        let precondition = absent::unchanged(&self.base);
        match inner.storage.store(key, &self.merged, precondition).await {
            Ok(revision) => Attempt::Stored(Box::new(StoredToken {
                data: self.merged.clone(),
                revision,
            })),
            Err(error) if error.kind() == ErrorKind::Conflict => self.after_conflict(inner, key).await,
            Err(error) => Attempt::Failed(error),
        }
    }

    async fn after_conflict<S: TokenStorage>(&mut self, inner: &Inner<S>, key: &TokenKey) -> Attempt {
        let current = inner.storage.get(key).await;
        inner.at(Step::ConflictRead).await;
        match current {
            Err(error) => Attempt::Failed(error),
            // What it was stored into has come and gone.
            Ok(None) if absent::is_blank(&self.base) => Attempt::Rebased,
            Ok(None) => Attempt::Gone,
            Ok(Some(current)) if self.is_ours(&current.data) => Attempt::Stored(Box::new(current)),
            Ok(Some(current)) if self.is_still_of(&current.data) => {
                self.rebase(current);
                Attempt::Rebased
            }
            Ok(Some(_)) => Attempt::Replaced,
        }
    }

    /// Whether the record is still the one that was refreshed, though edited.
    fn is_still_of(&self, current: &TokenData) -> bool {
        let named = |data| IssuedBy::of(data).ok().flatten();
        // Programs that do not know what we write there, such as the Python SDK, drop it.
        let other_source = match (named(current), named(&self.base.data)) {
            (Some(theirs), Some(ours)) => !(ours.is_same_server(&theirs) && ours.is_same_client(&theirs)),
            _ => false,
        };
        // Where there is no refresh token, the access token is all that tells one login from another.
        let same_login = self.redeemed.is_some() || current.access_token == self.base.data.access_token;
        same_login && current.refresh_token == self.redeemed && !other_source
    }

    /// Whether an earlier try got through although it failed, and perhaps another program has rewritten it since.
    fn is_ours(&self, current: &TokenData) -> bool {
        let rotated = self.answer.refresh_token.is_some() && self.answer.refresh_token != self.redeemed;
        *current == self.merged || (rotated && current.refresh_token == self.merged.refresh_token)
    }
}

/// Stores the answer, trying again for as long as callers may be kept waiting. A retry after a failure that may have
/// been a success is safe: it runs into a conflict with what is ours.
pub(super) async fn store<S: TokenStorage>(
    inner: &Inner<S>,
    key: &TokenKey,
    lease: &mut dyn LeaseGuard,
    pending: &mut Pending,
) -> Settled {
    let patience = tokio::time::Instant::now() + inner.settings.store_patience;
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match lease::keep(lease, pending.attempt(inner, key)).await {
            Attempt::Rebased if tokio::time::Instant::now() < patience => {
                // Should this process die now, its successor must know that the record's refresh token was sent.
                let _ = lease.record_intent(&pending.intent(inner.clock.now(), false)).await;
                continue;
            }
            Attempt::Rebased => return Settled::Failed(restless(key)),
            Attempt::Failed(error) => error,
            done => return conclude(inner, key, pending, done).await,
        };
        let hopeless = matches!(
            error.kind(),
            ErrorKind::TooLarge | ErrorKind::InvalidInput | ErrorKind::Rejected
        );
        if hopeless || tokio::time::Instant::now() + pause > patience {
            return Settled::Failed(error);
        }
        lease::keep(lease, tokio::time::sleep(jittered(pause))).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        // Best effort: even without the lease, the precondition keeps a successor's record from being overwritten.
        let _ = lease.renew().await;
    }
}

fn restless(key: &TokenKey) -> Error {
    let message = "others kept changing the record while the refreshed token was being stored";
    Error::new(ErrorKind::Busy, message)
        .with_operation(Operation::Store)
        .with_key(key)
}

/// The three ways in which a redeemed answer ends (L8).
async fn conclude<S: TokenStorage>(inner: &Inner<S>, key: &TokenKey, pending: &Pending, done: Attempt) -> Settled {
    match done {
        Attempt::Stored(stored) => Settled::Stored(stored),
        Attempt::Gone => {
            // Whoever logged out has seen the refresh token before; without rotation it is this one.
            inner.revoke_fresh(key, &pending.base.data, &pending.merged).await;
            Settled::LoggedOut
        }
        Attempt::Replaced | Attempt::Rebased => {
            inner.revoke_fresh(key, &pending.base.data, &pending.fresh()).await;
            Settled::Superseded
        }
        Attempt::Failed(error) => Settled::Failed(error),
    }
}

/// What the configuration says about an answer that cannot be stored: revoke it, or keep it and keep trying. The second
/// value is what is to be kept.
pub(super) async fn give_up<S: TokenStorage>(
    inner: &Inner<S>,
    key: &TokenKey,
    lease: &mut dyn LeaseGuard,
    pending: Pending,
    cause: Error,
) -> (ManagerError, Option<Pending>) {
    if !inner.settings.revoke_unstored {
        let error = ManagerError::not_stored(key, Some(pending.token()), false, cause);
        return (error, Some(pending));
    }
    let revoked = inner.revoke_fresh(key, &pending.base.data, &pending.fresh()).await;
    // The stored refresh token is spent for certain, so nobody need find that out with a request.
    let _ = lease.record_intent(&pending.intent(inner.clock.now(), true)).await;
    (ManagerError::not_stored(key, None, revoked, cause), None)
}

/// Keeps trying for as long as the manager lives, under the lease, so that nobody spends the old refresh token again. If
/// the manager ends first, the intent stays behind and tells the next holder.
pub(super) async fn keep_trying<S: TokenStorage>(
    inner: Weak<Inner<S>>,
    slot: Arc<Slot>,
    mut lease: Box<dyn LeaseGuard>,
    mut pending: Pending,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        lease::keep(&mut *lease, tokio::time::sleep(jittered(pause))).await;
        pause = (pause * 2).min(LONGEST_KEEPER_PAUSE);
        let Some(inner) = inner.upgrade() else {
            return;
        };
        let _ = lease.renew().await;
        match lease::keep(&mut *lease, pending.attempt(&inner, &slot.key)).await {
            Attempt::Failed(_) | Attempt::Rebased => {}
            done => {
                if let Settled::Stored(_) = conclude(&inner, &slot.key, &pending, done).await {
                    inner.emit(&Event::StoredAfterAll(slot.key.clone()));
                }
                let _ = lease.finish().await;
                slot.settled();
                return;
            }
        }
    }
}
