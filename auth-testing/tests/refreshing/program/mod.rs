//! A refresher that keeps every clause, but for one flaw.

mod leased;
mod merging;
pub(crate) mod sending;
mod settling;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use token_storage_auth_testing::{auth_server::AuthServer, refreshing::Refresher};
use token_storage_core::{
    Acquisition, LeaseGuard, Precondition, Revision, Secret, StoredToken, TokenData, TokenKey, TokenStorage,
    TokenStorageExt as _, async_trait,
};
use tokio::sync::watch;

use crate::flaw::Flaw;

type Got = Result<Secret, String>;
type Flight = watch::Receiver<Option<Got>>;
/// With the sender, where a flaw keeps it alive.
type Flights = HashMap<TokenKey, (Flight, Option<watch::Sender<Option<Got>>>)>;

/// One process. Clones share everything.
#[derive(Clone)]
pub(crate) struct Program {
    storage: Arc<dyn TokenStorage>,
    token_url: String,
    revocation_url: String,
    flights: Arc<Mutex<Flights>>,
    /// The revisions whose refresh token was refused.
    dead: Arc<Mutex<Vec<(TokenKey, Revision)>>>,
    /// What a flaw remembers and must not: tokens, and who has logged out.
    cache: Arc<Mutex<HashMap<TokenKey, Secret>>>,
    gone: Arc<Mutex<Vec<TokenKey>>>,
    /// What a flaw lets all keys of the process go through one by one.
    turn: Arc<tokio::sync::Mutex<()>>,
    flaw: Option<Flaw>,
}

/// A member of its own in the record: the skew is never more than half of the token's life.
const LIFETIME: &str = "lifetime";

/// None, where a flaw does without, or has given it back.
type Lease = Option<Box<dyn LeaseGuard>>;

