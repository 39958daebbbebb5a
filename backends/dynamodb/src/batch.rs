//! Storing several records at once: one transaction (clause A2).

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
    types::{CancellationReason, Put, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem},
};
use futures_util::future::join_all;
use token_storage_core::{Error, ErrorKind, Result, Revision, TokenKey, WriteMark};

use crate::{
    attempts::{Attempts, quiet},
    backoff::Backoff,
    condition::Expected,
    error::from_sdk,
    inner::{Inner, unknown_outcome},
    item::Item,
    key::item_key,
    outcome::{Outcome, of_write},
    write::{Prepared, next, with_outcome},
};
/// How many records are read at a time to learn what is there.
const READS: usize = 16;

/// What became of one transaction.
enum Answer {
    Applied,
    /// The items that refused it, by position.
    Refused(HashMap<usize, Option<Item>>),
    Contended,
    Failed(Error),
}

impl Inner {
    /// Stores all records or none.
    pub(crate) async fn put_all(&self, writes: &[Prepared]) -> Result<Vec<Revision>> {
        let attempts = Attempts::default();
        let mut backoff = Backoff::new(self.options.contention);
        let mut expected = self.first_states(writes).await?;
        let mut token = WriteMark::random()?;
        loop {
            match self.transact(writes, &expected, &token, &attempts).await? {
                Answer::Applied => return Ok(revisions(writes)),
                Answer::Failed(error) => return self.after_lost_batch(error, writes, &expected, &attempts).await,
                // The same request again, under the same token.
                Answer::Contended => {}
                Answer::Refused(refusals) => {
                    match outcome(writes, &expected, &refusals) {
                        Outcome::Happened => return Ok(revisions(writes)),
                        Outcome::Unknown if attempts.ambiguous() => return Err(unknown(writes, &refusals)),
                        Outcome::Unknown | Outcome::Never => attempts.settle(),
                    }
                    token = WriteMark::random()?;
                    let refused = Self::next_states(writes, &mut expected, refusals)?;
                    if backoff.is_first_refusal() {
                        continue;
                    }
                    backoff.wait(&writes[0].key).await?;
                    for i in refused {
                        expected[i] = self.look_again(&writes[i].key, writes[i].precondition).await?;
                    }
                    continue;
                }
            }
            with_outcome(backoff.wait(&writes[0].key).await, &attempts)?;
        }
    }

    async fn first_states(&self, writes: &[Prepared]) -> Result<Vec<Expected>> {
        let mut states: Vec<Result<Expected>> = Vec::with_capacity(writes.len());
        for some in writes.chunks(READS) {
            let mut requests = Vec::with_capacity(some.len());
            for write in some {
                requests.push(self.expected(&write.key, write.precondition));
            }
            states.extend(join_all(requests).await);
        }
        let refused = states.iter().position(Result::is_err);
        // Only some preconditions needed a read. The first that does not hold is the one to be named.
        for write in &writes[..refused.unwrap_or(0)] {
            let now = self.read(&item_key(&write.key)).await?;
            next(&write.key, write.precondition, now)?;
        }
        states.into_iter().collect()
    }

