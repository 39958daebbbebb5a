//! Handing out valid access tokens, and refreshing each of them exactly once.
//!
//! In every ecosystem users are logged out because two holders redeem one rotating refresh token, or because a new token
//! is lost between the answer and the disk. [`TokenManager`] prevents both, across tasks, processes and hosts, on any
//! storage that has a lease: one refresh per key and process, in a task of its own; one holder of the lease among all
//! processes; the record read again under the lease; the storage proven writable and the intent recorded before the
//! refresh token is sent; the answer stored with compare-and-swap before anyone sees it. Clauses L1 to L10 say it in
//! full.
//!
//! ```no_run
//! use std::sync::Arc;
//! use token_storage::{TokenKey, TokenStorage, manager::{TokenEndpoint, TokenManager}};
//!
//! # async fn example(endpoint: Arc<dyn TokenEndpoint>) -> Result<(), Box<dyn std::error::Error>> {
//! let storage: Arc<dyn TokenStorage> = token_storage::open("sqlite:/var/lib/app/tokens.db").await?.into();
//! let manager = TokenManager::builder(storage, endpoint).build()?;
//! let groups = manager.authorizer(&TokenKey::in_default("groups.api.globus.org"));
//! let header = groups.header_value().await?; // a `Secret`: `header.expose()` is "Bearer ..."
//! # Ok(()) }
//! ```

mod absent;
mod advice;
mod answer;
mod authorizer;
mod builder;
mod clock;
mod connection;
mod endpoint;
mod error;
mod event;
mod flight;
mod hold_off;
mod inner;
mod jitter;
mod lease;
mod login;
mod logout;
mod mode;
mod others;
mod quote;
mod redeem;
mod refresh;
mod refreshing;
mod refusal;
mod remembered;
mod revoke;
mod round;
mod settings;
mod settle;
mod slot;
mod slots;
mod step;
mod token;

