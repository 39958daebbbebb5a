//! A refresher that keeps every clause, but for one flaw.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use token_storage_auth_testing::{auth_server::AuthServer, refreshing::Refresher};
use token_storage_core::{
    Acquisition, ErrorKind, Intent, LeaseGuard, Precondition, Revision, Secret, StoredToken, TokenData, TokenKey,
    TokenStorage, TokenStorageExt as _, async_trait,
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
    flaw: Option<Flaw>,
}

/// A member of its own in the record: the skew is never more than half of the token's life.
const LIFETIME: &str = "lifetime";

enum Answer {
    Tokens(Value),
    Refused(String),
    Failed { why: String, perhaps_done: bool },
}

impl Program {
    pub(crate) fn new(storage: Arc<dyn TokenStorage>, server: &AuthServer, flaw: Option<Flaw>) -> Self {
        Self {
            storage,
            token_url: server.token_url(),
            revocation_url: server.revocation_url(),
            flights: Arc::default(),
            dead: Arc::default(),
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
        for _ in 0..8 {
            let mut guard = match self.acquire(key).await? {
                Ok(guard) => guard,
                Err(token) => return Ok(token),
            };
            let done = self.with_lease(key, guard.as_deref_mut()).await;
            if let Some(guard) = guard {
                let _ = guard.release().await;
            }
            if let Some(token) = done? {
                return Ok(token);
            }
        }
        Err("others keep changing the record".into())
    }

    /// The lease, or the token that somebody else has brought. No guard at all is a flaw.
    async fn acquire(&self, key: &TokenKey) -> Result<Result<Option<Box<dyn LeaseGuard>>, Secret>, String> {
        if self.has(Flaw::NoLease) {
            return Ok(Ok(None));
        }
        let started = tokio::time::Instant::now();
        loop {
            let lease = self.storage.lease().ok_or("no lease")?;
            let retry_after = match lease.try_acquire(key).await {
                Ok(Acquisition::Acquired(guard)) => return Ok(Ok(Some(guard))),
                Ok(Acquisition::Held { retry_after }) => retry_after,
                Err(_) if self.has(Flaw::LeaseErrorIsFree) => return Ok(Ok(None)),
                Err(error) => return Err(error.to_string()),
            };
            let stored = self.read(key).await?.data;
            if self.is_good(&stored) {
                return Ok(Err(stored.access_token));
            }
            if self.has(Flaw::GoesAround) && started.elapsed() > Duration::from_secs(2) {
                return Ok(Ok(None));
            }
            if started.elapsed() > Duration::from_secs(60) {
                return Err("another process holds the lease".into());
            }
            tokio::time::sleep(retry_after.min(Duration::from_millis(100))).await;
        }
    }

    /// `None`: the record has moved on, so look again.
    async fn with_lease(
        &self,
        key: &TokenKey,
        mut guard: Option<&mut (dyn LeaseGuard + 'static)>,
    ) -> Result<Option<Secret>, String> {
        let stored = self.read(key).await?;
        if self.is_good(&stored.data) && !self.has(Flaw::LooksOnce) && !self.has(Flaw::AlwaysRefreshes) {
            return Ok(Some(stored.data.access_token));
        }
        if stored.data.refresh_token.is_none() {
            return Err("log in again".into());
        }
        let intent = guard.as_ref().and_then(|guard| guard.intent().cloned());
        let intent = intent.filter(|intent| self.has(Flaw::MournsForEver) || intent.concerns(&stored));
        let intent = intent.filter(|_| !self.has(Flaw::IgnoresIntents));
        if intent.as_ref().is_some_and(|intent| {
            intent.guarded && (intent.revision == stored.revision || self.has(Flaw::MournsForEver))
        }) && !self.has(Flaw::TriesForEver)
        {
            return Err("an earlier refresh ended without an answer; log in again".into());
        }
        let guarded = intent.is_some();
        if let Some(guard) = guard.as_deref_mut() {
            match self.storage.prove_writable(key).await {
                Err(error) if !self.has(Flaw::IgnoresTheProof) => return Err(error.to_string()),
                _ => {}
            }
            if !self.has(Flaw::RecordsNoIntent) {
                let recorded = guard.record_intent(&Intent::new(&stored, guarded, now())).await;
                match recorded {
                    Err(error) if !self.has(Flaw::IgnoresTheIntentsFailure) => {
                        let _ = guard.clear_intent().await;
                        return Err(error.to_string());
                    }
                    _ => {}
                }
            }
        }
        let (outcome, known) = self.redeem(key, stored, guarded).await;
        if let (Some(guard), Some(intent)) = (guard, known) {
            let _ = match intent {
                Some(intent) => guard.record_intent(&intent).await,
                None if self.has(Flaw::LeavesItsIntent) => Ok(()),
                None => guard.clear_intent().await,
            };
        }
        outcome
    }

    /// The outcome, and what the intent must say from now on: what it says, something else, or nothing.
    async fn redeem(
        &self,
        key: &TokenKey,
        stored: StoredToken,
        guarded: bool,
    ) -> (Result<Option<Secret>, String>, Option<Option<Intent>>) {
        match self.send(&stored.data).await {
            Answer::Tokens(answer) => (self.settle(key, stored, &answer).await, Some(None)),
            Answer::Refused(why) => {
                let known = if guarded { None } else { Some(None) };
                if self.has(Flaw::NotesRefusals) {
                    let mut data = stored.data.clone();
                    data.extra.insert("refused", "true").unwrap();
                    let _ = self.storage.store(key, &data, Precondition::Any).await;
                }
                if self.has(Flaw::RefusalRemoves) {
                    let _ = self.storage.remove(key, Precondition::Any).await;
                    return (Err(why), known);
                }
                match self.storage.get(key).await {
                    Ok(Some(current)) if current.revision != stored.revision && !self.has(Flaw::RefusalIsFinal) => {
                        (Ok(None), Some(None))
                    }
                    Ok(_) => {
                        if !self.has(Flaw::AsksAgain) {
                            self.dead.lock().unwrap().push((key.clone(), stored.revision));
                        }
                        (Err(why), known)
                    }
                    Err(error) => (Err(error.to_string()), known),
                }
            }
            Answer::Failed { why, perhaps_done } => {
                let known = match (perhaps_done, guarded) {
                    (true, false) => None,
                    // A process that lives says so: the guarded try is not used up.
                    (_, true) => Some(Some(Intent::new(&stored, false, now()))),
                    (false, false) => Some(None),
                };
                (Err(why), known)
            }
        }
    }

    async fn send(&self, data: &TokenData) -> Answer {
        if self.has(Flaw::Hedges) {
            let first = self.send_once(data);
            let second = async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                self.send_once(data).await
            };
            return tokio::select! { answer = first => answer, answer = second => answer };
        }
        let answer = self.send_once(data).await;
        match answer {
            Answer::Failed { .. } if self.has(Flaw::RetriesAtOnce) => self.send_once(data).await,
            answer => answer,
        }
    }

    async fn send_once(&self, data: &TokenData) -> Answer {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", data.refresh_token.as_ref().map_or("", Secret::expose)),
            ("client_id", AuthServer::NATIVE_CLIENT),
        ];
        let failed = |why: &str, perhaps_done| Answer::Failed {
            why: why.to_owned(),
            perhaps_done,
        };
        let Ok(response) = http().post(&self.token_url).form(&form).send().await else {
            return failed("the server cannot be reached", true);
        };
        let status = response.status().as_u16();
        let Ok(text) = response.text().await else {
            return failed("the answer broke off", true);
        };
        let quoted = match self.has(Flaw::QuotesTheAnswer) {
            true => format!("status {status}: {text}"),
            false => format!("the server answered with status {status}"),
        };
        let is_refusal = self.has(Flaw::ThrottlingIsRefusal) && status == 429
            || self.has(Flaw::FailureIsRefusal) && status >= 500
            || self.has(Flaw::HtmlIsRefusal) && text.starts_with('<');
        if is_refusal {
            return Answer::Refused(quoted);
        }
        match (status, serde_json::from_str::<Value>(&text)) {
            (429, _) => failed(&quoted, false),
            (200, Ok(answer)) if answer["access_token"].is_string() => Answer::Tokens(answer),
            (400..500, Ok(answer)) if answer["error"] == "invalid_grant" => Answer::Refused(quoted),
            (400..500, Ok(answer)) if answer["error"].is_string() => failed(&quoted, false),
            _ => failed(&quoted, true),
        }
    }

