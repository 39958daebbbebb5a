use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use token_storage_core::{
    Acquisition, ErrorKind, Intent, LeaseGuard, Precondition, Secret, StoredToken, TokenData, TokenKey, TokenStorage,
    TokenStorageExt as _,
};

use super::{
    Ability, RefreshSubject, Refresher,
    spied::{Broken, Spied},
    staged::{Stage, Staged},
};
use crate::auth_server::{AuthServer, Config, Endpoint, Fault, Gate, LoggedRequest, Outcome};

/// The storage does not tell what stands with a lease.
pub(super) struct Untold;

/// A call in a task of its own.
pub(super) type Call = tokio::task::JoinHandle<Result<Secret, String>>;

/// What a case works with.
pub(super) struct World<'a> {
    subject: &'a dyn RefreshSubject,
    pub(super) server: Arc<AuthServer>,
    pub(super) storage: Arc<dyn TokenStorage>,
    pub(super) key: TokenKey,
    broken: Arc<Broken>,
    unproven: Mutex<BTreeSet<Ability>>,
}

impl<'a> World<'a> {
    /// A server with this configuration, and an expired record.
    pub(super) async fn new(subject: &'a dyn RefreshSubject, config: Config) -> Self {
        let world = Self {
            subject,
            server: Arc::new(AuthServer::start_with(config)),
            storage: subject.open().await,
            key: TokenKey::new(fresh_namespace(), "resource.example.org"),
            broken: Arc::default(),
            unproven: Mutex::default(),
        };
        world.log_in().await;
        world
    }

    /// Another one, as new.
    pub(super) async fn another(&self, config: Config) -> Self {
        Self::new(self.subject, config).await
    }

