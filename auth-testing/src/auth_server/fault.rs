use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::sync::Semaphore;

use super::{Endpoint, IdTokenFlaw};

/// One thing that goes wrong with one request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// Served, but only after this time.
    Delay(Duration),
    /// Received and never answered; nothing is done.
    Hang,
    /// Done, but never answered.
    HangAfter,
    /// The connection is closed without an answer; nothing is done.
    DropConnection,
    /// Done, then the connection is closed without an answer: the client cannot know.
    DropAnswer,
    /// Done, then the connection breaks in the middle of the answer's body.
    TruncateAnswer,
    /// Done, and answered up to the middle of the body; the rest never comes, and the connection stays open.
    HangWithin,
    /// Done, then answered with a status of 200 and a page of HTML.
    Garbage,
    /// Done, then answered with this status and a page of HTML, as by a gateway that has lost patience.
    StatusAfter(u16),
    /// Answered with this status and a body that is not JSON; nothing is done.
    Status {
        /// The status code.
        status: u16,
        /// The header `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// Answered with this status and an OAuth error; nothing is done.
    Refuse {
        /// The status code.
        status: u16,
        /// The error code, such as `invalid_grant`.
        error: &'static str,
    },
    /// Answered with what another server would say; nothing is done.
    Answer {
        /// The status code.
        status: u16,
        /// The header `Content-Type`.
        content_type: &'static str,
        /// The body.
        body: &'static str,
    },
    /// Answered with this status and a body that quotes the whole request, as careless servers do: as the description of
    /// an OAuth error, or as HTML if the error is empty. Nothing is done.
    Echo {
        /// The status code.
        status: u16,
        /// The error code, such as `invalid_grant`.
        error: &'static str,
    },
    /// Served without these members in the answer.
    Omit(&'static [&'static str]),
    /// Served with a member of the answer replaced or added; the value is JSON text.
    Member(&'static str, &'static str),
    /// Served with the body as this makes it of the text, and with these headers, in place of those of the same name.
    Encoded {
        /// The bytes that are sent.
        body: fn(&str) -> Vec<u8>,
        /// Such as `Content-Encoding`, or `Content-Type` with another charset.
        headers: &'static [(&'static str, &'static str)],
    },
    /// Served with an id_token that a client must refuse.
    IdToken(IdTokenFlaw),
    /// Held until the gate opens, then served.
    GateBefore(Gate),
    /// Done, then the answer is held until the gate opens.
    GateAfter(Gate),
}

/// A place where requests are held still until the test lets them go on.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Doors>);

#[derive(Debug)]
struct Doors {
    arrived: Semaphore,
    open: Semaphore,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new(Doors {
            arrived: Semaphore::new(0),
            open: Semaphore::new(0),
        }))
    }

    /// Waits until one more request is at the gate.
    pub async fn arrived(&self) {
        if let Ok(permit) = self.0.arrived.acquire().await {
            permit.forget();
        }
    }

    /// Lets one request through, now or when it comes.
    pub fn open(&self) {
        self.0.open.add_permits(1);
    }

    /// Goes through the gate as a request does: tells that it has arrived, and waits until it may go on.
    pub async fn pass(&self) {
        self.0.arrived.add_permits(1);
        if let Ok(permit) = self.0.open.acquire().await {
            permit.forget();
        }
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    queued: HashMap<Endpoint, VecDeque<Fault>>,
    standing: HashMap<Endpoint, Fault>,
}

impl Faults {
    pub(super) fn push(&mut self, endpoint: Endpoint, fault: Fault) {
        self.queued.entry(endpoint).or_default().push_back(fault);
    }

    pub(super) fn set_standing(&mut self, endpoint: Endpoint, fault: Option<Fault>) {
        match fault {
            Some(fault) => self.standing.insert(endpoint, fault),
            None => self.standing.remove(&endpoint),
        };
    }

    pub(super) fn next(&mut self, endpoint: Endpoint) -> Option<Fault> {
        let queued = self.queued.get_mut(&endpoint).and_then(VecDeque::pop_front);
        queued.or_else(|| self.standing.get(&endpoint).cloned())
    }
}