impl Program {
    pub(crate) fn new(storage: Arc<dyn TokenStorage>, server: &AuthServer, flaw: Option<Flaw>) -> Self {
        Self {
            storage,
            token_url: server.token_url(),
            revocation_url: server.revocation_url(),
            flights: Arc::default(),
            dead: Arc::default(),
            cache: Arc::default(),
            gone: Arc::default(),
            turn: Arc::default(),
            flaw,
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn is_good(&self, data: &TokenData) -> bool {
        let Some(expires_at) = data.expires_at else {
            return !self.has(Flaw::UnknownIsExpired);
        };
        let lifetime = data.extra.get(LIFETIME).and_then(|text| text.parse::<i64>().ok());
        let skew = match lifetime {
            _ if self.has(Flaw::NoSkew) => 0,
            _ if self.has(Flaw::SkewTooShort) => 20,
            _ if self.has(Flaw::SkewTooLong) => 1800,
            Some(lifetime) if !self.has(Flaw::SkewAboveLifetime) => 60.min(lifetime / 2),
            _ => 60,
        };
        if self.has(Flaw::Overflows) {
            return now() < expires_at - skew;
        }
        now() < expires_at.saturating_sub(skew)
    }

    async fn read(&self, key: &TokenKey) -> Result<StoredToken, String> {
        let read = self.storage.get(key).await.map_err(|error| error.to_string())?;
        read.ok_or_else(|| "not logged in".to_owned())
    }

    async fn join(&self, key: &TokenKey) -> Got {
        let known_by = match self.has(Flaw::CrossesKeys) {
            true => TokenKey::in_default(key.resource_server()),
            false => key.clone(),
        };
        let (mut flight, sender) = {
            let mut flights = self.flights.lock().unwrap();
            match flights.get(&known_by) {
                Some((flight, _)) if flight.has_changed().is_ok() => (flight.clone(), None),
                _ => {
                    let (sender, flight) = watch::channel(None);
                    let kept = self.has(Flaw::StrandsFollowers).then(|| sender.clone());
                    flights.insert(known_by.clone(), (flight.clone(), kept));
                    (flight, Some(sender))
                }
            }
        };
        if let Some(sender) = sender {
            let (program, key) = (self.clone(), key.clone());
            let work = async move {
                let got = program.refresh(&key).await;
                program.flights.lock().unwrap().remove(&known_by);
                let _ = sender.send(Some(got));
            };
            if self.has(Flaw::WorksInTheCaller) || self.has(Flaw::StrandsFollowers) {
                work.await;
            } else {
                tokio::spawn(work);
            }
        }
        let ended = flight.wait_for(Option::is_some).await;
        ended
            .ok()
            .and_then(|got| got.clone())
            .unwrap_or_else(|| Err("it was broken off".into()))
    }

    async fn refresh(&self, key: &TokenKey) -> Got {
        let _turn = match self.has(Flaw::OneAtATime) {
            true => Some(self.turn.lock().await),
            false => None,
        };
        let _all = match self.has(Flaw::OneLeaseForAll) {
            true => Some(self.insist_on_lease(&TokenKey::in_default("all")).await?),
            false => None,
        };
        for _ in 0..8 {
            let mut lease = match self.acquire(key).await? {
                Ok(lease) => lease,
                Err(token) => return Ok(token),
            };
            let done = self.with_lease(key, &mut lease).await;
            if done.is_err() && self.has(Flaw::KeepsTheLease) {
                std::mem::forget(lease.take());
            }
            if let Some(lease) = lease
                && let Err(error) = lease.release().await
                && self.has(Flaw::ReleaseFailureIsFailure)
            {
                return Err(error.to_string());
            }
            if let Some(token) = done? {
                return Ok(token);
            }
        }
        Err("others keep changing the record".into())
    }

    /// For flaws alone: waits for a lease, whatever becomes of the record.
    async fn insist_on_lease(&self, key: &TokenKey) -> Result<Box<dyn LeaseGuard>, String> {
        loop {
            let lease = self.storage.lease().ok_or("no lease")?;
            match lease.try_acquire(key).await.map_err(|error| error.to_string())? {
                Acquisition::Acquired(guard) => return Ok(guard),
                Acquisition::Held { retry_after } => tokio::time::sleep(retry_after).await,
            }
        }
    }

    /// What comes of a good token, but for some flaws.
    async fn hand_out(&self, key: &TokenKey, stored: StoredToken) -> Secret {
        if self.has(Flaw::TouchesTheRecord) {
            let _ = self.storage.store(key, &stored.data, Precondition::Any).await;
        }
        if self.has(Flaw::RefreshesBehind) {
            let (mut behind, key) = (self.clone(), key.clone());
            behind.flaw = Some(Flaw::AlwaysRefreshes);
            tokio::spawn(async move { behind.refresh(&key).await });
        }
        stored.data.access_token
    }

    /// For a flaw alone.
    async fn refresh_neighbours(&self, key: &TokenKey) {
        for neighbour in self.neighbours(key).await {
            let expired = self.read(&neighbour).await.is_ok_and(|it| !self.is_good(&it.data));
            if expired {
                let _ = self.join(&neighbour).await;
            }
        }
    }

    async fn neighbours(&self, key: &TokenKey) -> Vec<TokenKey> {
        let listing = self.storage.enumerate().unwrap();
        let mut keys = listing.list_keys(key.namespace(), None).await.unwrap().items;
        keys.retain(|other| other != key);
        keys
    }

    /// A valid token is served if this takes longer than a second.
    async fn refreshed(&self, key: &TokenKey, valid: bool) -> Got {
        if self.has(Flaw::NoFlights) {
            return self.refresh(key).await;
        }
        let joined = self.join(key);
        if !valid || self.has(Flaw::WaitsThoughValid) {
            return joined.await;
        }
        let ended = tokio::time::timeout(Duration::from_secs(1), joined).await;
        ended.unwrap_or_else(|_| Err("it takes too long".into()))
    }
}

#[async_trait]
impl Refresher for Program {
    async fn access_token(&self, key: &TokenKey) -> Got {
        let stored = match self.read(key).await {
            Ok(stored) => stored,
            Err(why) => {
                let cached = self.cache.lock().unwrap().get(key).cloned();
                return cached.filter(|_| self.has(Flaw::CachesTokens)).ok_or(why);
            }
        };
        if self.has(Flaw::RemembersLogouts) && self.gone.lock().unwrap().contains(key) {
            return Err("somebody logged out".into());
        }
        if self.has(Flaw::AsksForTheLeaseFirst) {
            drop(self.insist_on_lease(key).await?);
        }
        if self.is_good(&stored.data) && !self.has(Flaw::AlwaysRefreshes) {
            return Ok(self.hand_out(key, stored).await);
        }
        let dead = |(whose, revision): &(TokenKey, Revision)| {
            whose == key && (*revision == stored.revision || self.has(Flaw::DeadForEver))
        };
        if self.dead.lock().unwrap().iter().any(dead) {
            return Err("log in again".into());
        }
        let valid = stored.data.expires_at.is_some_and(|at| at > now()) && !self.has(Flaw::FailsThoughValid);
        let got = self.refreshed(key, valid).await;
        if self.has(Flaw::RefreshesNeighbours) {
            self.refresh_neighbours(key).await;
        }
        match got {
            Err(_) if valid || self.has(Flaw::HandsOutExpired) => Ok(stored.data.access_token),
            Ok(token) => {
                self.cache.lock().unwrap().insert(key.clone(), token.clone());
                Ok(token)
            }
            got => got,
        }
    }
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}