    /// What holds in each case: no token in an error, and no refresh token on which the server worked more often.
    pub(super) async fn close(self, tries: usize) -> BTreeSet<Ability> {
        self.broken.assert_none();
        let most = most_tries(&self.server.requests());
        assert!(
            most <= tries,
            "L5: the server has worked on one refresh token {most} times, not {tries}"
        );
        // What cannot be removed does no harm: its namespace is random.
        let _ = self.storage.remove(&self.key, Precondition::Any).await;
        self.unproven.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this is declared; if not, it is noted that something was left out.
    pub(super) fn can(&self, ability: Ability) -> bool {
        let can = self.subject.abilities().has(ability);
        if !can {
            let mut unproven = self.unproven.lock().unwrap_or_else(PoisonError::into_inner);
            unproven.insert(ability);
        }
        can
    }

    /// What another process would use.
    pub(super) async fn refresher(&self) -> Arc<dyn Refresher> {
        self.refresher_on(self.subject.open().await).await
    }

    /// One whose storage goes as the stage says.
    pub(super) async fn on_stage(&self, stage: &Arc<Stage>) -> Arc<dyn Refresher> {
        let storage = Staged::new(self.subject.open().await, Arc::clone(stage));
        self.refresher_on(storage).await
    }

    async fn refresher_on(&self, storage: Arc<dyn TokenStorage>) -> Arc<dyn Refresher> {
        let made = self.subject.refresher(storage, &self.server).await;
        Arc::new(Spied {
            inner: made.expect("the refresher can be made"),
            server: Arc::clone(&self.server),
            broken: Arc::clone(&self.broken),
        })
    }

    /// What one more process gets.
    pub(super) async fn ask(&self) -> Result<Secret, String> {
        self.refresher().await.access_token(&self.key).await
    }

    /// A call in a task of its own.
    pub(super) fn call(&self, refresher: &Arc<dyn Refresher>) -> Call {
        let (refresher, key) = (Arc::clone(refresher), self.key.clone());
        tokio::spawn(async move { refresher.access_token(&key).await })
    }

    /// Calls until it succeeds: a refresher may pause after a failure, though not for ever.
    pub(super) async fn insist(&self, refresher: &Arc<dyn Refresher>) -> Result<Secret, String> {
        let started = tokio::time::Instant::now();
        loop {
            let got = refresher.access_token(&self.key).await;
            if got.is_ok() || started.elapsed() > PATIENCE {
                return got;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Asks another process each time, until the answer will do: all of them may keep a pause after a failure, though not
    /// for ever.
    pub(super) async fn ask_until(&self, will_do: impl Fn(&Result<Secret, String>) -> bool) -> Result<Secret, String> {
        let started = tokio::time::Instant::now();
        loop {
            let got = self.ask().await;
            if will_do(&got) || started.elapsed() > PATIENCE {
                return got;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A new record, expired.
    pub(super) async fn log_in(&self) {
        self.store(&self.issued().with_expires_at(0)).await;
    }

    /// What a login brings, good for an hour by any clock that these cases run by.
    pub(super) fn issued(&self) -> TokenData {
        self.issued_for(&self.key)
    }

    pub(super) fn issued_for(&self, key: &TokenKey) -> TokenData {
        let body = self.server.issue(AuthServer::NATIVE_CLIENT, "read write");
        let body: serde_json::Value = serde_json::from_str(&body).expect("the server answers JSON");
        let text = |name: &str| body[name].as_str().expect("the server names it").to_owned();
        let mut data = TokenData::new(key.resource_server(), text("scope"), text("access_token"))
            .with_refresh_token(text("refresh_token"))
            .with_identity_id("somebody")
            .with_token_type("Bearer")
            .with_expires_at(i64::MAX);
        for (name, json) in [
            ("note", "[1, 2]"),
            ("id_token", "\"of the login\""),
            ("session_state", "\"of the login\""),
        ] {
            data.extra.insert(name, json).expect("a legal member");
        }
        data
    }

    pub(super) async fn store(&self, data: &TokenData) {
        assert!(
            self.accepts(&self.key, data).await,
            "the storage's own rules refuse a usual record"
        );
    }

    /// Stores a record, unless the storage has rules of its own that refuse it.
    pub(super) async fn accepts(&self, key: &TokenKey, data: &TokenData) -> bool {
        match self.storage.store(key, data, Precondition::Any).await {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::Rejected => false,
            Err(error) => panic!("the storage under test can store: {error}"),
        }
    }

    pub(super) async fn stored(&self) -> Option<StoredToken> {
        self.storage
            .get(&self.key)
            .await
            .expect("the storage under test can read")
    }

    pub(super) async fn record(&self) -> StoredToken {
        self.stored().await.expect("L7: the record is still there")
    }

    /// Lets the stored token be expired for everyone.
    pub(super) async fn expire(&self) {
        self.expire_at(Some(0)).await;
    }

    pub(super) async fn expire_at(&self, expires_at: Option<i64>) {
        let mut data = self.record().await.data;
        data.expires_at = expires_at;
        self.store(&data).await;
    }

    pub(super) async fn remove(&self) {
        let removed = self.storage.remove(&self.key, Precondition::Any).await;
        assert!(removed.expect("the storage under test can remove"));
    }

    pub(super) async fn assert_current(&self, clause: &str, token: &Secret) {
        assert_eq!(
            *token,
            self.record().await.data.access_token,
            "{clause}: callers get what is stored"
        );
        assert!(self.server.is_active(token.expose()), "{clause}: the server takes it");
    }

    /// The lease, as another holder has it.
    pub(super) async fn hold(&self) -> Box<dyn LeaseGuard> {
        let lease = self.storage.lease().expect("these cases need a storage with leases");
        match lease.try_acquire(&self.key).await.expect("the lease can be asked for") {
            Acquisition::Acquired(guard) => guard,
            Acquisition::Held { .. } => panic!("L1: nobody holds the lease"),
        }
    }

    /// The intent that is recorded with the lease, about the record as it is; an error where the storage cannot tell.
    pub(super) async fn intent(&self) -> Result<Option<Intent>, Untold> {
        let lease = self.storage.lease().expect("these cases need a storage with leases");
        let view = lease.look(&self.key).await.expect("the lease can be looked at");
        let record = self.record().await;
        let about_it = |intent: &Intent| intent.concerns(&record);
        Ok(view.ok_or(Untold)?.intent.filter(about_it))
    }

    /// Whether another could have the lease now.
    pub(super) async fn is_free(&self) -> bool {
        let lease = self.storage.lease().expect("these cases need a storage with leases");
        match lease.try_acquire(&self.key).await.expect("the lease can be asked for") {
            Acquisition::Held { .. } => false,
            Acquisition::Acquired(guard) => {
                guard.release().await.expect("the lease can be released");
                true
            }
        }
    }

    /// Returns once another could have the lease.
    pub(super) async fn until_free(&self) {
        while !self.is_free().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// How long a call lasts at most, as it is declared, if the server is silent.
    pub(super) fn patience(&self) -> Duration {
        self.subject.abilities().patience()
    }

    /// A call whose stores wait at this gate, up to the store of the answer: what is stored by way of proof has passed.
    pub(super) async fn until_the_answer_is_stored(&self, stage: &Arc<Stage>, store: &Gate) -> Call {
        let mut calling = self.call(&self.on_stage(stage).await);
        loop {
            tokio::select! {
                () = store.arrived() => {}
                ended = &mut calling => panic!("L6: nothing was stored: {}", ended.is_ok()),
            }
            if self.requests() > 0 {
                return calling;
            }
            store.open();
        }
    }

    pub(super) fn script(&self, fault: Fault) {
        self.server.script(Endpoint::Token, fault);
    }

    /// How many requests with a refresh token there were.
    pub(super) fn requests(&self) -> usize {
        self.server.refresh_requests()
    }
}

/// How long success is waited for, where a refresher may pause.
pub(super) const PATIENCE: Duration = Duration::from_secs(45);

/// One that no earlier run on the same storage has used.
fn fresh_namespace() -> String {
    let random = getrandom::u64().expect("the operating system's random source failed");
    format!("refreshing-{random:016x}")
}

/// How long the slowest answer of the cases takes: 4 s, and 40 s in the long profile (`TOKEN_STORAGE_SOAK`). A refresher that
/// [gives up](super::Abilities::giving_up_within) sooner fails them.
pub fn slowest_answer() -> Duration {
    watch()
}

/// How long is looked for what must not happen.
pub(super) fn watch() -> Duration {
    let long = std::env::var_os("TOKEN_STORAGE_SOAK").is_some_and(|value| !value.is_empty() && value != "0");
    Duration::from_secs(if long { 40 } else { 4 })
}

/// Looks for a while, or until what must not happen has happened.
pub(super) async fn watch_for(event: impl Future<Output = ()>) {
    let _ = tokio::time::timeout(watch(), event).await;
}

pub(super) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// How often the server has worked on the token on which it has worked most.
fn most_tries(requests: &[LoggedRequest]) -> usize {
    let mut tries = BTreeMap::new();
    for request in requests {
        let worked_on = matches!(
            request.outcome,
            Outcome::Issued | Outcome::ReuseDetected | Outcome::Refused("invalid_grant")
        );
        if let (true, Some(token)) = (worked_on, request.params.get("refresh_token")) {
            *tries.entry(token).or_insert(0) += 1;
        }
    }
    tries.into_values().max().unwrap_or(0)
}