    /// Stores the answer, whatever has become of the record.
    async fn settle(&self, key: &TokenKey, stored: StoredToken, answer: &Value) -> Result<Option<Secret>, String> {
        let redeemed = stored.data.refresh_token.clone();
        let mut base = stored;
        let mut pause = Duration::from_millis(20);
        if self.has(Flaw::StoresOtherTokens) {
            self.store_others(key, answer).await;
        }
        loop {
            let merged = self.merge(&base.data, answer);
            if self.has(Flaw::HandsOutFirst) {
                let (storage, key, data) = (Arc::clone(&self.storage), key.clone(), merged.clone());
                tokio::spawn(async move { storage.store(&key, &data, Precondition::Any).await });
                return Ok(Some(merged.access_token));
            }
            let precondition = match self.has(Flaw::StoresBlindly) {
                true => Precondition::Any,
                false => Precondition::Unchanged(base.revision),
            };
            let error = match self.storage.store(key, &merged, precondition).await {
                Ok(_) => return Ok(Some(merged.access_token)),
                Err(error) => error,
            };
            if error.kind() != ErrorKind::Conflict {
                if self.has(Flaw::StoresOnce) {
                    return Err(error.to_string());
                }
                if self.has(Flaw::HandsOutUnstored) {
                    return Ok(Some(merged.access_token));
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
                continue;
            }
            if self.has(Flaw::ConflictIsFailure) {
                return Err(error.to_string());
            }
            match self.storage.get(key).await {
                Err(_) => tokio::time::sleep(pause).await,
                Ok(None) if self.has(Flaw::BringsItBack) => {
                    let _ = self.storage.store(key, &merged, Precondition::Absent).await;
                    return Ok(Some(merged.access_token));
                }
                Ok(None) => {
                    self.revoke(&merged).await;
                    return Err("somebody logged out".into());
                }
                Ok(Some(current)) => {
                    let ours = current.data.access_token == merged.access_token && !self.has(Flaw::DisownsItsOwn);
                    if ours {
                        return Ok(Some(merged.access_token));
                    }
                    let same = current.data.refresh_token == redeemed && !self.has(Flaw::EditIsAnother);
                    if same || self.has(Flaw::OverwritesNewer) {
                        base = current;
                        continue;
                    }
                    let whose = if self.has(Flaw::RevokesTheirs) {
                        &current.data
                    } else {
                        &merged
                    };
                    self.revoke(whose).await;
                    return Ok(None);
                }
            }
        }
    }

    fn merge(&self, stored: &TokenData, answer: &Value) -> TokenData {
        let text = |name: &str| answer[name].as_str();
        let mut data = stored.clone();
        if self.has(Flaw::LosesMembers) {
            data.extra = Default::default();
        }
        if self.has(Flaw::LosesIdentity) {
            data.identity_id = None;
        }
        if self.has(Flaw::LosesTokenType) {
            data.token_type = None;
        }
        if self.has(Flaw::LosesScope) {
            data.scope = String::new();
        }
        if self.has(Flaw::LosesRefreshToken) {
            data.refresh_token = None;
        }
        data.access_token = text("access_token").unwrap_or_default().into();
        if let Some(token) = text("refresh_token").filter(|_| !self.has(Flaw::KeepsRefreshToken)) {
            data.refresh_token = Some(token.into());
        }
        if let Some(scope) = text("scope").filter(|_| !self.has(Flaw::KeepsScope)) {
            data.scope = scope.into();
        }
        if let Some(token_type) = text("token_type") {
            data.token_type = Some(token_type.into());
        }
        let lifetime = answer["expires_in"].as_i64();
        match lifetime {
            Some(lifetime) => data.extra.insert(LIFETIME, &lifetime.to_string()).unwrap(),
            None => drop(data.extra.remove(LIFETIME)),
        }
        data.expires_at = match lifetime {
            Some(lifetime) if self.has(Flaw::ExpiryIsALifetime) => Some(lifetime),
            Some(lifetime) => Some(now() + lifetime),
            None if self.has(Flaw::NoExpiryIsForEver) => Some(i64::MAX),
            None if self.has(Flaw::NoExpiryIsNow) => Some(now()),
            None if self.has(Flaw::NoExpiryIsTheOldOne) => stored.expires_at,
            None => None,
        };
        data
    }

    async fn store_others(&self, key: &TokenKey, answer: &Value) {
        for other in answer["other_tokens"].as_array().into_iter().flatten() {
            let text = |name: &str| other[name].as_str().unwrap_or_default();
            let data = TokenData::new(text("resource_server"), text("scope"), text("access_token"));
            let key = TokenKey::new(key.namespace(), text("resource_server"));
            let _ = self.storage.store(&key, &data, Precondition::Any).await;
        }
    }

    async fn revoke(&self, data: &TokenData) {
        if self.has(Flaw::RevokesNothing) {
            return;
        }
        for token in data.refresh_token.iter().chain([&data.access_token]) {
            let form = [("token", token.expose()), ("client_id", AuthServer::NATIVE_CLIENT)];
            let _ = http().post(&self.revocation_url).form(&form).send().await;
        }
    }
}

#[async_trait]
impl Refresher for Program {
    async fn access_token(&self, key: &TokenKey) -> Got {
        let stored = self.read(key).await?;
        if self.is_good(&stored.data) && !self.has(Flaw::AlwaysRefreshes) {
            return Ok(stored.data.access_token);
        }
        let dead = |(whose, revision): &(TokenKey, Revision)| {
            whose == key && (*revision == stored.revision || self.has(Flaw::DeadForEver))
        };
        if self.dead.lock().unwrap().iter().any(dead) {
            return Err("log in again".into());
        }
        let got = match self.has(Flaw::NoFlights) {
            true => self.refresh(key).await,
            false => self.join(key).await,
        };
        let valid = stored.data.expires_at.is_some_and(|at| at > now()) && !self.has(Flaw::FailsThoughValid);
        match got {
            Err(_) if valid || self.has(Flaw::HandsOutExpired) => Ok(stored.data.access_token),
            got => got,
        }
    }
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

/// None is kept for later: each test has a runtime of its own.
fn http() -> reqwest::Client {
    static CLIENT: std::sync::LazyLock<reqwest::Client> =
        std::sync::LazyLock::new(|| reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap());
    CLIENT.clone()
}
