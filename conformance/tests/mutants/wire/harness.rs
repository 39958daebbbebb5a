//! Opens the clients, with all that the suite can do to them.

use std::{
    marker::PhantomData,
    sync::{Arc, atomic::Ordering},
};

use token_storage_conformance::{
    ClockJumping, Clocks, FaultInjecting, FaultInjector, Harness, Network, RecordDamaging, SecondWay, Suite,
    Unreliable, WriteRefusing,
};
use token_storage_core::{Result, TokenKey, TokenStorage, async_trait};

use super::{
    client::Client,
    clocks::{Jumping, JumpingClocks},
    flaws::{ClockFlaw, Flaws},
    locked,
    server::Server,
};

/// Opens them.
pub(crate) struct Wired<F>(PhantomData<fn() -> F>);

impl<F> Wired<F> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

pub(super) fn clock<F: Flaws>() -> Arc<Jumping> {
    let flaw = (F::CLOCK != ClockFlaw::Both).then_some(F::CLOCK);
    Arc::new(Jumping {
        flaw,
        ..Jumping::default()
    })
}

#[async_trait]
impl<F: Flaws> Harness for Wired<F> {
    type Place = Arc<Server>;

    async fn fresh(&self) -> Result<Arc<Server>> {
        Ok(Arc::default())
    }

    async fn reopen(&self, place: &Arc<Server>) -> Result<Arc<dyn TokenStorage>> {
        Ok(Client::<F>::open(place, false, clock::<F>()).0)
    }
}

#[async_trait]
impl<F: Flaws> Unreliable for Wired<F> {
    async fn reopen_unreliable(&self, place: &Arc<Server>) -> Result<(Arc<dyn TokenStorage>, Box<dyn Network>)> {
        let (storage, control) = Client::<F>::open(place, false, clock::<F>());
        Ok((storage, Box::new(control)))
    }
}

#[async_trait]
impl<F: Flaws> FaultInjecting for Wired<F> {
    async fn reopen_faulty(&self, place: &Arc<Server>) -> Result<(Arc<dyn TokenStorage>, Box<dyn FaultInjector>)> {
        let (storage, control) = Client::<F>::open(place, false, clock::<F>());
        Ok((storage, Box::new(control)))
    }
}

#[async_trait]
impl<F: Flaws> RecordDamaging for Wired<F> {
    async fn overwrite(&self, place: &Arc<Server>, key: &TokenKey, bytes: &[u8]) -> Result<()> {
        locked(&place.records).insert(key.clone(), bytes.to_vec());
        Ok(())
    }
}

#[async_trait]
impl<F: Flaws> WriteRefusing for Wired<F> {
    async fn refuse_writes(&self, place: &Arc<Server>, refuse: bool) -> Result<(), String> {
        place.read_only.store(refuse, Ordering::SeqCst);
        Ok(())
    }
}

#[async_trait]
impl<F: Flaws> SecondWay for Wired<F> {
    async fn reopen_otherwise(&self, place: &Arc<Server>) -> Result<Arc<dyn TokenStorage>> {
        Ok(Client::<F>::open(place, true, clock::<F>()).0)
    }

    fn ways(&self, _: &Arc<Server>) -> [String; 2] {
        ["one", "other"].map(str::to_owned)
    }
}

#[async_trait]
impl<F: Flaws> ClockJumping for Wired<F> {
    async fn reopen_jumping(&self, place: &Arc<Server>) -> Result<(Arc<dyn TokenStorage>, Box<dyn Clocks>)> {
        let clock = clock::<F>();
        let storage = Client::<F>::open(place, false, Arc::clone(&clock)).0;
        Ok((storage, Box::new(JumpingClocks(clock))))
    }
}

/// The suite over a client, everything declared that the correct one has.
pub(crate) fn suite<F: Flaws>(name: &str) -> Suite<Wired<F>> {
    Suite::new(name, Wired::<F>::new())
        .enumerates()
        .timed_leases()
        .faults()
        .unreliable()
        .damaged_records()
        .refused_writes()
        .second_way()
        .jumping_clocks()
}
