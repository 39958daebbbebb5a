//! What the suite does to tables, their clients and the machines that these run on.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use token_storage_conformance::{
    ClockJumping, Clocks, Mishap, Network, RecordDamaging, Requests, SecondWay, Unreliable, WriteRefusing,
};
use token_storage_core::{Error, ErrorKind, Operation, Result, TokenKey, TokenStorage, async_trait};
use token_storage_dynamodb::{Clock, DynamoDbStorage};
use token_storage_dynamodb_testing::{ClientBuilder, Fault, Faults, client};

use crate::{DynamoDb, LEASE_TTL, Table};

pub(crate) const WRITES: Requests = Requests::Writes;

/// Leases are items whose keys begin like this; a proof is about the record itself.
pub(crate) fn kind(action: &str, body: &str) -> Requests {
    match action {
        _ if body.contains("\"%lease/") => Requests::Leases,
        "GetItem" => Requests::Reads,
        _ => Requests::Writes,
    }
}

#[async_trait]
impl RecordDamaging for DynamoDb {
    /// An item has no text; the bytes are in the place of the access token, and nothing else is left.
    async fn overwrite(&self, table: &Table, key: &TokenKey, bytes: &[u8]) -> Result<()> {
        let namespace = key.namespace().replace('%', "%25").replace(':', "%3A");
        let id = AttributeValue::S(format!("{namespace}:{}", key.resource_server()));
        let put = client(&table.endpoint)
            .put_item()
            .table_name(&table.name)
            .item("token_data_id", id)
            .item("access_token", AttributeValue::B(Blob::new(bytes)));
        let failed = |error| Error::new(ErrorKind::Unavailable, format!("{error:?}")).with_operation(Operation::Manage);
        put.send().await.map(drop).map_err(failed)
    }
}

#[async_trait]
impl WriteRefusing for DynamoDb {
    async fn refuse_writes(&self, table: &Table, refuse: bool) -> Result<(), String> {
        table.read_only.store(refuse, Ordering::SeqCst);
        Ok(())
    }
}

#[async_trait]
impl SecondWay for DynamoDb {
    async fn reopen_otherwise(&self, table: &Table) -> Result<Arc<dyn TokenStorage>> {
        let [_, other] = self.ways(table);
        let client = ClientBuilder::new(&other).recorder(&self.recorder).build();
        Ok(self.over(&table.name, client))
    }

    fn ways(&self, table: &Table) -> [String; 2] {
        let other = table.endpoint.replacen("//127.0.0.1", "//localhost", 1);
        [table.endpoint.clone(), format!("{other}/")]
    }
}

#[async_trait]
impl Unreliable for DynamoDb {
    async fn reopen_unreliable(&self, table: &Table) -> Result<(Arc<dyn TokenStorage>, Box<dyn Network>)> {
        let planned = Arc::new(Mutex::new(Vec::new()));
        let way = Arc::clone(&planned);
        let faults = Faults::deciding(move |action, body| next(&way, kind(action, body)));
        let client = ClientBuilder::new(&table.endpoint)
            .recorder(&self.recorder)
            .faults(&faults)
            .build();
        Ok((self.over(&table.name, client), Box::new(Way { planned, faults })))
    }
}

/// What is planned for which requests, and for how many.
type Planned = Mutex<Vec<(Requests, Mishap, Option<usize>)>>;

struct Way {
    planned: Arc<Planned>,
    faults: Faults,
}

fn next(planned: &Planned, requests: Requests) -> Option<Fault> {
    let mut planned = planned.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, mishap, count) = planned
        .iter_mut()
        .find(|(kind, _, count)| *kind == requests && *count != Some(0))?;
    if let Some(count) = count {
        *count -= 1;
    }
    Some(match mishap {
        Mishap::RequestLost => Fault::DropBefore,
        Mishap::AnswerLost => Fault::DropAfter,
        Mishap::Delayed => Fault::HeldBack,
        Mishap::Duplicated => Fault::Twice,
    })
}

#[async_trait]
impl Network for Way {
    fn plan(&self, requests: Requests, mishap: Mishap, count: Option<usize>) {
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        planned.retain(|(kind, ..)| *kind != requests);
        planned.push((requests, mishap, count));
    }

    fn heal(&self) {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    async fn deliver(&self) {
        self.faults.deliver().await;
    }

    fn struck(&self) -> usize {
        self.faults.struck()
    }
}

#[async_trait]
impl ClockJumping for DynamoDb {
    async fn reopen_jumping(&self, table: &Table) -> Result<(Arc<dyn TokenStorage>, Box<dyn Clocks>)> {
        let client = ClientBuilder::new(&table.endpoint).recorder(&self.recorder).build();
        let clocks = Jumping(Arc::new(Set {
            started: Instant::now(),
            wall: AtomicI64::new(0),
            monotonic: AtomicU64::new(0),
        }));
        let storage = DynamoDbStorage::builder(&table.name)
            .lease_ttl(LEASE_TTL)
            .clock(Arc::new(clocks.clone()))
            .with_client(client);
        Ok((Arc::new(storage), Box::new(clocks)))
    }
}

/// Clocks that run with real time from wherever they were set to, in milliseconds.
#[derive(Debug)]
struct Set {
    started: Instant,
    wall: AtomicI64,
    monotonic: AtomicU64,
}

#[derive(Clone, Debug)]
struct Jumping(Arc<Set>);

impl Clocks for Jumping {
    fn set_wall(&self, by_milliseconds: i64) {
        self.0.wall.fetch_add(by_milliseconds, Ordering::SeqCst);
    }

    fn leap_monotonic(&self, by_milliseconds: u64) {
        self.0.monotonic.fetch_add(by_milliseconds, Ordering::SeqCst);
    }
}

impl Clock for Jumping {
    fn monotonic(&self) -> Duration {
        self.0.started.elapsed() + Duration::from_millis(self.0.monotonic.load(Ordering::SeqCst))
    }

    fn wall(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let shift = self.0.wall.load(Ordering::SeqCst);
        let by = Duration::from_millis(shift.unsigned_abs());
        if shift < 0 { now.saturating_sub(by) } else { now + by }
    }
}
