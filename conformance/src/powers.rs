//! What a harness can do to a storage so that more can be asked of it. Each is a trait of its own; what is not
//! implemented costs cases that are ignored, and clauses that the summary calls unproven.

use std::sync::Arc;

use token_storage_core::{Result, TokenKey, TokenStorage, async_trait};

use crate::Harness;

/// For storages whose records can be damaged one by one, wherever they are: a file, a row, a value of a server.
#[async_trait]
pub trait RecordDamaging: Harness {
    /// Puts these bytes where the record of this key is, past the storage and its handles: what the storage reads there
    /// next is this. If the place can hold text only, a text that has them in it will do. The record was stored before,
    /// and its key stays what it is.
    ///
    /// # Errors
    /// - Why it could not be done: the case fails.
    async fn overwrite(&self, place: &Self::Place, key: &TokenKey, bytes: &[u8]) -> Result<()>;
}

/// For storages that can be made to refuse writes while they can still be read: a permission that is taken away, a
/// server that says it is read-only, a quota.
#[async_trait]
pub trait WriteRefusing: Harness {
    /// From now on, writes of any handle of this place are refused, or no longer. Whether leases can be acquired
    /// meanwhile makes no difference.
    ///
    /// # Errors
    /// - Why that is not possible here, for example because a superuser may write everywhere: the cases are ignored.
    async fn refuse_writes(&self, place: &Self::Place, refuse: bool) -> Result<(), String>;
}

/// For storages that can be named in two ways: through another path, another name of the server, an alias.
#[async_trait]
pub trait SecondWay: Harness {
    /// A handle onto the same data, opened in another way than by [`Harness::reopen`].
    ///
    /// # Errors
    /// - What opening fails with.
    async fn reopen_otherwise(&self, place: &Self::Place) -> Result<Arc<dyn TokenStorage>>;

    /// The names of the place that [`Harness::reopen`] and [`reopen_otherwise`](SecondWay::reopen_otherwise) use: two paths,
    /// two addresses. Where they are the same, the cases fail.
    fn ways(&self, place: &Self::Place) -> [String; 2];
}

/// For storages that are reached by requests: how the suite loses, delays and duplicates them, one, several or all.
///
/// [`FaultInjecting`](crate::FaultInjecting) is the simpler one: one loss at a time, and only of what writes.
#[async_trait]
pub trait Unreliable: Harness {
    /// A handle of its own, and the way between it and the data. Other handles are not affected.
    ///
    /// # Errors
    /// - What opening fails with.
    async fn reopen_unreliable(&self, place: &Self::Place) -> Result<(Arc<dyn TokenStorage>, Box<dyn Network>)>;
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Requests {
    /// It reads a record.
    Reads,
    /// It may change a record, or several.
    Writes,
    /// It is about a lease: reading it, taking it, changing it. A proof that a record can be written is a write.
    Leases,
}

/// What happens to a request on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mishap {
    /// It is not carried out, and the client sees the connection break.
    RequestLost,
    /// It is carried out, and the client sees the connection break.
    AnswerLost,
    /// The client sees the connection break; it is carried out when [`Network::deliver`] is called.
    Delayed,
    /// It is carried out and answered; once more when [`Network::deliver`] is called.
    Duplicated,
}

/// The way of one handle to its data, below whatever the storage does about it: repeating, reading again.
#[async_trait]
pub trait Network: Send + Sync {
    /// The next `count` requests of this kind suffer this; `None`: all, until [`heal`](Network::heal) is called. What
    /// was planned before for requests of this kind is forgotten.
    fn plan(&self, requests: Requests, mishap: Mishap, count: Option<usize>);

    /// From now on everything gets through. What is held back stays held back.
    fn heal(&self);

    /// Carries out what is held back, in its order, and returns when that is done.
    async fn deliver(&self);

    /// How many requests have suffered a mishap so far; one that is held back counts once more when it is delivered. A case
    /// in which it does not grow, although a mishap was planned, fails: it would have proven nothing.
    fn struck(&self) -> usize;
}

/// For timed leases: a machine whose clocks jump while it holds a lease.
#[async_trait]
pub trait ClockJumping: Harness {
    /// A handle of its own, and its clocks. Other handles are not affected.
    ///
    /// # Errors
    /// - What opening fails with.
    async fn reopen_jumping(&self, place: &Self::Place) -> Result<(Arc<dyn TokenStorage>, Box<dyn Clocks>)>;
}

/// The clocks of one handle. Both run with real time, from wherever they were set to.
///
/// A machine that sleeps for a minute is a wall clock that leaps a minute while the monotonic one stands, or both
/// leaping, as the system counts.
pub trait Clocks: Send + Sync {
    /// The wall clock is set by so many milliseconds, back if less than 0.
    fn set_wall(&self, by_milliseconds: i64);

    /// The monotonic clock leaps ahead by so many milliseconds.
    fn leap_monotonic(&self, by_milliseconds: u64);
}
