//! The network between a client and the server: what it loses, delays and duplicates.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use token_storage_conformance::{FaultInjector, Mishap, Network, Requests};
use token_storage_core::{Result, async_trait};

use super::{locked, server::Server};

pub(super) type HeldBack = Box<dyn Fn(&Server) + Send>;

/// The way of one handle to the server.
#[derive(Default)]
pub(crate) struct Way {
    pub(super) planned: Mutex<Vec<(Requests, Mishap, Option<usize>)>>,
    pub(super) held_back: Mutex<Vec<HeldBack>>,
    pub(super) down: AtomicBool,
    pub(super) struck: AtomicUsize,
}

/// The connection broke.
#[derive(Debug)]
pub(super) struct Broke;

impl Way {
    fn mishap(&self, requests: Requests) -> Option<Mishap> {
        let mut planned = locked(&self.planned);
        let (_, mishap, count) = planned
            .iter_mut()
            .find(|(kind, _, count)| *kind == requests && *count != Some(0))?;
        if let Some(count) = count {
            *count -= 1;
        }
        self.struck.fetch_add(1, Ordering::SeqCst);
        Some(*mishap)
    }

    pub(super) fn send<T>(
        &self,
        server: &Server,
        requests: Requests,
        request: impl Fn(&Server) -> T + Send + 'static,
    ) -> Result<T, Broke> {
        if self.down.load(Ordering::SeqCst) {
            self.struck.fetch_add(1, Ordering::SeqCst);
            return Err(Broke);
        }
        match self.mishap(requests) {
            None => Ok(request(server)),
            Some(Mishap::RequestLost) => Err(Broke),
            Some(Mishap::AnswerLost) => {
                request(server);
                Err(Broke)
            }
            Some(Mishap::Delayed) => {
                locked(&self.held_back).push(Box::new(move |server| drop(request(server))));
                Err(Broke)
            }
            Some(Mishap::Duplicated) => {
                let answer = request(server);
                locked(&self.held_back).push(Box::new(move |server| drop(request(server))));
                Ok(answer)
            }
        }
    }
}

pub(super) struct Control(pub(super) Arc<Way>, pub(super) Arc<Server>);

#[async_trait]
impl Network for Control {
    fn plan(&self, requests: Requests, mishap: Mishap, count: Option<usize>) {
        let mut planned = locked(&self.0.planned);
        planned.retain(|(kind, _, _)| *kind != requests);
        planned.push((requests, mishap, count));
    }

    fn heal(&self) {
        locked(&self.0.planned).clear();
    }

    async fn deliver(&self) {
        for request in std::mem::take(&mut *locked(&self.0.held_back)) {
            request(&self.1);
            self.0.struck.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn struck(&self) -> usize {
        self.0.struck.load(Ordering::SeqCst)
    }
}

impl FaultInjector for Control {
    fn lose_next_answer(&self) {
        self.plan(Requests::Writes, Mishap::AnswerLost, Some(1));
    }

    fn lose_next_request(&self) {
        self.plan(Requests::Writes, Mishap::RequestLost, Some(1));
    }

    fn disconnect(&self) {
        self.0.down.store(true, Ordering::SeqCst);
    }

    fn reconnect(&self) {
        self.0.down.store(false, Ordering::SeqCst);
    }

    fn struck(&self) -> usize {
        Network::struck(self)
    }
}
