//! The client: records, batches and listings.

use std::{
    collections::BTreeMap,
    marker::PhantomData,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use token_storage_conformance::Requests;
use token_storage_core::{
    Cursor, Enumerate, Error, ErrorContext as _, ErrorKind, Limits, MemoryStorage, Operation, Page, Precondition,
    RefreshLease, Result, Revision, ShowOutline, ShownOutline, StorageInfo, StoredToken, TokenKey, TokenStorage, Write,
    WriteMark, async_trait, record,
};
use token_storage_network::TimedLeases;

use super::{
    clocks::Jumping,
    flaws::Flaws,
    leases::Store,
    locked,
    records::{damage, decode, read, read_only},
    server::{Carried, Expected, Server},
    way::{Broke, Control, Way},
};

pub(super) const TTL: Duration = Duration::from_millis(700);
pub(super) const TRIES: usize = 3;

pub(super) fn broke(operation: Operation) -> Error {
    Error::new(ErrorKind::Unavailable, "the connection broke").with_operation(operation)
}

/// The client.
pub(super) struct Client<F> {
    pub(super) server: Arc<Server>,
    pub(super) way: Arc<Way>,
    pub(super) otherwise: bool,
    pub(super) leases: TimedLeases,
    pub(super) cache: Mutex<BTreeMap<TokenKey, Vec<u8>>>,
    pub(super) flaws: PhantomData<fn() -> F>,
}

impl<F> std::fmt::Debug for Client<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

pub(super) const LIMITS: Limits = MemoryStorage::LIMITS;

impl<F: Flaws> Client<F> {
    pub(super) fn open(server: &Arc<Server>, otherwise: bool, clock: Arc<Jumping>) -> (Arc<dyn TokenStorage>, Control) {
        let (server, way) = (Arc::clone(server), Arc::<Way>::default());
        let store = Store::<F> {
            server: Arc::clone(&server),
            way: Arc::clone(&way),
            other: otherwise && F::WAYS_HAVE_LEASES,
            flaws: PhantomData,
        };
        let client = Self {
            leases: TimedLeases::with_clock(Arc::new(store), TTL, clock),
            server: Arc::clone(&server),
            way: Arc::clone(&way),
            otherwise,
            cache: Mutex::default(),
            flaws: PhantomData,
        };
        (Arc::new(client), Control(way, server))
    }

    fn bytes(&self, key: &TokenKey, operation: Operation) -> Result<Option<Vec<u8>>> {
        if let (true, Some(known)) = (F::WAYS_HAVE_CACHES && self.otherwise, locked(&self.cache).get(key)) {
            return Ok(Some(known.clone()));
        }
        for _ in 0..TRIES {
            let wanted = key.clone();
            let read = self.way.send(&self.server, Requests::Reads, move |server| {
                let records = locked(&server.records);
                let damaged = F::DAMAGE_HIDES_OTHERS && records.values().any(|bytes| decode(bytes).is_err());
                (records.get(&wanted).cloned(), damaged)
            });
            match read {
                Ok((_, true)) => return Err(damage::<F>(key, operation, b"")),
                Ok((bytes, false)) => {
                    if let (true, Some(bytes)) = (F::WAYS_HAVE_CACHES, &bytes) {
                        locked(&self.cache).insert(key.clone(), bytes.clone());
                    }
                    return Ok(bytes);
                }
                Err(Broke) if F::LOST_READ_IS_ABSENT => return Ok(None),
                Err(Broke) => {}
            }
        }
        Err(broke(operation).with_key(key))
    }

    /// What is there is as the precondition says.
    fn check(&self, key: &TokenKey, there: &Option<Vec<u8>>, precondition: Precondition, op: Operation) -> Result<()> {
        let Some(bytes) = there else {
            return match precondition.holds(None) {
                true => Ok(()),
                false => Err(Error::precondition_failed(key.clone(), None).with_operation(op)),
            };
        };
        match read::<F>(key, bytes, op) {
            Err(error) if precondition == Precondition::Any && !F::DAMAGE_STAYS => drop(error),
            Err(error) if F::DAMAGE_IS_CONFLICT && precondition != Precondition::Any => {
                drop(error);
                return Err(Error::precondition_failed(key.clone(), None).with_operation(op));
            }
            Err(error) => return Err(error),
            Ok(stored) => {
                let revision = stored.map(|stored| stored.revision);
                if !precondition.holds(revision) {
                    return Err(Error::precondition_failed(key.clone(), revision).with_operation(op));
                }
            }
        }
        Ok(())
    }

    /// Every write is conditional on what was read, so that whatever comes late changes nothing.
    fn write(&self, wanted: &[(TokenKey, Precondition, Option<Vec<u8>>)], op: Operation) -> Result<Vec<bool>> {
        let mut sent = false;
        for _ in 0..TRIES * 2 {
            let mut there = Vec::new();
            for (key, _, _) in wanted {
                there.push(
                    self.bytes(key, op)
                        .map_err(|error| if sent { error.with_unknown_outcome() } else { error })?,
                );
            }
            if sent && !F::FORGETS_ITS_MARK {
                let ours = wanted.iter().zip(&there).all(|((_, _, new), there)| new == there);
                if ours
                    && wanted
                        .iter()
                        .any(|(_, precondition, new)| new.is_none() && *precondition != Precondition::Any)
                {
                    return Err(broke(op).with_unknown_outcome());
                }
                if ours || F::ANY_RECORD_IS_OURS {
                    return Ok(vec![true; wanted.len()]);
                }
            }
            let mut changes = Vec::new();
            for ((key, precondition, new), there) in wanted.iter().zip(there) {
                if let Err(error) = self.check(key, &there, *precondition, op) {
                    // It travels, too.
                    if F::LOST_REFUSAL_IS_DONE
                        && self.way.send(&self.server, Requests::Writes, |_: &Server| ()).is_err()
                    {
                        return Ok(vec![true; wanted.len()]);
                    }
                    return Err(error);
                }
                changes.push((key.clone(), Expected::Exactly(there), new.clone()));
            }
            let was_there = changes
                .iter()
                .map(|(_, there, _)| *there != Expected::Exactly(None))
                .collect();
            for (change, (_, precondition, new)) in changes.iter_mut().zip(wanted) {
                let blind = if new.is_some() {
                    F::UNCONDITIONAL
                } else {
                    F::UNCONDITIONAL_REMOVE
                };
                if blind && *precondition == Precondition::Any || F::WAYS_RACE && self.otherwise {
                    change.1 = Expected::Anything;
                }
            }
            if F::WAYS_RACE && !changes.is_empty() && self.otherwise {
                // A whole copy of what it has read is put back, as a file would be.
                let copy = locked(&self.server.records).clone();
                std::thread::sleep(Duration::from_millis(2));
                *locked(&self.server.records) = copy;
            }
            let send = || {
                let changes = changes.clone();
                let request = move |server: &Server| server.write(&changes, F::BATCH_WRITES_FIRST);
                self.way.send(&self.server, Requests::Writes, request)
            };
            let mut carried = send();
            // Again and again, and then it gives up without looking.
            if F::DENIES_ALL_LOST && carried.is_err() {
                carried = send().or_else(|Broke| send());
                if carried.is_err() {
                    return Err(broke(op));
                }
                sent = true;
            }
            match carried {
                Ok(Carried::Done) => return Ok(was_there),
                Ok(Carried::ReadOnly) if F::REFUSED_IS_DONE => return Ok(was_there),
                Ok(Carried::ReadOnly) if F::REFUSED_IS_CONFLICT => {
                    return Err(Error::precondition_failed(wanted[0].0.clone(), None).with_operation(op));
                }
                Ok(Carried::ReadOnly) => return Err(read_only(op)),
                Ok(Carried::Contended) => {}
                Err(Broke) if F::LOST_IS_DONE => return Ok(was_there),
                Err(Broke) => sent = true,
            }
        }
        let error = broke(op);
        Err(if sent { error.with_unknown_outcome() } else { error })
    }

    fn store_many(&self, writes: &[Write<'_>], operation: Operation) -> Result<Vec<Revision>> {
        let (mut wanted, mut revisions) = (Vec::new(), Vec::new());
        for write in writes {
            let mark = WriteMark::random()?;
            let text = record::encode(write.data, &mark);
            wanted.push((write.key.clone(), write.precondition, Some(text.as_bytes().to_vec())));
            revisions.push(record::revision_of(write.data, Some(&mark)));
        }
        let sizes: Vec<usize> = wanted
            .iter()
            .map(|(_, _, text)| text.as_ref().map_or(0, Vec::len))
            .collect();
        LIMITS
            .check_batch(writes, &sizes)
            .map_err(|error| error.with_operation(operation))?;
        if !wanted.is_empty() {
            self.write(&wanted, operation)?;
        }
        Ok(revisions)
    }
}

#[async_trait]
impl<F: Flaws> TokenStorage for Client<F> {
    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        match self.bytes(key, Operation::Get)? {
            Some(bytes) => read::<F>(key, &bytes, Operation::Get),
            None => Ok(None),
        }
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        self.store_many(writes, Operation::StoreAll)
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        LIMITS.check_key(key).during(Operation::Remove)?;
        if F::DAMAGE_IS_NOT_REMOVED {
            let there = self.bytes(key, Operation::Remove)?;
            if there.is_some_and(|bytes| decode(&bytes).is_err()) && precondition == Precondition::Any {
                return Ok(false);
            }
        }
        Ok(self.write(&[(key.clone(), precondition, None)], Operation::Remove)?[0])
    }

    async fn prove_writable(&self, _: &TokenKey) -> Result<()> {
        if !F::PROOF_ASKS {
            return Ok(());
        }
        let requests = if F::PROOF_READS {
            Requests::Reads
        } else {
            Requests::Writes
        };
        let refused = self.way.send(&self.server, requests, |server| {
            !F::PROOF_READS && server.read_only.load(Ordering::SeqCst)
        });
        match refused {
            Ok(false) => Ok(()),
            Ok(true) => Err(read_only(Operation::Store)),
            Err(Broke) => Err(broke(Operation::Store)),
        }
    }

    fn describe(&self) -> StorageInfo {
        StorageInfo::new("wire", "a server in this process", LIMITS)
            .with_enumeration()
            .with_lease(self.leases.kind())
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        Some(Box::new(self))
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        Some(Box::new(self.leases.clone()))
    }
}

pub(super) const PAGE: usize = 64;

impl<F: Flaws> Client<F> {
    fn keys(&self) -> Result<Vec<TokenKey>> {
        let listed = self.way.send(&self.server, Requests::Reads, |server| {
            let records = locked(&server.records);
            let damaged = F::DAMAGE_FAILS_LISTING && records.values().any(|bytes| decode(bytes).is_err());
            let listed = |bytes: &[u8]| !F::DAMAGE_IS_NOT_LISTED || decode(bytes).is_ok();
            let keys = records
                .iter()
                .filter(|(_, bytes)| listed(bytes))
                .map(|(key, _)| key.clone());
            (keys.collect(), damaged)
        });
        match listed {
            Ok((_, true)) => Err(Error::new(ErrorKind::Corrupt, "a record is damaged").with_operation(Operation::List)),
            Ok((keys, false)) => Ok(keys),
            Err(Broke) => Err(broke(Operation::List)),
        }
    }
}

#[async_trait]
impl<F: Flaws> Enumerate for &Client<F> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let keys = self.keys()?.into_iter().filter(|key| key.namespace() == namespace);
        Ok(Page::after(keys, after, PAGE, TokenKey::resource_server))
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        let mut namespaces: Vec<String> = self.keys()?.iter().map(|key| key.namespace().to_owned()).collect();
        namespaces.dedup();
        Ok(Page::after(namespaces.into_iter(), after, PAGE, String::as_str))
    }

    async fn list_outlines(
        &self,
        namespace: &str,
        after: Option<&Cursor>,
        show: &ShowOutline,
    ) -> Result<Option<Page<ShownOutline>>> {
        if !F::DAMAGE_IS_NOT_SHOWN {
            return Ok(None);
        }
        let keys = self.list_keys(namespace, after).await?;
        let mut items = Vec::new();
        for key in &keys.items {
            if let Ok(Some(record)) = self.get(key).await {
                items.push(show.record(key.resource_server(), Ok(record::Outline::of(&record.data))));
            }
        }
        Ok(Some(keys.with_items(items)))
    }
}
