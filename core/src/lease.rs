use std::{fmt, time::Duration};

use async_trait::async_trait;

use crate::{Intent, Result, Revision, TokenKey};

/// The right to redeem one refresh token, for one holder at a time across everything that shares the storage
/// (clauses L1 and L2).
///
/// The trait only tries: waiting, with its back-off and its limit, belongs to the token manager.
#[async_trait]
pub trait RefreshLease: Send + Sync {
    /// Takes the lease of a key if nobody holds it; returns at once.
    ///
    /// A storage with timed leases remembers, for each key, since when it has seen the holder's mark stand still; the
    /// call takes the lease over once that is longer than the time to live on this process's monotonic clock. So call it
    /// again and again while waiting, on the same storage handle.
    ///
    /// # Errors
    /// - Those of every method of [`TokenStorage`](crate::TokenStorage). "Held by another" is not an error, and an error
    ///   is never "held by another" (L4).
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition>;

    /// Takes the lease as [`try_acquire`](RefreshLease::try_acquire) does, to redeem the refresh token of the record at this
    /// revision, and does what has to be done before that in the same step, where the storage can and nothing is in the way:
    /// see [`Begin`]. `intent`: what is to be recorded, if anything.
    ///
    /// The default takes the steps one by one: it only tries to acquire.
    ///
    /// # Errors
    /// - Those of [`try_acquire`](RefreshLease::try_acquire).
    async fn try_begin(&self, key: &TokenKey, _revision: Revision, _intent: Option<&Intent>) -> Result<Begin> {
        self.try_acquire(key).await.map(Begin::Tried)
    }

    /// What stands with the lease of a key: an intent that was recorded and not cleared, and whether somebody holds it. Takes
    /// nothing and writes nothing, at the cost of one read.
    ///
    /// That no intent is shown is certain: nobody has recorded one that was not cleared. `None` where it cannot be told, and
    /// then there may be one; a storage that can tell does so always. A wrapper passes it on.
    ///
    /// # Errors
    /// - Those of every read.
    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>>;
}

/// The answer of [`RefreshLease::look`], outdated as soon as it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseView {
    /// Whether somebody holds it. A timed lease counts as held until it is released or taken over, even if its holder is
    /// no more.
    pub held: bool,
    /// What the next holder would find, or what the present one has recorded.
    pub intent: Option<Intent>,
}

impl LeaseView {
    /// What a backend has seen.
    pub fn new(held: bool, intent: Option<Intent>) -> Self {
        Self { held, intent }
    }
}

/// The answer of [`RefreshLease::try_acquire`]. Exhaustive on purpose: a third answer would have to be thought of by whoever
/// waits.
#[derive(Debug)]
pub enum Acquisition {
    /// The lease is the caller's until the guard is released or dropped, or its time runs out.
    Acquired(Box<dyn LeaseGuard>),
    /// Another holds it.
    Held {
        /// How long to wait before trying again; the waiter adds jitter, and may let it grow. A storage to which each try
        /// is a request begins with some 20 ms and lets it grow itself, to half the time it has watched, say.
        retry_after: Duration,
    },
}

impl Acquisition {
    /// The same, with another guard: for wrappers.
    #[must_use]
    pub fn map(self, wrap: impl FnOnce(Box<dyn LeaseGuard>) -> Box<dyn LeaseGuard>) -> Self {
        match self {
            Self::Acquired(guard) => Self::Acquired(wrap(guard)),
            Self::Held { retry_after } => Self::Held { retry_after },
        }
    }
}

/// The answer of [`RefreshLease::try_begin`].
#[derive(Debug)]
pub enum Begin {
    /// The lease is the caller's, and at the moment it became so the record was at that revision and could be written to, and
    /// no predecessor's intent stood; the caller's own is recorded.
    Begun(Box<dyn LeaseGuard>),
    /// Nothing but what [`RefreshLease::try_acquire`] answers.
    Tried(Acquisition),
}

impl Begin {
    /// The same, with another guard: for wrappers.
    #[must_use]
    pub fn map(self, wrap: impl FnOnce(Box<dyn LeaseGuard>) -> Box<dyn LeaseGuard>) -> Self {
        match self {
            Self::Begun(guard) => Self::Begun(wrap(guard)),
            Self::Tried(acquisition) => Self::Tried(acquisition.map(wrap)),
        }
    }
}

/// A lease that is held. It owns what it needs and may outlive the borrow it came from.
///
/// Calls may be dropped at any await point. An intent whose recording or clearing was dropped may still be recorded or
/// cleared, but never after a later call of this guard was acknowledged (A7).
///
/// [`release`](LeaseGuard::release) is the orderly end. Dropping the guard frees a lease bound to the process at once; a
/// timed one may have to run out.
#[async_trait]
pub trait LeaseGuard: fmt::Debug + Send + Sync {
    /// The intent that a predecessor recorded and did not clear: it died between sending a refresh token and storing the
    /// result, or could not say how it ended. `None` once it was cleared.
    fn intent(&self) -> Option<&Intent>;

    /// How much longer the lease is certainly this holder's, on the more cautious of the monotonic and the wall clock;
    /// zero once it may have been taken over. `None`: as long as this process lives.
    fn remaining(&self) -> Option<Duration>;

    /// Starts the time to live anew. Does nothing for a lease bound to the process.
    ///
    /// # Errors
    /// - [`LeaseLost`](crate::ErrorKind::LeaseLost): another has taken it over, whether it still holds it or not; or a
    ///   server has ended it.
    async fn renew(&mut self) -> Result<()>;

    /// Records durably that the refresh token is about to be sent. It is kept with the lease, not in the record (L7), and
    /// stays behind if the holder dies.
    ///
    /// # Errors
    /// - [`LeaseLost`](crate::ErrorKind::LeaseLost), and whatever a store would fail with.
    async fn record_intent(&mut self, intent: &Intent) -> Result<()>;

    /// Forgets the intent: the outcome is known and stored.
    ///
    /// # Errors
    /// - As [`LeaseGuard::record_intent`].
    async fn clear_intent(&mut self) -> Result<()>;

    /// Gives the lease back, keeping a recorded intent for the next holder. Does nothing if it is no longer this
    /// holder's.
    ///
    /// # Errors
    /// - The storage could not be reached; the lease is then freed as if its holder had died.
    async fn release(self: Box<Self>) -> Result<()>;

    /// Forgets the intent and gives the lease back: the outcome is known and stored. The default does one after the other.
    ///
    /// # Errors
    /// - Those of [`clear_intent`](LeaseGuard::clear_intent) and of [`release`](LeaseGuard::release).
    async fn finish(mut self: Box<Self>) -> Result<()> {
        let cleared = self.clear_intent().await;
        self.release().await.and(cleared)
    }
}
