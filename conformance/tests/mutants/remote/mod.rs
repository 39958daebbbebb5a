//! A correct storage behind a network that loses things, and the ways to break its client: clauses A5 and L4.

mod clients;

pub(crate) use self::clients::*;

use std::{
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use token_storage_conformance::{FaultInjecting, FaultInjector, Harness, Suite};
use token_storage_core::{
    Acquisition, Cursor, Enumerate, Error, ErrorKind, Intent, LeaseGuard, LeaseView, MemoryStorage, Operation, Page,
    Precondition, RefreshLease, Result, Revision, StorageInfo, StoredToken, TokenKey, TokenStorage, Write, async_trait,
    backend::forward,
};

#[derive(Debug, Default)]
struct Network {
    loses_answer: AtomicBool,
    loses_request: AtomicBool,
    is_down: AtomicBool,
    struck: AtomicUsize,
}

impl Network {
    fn is_down(&self) -> bool {
        self.strikes(self.is_down.load(Ordering::SeqCst))
    }

    fn strikes(&self, strikes: bool) -> bool {
        self.struck.fetch_add(usize::from(strikes), Ordering::SeqCst);
        strikes
    }
}

struct Injector(Arc<Network>);

impl FaultInjector for Injector {
    fn lose_next_answer(&self) {
        self.0.loses_answer.store(true, Ordering::SeqCst);
    }

    fn lose_next_request(&self) {
        self.0.loses_request.store(true, Ordering::SeqCst);
    }

    fn disconnect(&self) {
        self.0.is_down.store(true, Ordering::SeqCst);
    }

    fn reconnect(&self) {
        self.0.is_down.store(false, Ordering::SeqCst);
    }

    fn struck(&self) -> usize {
        self.0.struck.load(Ordering::SeqCst)
    }
}

/// The client's side.
#[derive(Debug)]
struct Remote<C> {
    server: MemoryStorage,
    network: Arc<Network>,
    client: PhantomData<C>,
}

fn unreachable(operation: Operation) -> Error {
    Error::new(ErrorKind::Unavailable, "nothing gets through").with_operation(operation)
}

impl<C: Client> Remote<C> {
    fn reach(&self, operation: Operation) -> Result<()> {
        if self.network.is_down() && C::UNREACHABLE_IS_MISCONFIGURED {
            Err(Error::new(ErrorKind::Misconfigured, "there is no such server").with_operation(operation))
        } else if self.network.is_down() {
            Err(unreachable(operation))
        } else {
            Ok(())
        }
    }

    /// Whether the request got lost. It is then sent once more.
    fn lost_request(&self) -> bool {
        self.network
            .strikes(self.network.loses_request.swap(false, Ordering::SeqCst))
    }

    fn lost_answer(&self) -> bool {
        self.network
            .strikes(self.network.loses_answer.swap(false, Ordering::SeqCst))
    }

    async fn revisions(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        let mut revisions = Vec::new();
        for write in writes {
            match self.server.get(write.key).await? {
                Some(stored) if stored.data == *write.data => revisions.push(stored.revision),
                _ => return Err(unreachable(Operation::StoreAll).with_unknown_outcome()),
            }
        }
        Ok(revisions)
    }
}

#[async_trait]
impl<C: Client> TokenStorage for Remote<C> {
    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        match self.reach(Operation::Get) {
            Err(_) if C::UNREACHABLE_IS_ABSENT => Ok(None),
            Err(error) => Err(error),
            Ok(()) => self.server.get(key).await,
        }
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        if let Err(error) = self.reach(Operation::StoreAll) {
            let sent = writes
                .iter()
                .map(|write| write.data.access_token.expose())
                .collect::<String>();
            return Err(if C::QUOTES_REQUESTS {
                error.with_source(sent)
            } else {
                error
            });
        }
        if self.lost_request() && C::ACKNOWLEDGES_LOST_REQUESTS {
            return writes.iter().map(|_| Revision::from_bytes(b"sent")).collect();
        }
        let answer = self.server.store_all(writes).await;
        if !self.lost_answer() {
            return answer;
        }
        match answer {
            Ok(_) if C::REPEATS_BLINDLY => self.server.store_all(writes).await,
            Ok(_) if C::DENIES_LOST_ANSWERS => Err(unreachable(Operation::StoreAll)),
            Ok(_) => self.revisions(writes).await,
            refused => refused,
        }
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        self.reach(Operation::Remove)?;
        if self.lost_request() && C::ACKNOWLEDGES_LOST_REQUESTS {
            return Ok(true);
        }
        let answer = self.server.remove(key, precondition).await;
        if !self.lost_answer() {
            return answer;
        }
        match answer {
            Ok(_) if C::REPEATS_BLINDLY => self.server.remove(key, precondition).await,
            Ok(_) if C::REMOVES_AGAIN => self.server.remove(key, Precondition::Any).await,
            Ok(_) if C::DENIES_LOST_ANSWERS => Err(unreachable(Operation::Remove)),
            answer => answer,
        }
    }

    async fn prove_writable(&self, _: &TokenKey) -> Result<()> {
        self.reach(Operation::Store)
    }

    fn describe(&self) -> StorageInfo {
        self.server.describe()
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        Some(Box::new(self))
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        Some(Box::new(self))
    }
}