    async fn transact(
        &self,
        writes: &[Prepared],
        expected: &[Expected],
        token: &WriteMark,
        attempts: &Attempts,
    ) -> Result<Answer> {
        let items: Vec<TransactWriteItem> = writes
            .iter()
            .zip(expected)
            .map(|(write, expected)| self.put_of(write, expected))
            .collect::<Result<_>>()?;
        let request = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items))
            // Ten minutes long, AWS answers a repetition with the outcome of the first; then the marks decide.
            .client_request_token(token.to_string());
        let error = match quiet(request.customize().interceptor(attempts.clone()).send()).await {
            Ok(_) => return Ok(Answer::Applied),
            Err(error) => error,
        };
        Ok(match error {
            SdkError::ServiceError(service)
                if matches!(service.err(), TransactWriteItemsError::TransactionCanceledException(_)) =>
            {
                match service.into_err() {
                    TransactWriteItemsError::TransactionCanceledException(cancelled) => {
                        self.cancelled(writes, cancelled.cancellation_reasons.unwrap_or_default())
                            .await
                    }
                    _ => Answer::Contended,
                }
            }
            error if error.code() == Some("TransactionInProgressException") => Answer::Contended,
            error => Answer::Failed(from_sdk(&error, &self.place)),
        })
    }

    fn put_of(&self, write: &Prepared, expected: &Expected) -> Result<TransactWriteItem> {
        let condition = expected.condition(&write.key)?;
        let put = Put::builder()
            .table_name(self.table())
            .set_item(Some(write.over(expected)))
            .condition_expression(&condition.expression)
            .set_expression_attribute_names(Some(condition.names.clone()))
            .set_expression_attribute_values(condition.values())
            .return_values_on_condition_check_failure(AllOld)
            .build()
            .map_err(|_| Error::new(ErrorKind::InvalidInput, "the transaction could not be built"))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// One reason for each record, in their order.
    async fn cancelled(&self, writes: &[Prepared], reasons: Vec<CancellationReason>) -> Answer {
        let mut refusals = HashMap::new();
        let mut other = None;
        for (i, reason) in reasons.into_iter().enumerate() {
            match reason.code() {
                None | Some("None") => {}
                Some("ConditionalCheckFailed") => {
                    let refusal = match reason.item.filter(|attributes| !attributes.is_empty()) {
                        Some(attributes) => Some(Item::new(attributes)),
                        None => match self.read(&item_key(&writes[i].key)).await {
                            Ok(item) => item,
                            Err(error) => return Answer::Failed(error),
                        },
                    };
                    refusals.insert(i, refusal);
                }
                Some("TransactionConflict") => other = other.or(Some(Answer::Contended)),
                Some(code) => other = Some(Answer::Failed(self.reason(code, &writes[i].key))),
            }
        }
        match other {
            _ if !refusals.is_empty() => Answer::Refused(refusals),
            Some(answer) => answer,
            None => Answer::Contended,
        }
    }

    fn reason(&self, code: &str, key: &TokenKey) -> Error {
        let place = self.place.describe();
        let message = |advice: &str| format!("{place} cancelled the transaction with {code}: {advice}");
        let error = match code {
            "ThrottlingError" | "ProvisionedThroughputExceeded" | "RequestLimitExceeded" => {
                Error::new(ErrorKind::Busy, message("it is throttled; try again later"))
            }
            "ItemCollectionSizeLimitExceeded" => Error::new(ErrorKind::StorageFull, message("there is no room")),
            "ValidationError" => Error::new(ErrorKind::Misconfigured, message("is it a table made for tokens?")),
            _ => Error::new(ErrorKind::Unavailable, message("the service refused it")),
        };
        error.with_key(key)
    }

    /// What each refused record's next try expects. Returns their positions.
    fn next_states(
        writes: &[Prepared],
        expected: &mut [Expected],
        refusals: HashMap<usize, Option<Item>>,
    ) -> Result<Vec<usize>> {
        let mut refusals: Vec<_> = refusals.into_iter().collect();
        // In the order of the batch, as the first whose precondition does not hold is the one to be named.
        refusals.sort_by_key(|(i, _)| *i);
        let positions = refusals.iter().map(|(i, _)| *i).collect();
        for (i, now) in refusals {
            expected[i] = next(&writes[i].key, writes[i].precondition, now)?;
        }
        Ok(positions)
    }

    /// The request failed for good. If it may have been applied, one read of any of its records may tell.
    async fn after_lost_batch(
        &self,
        error: Error,
        writes: &[Prepared],
        expected: &[Expected],
        attempts: &Attempts,
    ) -> Result<Vec<Revision>> {
        if !attempts.ambiguous() {
            return Err(error);
        }
        let outcome = match self.look_after(&item_key(&writes[0].key)).await {
            Ok(now) => of_write(&writes[0].mark, &expected[0], now.as_ref()),
            Err(()) => Outcome::Unknown,
        };
        match outcome {
            Outcome::Happened => Ok(revisions(writes)),
            Outcome::Never => Err(error),
            Outcome::Unknown => Err(error.with_unknown_outcome()),
        }
    }
}

/// As all happened or none, one record that tells is enough.
fn outcome(writes: &[Prepared], expected: &[Expected], refusals: &HashMap<usize, Option<Item>>) -> Outcome {
    let mut outcomes = refusals
        .iter()
        .map(|(i, now)| of_write(&writes[*i].mark, &expected[*i], now.as_ref()));
    outcomes
        .find(|outcome| *outcome != Outcome::Unknown)
        .unwrap_or(Outcome::Unknown)
}

fn unknown(writes: &[Prepared], refusals: &HashMap<usize, Option<Item>>) -> Error {
    let first = refusals.keys().min().copied().unwrap_or_default();
    unknown_outcome(&writes[first].key)
}

fn revisions(writes: &[Prepared]) -> Vec<Revision> {
    writes.iter().map(|write| write.revision).collect()
}
