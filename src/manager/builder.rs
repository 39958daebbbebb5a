use std::{sync::Arc, time::Duration};

use token_storage_core::{Error, ErrorKind, LeaseKind, Operation, ProcessLeases, Result, TokenKey, TokenStorage};

use super::{
    Clock, Event, SystemClock, TokenEndpoint, TokenManager,
    absent::Absent,
    event::Events,
    inner::Inner,
    settings::Settings,
    step::{Polls, Steps},
};
use crate::Renewal;

/// Sets up a [`TokenManager`]; see [`TokenManager::builder`].
#[derive(Debug)]
pub struct ManagerBuilder<S> {
    storage: S,
    endpoint: Arc<dyn TokenEndpoint>,
    settings: Settings,
    lease_wait: Option<Duration>,
    single_process: bool,
    clock: Arc<dyn Clock>,
    events: Events,
    steps: Steps,
    polls: Polls,
    absent: Absent,
}

impl<S: TokenStorage + 'static> ManagerBuilder<S> {
    pub(super) fn new(storage: S, endpoint: Arc<dyn TokenEndpoint>) -> Self {
        Self {
            storage,
            endpoint,
            settings: Settings::default(),
            lease_wait: None,
            single_process: false,
            clock: Arc::new(SystemClock::default()),
            events: Events::default(),
            steps: Default::default(),
            polls: Default::default(),
            absent: Default::default(),
        }
    }

    /// How much longer a token must be good to be handed out; 60 s by default, as in the Globus SDK, and never more than a
    /// quarter of the lifetime that the token had when it was issued, as far as that is known. Whole seconds.
    pub fn skew(mut self, skew: Duration) -> Self {
        self.settings.skew = skew;
        self
    }

    /// How much longer a token must be good whatever its lifetime, for work that takes so long; 0 by default. A token that
    /// a refresh has just brought, here or in another process, is handed out although it is not. Whole seconds.
    pub fn valid_for(mut self, time: Duration) -> Self {
        self.settings.valid_for = time;
        self
    }

    /// How long a call waits for a refresh while the token is still good for a little; 1 s by default. Then the token is
    /// handed out ([`Event::ServedAnyway`]), and the refresh goes on: a program that may end then
    /// awaits [`TokenManager::finish`] first, or is built [`in_foreground`](Self::in_foreground), as the refresh token may
    /// be spent and its successor lost. A token that is not good for [`valid_for`](Self::valid_for) is handed out only
    /// when its refresh has failed.
    pub fn serve_after(mut self, wait: Duration) -> Self {
        self.settings.serve_after = wait;
        self
    }

    /// How long a call may take in all; without a limit of its own by default, since each of its parts has one. Requests
    /// and waiting for other holders are cut to it. Then the call fails with
    /// [`TimedOut`](super::ManagerErrorKind::TimedOut), and what it began goes on: dropping a call cancels nothing, so
    /// `tokio::time::timeout` does for a single one.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// For how long a token that was read is handed out again without looking into the storage; 5 s by default, 0 looks
    /// every time. Within this time a logout or login by another process may go unnoticed; what happens through this
    /// manager is noticed at once. Expiry is always checked.
    pub fn trust(mut self, trust: Duration) -> Self {
        self.settings.trust = trust;
        self
    }

    /// How long before it expires a token is refreshed in the background while it is still being handed out; 5 min by
    /// default, varied by a fifth so that many processes do not start at once, and 0 never. A token that was first seen
    /// closer to its expiry than that is left alone until it must be refreshed: it may simply be short-lived.
    pub fn refresh_ahead(mut self, window: Duration) -> Self {
        self.settings.refresh_ahead = window;
        self
    }

    /// Nothing goes on behind a call that has ended, for programs that end soon, as those of a command line, or are frozen
    /// between two calls, as functions in a cloud: `refresh_ahead` is 0, and `serve_after` without end. A refresh that
    /// was cut off could cost the login. Calls that were dropped or that [`timeout`](Self::timeout) ended still leave
    /// something behind; [`TokenManager::finish`] waits for it.
    pub fn in_foreground(self) -> Self {
        self.refresh_ahead(Duration::ZERO).serve_after(Duration::MAX)
    }

    /// How long one request to the token endpoint may take; 30 s by default. With a timed lease it is cut so that it
    /// ends before the lease does.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.settings.request_timeout = timeout;
        self
    }

    /// How long to wait for another holder of the lease. The default is 5 s more than a holder's request and storing may
    /// take, that is 45 s, or with timed leases 10 s more than their time to live if that is longer. Set it shorter than
    /// time to live + 2 s, and short-lived programs never take over from a holder that died.
    pub fn lease_wait(mut self, wait: Duration) -> Self {
        self.lease_wait = Some(wait);
        self
    }

    /// For how long callers wait while the storage does not take a refreshed token; 10 s by default. Then they get it in
    /// the error, and storing goes on in the background.
    pub fn store_patience(mut self, patience: Duration) -> Self {
        self.settings.store_patience = patience;
        self
    }

    /// Revokes a refreshed token that cannot be stored, instead of handing it out in the error: for programs that end before
    /// anybody could use it up.
    pub fn revoke_unstored(mut self) -> Self {
        self.settings.revoke_unstored = true;
        self
    }

    /// Replaces the clocks of the operating system.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Calls this for every [`Event`]. It runs in the middle of the work: do not block in it.
    pub fn on_event(mut self, callback: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.events = Events(Some(Arc::new(callback)));
        self
    }

    /// Declares that this manager is the only one that refreshes the tokens of this storage: needed for a storage that
    /// has no leases, and without effect on any other. If it is not true, two holders will redeem one refresh token, and
    /// the server may log the user out. For lack of a better proof, the record is stored once more before its refresh
    /// token is spent.
    pub fn single_process(mut self) -> Self {
        self.single_process = true;
        self
    }

    /// Fetches the token of a key that has none, without a login: for the tokens that a client gets for itself (RFC 6749
    /// section 4.4). The first request is made as any refresh is, once for all processes, and the token is stored on
    /// condition that there is still none. `None` for keys that need a login; so is anything but
    /// [`Grant::ClientCredentials`](crate::Grant::ClientCredentials).
    ///
    /// The key's resource server is only the name that the token is stored under: which APIs it is for, scope and
    /// parameters of the [`Renewal`] say. A stored record counts, and so does what it says of its own renewal. After a
    /// logout the token is fetched anew as soon as somebody asks for it. A server that refuses is an error of the kind
    /// [`ClientRejected`](super::ManagerErrorKind::ClientRejected).
    ///
    /// ```no_run
    /// use token_storage::{Grant, Renewal, TokenStorage, manager::{TokenEndpoint, TokenManager}};
    /// # fn example(storage: std::sync::Arc<dyn TokenStorage>, endpoint: std::sync::Arc<dyn TokenEndpoint>) -> token_storage::Result<()> {
    /// let reports = Renewal::new(Grant::ClientCredentials).with_scope("reports:read");
    /// let manager = TokenManager::builder(storage, endpoint)
    ///     .fetch_absent(move |key| (key.resource_server() == "reports").then(|| reports.clone()))
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn fetch_absent(mut self, how: impl Fn(&TokenKey) -> Option<Renewal> + Send + Sync + 'static) -> Self {
        self.absent = Absent(Some(Arc::new(how)));
        self
    }

    /// Fail points for tests.
    #[cfg(feature = "__steps")]
    #[doc(hidden)]
    pub fn on_step<F, R>(mut self, hook: F) -> Self
    where
        F: Fn(super::Step) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.steps = Steps(Some(Arc::new(move |step| Box::pin(hook(step)))));
        self
    }

    /// Calls this before each poll of a refresh, with the number of polls before.
    #[cfg(feature = "__steps")]
    #[doc(hidden)]
    pub fn on_poll(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.polls = Polls(Some(Arc::new(hook)));
        self
    }

    /// The manager.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`] if the storage has no leases and [`single_process`](Self::single_process) was not
    ///   declared.
    pub fn build(self) -> Result<TokenManager<S>> {
        let mut settings = self.settings;
        let lease = self.storage.describe().lease;
        if lease.is_none() && !self.single_process {
            let message = "this storage has no refresh leases, so two processes could spend one refresh token; \
                           use another storage, or declare that there is a single process";
            return Err(Error::new(ErrorKind::Misconfigured, message).with_operation(Operation::Open));
        }
        settings.request_timeout = settings.request_timeout.min(settings.timeout);
        settings.lease_wait = self.lease_wait.unwrap_or_else(|| default_wait(lease, &settings));
        settings.lease_wait = settings.lease_wait.min(settings.timeout);
        if let Some(LeaseKind::Timed { ttl }) = lease {
            settings.lease_margin = ttl / 4;
            settings.renew_below = ttl / 2;
        }
        Ok(TokenManager::new(Inner {
            storage: self.storage,
            endpoint: self.endpoint,
            settings,
            local: lease.is_none().then(ProcessLeases::default),
            clock: self.clock,
            events: self.events,
            steps: self.steps,
            polls: self.polls,
            slots: Default::default(),
            absent: self.absent,
        }))
    }
}

fn default_wait(lease: Option<LeaseKind>, settings: &Settings) -> Duration {
    // Whoever began to wait when the holder had just begun is to get what the holder gets.
    let holder = settings.request_timeout.saturating_add(settings.store_patience);
    let least = holder.saturating_add(Duration::from_secs(5));
    match lease {
        Some(LeaseKind::Timed { ttl }) => least.max(ttl + Duration::from_secs(10)),
        _ => least,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l2_the_default_wait_outlasts_a_timed_lease() {
        for ttl in [1, 20, 29, 60].map(Duration::from_secs) {
            let wait = default_wait(Some(LeaseKind::Timed { ttl }), &Settings::default());
            assert!(wait > ttl + Duration::from_secs(2));
        }
    }

    #[test]
    fn l5_the_default_wait_outlasts_a_live_holder() {
        let mut settings = Settings::default();
        for seconds in [1, 30, 300].map(Duration::from_secs) {
            settings.request_timeout = seconds;
            let wait = default_wait(Some(LeaseKind::Process), &settings);
            assert!(wait > settings.request_timeout + settings.store_patience);
        }
    }
}