#[async_trait]
impl<C: Client> RefreshLease for &Remote<C> {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        match self.reach(Operation::Lease) {
            Err(_) if C::UNREACHABLE_IS_HELD => Ok(Acquisition::Held {
                retry_after: Duration::from_millis(10),
            }),
            Err(error) => Err(error),
            Ok(()) => {
                let leases = self.server.lease().expect("a memory storage has leases");
                Ok(match leases.try_acquire(key).await? {
                    Acquisition::Acquired(inner) => Acquisition::Acquired(Box::new(Guard {
                        inner,
                        network: Arc::clone(&self.network),
                    })),
                    held @ Acquisition::Held { .. } => held,
                })
            }
        }
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        match self.reach(Operation::Lease) {
            Err(_) if C::UNREACHABLE_HAS_NO_INTENT => return Ok(Some(LeaseView::default())),
            reached => reached?,
        }
        let lease = self.server.lease().expect("a memory storage has leases");
        lease.look(key).await
    }
}

/// A lease whose intents and proofs have to get through.
#[derive(Debug)]
struct Guard {
    inner: Box<dyn LeaseGuard>,
    network: Arc<Network>,
}

impl Guard {
    fn reach(&self) -> Result<()> {
        match self.network.is_down() {
            true => Err(unreachable(Operation::Lease)),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl LeaseGuard for Guard {
    forward!(self.inner => intent, remaining, renew, release);

    async fn record_intent(&mut self, intent: &Intent) -> Result<()> {
        self.reach()?;
        self.inner.record_intent(intent).await
    }

    async fn clear_intent(&mut self) -> Result<()> {
        self.reach()?;
        self.inner.clear_intent().await
    }
}

#[async_trait]
impl<C: Client> Enumerate for &Remote<C> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        match self.reach(Operation::List) {
            Err(_) if C::UNREACHABLE_IS_EMPTY => {
                Ok(Page::after(std::iter::empty(), after, 1, TokenKey::resource_server))
            }
            Err(error) => Err(error),
            Ok(()) => (&self.server).list_keys(namespace, after).await,
        }
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        match self.reach(Operation::List) {
            Err(_) if C::UNREACHABLE_IS_EMPTY => Ok(Page::after(std::iter::empty(), after, 1, String::as_str)),
            Err(error) => Err(error),
            Ok(()) => (&self.server).list_namespaces(after).await,
        }
    }
}

/// Opens them.
pub(crate) struct Behind<C>(PhantomData<fn() -> C>);

impl<C: Client> Behind<C> {
    fn open(server: &MemoryStorage) -> Remote<C> {
        Remote {
            server: server.clone(),
            network: Arc::default(),
            client: PhantomData,
        }
    }
}

#[async_trait]
impl<C: Client> Harness for Behind<C> {
    type Place = MemoryStorage;

    async fn fresh(&self) -> Result<MemoryStorage> {
        Ok(MemoryStorage::new())
    }

    async fn reopen(&self, place: &MemoryStorage) -> Result<Arc<dyn TokenStorage>> {
        Ok(Arc::new(Self::open(place)))
    }
}

#[async_trait]
impl<C: Client> FaultInjecting for Behind<C> {
    async fn reopen_faulty(&self, place: &MemoryStorage) -> Result<(Arc<dyn TokenStorage>, Box<dyn FaultInjector>)> {
        let remote = Self::open(place);
        let network = Arc::clone(&remote.network);
        Ok((Arc::new(remote), Box::new(Injector(network))))
    }
}

/// The suite over a client, everything declared that the correct one has.
pub(crate) fn suite<C: Client>(name: &str) -> Suite<Behind<C>> {
    Suite::new(name, Behind::<C>(PhantomData))
        .enumerates()
        .process_leases()
        .faults()
}
