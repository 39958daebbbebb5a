//! The worker's side.

use std::{io::Write as _, process::ExitCode, sync::Arc, time::Instant};

use token_storage_core::{
    Acquisition, Error, ErrorKind, LeaseGuard, Operation, Precondition, Result, Revision, TokenKey, TokenStorage,
    TokenStorageExt as _, Write,
};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::{
    PLAN, Reply, Request, SPEC, logs,
    protocol::{Condition, Key},
};
use crate::{
    cases::{intent, talk_keys, use_all},
    data::{counted, counting, full, plain},
    suite::Plan,
};

/// If this process was started as a worker of one of these plans: does the worker's work, and returns its exit code.
/// `None` in any other process. [`main`](crate::main()) calls it; a program that runs cases without it calls this first.
pub fn worker<'a>(plans: impl IntoIterator<Item = &'a Plan>) -> Option<ExitCode> {
    let name = std::env::var(PLAN).ok()?;
    let spec = std::env::var(SPEC).unwrap_or_default();
    let Some(plan) = plans.into_iter().find(|plan| plan.name() == name) else {
        eprintln!("error: a worker was started for the suite {name:?}, which this program does not have");
        return Some(ExitCode::FAILURE);
    };
    crate::run::runtime().block_on(serve(plan, spec));
    Some(ExitCode::SUCCESS)
}

/// A call that was busy for as long has waited, and did not give up at once.
const WAITED: std::time::Duration = std::time::Duration::from_secs(1);

/// Between two tries to get a lease.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(2);

struct Served {
    plan: Plan,
    spec: String,
    storage: Option<Arc<dyn TokenStorage>>,
    guard: Option<Box<dyn LeaseGuard>>,
}

async fn serve(plan: &Plan, spec: String) {
    let mut served = Served {
        plan: plan.clone(),
        spec,
        storage: None,
        guard: None,
    };
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let request = serde_json::from_str(&line).expect("the parent speaks the worker's protocol");
        let reply = served.answer(request).await.unwrap_or_else(|error| Reply::Failed {
            kind: format!("{:?}", error.kind()),
            message: crate::run::chain(&error),
        });
        say(&reply);
    }
}

/// At once and in one piece: what is acknowledged must be known even if this process is killed now.
fn say(reply: &Reply) {
    let mut line = serde_json::to_string(reply).expect("a reply is representable");
    line.push('\n');
    let mut out = std::io::stdout().lock();
    if out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_err() {
        // The parent is gone.
        std::process::exit(1);
    }
}

impl Served {
    async fn storage(&mut self) -> Result<Arc<dyn TokenStorage>> {
        if let Some(storage) = &self.storage {
            return Ok(Arc::clone(storage));
        }
        let opened = self.plan.suite.open_spec(&self.spec).await;
        let storage = opened.expect("workers are started for suites of several processes only")?;
        self.storage = Some(Arc::clone(&storage));
        Ok(storage)
    }

    async fn answer(&mut self, request: Request) -> Result<Reply> {
        match request {
            Request::Ready => Ok(Reply::Done),
            Request::Open => self.storage().await.map(|_| Reply::Done),
            Request::Get { key } => {
                let stored = self.storage().await?.get(&(&key).into()).await?;
                let access_token = stored.map(|stored| stored.data.access_token.expose().to_owned());
                Ok(Reply::Got { access_token })
            }
            Request::Store { key, tag, condition } => {
                let precondition = condition.precondition()?;
                let stored = self
                    .storage()
                    .await?
                    .store(&(&key).into(), &full(&tag), precondition)
                    .await?;
                Ok(Reply::Stored {
                    revision: stored.as_bytes().to_vec(),
                })
            }
            Request::StoreLarge { key, bytes } => {
                let data = plain(&"x".repeat(bytes));
                self.storage()
                    .await?
                    .store(&(&key).into(), &data, Precondition::Any)
                    .await?;
                Ok(Reply::Done)
            }
            Request::StoreMany {
                namespace,
                prefix,
                count,
            } => self.store_many(&namespace, &prefix, count).await,
            Request::Flood { namespace, distinct } => self.flood(&namespace, distinct).await,
            Request::StoreAll { keys, tag, conditions } => self.store_all(&keys, &tag, &conditions).await,
            Request::FloodBatches { keys } => self.flood_batches(&keys).await,
            Request::Remove { key, condition } => {
                let storage = self.storage().await?;
                let there = storage.remove(&(&key).into(), condition.precondition()?).await?;
                Ok(Reply::Removed { there })
            }
            Request::List { namespace } => self.list(&namespace).await,
            Request::CountUnderLease { key, count } => self.count_under_lease(&(&key).into(), count).await,
            Request::LogCanaries { key } => self.log_canaries(&(&key).into()).await,
            Request::Umask { mask } => set_umask(mask).map(|_| Reply::Done),
            Request::AskUmask => {
                let mask = set_umask(0)?;
                set_umask(mask)?;
                Ok(Reply::Umask { mask })
            }
            lease => self.lease(lease).await,
        }
    }

