use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use token_storage_core::{
    Error, ErrorContext as _, ErrorKind, Intent, LeaseGuard, Operation, Result, TokenKey, backend::Deadline,
};

use crate::{lease::Inner, value::Value};

/// A timed lease that is held. Dropping it lets it run out.
pub(crate) struct Guard {
    inner: Arc<Inner>,
    key: TokenKey,
    /// What the predecessor left behind.
    inherited: Option<Intent>,
    /// What is stored: several while an answer is missing, or a call was dropped; then any of them.
    values: Vec<Value>,
    deadline: Deadline,
}

/// How often a write goes on when an earlier one of this holder arrives in between.
const TRIES: usize = 8;
/// After this many writes without an answer in a row, the time to live is long over.
const MOST_VALUES: usize = 50;

impl Guard {
    pub(crate) fn new(inner: Arc<Inner>, key: TokenKey, value: Value, deadline: Deadline) -> Self {
        Self {
            inherited: value.intent(),
            values: vec![value],
            inner,
            key,
            deadline,
        }
    }

    fn told<T>(&self, result: Result<T>) -> Result<T> {
        result.during(Operation::Lease).about(&self.key)
    }

    fn lost(&self) -> Error {
        let message = "its time ran out and another holder took it over; what this holder read may be outdated";
        Error::new(ErrorKind::LeaseLost, message)
    }

    /// Which of the values is there. Where only one can be, it need not be asked for.
    async fn current(&self) -> Result<Value> {
        if let [only] = self.values.as_slice() {
            return Ok(only.clone());
        }
        let there = self.inner.read(&self.key).await?;
        there
            .filter(|there| self.values.contains(there) && self.values.len() <= MOST_VALUES)
            .ok_or_else(|| self.lost())
    }

    /// Puts a value in the place of this holder's, which starts the time to live anew.
    async fn write(&mut self, held: bool, intent: Option<&[u8]>) -> Result<()> {
        for _ in 0..TRIES {
            let old = self.current().await?;
            let new = Value::new(held, self.inner.ttl, intent.unwrap_or(old.intent_bytes()))?;
            let deadline = Deadline::start(&*self.inner.clock, self.inner.ttl);
            // Known before it is sent: should this call be dropped, either may be there.
            self.values.push(new.clone());
            let put = self.inner.store.put_if(&self.key, Some(&old.bytes), &new.bytes).await;
            if put? || self.current().await? == new {
                self.values = vec![new];
                self.deadline = deadline;
                return Ok(());
            }
        }
        let message = "writes of this holder that were thought lost keep arriving; try again";
        Err(Error::new(ErrorKind::Busy, message))
    }
}

#[async_trait]
impl LeaseGuard for Guard {
    fn intent(&self) -> Option<&Intent> {
        self.inherited.as_ref()
    }

    fn remaining(&self) -> Option<Duration> {
        Some(self.deadline.remaining(&*self.inner.clock))
    }

    async fn renew(&mut self) -> Result<()> {
        let written = self.write(true, None).await;
        self.told(written)
    }

    async fn record_intent(&mut self, intent: &Intent) -> Result<()> {
        let written = self.write(true, Some(&intent.to_bytes())).await;
        self.told(written)
    }

    async fn clear_intent(&mut self) -> Result<()> {
        let written = self.write(true, Some(&[])).await;
        self.told(written)
    }

    async fn release(mut self: Box<Self>) -> Result<()> {
        let freed = match self.current().await {
            // The next holder has to find the intent.
            Ok(value) if !value.intent_bytes().is_empty() => self.write(false, None).await,
            Ok(value) => self.inner.store.delete_if(&self.key, &value.bytes).await.map(drop),
            Err(error) => Err(error),
        };
        match freed {
            Err(error) if error.kind() == ErrorKind::LeaseLost => Ok(()),
            other => self.told(other),
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedLease")
            .field("key", &self.key)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
