//! Timed leases over the same network, from the kit.

use std::{
    marker::PhantomData,
    sync::{Arc, atomic::Ordering},
};

use token_storage_conformance::Requests;
use token_storage_core::{Error, ErrorKind, Operation, Result, TokenKey, async_trait};
use token_storage_network::LeaseStore;

use super::{
    client::broke,
    flaws::{Flaws, LeaseFlaw},
    locked,
    server::Server,
    way::{Broke, Way},
};

/// The three requests that the kit asks for.
pub(super) struct Store<F> {
    pub(super) server: Arc<Server>,
    pub(super) way: Arc<Way>,
    pub(super) other: bool,
    pub(super) flaws: PhantomData<fn() -> F>,
}

impl<F> std::fmt::Debug for Store<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl<F: Flaws> Store<F> {
    fn swap(&self, key: &TokenKey, expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool> {
        let id = (self.other, key.clone());
        let (expected, new) = (expected.map(<[u8]>::to_vec), new.map(<[u8]>::to_vec));
        let (changes, releases) = (expected.is_some(), new.is_none());
        let swapped = self.way.send(&self.server, Requests::Leases, move |server| {
            server.swap_lease(&id, expected.as_deref(), new.as_deref())
        });
        let down = self.way.down.load(Ordering::SeqCst);
        match (swapped, F::LEASE) {
            (Ok(done), _) => Ok(done),
            (Err(Broke), LeaseFlaw::LostIsHeld) => Ok(false),
            (Err(Broke), LeaseFlaw::LostIsDone) if changes => Ok(true),
            (Err(Broke), LeaseFlaw::RenewsOutOfReach) if down && changes && !releases => Ok(true),
            (Err(Broke), LeaseFlaw::ReleasesOutOfReach) if down && releases => Ok(true),
            (Err(Broke), LeaseFlaw::LostStaysForEver) if releases => {
                let forever = [&[1, 1][..], &u64::MAX.to_be_bytes(), &[7; 16]].concat();
                locked(&self.server.leases).insert((self.other, key.clone()), forever);
                Err(broke(Operation::Lease).with_unknown_outcome())
            }
            (Err(Broke), LeaseFlaw::LostIsLost) if changes && !releases => {
                Err(Error::new(ErrorKind::LeaseLost, "another holder must have it").with_operation(Operation::Lease))
            }
            (Err(Broke), _) => Err(broke(Operation::Lease).with_unknown_outcome()),
        }
    }
}

#[async_trait]
impl<F: Flaws> LeaseStore for Store<F> {
    async fn get(&self, key: &TokenKey) -> Result<Option<Vec<u8>>> {
        let id = (self.other, key.clone());
        let read = self.way.send(&self.server, Requests::Leases, move |server| {
            locked(&server.leases).get(&id).cloned()
        });
        match read {
            Ok(value) => Ok(value),
            // Held, for all that is known.
            Err(Broke) if F::LEASE == LeaseFlaw::LostIsHeld => {
                Ok(Some([&[1, 1][..], &60_000_u64.to_be_bytes(), &[7; 16]].concat()))
            }
            Err(Broke) => Err(broke(Operation::Lease)),
        }
    }

    async fn put_if(&self, key: &TokenKey, expected: Option<&[u8]>, value: &[u8]) -> Result<bool> {
        self.swap(key, expected, Some(value))
    }

    async fn delete_if(&self, key: &TokenKey, expected: &[u8]) -> Result<bool> {
        self.swap(key, Some(expected), None)
    }
}
