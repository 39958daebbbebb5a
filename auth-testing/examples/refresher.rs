//! A program's own refresher, and how it is proven: it finds its server by discovery, keeps its tokens in any storage
//! with leases, and passes the refresh cases.
//!
//! `cargo run -p token-storage-auth-testing --example refresher`
//!
//! The token manager of `token-storage` does all of this and more. This is for programs that cannot use it.

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use token_storage_auth_testing::{
    auth_server::AuthServer,
    refreshing::{Abilities, RefreshSubject, Refresher, verify},
};
use token_storage_core::{
    Acquisition, ErrorKind, Intent, LeaseGuard, MemoryStorage, Precondition, Secret, StoredToken, TokenData, TokenKey,
    TokenStorage, TokenStorageExt as _, async_trait,
};

/// For one request, its answer included. Longer is usual; this is not to keep those who try the example waiting.
const PATIENCE: Duration = Duration::from_secs(10);

/// One process of the program. Clones share everything.
#[derive(Clone)]
struct Program {
    storage: Arc<dyn TokenStorage>,
    http: reqwest::Client,
    token_url: String,
    revocation_url: String,
}

enum Answer {
    Tokens(Value),
    Refused,
    /// Whether the refresh token may be spent.
    Failed(bool),
}

type Outcome<T> = Result<T, String>;

impl Program {
    /// Asks the server where its endpoints are (RFC 8414).
    async fn discover(storage: Arc<dyn TokenStorage>, issuer: &str) -> Result<Self, reqwest::Error> {
        // No request takes for ever: others wait for it.
        let http = reqwest::Client::builder().timeout(PATIENCE).build()?;
        let document = format!("{issuer}/.well-known/oauth-authorization-server");
        let document: Value = http.get(document).send().await?.error_for_status()?.json().await?;
        let endpoint = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
        Ok(Self {
            storage,
            http,
            token_url: endpoint("token_endpoint"),
            revocation_url: endpoint("revocation_endpoint"),
        })
    }

    async fn read(&self, key: &TokenKey) -> Outcome<StoredToken> {
        let read = self.storage.get(key).await.map_err(|error| error.to_string())?;
        read.ok_or_else(|| "log in first".to_owned())
    }

    async fn refresh(&self, key: &TokenKey) -> Outcome<Secret> {
        // The record may move on while it is being refreshed; then all begins again, a few times.
        for _ in 0..8 {
            let mut lease = match self.acquire(key).await? {
                Ok(lease) => lease,
                Err(token) => return Ok(token),
            };
            let done = self.with_lease(key, &mut *lease).await;
            // If this fails, it is as if this process had died: the lease becomes free.
            let _ = lease.release().await;
            if let Some(token) = done? {
                return Ok(token);
            }
        }
        Err("others keep changing the record; try again later".into())
    }

    /// The lease (L1), or the token that another process has brought meanwhile (L5).
    async fn acquire(&self, key: &TokenKey) -> Outcome<Result<Box<dyn LeaseGuard>, Secret>> {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        while tokio::time::Instant::now() < deadline {
            let leases = self.storage.lease().ok_or("this storage has no leases")?;
            // An error is not "nobody holds it" (L4).
            let retry_after = match leases.try_acquire(key).await.map_err(|error| error.to_string())? {
                Acquisition::Acquired(lease) => return Ok(Ok(lease)),
                Acquisition::Held { retry_after } => retry_after,
            };
            let stored = self.read(key).await?.data;
            if is_good(&stored) {
                return Ok(Err(stored.access_token));
            }
            tokio::time::sleep(retry_after).await;
        }
        Err("another process is refreshing and does not finish; try again later".into())
    }