use std::{fmt, future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

#[doc(inline)]
pub use token_storage_core::backend::{Clock, SystemClock};
use token_storage_core::{Secret, StoredToken, TokenKey, TokenStorage};
use tokio::sync::watch;

pub use advice::Advice;
pub use answer::{EndpointError, EndpointErrorKind};
pub use authorizer::{Authorizer, KeepFresh};
pub use builder::ManagerBuilder;
pub use connection::ConnectionProblem;
pub use endpoint::{RefreshRequest, RevokeRequest, TokenEndpoint, TokenKind};
pub use error::{ManagerError, ManagerErrorKind, ReauthReason};
pub use event::{Event, OddAnswer};
pub use login::{InTheWay, StoredLogin};
pub use logout::{LoggedOut, Logout, LogoutOf};
#[cfg(feature = "oauth")]
pub(crate) use quote::clean;
pub use remembered::{RefreshStatus, refresh_status};
#[cfg(feature = "__steps")]
#[doc(hidden)]
pub use step::Step;
pub use token::{AccessToken, NotBearer};

use crate::{StoredResponse, TokenResponse, is_sealed};
use error::Action;
use inner::{Inner, Read};
use mode::Mode;
use refreshing::{Joined, Outcome, Told};
use settings::is_valid;
use slot::{InvalidateOnDrop, Ready, Slot};

/// Hands out valid access tokens of a storage, refreshing them as needed. Clones share everything; make one per storage
/// and authorization server, and keep it.
///
/// It must be used within a tokio runtime, and refreshes run on the one that the caller was on. If that is shut down in
/// the middle of a refresh, the outcome is unknown, as after a crash.
pub struct TokenManager<S = Arc<dyn TokenStorage>>(Arc<Inner<S>>);

impl<S: TokenStorage + 'static> TokenManager<S> {
    /// Sets up a manager for the tokens of a storage that come from one authorization server.
    pub fn builder(storage: S, endpoint: Arc<dyn TokenEndpoint>) -> ManagerBuilder<S> {
        ManagerBuilder::new(storage, endpoint)
    }

    fn new(inner: Inner<S>) -> Self {
        Self(Arc::new(inner))
    }

    /// An access token that is good for at least the skew, refreshed if the stored one is not. One that was read not
    /// long ago ([`ManagerBuilder::trust`]) is handed out without any input or output.
    ///
    /// A token that is within the skew but not yet expired is handed out if refreshing it fails. One of unknown expiry
    /// is handed out until [`rejected`](Self::rejected) says otherwise. If the storage cannot be read, the token that
    /// was read last is handed out for as long as it is good.
    ///
    /// Dropping the future cancels nothing that has been started.
    ///
    /// # Errors
    /// - [`ManagerErrorKind`] names all of them; the common ones are `ReauthRequired`: a person must log in, and
    ///   `Transient`: try again later.
    pub async fn access_token(&self, key: &TokenKey) -> Result<AccessToken, ManagerError> {
        // A slot that is there is not taken out of the map for a token that is trusted: that would cost a tenth of it all.
        let known = self
            .0
            .slots
            .with(key, |slot| self.trusted(slot).ok_or_else(|| slot.clone()));
        match known.unwrap_or_else(|| Err(self.0.slot(key))) {
            Ok(token) => Ok(token),
            Err(slot) => self.look(&slot).await,
        }
    }

    /// Takes a 401 that the resource server answered to `token`, and gives the token to try again with: the one that is
    /// stored meanwhile, or a refreshed one.
    ///
    /// # Errors
    /// - [`ManagerErrorKind::StillRejected`] if `token` itself came from such a refresh less than a minute ago, or if the
    ///   authorization server answers the refresh with the same token.
    /// - Those of [`access_token`](Self::access_token), which does not hand the rejected token out again either.
    pub async fn rejected(&self, key: &TokenKey, token: &AccessToken) -> Result<AccessToken, ManagerError> {
        self.within(Action::GetToken, key, self.replace_rejected(key, token))
            .await
    }

    async fn replace_rejected(&self, key: &TokenKey, token: &AccessToken) -> Result<AccessToken, ManagerError> {
        let slot = self.0.slot(key);
        if slot.was_forced(token.secret(), self.0.now()) {
            return Err(ManagerError::still_rejected(key));
        }
        slot.reject(token.secret());
        let other = self.replace(&slot, token.secret()).await?;
        if other.secret() == token.secret() {
            return Err(ManagerError::still_rejected(key));
        }
        Ok(other)
    }

    /// Refreshes the token although it is still good, unless another holder just did. After a failure it keeps the same
    /// pause as [`access_token`](Self::access_token).
    ///
    /// # Errors
    /// Those of [`access_token`](Self::access_token).
    pub async fn refresh(&self, key: &TokenKey) -> Result<AccessToken, ManagerError> {
        let refreshed = async {
            let slot = self.0.slot(key);
            match self.0.current(key).await? {
                None => Err(ManagerError::reauth(ReauthReason::NoToken, key)),
                Some(stored) => self.replace(&slot, &stored.data.access_token).await,
            }
        };
        self.within(Action::GetToken, key, refreshed).await
    }

    /// What is known of the refreshes of this token, by all processes: whether one is under way, was broken off, or was
    /// answered so that no other is made for now. No server is asked, no lease is taken, and nothing is written; it costs
    /// one read of the storage, and a second one if there is something to tell.
    ///
    /// # Errors
    /// - [`ManagerErrorKind::Storage`] and [`ManagerErrorKind::Busy`].
    pub async fn refresh_status(&self, key: &TokenKey) -> Result<RefreshStatus, ManagerError> {
        let status = remembered::status(&self.0, key).await;
        status.map_err(|error| error.doing(Action::LookAtRefreshes))
    }

    /// Hands out the token of one key, and takes its 401s.
    pub fn authorizer(&self, key: &TokenKey) -> Authorizer<S> {
        Authorizer::new(self.clone(), self.0.slot(key))
    }

    /// Stores the answer to a login and forgets what was known of the records before. A record of the same server and
    /// client is replaced.
    ///
    /// # Errors
    /// Those of [`store_login_with`](Self::store_login_with).
    pub async fn store_login(
        &self,
        namespace: &str,
        response: &TokenResponse,
    ) -> Result<Vec<StoredResponse>, ManagerError> {
        let login = self.store_login_with(namespace, response, InTheWay::Refuse).await?;
        Ok(login.records)
    }

    /// As [`store_login`](Self::store_login), and says what was replaced.
    ///
    /// # Errors
    /// - [`ManagerErrorKind::InTheWay`]: a record of another server or client is stored under such a name, and is not to be
    ///   replaced. Nothing was stored.
    /// - [`ManagerErrorKind::Storage`] and [`ManagerErrorKind::Busy`].
    pub async fn store_login_with(
        &self,
        namespace: &str,
        response: &TokenResponse,
        in_the_way: InTheWay<'_>,
    ) -> Result<StoredLogin, ManagerError> {
        let names = response
            .tokens()
            .iter()
            .filter_map(|token| token.resource_server.as_deref());
        let slots = names.map(|name| self.0.slot(&TokenKey::new(namespace, name)));
        let _forgets: Vec<_> = slots.map(InvalidateOnDrop).collect();
        let stored = login::store(&self.0, namespace, response, in_the_way).await;
        stored.map_err(|error| self.0.named(error, Action::StoreLogin))
    }

    /// What can be known before a person logs in, about a name that the login will be stored under: that the storage can be
    /// written, and that no record of another server or client is there. No server is asked.
    ///
    /// # Errors
    /// - [`ManagerErrorKind::InTheWay`], unless such a record is to be replaced; whose it is says
    ///   [`ManagerError::in_the_way_of`].
    /// - [`ManagerErrorKind::Storage`] and [`ManagerErrorKind::Busy`].
    pub async fn prepare_login(&self, key: &TokenKey, in_the_way: InTheWay<'_>) -> Result<(), ManagerError> {
        self.within(Action::StoreLogin, key, login::prepare(&self.0, key, in_the_way))
            .await
    }

    /// Revokes the tokens that a login replaced ([`StoredLogin::replaced`]), and goes on after a failure. What another server
    /// or another client was given is left alone.
    pub async fn revoke_replaced(&self, replaced: &[StoredResponse]) -> Vec<(TokenKey, Result<(), ManagerError>)> {
        login::revoke_replaced(&self.0, replaced).await
    }

    /// What to store a token under that names no resource server: [`IssuedBy::default_name`](crate::IssuedBy::default_name)
    /// of this server, or the plain host of its token endpoint if this login is stored under that already. `None` if the
    /// endpoint does not say which server it is.
    ///
    /// # Errors
    /// - [`ManagerErrorKind::Storage`] and [`ManagerErrorKind::Busy`].
    pub async fn default_name(&self, namespace: &str) -> Result<Option<String>, ManagerError> {
        let Some(ours) = self.0.endpoint.issued_by() else {
            return Ok(None);
        };
        if let Some(host) = ours.host() {
            let stored = self.0.read(&TokenKey::new(namespace, host)).await;
            let stored = stored.map_err(|error| error.doing(Action::NameLogin))?;
            if stored.is_some_and(|stored| ours.owns(&stored.data)) {
                return Ok(Some(host.to_owned()));
            }
        }
        Ok(ours.default_name())
    }

    /// Logs out of several records, each as [`logout`](Self::logout) does, and goes on after a failure.
    ///
    /// # Errors
    /// - [`ManagerErrorKind::Storage`] and [`ManagerErrorKind::Busy`] if it cannot be found out which these are; of a namespace
    ///   also if the storage cannot list. What became of each is in the result.
    pub async fn logout_all(&self, of: LogoutOf<'_>, mode: Logout) -> Result<LoggedOut, ManagerError> {
        let found = logout::keys(&self.0, of).await;
        let (keys, unnameable) = found.map_err(|error| error.doing(Action::LogOut))?;
        let mut ended = Vec::new();
        for key in keys {
            let outcome = self.logout(&key, mode).await;
            ended.push((key, outcome));
        }
        Ok(LoggedOut { ended, unnameable })
    }

    /// The keys of all records that came with the same login as this one, itself first: a login at Globus brings several,
    /// each with a refresh token of its own. For [`logout_all`](Self::logout_all), on storages that cannot list too.
    ///
    /// # Errors
    /// - [`ManagerErrorKind::Storage`] and [`ManagerErrorKind::Busy`].
    pub async fn login_keys(&self, key: &TokenKey) -> Result<Vec<TokenKey>, ManagerError> {
        self.within(Action::FindLogin, key, login::keys(&self.0, key)).await
    }

    /// Logs out: revokes the tokens at the server, then removes them, and says whether there were any. A refresh that is
    /// under way anywhere loses: the record stays absent and its fresh tokens are revoked.
    ///
    /// # Errors
    /// - [`ManagerErrorKind::NotRevoked`]: nothing was removed; see [`Logout::RemoveOnly`].
    /// - [`ManagerErrorKind::Storage`] and [`ManagerErrorKind::Busy`].
    pub async fn logout(&self, key: &TokenKey, mode: Logout) -> Result<bool, ManagerError> {
        let _forgets = InvalidateOnDrop(self.0.slot(key));
        self.within(Action::LogOut, key, logout::logout(&self.0, key, mode))
            .await
    }

    /// Forgets what is known of a key, so that the next call looks into the storage: after a change that this manager
    /// could not see.
    pub fn invalidate(&self, key: &TokenKey) {
        self.0.slot(key).invalidate();
    }

    /// Waits until no refresh is under way in this process, those that nobody waits for included. Call it before the
    /// runtime is shut down: that would break a refresh off, and with it perhaps a token. A refreshed token that cannot
    /// be stored is not waited for; see [`ManagerErrorKind::NotStored`].
    pub async fn finish(&self) {
        for mut flight in self.0.slots.flights() {
            // An error means that it ended without a result, and so does no longer run.
            let _ = flight.wait_for(Option::is_some).await;
        }
    }

    /// The storage.
    pub fn storage(&self) -> &S {
        &self.0.storage
    }

    async fn token_of(&self, slot: &Arc<Slot>) -> Result<AccessToken, ManagerError> {
        match self.trusted(slot) {
            Some(token) => Ok(token),
            None => self.look(slot).await,
        }
    }

    /// The token that may be handed out without looking into the storage.
    fn trusted(&self, slot: &Arc<Slot>) -> Option<AccessToken> {
        let inner = &self.0;
        // Then nothing ever is, and the clocks need not be read for it.
        if inner.settings.trust.is_zero() {
            return None;
        }
        let ready = slot.trusted(inner.now(), &inner.settings)?;
        Some(self.hand_out(slot, ready))
    }

    async fn look(&self, slot: &Arc<Slot>) -> Result<AccessToken, ManagerError> {
        self.within(Action::GetToken, &slot.key, self.read_token(slot)).await
    }

    /// Within the time that a call may take. Whatever comes out of it says what could not be done, and at which server.
    async fn within<T>(
        &self,
        action: Action,
        key: &TokenKey,
        work: impl Future<Output = Result<T, ManagerError>>,
    ) -> Result<T, ManagerError> {
        let work = pin!(work);
        let done = match self.0.settings.timeout {
            Duration::MAX => work.await,
            most => tokio::time::timeout(most, work)
                .await
                .unwrap_or_else(|_| Err(ManagerError::timed_out(key, most))),
        };
        done.map_err(|error| self.0.named(error, action))
    }

    /// Hands out a token and, if it is time, has it refreshed in the background.
    fn hand_out(&self, slot: &Arc<Slot>, ready: Ready) -> AccessToken {
        if let Some(revision) = ready.ahead {
            match slot.join(revision, self.0.now()) {
                Joined::Start(sender, _) => self.start(slot, Mode::Ahead(revision), None, sender),
                Joined::Not(_) => slot.postpone(revision),
                Joined::Wait(_) => {}
            }
        }
        ready.token
    }

    async fn read_token(&self, slot: &Arc<Slot>) -> Result<AccessToken, ManagerError> {
        let inner = &self.0;
        let generation = slot.generation();
        let is_good = || slot.last_seen(inner.clock.now(), &inner.settings).is_some();
        let read = self.soon(is_good, inner.storage.get(&slot.key)).await;
        if let Some(Ok(Some(stored))) = &read
            && let Some(token) = self.accept(slot, stored, generation)
        {
            return Ok(token);
        }
        // Apart, as it is large: what holds it is copied with every call, and few of them come here.
        Box::pin(self.renew(slot, read)).await
    }

    /// The token of a record that was read at `generation`, if it is good.
    fn accept(&self, slot: &Arc<Slot>, stored: &StoredToken, generation: u64) -> Option<AccessToken> {
        let inner = &self.0;
        let now = inner.clock.now();
        if is_sealed(&stored.data) || !inner.settings.is_fresh_record(&stored.data, now) {
            return None;
        }
        let ready = slot.remember(stored, generation, now, inner.trusted_until())?;
        Some(self.hand_out(slot, ready))
    }

    /// In place of what was read and is not good enough, another token; or that one after all, if another cannot be had.
    /// `None`: the storage takes long.
    async fn renew(&self, slot: &Arc<Slot>, read: Option<Read>) -> Result<AccessToken, ManagerError> {
        let inner = &self.0;
        let too_slow = || ManagerError::timed_out(&slot.key, inner.settings.serve_after);
        let read = read.ok_or_else(too_slow);
        let stored = match read.and_then(|read| inner.understand(&slot.key, read)) {
            Ok(stored) => stored,
            Err(error) => {
                let last_seen = slot.last_seen(inner.clock.now(), &inner.settings);
                return self.serve_anyway(slot, error, last_seen);
            }
        };
        let Some(stored) = stored else {
            slot.invalidate();
            return Err(ManagerError::reauth(ReauthReason::NoToken, &slot.key));
        };
        let rejected = slot.is_rejected(&stored.data.access_token);
        let mode = match rejected {
            true => Mode::Forced(stored.data.access_token.clone()),
            false => Mode::Stale(stored.data.access_token.clone()),
        };
        let is_good = || !rejected && is_valid(&stored.data, inner.clock.now());
        let flight = async { self.fly(slot, mode, &stored).await.0 };
        let will_do = || is_good() && inner.settings.is_good_for_the_work(&stored.data, inner.clock.now());
        match self.soon(will_do, flight).await.unwrap_or_else(|| Err(too_slow())) {
            Err(error) if may_serve(&error) => {
                let still_valid = is_good().then(|| AccessToken::of(&stored.data));
                self.serve_anyway(slot, error, still_valid)
            }
            outcome => outcome,
        }
    }

    /// Does not wait for long where there is a token that will do, which is looked for only if there is anything to wait
    /// for. What was begun goes on.
    async fn soon<T>(&self, has_token: impl FnOnce() -> bool, work: impl Future<Output = T>) -> Option<T> {
        let most = self.0.settings.serve_after;
        let (mut work, mut has_token, mut limit) = (pin!(work), Some(has_token), None);
        poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Some(done));
            }
            if has_token.take().is_some_and(|has_token| has_token()) {
                // Its time comes also where the work leaves nothing of what a task may do at a time.
                limit = Some(Box::pin(tokio::task::unconstrained(tokio::time::sleep(most))));
            }
            let limit = limit
                .as_mut()
                .map_or(Poll::Pending, |limit| limit.as_mut().poll(context));
            limit.map(|()| None)
        })
        .await
    }

    fn serve_anyway(
        &self,
        slot: &Slot,
        error: ManagerError,
        valid: Option<AccessToken>,
    ) -> Result<AccessToken, ManagerError> {
        match valid {
            Some(token) => {
                let error = self.0.named(error, Action::GetToken);
                let token = token.despite(error.clone());
                self.0.emit(&match token.is_doubtful() {
                    true => Event::ServedDoubtful(slot.key.clone(), error),
                    false => Event::ServedAnyway(slot.key.clone(), error),
                });
                Ok(token)
            }
            None => Err(error),
        }
    }

    /// A token other than this one, unless the server answers a refresh with the same.
    async fn replace(&self, slot: &Arc<Slot>, old: &Secret) -> Result<AccessToken, ManagerError> {
        slot.forget();
        let mode = Mode::Forced(old.clone());
        loop {
            let Some(stored) = self.0.current(&slot.key).await? else {
                return Err(ManagerError::reauth(ReauthReason::NoToken, &slot.key));
            };
            if self.0.will_do(&mode, &stored) {
                return Ok(AccessToken::of(&stored.data));
            }
            let (outcome, started) = self.fly(slot, mode.clone(), &stored).await;
            let token = outcome?;
            // One that was under way already may have been for another reason, and end with the old token.
            if started || token.secret() != old {
                return Ok(token);
            }
        }
    }

    /// Joins the refresh under way or starts one, and waits for its end. Says whether it was started here.
    async fn fly(&self, slot: &Arc<Slot>, mode: Mode, stored: &StoredToken) -> (Outcome, bool) {
        match slot.join(stored.revision, self.0.now()) {
            Joined::Not(error) => (Err(error), false),
            Joined::Wait(receiver) => (wait(&slot.key, receiver).await, false),
            Joined::Start(sender, receiver) => {
                self.start(slot, mode, Some(stored.clone()), sender);
                (wait(&slot.key, receiver).await, true)
            }
        }
    }

    /// `seen`: the record, if it has just been read.
    fn start(&self, slot: &Arc<Slot>, mode: Mode, seen: Option<StoredToken>, sender: watch::Sender<Option<Outcome>>) {
        let flight = flight::run(self.0.clone(), slot.clone(), mode, seen, sender);
        tokio::spawn(self.0.polls.watch(flight));
    }
}

async fn wait(key: &TokenKey, mut receiver: Told) -> Outcome {
    let outcome = receiver.wait_for(Option::is_some).await;
    match outcome.ok().and_then(|outcome| outcome.clone()) {
        Some(outcome) => outcome,
        None => {
            let message = "the refresh ended without a result, because its runtime was shut down or it panicked";
            Err(ManagerError::new(ManagerErrorKind::Interrupted, key, message))
        }
    }
}

/// A token that is still valid is better than an error, unless it is gone, or a newer one is in the error.
fn may_serve(error: &ManagerError) -> bool {
    !matches!(
        error.kind(),
        ManagerErrorKind::ReauthRequired(ReauthReason::NoToken | ReauthReason::LoggedOut) | ManagerErrorKind::NotStored
    )
}

impl<S> Clone for TokenManager<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: fmt::Debug> fmt::Debug for TokenManager<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenManager")
            .field("storage", &self.0.storage)
            .finish_non_exhaustive()
    }
}
