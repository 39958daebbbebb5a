use std::{fmt, time::Duration};

use async_trait::async_trait;

use crate::{Result, Revision, TokenKey};

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
}

/// The answer of [`RefreshLease::try_acquire`].
#[derive(Debug)]
pub enum Acquisition {
    /// The lease is the caller's until the guard is released or dropped, or its time runs out.
    Acquired(Box<dyn LeaseGuard>),
    /// Another holds it.
    Held {
        /// How long to wait before trying again; the waiter adds jitter.
        retry_after: Duration,
    },
}

/// A lease that is held. It owns what it needs and may outlive the borrow it came from.
///
/// [`release`](LeaseGuard::release) is the orderly end. Dropping the guard frees a lease bound to the process at once; a
/// timed one may have to run out.
#[async_trait]
pub trait LeaseGuard: fmt::Debug + Send + Sync {
    /// The intent that a predecessor recorded and did not clear: it died between sending a refresh token and storing the
    /// result. `None` after an orderly release.
    fn intent(&self) -> Option<&Intent>;

    /// How much longer the lease is certainly this holder's, on the more cautious of the monotonic and the wall clock;
    /// zero once it may have been taken over. `None`: as long as this process lives.
    fn remaining(&self) -> Option<Duration>;

    /// Starts the time to live anew. Does nothing for a lease bound to the process.
    ///
    /// # Errors
    /// - [`LeaseLost`](crate::ErrorKind::LeaseLost): another has taken it over.
    async fn renew(&mut self) -> Result<()>;

    /// Proves that the record of this key can be written now, without changing it, so that no refresh token is spent
    /// whose successor cannot be kept (L6).
    ///
    /// # Errors
    /// - Whatever a store would fail with.
    async fn prove_writable(&mut self) -> Result<()>;

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
}

/// "I am about to redeem the refresh token of this revision", recorded with the lease before the request is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The revision of the record whose refresh token is redeemed.
    pub revision: Revision,
    /// Whether this is already the one guarded try after a predecessor's death (L5).
    pub guarded: bool,
    /// When it was recorded, in seconds since the Unix epoch, for people.
    pub recorded_at: i64,
}

impl Intent {
    const VERSION: u8 = 1;

    /// The bytes that a backend keeps.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![Self::VERSION, u8::from(self.guarded)];
        bytes.extend(self.recorded_at.to_be_bytes());
        bytes.extend(self.revision.as_bytes());
        bytes
    }

    /// Reads back what [`Intent::to_bytes`] made. `None` if it is something else: then treat it as an intent whose
    /// revision is unknown, as [`Intent::unreadable`] does.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, revision) = bytes.split_at_checked(10)?;
        let [Self::VERSION, guarded @ (0 | 1), recorded_at @ ..] = head else {
            return None;
        };
        Some(Self {
            revision: Revision::from_bytes(revision).ok()?,
            guarded: *guarded == 1,
            recorded_at: i64::from_be_bytes(recorded_at.try_into().ok()?),
        })
    }

    /// What a backend reports when a predecessor's intent cannot be read (torn by a power loss, or written by a later
    /// version): an intent for a revision that no record has.
    pub fn unreadable() -> Self {
        Self {
            revision: Revision::from_digest([0; 32]),
            guarded: false,
            recorded_at: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intent_round_trips() {
        for guarded in [false, true] {
            let revision = Revision::from_bytes(&[7; 20]).unwrap();
            let intent = Intent {
                revision,
                guarded,
                recorded_at: -5,
            };
            assert_eq!(Intent::from_bytes(&intent.to_bytes()), Some(intent));
        }
        for bad in [&[][..], &[1], &[2; 40], &[1, 2, 0, 0, 0, 0, 0, 0, 0, 0], &[1; 200]] {
            assert_eq!(Intent::from_bytes(bad), None);
        }
    }
}