    /// `None`: the record has moved on.
    async fn with_lease(&self, key: &TokenKey, lease: &mut dyn LeaseGuard) -> Outcome<Option<Secret>> {
        let stored = self.read(key).await?;
        if is_good(&stored.data) {
            return Ok(Some(stored.data.access_token));
        }
        if stored.data.refresh_token.is_none() {
            return Err("the token is expired; log in again".into());
        }
        // A holder that died may have spent it: one guarded try, and no second one (L5).
        let earlier = lease.intent().filter(|intent| intent.concerns(&stored)).cloned();
        if earlier
            .as_ref()
            .is_some_and(|intent| intent.guarded && intent.revision == stored.revision)
        {
            return Err("an earlier refresh ended without an answer; log in again".into());
        }
        // L6: nothing is spent whose successor cannot be kept.
        let proven = self.storage.prove_writable(key).await;
        proven.map_err(|error| error.to_string())?;
        let guarded = earlier.is_some();
        let intent = Intent::new(&stored, guarded, now());
        lease.record_intent(&intent).await.map_err(|error| error.to_string())?;
        self.redeem(key, stored, guarded, lease).await
    }

    async fn redeem(
        &self,
        key: &TokenKey,
        stored: StoredToken,
        guarded: bool,
        lease: &mut dyn LeaseGuard,
    ) -> Outcome<Option<Secret>> {
        match self.send(&stored.data).await {
            Answer::Tokens(answer) => {
                let settled = self.settle(key, stored, &answer).await;
                let _ = lease.clear_intent().await;
                settled
            }
            Answer::Refused => {
                if !guarded {
                    let _ = lease.clear_intent().await;
                }
                // Perhaps it was an old token: somebody has logged in meanwhile (L7).
                match self.read(key).await? {
                    current if current.revision != stored.revision => Ok(None),
                    _ => Err("the server refuses the refresh token; log in again".into()),
                }
            }
            Answer::Failed(perhaps_spent) => {
                if guarded {
                    // This process lives and says so: the guarded try is not used up.
                    let _ = lease.record_intent(&Intent::new(&stored, false, now())).await;
                } else if !perhaps_spent {
                    let _ = lease.clear_intent().await;
                }
                Err("the server cannot refresh the token now; try again later".into())
            }
        }
    }

