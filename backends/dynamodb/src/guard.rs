//! A timed lease that is held.

use std::{fmt, mem, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use token_storage_core::{
    Error, ErrorContext as _, ErrorKind, Intent, LeaseGuard, Operation, Result, TokenKey, WriteMark, backend::Deadline,
};

use crate::{
    attempts::Attempts,
    inner::{Answer, Inner},
    lease_requests::{Change, change, holds_one_of},
};

/// After this many writes without an answer in a row, the time to live is long over. DynamoDB compares with at most a
/// hundred values.
const MOST_MARKS: usize = 50;

pub(crate) struct TimedLease {
    held: Option<Held>,
    /// What the predecessor left behind.
    inherited: Option<Intent>,
    deadline: Deadline,
}

/// What is needed to write to the lease item.
struct Held {
    inner: Arc<Inner>,
    key: TokenKey,
    id: String,
    /// The mark that the item carries. Several, while an answer is missing: then any of them.
    marks: Vec<WriteMark>,
    /// Whether the item may hold an intent that the next holder must see.
    keeps_intent: bool,
}

impl TimedLease {
    pub(crate) fn new(
        inner: Arc<Inner>,
        key: TokenKey,
        id: String,
        mark: WriteMark,
        deadline: Deadline,
        inherited: Option<Intent>,
    ) -> Self {
        let held = Held {
            inner,
            key,
            id,
            marks: vec![mark],
            keeps_intent: inherited.is_some(),
        };
        Self {
            held: Some(held),
            inherited,
            deadline,
        }
    }

    /// Whether the holder's own intent came with the lease.
    pub(crate) fn with_recorded(mut self, recorded: bool) -> Self {
        if let Some(held) = &mut self.held {
            held.keeps_intent |= recorded;
        }
        self
    }

    fn held(&mut self) -> Result<&mut Held> {
        self.held
            .as_mut()
            .ok_or_else(|| Error::new(ErrorKind::LeaseLost, "the lease was released"))
    }

    /// Writes to the item, which starts the time to live anew.
    async fn write(&mut self, edit: impl FnOnce(Change) -> Change + Send) -> Result<()> {
        let held = self.held()?;
        let deadline = Deadline::start(&*held.inner.clock, held.inner.options.lease_ttl);
        held.write(edit).await?;
        self.deadline = deadline;
        Ok(())
    }
}

impl Held {
    async fn write(&mut self, edit: impl FnOnce(Change) -> Change + Send) -> Result<()> {
        if self.marks.len() > MOST_MARKS {
            return Err(self.lost());
        }
        let mark = WriteMark::random()?;
        let update = edit(change(&self.marks, mark).ttl(self.inner.ttl_attribute()));
        // Known before it is sent: dropped half-way, the item may carry either.
        self.marks.push(mark);
        let attempts = Attempts::default();
        match self.inner.send_update(&self.id, update, &attempts).await {
            Answer::Applied(_) => self.marks = vec![mark],
            Answer::Refused(Some(item)) if item.text(crate::lease::LEASE) == Some(&mark.to_string()) => {
                self.marks = vec![mark];
            }
            Answer::Refused(_) => return Err(self.lost()),
            Answer::Contended => {
                self.marks.pop();
                let message = "a transaction keeps the lease item busy; try again";
                return Err(Error::new(ErrorKind::Busy, message).with_key(&self.key));
            }
            Answer::Failed(error) => {
                let error = error.with_key(&self.key);
                if attempts.ambiguous() {
                    return Err(error.with_unknown_outcome());
                }
                self.marks.pop();
                return Err(error);
            }
        }
        Ok(())
    }

    fn lost(&self) -> Error {
        let message = "its time ran out and another holder took it over; what this holder read may be outdated";
        Error::new(ErrorKind::LeaseLost, message).with_key(&self.key)
    }

    /// Frees the item if it is still this holder's.
    async fn release(self) -> Result<()> {
        let attempts = Attempts::default();
        let failed = if self.keeps_intent {
            let update = change(&self.marks, WriteMark::random()?).state("free");
            match self.inner.send_update(&self.id, update, &attempts).await {
                Answer::Failed(error) => Some(error),
                _ => None,
            }
        } else {
            let condition = holds_one_of(&self.marks);
            match self.inner.send_delete(&self.id, condition, &attempts).await {
                Answer::Failed(error) => Some(error),
                _ => None,
            }
        };
        failed.map_or(Ok(()), |error| Err(error.with_key(&self.key)))
    }
}

#[async_trait]
impl LeaseGuard for TimedLease {
    fn intent(&self) -> Option<&Intent> {
        self.inherited.as_ref()
    }

    fn remaining(&self) -> Option<Duration> {
        let held = self.held.as_ref()?;
        Some(self.deadline.remaining(&*held.inner.clock))
    }

    async fn renew(&mut self) -> Result<()> {
        self.write(|change| change).await.during(Operation::Lease)
    }

    async fn record_intent(&mut self, intent: &Intent) -> Result<()> {
        self.held().during(Operation::Lease)?.keeps_intent = true;
        let bytes = AttributeValue::B(Blob::new(intent.to_bytes()));
        self.write(|change| change.intent(bytes)).await.during(Operation::Lease)
    }

    async fn clear_intent(&mut self) -> Result<()> {
        self.write(Change::without_intent).await.during(Operation::Lease)?;
        self.held()?.keeps_intent = false;
        Ok(())
    }

    async fn release(mut self: Box<Self>) -> Result<()> {
        match self.held.take() {
            Some(held) => held.release().await.during(Operation::Lease),
            None => Ok(()),
        }
    }

    /// The item goes, and the intent with it.
    async fn finish(mut self: Box<Self>) -> Result<()> {
        if let Some(held) = &mut self.held {
            held.keeps_intent = false;
        }
        self.release().await
    }
}

/// Frees the lease sooner than its time to live would, if there is a runtime to do it.
impl Drop for TimedLease {
    fn drop(&mut self) {
        if let (Some(held), Ok(runtime)) = (mem::take(&mut self.held), tokio::runtime::Handle::try_current()) {
            runtime.spawn(held.release());
        }
    }
}

impl fmt::Debug for TimedLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedLease")
            .field("key", &self.held.as_ref().map(|held| &held.key))
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
