//! What a refresh needs before it may send, in one request: the lease is taken, the record is found as it was read and proven
//! writable, and the intent is recorded.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use aws_sdk_dynamodb::{
    primitives::Blob,
    types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem, Update},
};
use token_storage_core::{Begin, Intent, Result, Revision, TokenKey, WriteMark, backend::Deadline};

use crate::{
    attempts::Attempts,
    backoff::Backoff,
    condition::Expected,
    guard::TimedLease,
    inner::{Inner, string},
    item::KEY,
    key::{item_key, lease_key},
    lease::{INTENT, LEASE, SHORTEST_PAUSE, held},
    transaction::{Answer, Part, built},
};

/// The parts of the transaction, by position.
const LEASE_PART: usize = 1;

impl Inner {
    pub(crate) async fn try_begin(
        self: &Arc<Self>,
        key: &TokenKey,
        revision: Revision,
        intent: Option<&Intent>,
    ) -> Result<Begin> {
        self.limits().check_key(key)?;
        let unmoved = match Expected::of_revision(&revision) {
            Some(Expected::Marked(mark, expires_at)) if !self.no_transactions.load(Relaxed) => (mark, expires_at),
            // No condition can name the state of another program's item.
            _ => return self.try_acquire(key).await.map(Begin::Tried),
        };
        let id = lease_key(key);
        // Whoever is already waiting looks first: a read costs less than a refused transaction.
        if self.observations.has(&id)
            && let Some(item) = self.read(&id).await.map_err(|error| error.with_key(key))?
        {
            return self.look_at(key, id, item).await.map(Begin::Tried);
        }
        self.begin(key, id, unmoved, intent).await
    }

    async fn begin(
        self: &Arc<Self>,
        key: &TokenKey,
        id: String,
        unmoved: (WriteMark, Option<i64>),
        intent: Option<&Intent>,
    ) -> Result<Begin> {
        let mark = WriteMark::random()?;
        let deadline = Deadline::start(&*self.clock, self.options.lease_ttl);
        let token = WriteMark::random()?;
        let attempts = Attempts::default();
        let mut backoff = Backoff::new(self.options.contention);
        loop {
            let parts = vec![self.touch(key, unmoved)?, self.lease_part(key, &id, &mark, intent)?];
            let mut refusals = match self.transact(parts, &token, &attempts).await {
                Answer::Applied => return Ok(self.begun(key, id, mark, deadline, intent)),
                Answer::Refused(refusals) => refusals,
                // An attempt without an answer may be what it contends with: the same request again, under the same token.
                Answer::Contended if attempts.ambiguous() => {
                    backoff.wait(key).await?;
                    continue;
                }
                Answer::Contended => return Ok(Begin::Tried(held(SHORTEST_PAUSE))),
                Answer::Unsupported(_) => {
                    self.no_transactions.store(true, Relaxed);
                    HashMap::new()
                }
                Answer::Failed(error) => {
                    // Nothing is sent after this, so there is no intent to keep.
                    self.give_up(key, id, mark, deadline, None);
                    return Err(error.with_key(key));
                }
            };
            return match refusals.remove(&LEASE_PART) {
                Some(Some(item)) if item.text(LEASE) == Some(&mark.to_string()) => {
                    Ok(self.begun(key, id, mark, deadline, intent))
                }
                Some(Some(item)) => self.look_at(key, id, item).await.map(Begin::Tried),
                Some(None) => Ok(Begin::Tried(held(SHORTEST_PAUSE))),
                // The record has moved on, which its reader finds out under the lease.
                None => self.create(key, id).await.map(Begin::Tried),
            };
        }
    }

    /// A write to the record that changes nothing, if it is as it was read: it proves what a store will need.
    fn touch<'a>(&self, key: &'a TokenKey, (mark, expires_at): (WriteMark, Option<i64>)) -> Result<Part<'a>> {
        let condition = Expected::Marked(mark, expires_at).condition(key)?;
        let id = item_key(key);
        let update = Update::builder()
            .table_name(self.table())
            .key(KEY, string(&id))
            .update_expression("SET #mark = :mark")
            .condition_expression(&condition.expression)
            .set_expression_attribute_names(Some(condition.names.clone()))
            .set_expression_attribute_values(condition.values())
            .return_values_on_condition_check_failure(AllOld);
        Ok(Part {
            write: TransactWriteItem::builder().update(built(update.build())?).build(),
            id,
            key,
        })
    }

    fn lease_part<'a>(
        &self,
        key: &'a TokenKey,
        id: &str,
        mark: &WriteMark,
        intent: Option<&Intent>,
    ) -> Result<Part<'a>> {
        let mut item = self.lease_item(id, mark);
        if let Some(intent) = intent {
            item.insert(INTENT.to_owned(), AttributeValue::B(Blob::new(intent.to_bytes())));
        }
        let condition = Expected::Absent.condition(key)?;
        let put = Put::builder()
            .table_name(self.table())
            .set_item(Some(item))
            .condition_expression(&condition.expression)
            .set_expression_attribute_names(Some(condition.names.clone()))
            .return_values_on_condition_check_failure(AllOld);
        Ok(Part {
            write: TransactWriteItem::builder().put(built(put.build())?).build(),
            id: id.to_owned(),
            key,
        })
    }

    fn begun(
        self: &Arc<Self>,
        key: &TokenKey,
        id: String,
        mark: WriteMark,
        deadline: Deadline,
        intent: Option<&Intent>,
    ) -> Begin {
        self.observations.forget(&id);
        let lease = TimedLease::new(self.clone(), key.clone(), id, mark, deadline, None);
        Begin::Begun(Box::new(lease.with_recorded(intent.is_some())))
    }
}