    /// Once. No answer's text goes into an error: it may quote a token (S1).
    async fn send(&self, data: &TokenData) -> Answer {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", data.refresh_token.as_ref().map_or("", Secret::expose)),
            ("client_id", AuthServer::NATIVE_CLIENT),
        ];
        let Ok(response) = self.http.post(&self.token_url).form(&form).send().await else {
            return Answer::Failed(true);
        };
        let status = response.status().as_u16();
        match (status, response.json::<Value>().await) {
            (429, _) => Answer::Failed(false),
            (200..300, Ok(answer)) if text(&answer, "access_token").is_some() => Answer::Tokens(answer),
            (400..500, Ok(answer)) if answer["error"] == "invalid_grant" => Answer::Refused,
            (400..500, Ok(answer)) if answer["error"].is_string() => Answer::Failed(false),
            _ => Answer::Failed(true),
        }
    }

    /// Stores the answer before anybody sees it (L6), whatever has become of the record (L8).
    async fn settle(&self, key: &TokenKey, mut base: StoredToken, answer: &Value) -> Outcome<Option<Secret>> {
        let redeemed = base.data.refresh_token.clone();
        loop {
            let merged = merge(&base.data, answer);
            let precondition = Precondition::Unchanged(base.revision);
            match self.storage.store(key, &merged, precondition).await {
                Ok(_) => return Ok(Some(merged.access_token)),
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(_) => {
                    // This process has the only copy: it keeps trying.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            }
            match self.storage.get(key).await {
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                // A store whose answer was lost.
                Ok(Some(current)) if current.data.access_token == merged.access_token => {
                    return Ok(Some(merged.access_token));
                }
                // An edit that kept the tokens.
                Ok(Some(current)) if current.data.refresh_token == redeemed => base = current,
                Ok(Some(_)) => {
                    self.revoke(&merged).await;
                    return Ok(None);
                }
                Ok(None) => {
                    self.revoke(&merged).await;
                    return Err("somebody has logged out".into());
                }
            }
        }
    }

    async fn revoke(&self, data: &TokenData) {
        for token in data.refresh_token.iter().chain([&data.access_token]) {
            let form = [("token", token.expose()), ("client_id", AuthServer::NATIVE_CLIENT)];
            // They end by themselves, sooner or later.
            let _ = self.http.post(&self.revocation_url).form(&form).send().await;
        }
    }
}

#[async_trait]
impl Refresher for Program {
    async fn access_token(&self, key: &TokenKey) -> Outcome<Secret> {
        let stored = self.read(key).await?.data;
        if is_good(&stored) {
            return Ok(stored.access_token);
        }
        // In a task of its own: a caller that goes away cancels nothing (L6). The lease is for tasks too, so those of
        // one process wait for each other as processes do.
        let (program, key) = (self.clone(), key.clone());
        let refreshing = tokio::spawn(async move { program.refresh(&key).await });
        let ended = match stored.expires_at.is_some_and(|at| now() < at) {
            // It is served after a second at the latest, and the refresh goes on (L9).
            true => tokio::time::timeout(Duration::from_secs(1), refreshing).await.ok(),
            false => Some(refreshing.await),
        };
        let outcome = match ended {
            Some(Ok(outcome)) => outcome,
            _ => Err("the refresh has not ended well; try again".into()),
        };
        match outcome {
            Err(_) if stored.expires_at.is_some_and(|at| now() < at) => Ok(stored.access_token),
            outcome => outcome,
        }
    }
}

/// What the answer leaves out stays (L8), but for the expiry: that is unknown then. What makes no sense counts as left out
/// (K8).
fn merge(stored: &TokenData, answer: &Value) -> TokenData {
    let mut data = stored.clone();
    data.access_token = text(answer, "access_token").unwrap_or_default().into();
    data.expires_at = answer["expires_in"]
        .as_i64()
        .filter(|seconds| (0..=A_THOUSAND_YEARS).contains(seconds))
        .map(|seconds| now().saturating_add(seconds));
    if let Some(token) = text(answer, "refresh_token") {
        data.refresh_token = Some(token.into());
    }
    if let Some(scope) = text(answer, "scope") {
        data.scope = scope.into();
    }
    if let Some(token_type) = text(answer, "token_type") {
        data.token_type = Some(token_type.into());
    }
    data
}

/// In seconds.
const A_THOUSAND_YEARS: i64 = 31_556_952_000;

fn text<'a>(answer: &'a Value, name: &str) -> Option<&'a str> {
    answer[name].as_str().filter(|text| !text.is_empty())
}

/// For another minute at least (L9).
fn is_good(data: &TokenData) -> bool {
    data.expires_at.is_none_or(|at| now() <= at.saturating_sub(60))
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// What the cases are run with: the storage that all processes share, and how one of them starts.
pub(crate) struct Subject(pub(crate) MemoryStorage);

#[async_trait]
impl RefreshSubject for Subject {
    async fn open(&self) -> Arc<dyn TokenStorage> {
        Arc::new(self.0.clone())
    }

    async fn refresher(&self, storage: Arc<dyn TokenStorage>, server: &AuthServer) -> Outcome<Arc<dyn Refresher>> {
        let program = Program::discover(storage, &server.url()).await;
        Ok(Arc::new(program.map_err(|error| error.to_string())?))
    }

    fn abilities(&self) -> Abilities {
        Abilities::default().giving_up_within(PATIENCE)
    }
}

#[tokio::main]
pub(crate) async fn main() -> ExitCode {
    let summary = verify(&Subject(MemoryStorage::new())).await;
    println!("{summary}");
    ExitCode::from(u8::from(!summary.failed().is_empty()))
}
