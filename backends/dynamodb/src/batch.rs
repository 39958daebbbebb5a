//! Storing several records at once: one transaction (clause A2).

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem};
use futures_util::future::join_all;
use token_storage_core::{Error, Result, Revision, WriteMark};

use crate::{
    attempts::Attempts,
    backoff::Backoff,
    condition::Expected,
    inner::{Inner, unknown_outcome},
    item::Item,
    key::item_key,
    outcome::{Outcome, of_write},
    transaction::{Answer, Part, built},
    write::{Prepared, next, with_outcome},
};

/// How many records are read at a time to learn what is there.
const READS: usize = 16;

impl Inner {
    /// Stores all records or none.
    pub(crate) async fn put_all(&self, writes: &[Prepared]) -> Result<Vec<Revision>> {
        let attempts = Attempts::default();
        let mut backoff = Backoff::new(self.options.contention);
        let mut expected = self.first_states(writes).await?;
        let mut token = WriteMark::random()?;
        loop {
            let parts = writes.iter().zip(&expected);
            let parts = parts
                .map(|(write, expected)| self.part_of(write, expected))
                .collect::<Result<_>>()?;
            match self.transact(parts, &token, &attempts).await {
                Answer::Applied => return Ok(revisions(writes)),
                Answer::Unsupported(error) | Answer::Failed(error) => {
                    return self.after_lost_batch(error, writes, &expected, &attempts).await;
                }
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

    fn part_of<'a>(&self, write: &'a Prepared, expected: &Expected) -> Result<Part<'a>> {
        let condition = expected.condition(&write.key)?;
        let put = Put::builder()
            .table_name(self.table())
            .set_item(Some(write.over(expected)))
            .condition_expression(&condition.expression)
            .set_expression_attribute_names(Some(condition.names.clone()))
            .set_expression_attribute_values(condition.values())
            .return_values_on_condition_check_failure(AllOld);
        Ok(Part {
            write: TransactWriteItem::builder().put(built(put.build())?).build(),
            id: item_key(&write.key),
            key: &write.key,
        })
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
