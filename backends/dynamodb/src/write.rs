//! Storing and removing one record.

use aws_sdk_dynamodb::types::AttributeValue;
use token_storage_core::{Error, Precondition, Result, Revision, TokenKey, WriteMark};

use crate::{
    attempts::Attempts,
    backoff::Backoff,
    condition::Expected,
    inner::{Answer, Inner, unknown_outcome},
    item::{Item, PREVIOUS},
    key::item_key,
    outcome::{CREATED, Outcome, of_removal, of_write, was_created},
};

/// A record that is ready to be sent.
pub(crate) struct Prepared {
    pub(crate) key: TokenKey,
    pub(crate) item: Item,
    pub(crate) mark: WriteMark,
    pub(crate) revision: Revision,
    pub(crate) precondition: Precondition,
}

impl Prepared {
    /// The attributes to send over the expected state.
    pub(crate) fn over(&self, expected: &Expected) -> std::collections::HashMap<String, AttributeValue> {
        let mut attributes = self.item.attributes();
        let previous = match expected {
            Expected::Absent => Some(CREATED.to_owned()),
            Expected::Marked(mark, _) => Some(mark.to_string()),
            Expected::Exactly(_) => None,
        };
        if let Some(previous) = previous {
            attributes.insert(PREVIOUS.to_owned(), AttributeValue::S(previous));
        }
        attributes
    }
}

impl Inner {
    pub(crate) async fn put(&self, write: &Prepared) -> Result<Revision> {
        let attempts = Attempts::default();
        let mut backoff = Backoff::new(self.options.contention);
        let mut expected = self.expected(&write.key, write.precondition).await?;
        loop {
            let condition = expected.condition(&write.key)?;
            match self.send_put(write.over(&expected), condition, &attempts).await {
                Answer::Applied(()) => return Ok(write.revision),
                Answer::Contended => {}
                Answer::Failed(error) => {
                    return self.after_lost_put(error, write, &expected, &attempts).await;
                }
                Answer::Refused(now) => {
                    match of_write(&write.mark, &expected, now.as_ref()) {
                        Outcome::Happened => return Ok(write.revision),
                        Outcome::Unknown if attempts.ambiguous() => return Err(unknown_outcome(&write.key)),
                        Outcome::Unknown | Outcome::Never => attempts.settle(),
                    }
                    expected = next(&write.key, write.precondition, now)?;
                    // What was just seen is the best guess there is. Later rounds pause, and then look again: after a
                    // pause the guess would be wrong under load, again and again.
                    if backoff.is_first_refusal() {
                        continue;
                    }
                    backoff.wait(&write.key).await?;
                    expected = self.look_again(&write.key, write.precondition).await?;
                    continue;
                }
            }
            with_outcome(backoff.wait(&write.key).await, &attempts)?;
        }
    }

    /// The request failed for good. If it may have been applied, one read may tell.
    async fn after_lost_put(
        &self,
        error: Error,
        write: &Prepared,
        expected: &Expected,
        attempts: &Attempts,
    ) -> Result<Revision> {
        let error = error.with_key(&write.key);
        if !attempts.ambiguous() {
            return Err(error);
        }
        let outcome = match self.look_after(&item_key(&write.key)).await {
            Ok(now) => of_write(&write.mark, expected, now.as_ref()),
            Err(()) => Outcome::Unknown,
        };
        match outcome {
            Outcome::Happened => Ok(write.revision),
            Outcome::Never => Err(error),
            Outcome::Unknown => Err(error.with_unknown_outcome()),
        }
    }

    /// Removes the record, if the precondition holds.
    pub(crate) async fn delete(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        let attempts = Attempts::default();
        let mut backoff = Backoff::new(self.options.contention);
        let mut expected = match precondition {
            // What is removed on condition that it is absent is not removed: there is nothing to expect.
            Precondition::Absent => self.look_again(key, precondition).await?,
            _ => self.expected(key, precondition).await?,
        };
        loop {
            if matches!(expected, Expected::Absent) {
                return Ok(false);
            }
            let condition = expected.condition(key)?;
            match self.send_delete(&item_key(key), condition, &attempts).await {
                Answer::Applied(()) => return Ok(true),
                Answer::Contended => {}
                Answer::Failed(error) => {
                    let error = error.with_key(key);
                    if !attempts.ambiguous() {
                        return Err(error);
                    }
                    let Ok(now) = self.look_after(&item_key(key)).await else {
                        return Err(error.with_unknown_outcome());
                    };
                    return match of_removal(&expected, now.as_ref()) {
                        Outcome::Never => Err(error),
                        _ if counts_as_removed(precondition, &expected, now.as_ref()) => Ok(true),
                        _ => Err(error.with_unknown_outcome()),
                    };
                }
                Answer::Refused(now) => {
                    if attempts.ambiguous() && of_removal(&expected, now.as_ref()) != Outcome::Never {
                        let removed = counts_as_removed(precondition, &expected, now.as_ref());
                        return if removed { Ok(true) } else { Err(unknown_outcome(key)) };
                    }
                    attempts.settle();
                    expected = next(key, precondition, now)?;
                    if backoff.is_first_refusal() {
                        continue;
                    }
                    backoff.wait(key).await?;
                    expected = self.look_again(key, precondition).await?;
                    continue;
                }
            }
            with_outcome(backoff.wait(key).await, &attempts)?;
        }
    }

    /// The state that a first try expects. Costs a request unless the precondition itself names it.
    pub(crate) async fn expected(&self, key: &TokenKey, precondition: Precondition) -> Result<Expected> {
        let named = match &precondition {
            Precondition::Any => None,
            Precondition::Absent => Some(Expected::Absent),
            Precondition::Unchanged(revision) => Expected::of_revision(revision),
        };
        match named {
            Some(expected) => Ok(expected),
            None => self.look_again(key, precondition).await,
        }
    }

    /// The state to expect, from reading it.
    pub(crate) async fn look_again(&self, key: &TokenKey, precondition: Precondition) -> Result<Expected> {
        let now = self.read(&item_key(key)).await;
        next(key, precondition, now.map_err(|error| error.with_key(key))?)
    }
}

/// A removal without precondition whose answer was lost succeeded if the record is gone, or if what is there now was
/// created anew: whoever it was that removed it.
fn counts_as_removed(precondition: Precondition, expected: &Expected, now: Option<&Item>) -> bool {
    let gone = now.is_none_or(|item| was_created(item) && item.mark() != expected.mark());
    precondition == Precondition::Any && gone
}

/// The state to expect now that this is there, or the conflict.
pub(crate) fn next(key: &TokenKey, precondition: Precondition, now: Option<Item>) -> Result<Expected> {
    if precondition != Precondition::Any {
        let current = match &now {
            Some(item) => Some(revision(item, key)?),
            None => None,
        };
        if !precondition.holds(current) {
            return Err(Error::precondition_failed(key.clone(), current));
        }
    }
    Ok(Expected::of(now))
}

fn revision(item: &Item, key: &TokenKey) -> Result<Revision> {
    let record = Item::new(item.attributes()).into_record(key);
    record.map(|stored| stored.revision)
}

/// Giving up after an unanswered attempt must not claim that nothing happened.
pub(crate) fn with_outcome<T>(result: Result<T>, attempts: &Attempts) -> Result<T> {
    result.map_err(|error| {
        if attempts.ambiguous() {
            error.with_unknown_outcome()
        } else {
            error
        }
    })
}