    async fn lease(&mut self, request: Request) -> Result<Reply> {
        if let Request::Acquire { key } = &request {
            let storage = self.storage().await?;
            let lease = storage.lease().ok_or_else(|| broken("the storage has no leases"))?;
            return Ok(match lease.try_acquire(&key.into()).await? {
                Acquisition::Acquired(guard) => {
                    let intent = guard.intent().map(token_storage_core::Intent::to_bytes);
                    self.guard = Some(guard);
                    Reply::Acquired { intent }
                }
                Acquisition::Held { .. } => Reply::Held,
            });
        }
        let guard = self.guard.as_mut().ok_or_else(|| broken("no lease is held"))?;
        match request {
            Request::RecordIntent { revision } => {
                guard.record_intent(&intent(Revision::from_bytes(&revision)?)).await?
            }
            Request::Renew => guard.renew().await?,
            _ => {
                if let Some(guard) = self.guard.take() {
                    guard.release().await?;
                }
            }
        }
        Ok(Reply::Done)
    }

    async fn store_many(&mut self, namespace: &str, prefix: &str, count: usize) -> Result<Reply> {
        let storage = self.storage().await?;
        for number in 0..count {
            let key = TokenKey::new(namespace, format!("{prefix}{number}"));
            let data = full(&number.to_string());
            let mut began = Instant::now();
            while let Err(error) = storage.store(&key, &data, Precondition::Absent).await {
                // A lock need not be fair: whoever has waited in vain is told so, and may try again (D6).
                let waited = error.kind() == ErrorKind::Busy && error.is_retryable() && began.elapsed() >= WAITED;
                if !waited {
                    return Err(error);
                }
                began = Instant::now();
            }
        }
        Ok(Reply::Done)
    }

    async fn flood(&mut self, namespace: &str, distinct: bool) -> Result<Reply> {
        let storage = self.storage().await?;
        for number in 0..usize::MAX {
            let name = if distinct {
                format!("flood{number}")
            } else {
                "flood".to_owned()
            };
            let data = full(&number.to_string());
            storage
                .store(&TokenKey::new(namespace, name), &data, Precondition::Any)
                .await?;
            say(&Reply::Acknowledged { number });
        }
        Ok(Reply::Done)
    }

    async fn store_all(&mut self, keys: &[Key], tag: &str, conditions: &[Condition]) -> Result<Reply> {
        let (keys, data): (Vec<TokenKey>, _) = (keys.iter().map(TokenKey::from).collect(), full(tag));
        let mut writes = Vec::new();
        for (key, condition) in keys.iter().zip(conditions) {
            writes.push(Write::new(key, &data, condition.precondition()?));
        }
        self.storage().await?.store_all(&writes).await?;
        Ok(Reply::Done)
    }

    async fn flood_batches(&mut self, keys: &[Key]) -> Result<Reply> {
        let conditions = vec![Condition::None; keys.len()];
        for number in 0..usize::MAX {
            self.store_all(keys, &number.to_string(), &conditions).await?;
            say(&Reply::Acknowledged { number });
        }
        Ok(Reply::Done)
    }

    async fn list(&mut self, namespace: &str) -> Result<Reply> {
        let storage = self.storage().await?;
        let listing = storage.enumerate().ok_or_else(|| broken("the storage cannot list"))?;
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let page = listing.list_keys(namespace, after.as_ref()).await?;
            names.extend(page.items.iter().map(|key| key.resource_server().to_owned()));
            after = page.next;
            if after.is_none() {
                return Ok(Reply::Listed { names });
            }
        }
    }

    async fn count_under_lease(&mut self, key: &TokenKey, count: usize) -> Result<Reply> {
        let storage = self.storage().await?;
        let lease = storage.lease().ok_or_else(|| broken("the storage has no leases"))?;
        let mut counted_here = 0;
        while counted_here < count {
            let guard = loop {
                match lease.try_acquire(key).await? {
                    Acquisition::Acquired(guard) => break guard,
                    Acquisition::Held { .. } => tokio::time::sleep(PAUSE).await,
                }
            };
            let before = storage.get(key).await?;
            let (steps, condition) = before.map_or((0, Precondition::Absent), |stored| {
                (counted(&stored.data), Precondition::Unchanged(stored.revision))
            });
            match storage.store(key, &counting(steps + 1), condition).await {
                Ok(_) => counted_here += 1,
                // Kept waiting until its lease ran out, it has a successor.
                Err(error)
                    if error.kind() == ErrorKind::Conflict && guard.remaining().is_some_and(|left| left.is_zero()) => {}
                Err(error) => return Err(error),
            }
            guard.release().await?;
        }
        Ok(Reply::Done)
    }

    async fn log_canaries(&mut self, key: &TokenKey) -> Result<Reply> {
        logs::watch();
        let storage = self.storage().await?;
        use_all(&*storage, &talk_keys(key)).await?;
        let (records, leak) = logs::seen();
        Ok(Reply::Logged { records, leak })
    }
}

fn broken(message: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, message).with_operation(Operation::Manage)
}

/// Answers with the mask before.
#[cfg(unix)]
fn set_umask(mask: u32) -> Result<u32> {
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
    Ok(before.as_raw_mode())
}

#[cfg(not(unix))]
fn set_umask(_: u32) -> Result<u32> {
    Err(broken("this system has no mask for modes"))
}
