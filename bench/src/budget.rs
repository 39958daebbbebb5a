//! What a run may cost.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use token_storage_core::SharingScope;

/// What the measuring of one storage may cost. Removing what was written is not counted as time: it is done in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How long it is measured. Calls that are under way then are waited for.
    pub time: Duration,
    /// How many requests are sent at most, for storages that are paid for by request; counted are those that the DynamoDB
    /// storage would send, each record of a batch as one, and the removal of what was written. Requests that such a storage
    /// repeats, because it is throttled say, come on top. `None`: as many as there is time for, but
    /// [`NETWORK_REQUESTS`](Self::NETWORK_REQUESTS) for a storage on a network.
    pub requests: Option<u64>,
}

impl Budget {
    /// How many requests a storage on a network is sent at most where nothing else is said. On DynamoDB they cost less than a
    /// cent.
    pub const NETWORK_REQUESTS: u64 = 2000;

    /// The budget of a storage with this sharing scope.
    pub(crate) fn of(self, sharing: SharingScope) -> Self {
        let usual = (sharing == SharingScope::Network).then_some(Self::NETWORK_REQUESTS);
        Self {
            requests: self.requests.or(usual),
            ..self
        }
    }
}

/// What is left of a budget.
#[derive(Debug)]
pub(crate) struct Purse {
    until: Instant,
    requests: Option<u64>,
    spent: u64,
}

impl Purse {
    pub(crate) fn new(budget: Budget) -> Self {
        Self {
            until: Instant::now() + budget.time,
            requests: budget.requests,
            spent: 0,
        }
    }

    pub(crate) fn spent(&self) -> u64 {
        self.spent
    }

    pub(crate) fn time_left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Takes so many requests at once, or none.
    pub(crate) fn take(&mut self, requests: u64) -> bool {
        let left = match self.requests {
            Some(left) => left.checked_sub(requests).map(Some),
            None => Some(None),
        };
        if let Some(left) = left {
            self.requests = left;
            self.spent += requests;
        }
        left.is_some()
    }

    /// An equal part of what is left, for one of so many.
    pub(crate) fn share(&self, of: usize) -> Share {
        let time = self.time_left() / u32::try_from(of.max(1)).unwrap_or(u32::MAX);
        Share {
            time,
            requests: AtomicU64::new(self.requests.map_or(u64::MAX, |left| left / of.max(1) as u64)),
            spent: AtomicU64::new(0),
        }
    }

    /// Notes what became of a share.
    pub(crate) fn settle(&mut self, share: &Share) {
        let spent = share.spent.load(Ordering::Relaxed);
        self.requests = self.requests.map(|left| left.saturating_sub(spent));
        self.spent += spent;
    }
}

/// What one measurement may cost; its tasks take from it.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) time: Duration,
    requests: AtomicU64,
    spent: AtomicU64,
}

impl Share {
    pub(crate) fn has(&self, requests: u64) -> bool {
        self.requests.load(Ordering::Relaxed) >= requests
    }

    pub(crate) fn take(&self, requests: u64) -> bool {
        let taken = self
            .requests
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(requests));
        if taken.is_ok() {
            self.spent.fetch_add(requests, Ordering::Relaxed);
        }
        taken.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_requests_are_taken_than_there_are() {
        let time = Duration::from_secs(60);
        let mut purse = Purse::new(Budget {
            time,
            requests: Some(10),
        });
        assert!(purse.take(4) && !purse.take(7));
        let share = purse.share(2);
        assert!(share.has(3) && !share.has(4));
        assert!(share.take(2) && !share.take(2) && share.take(1));
        purse.settle(&share);
        assert_eq!(purse.spent(), 7);
        assert!(purse.take(3) && !purse.take(1));
    }

    #[test]
    fn without_a_limit_requests_are_counted_all_the_same() {
        let time = Duration::from_secs(60);
        let mut purse = Purse::new(Budget { time, requests: None });
        let share = purse.share(3);
        assert!(share.take(1000) && share.has(1 << 40));
        purse.settle(&share);
        assert_eq!(purse.spent(), 1000);
    }
}
