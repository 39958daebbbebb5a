//! One record.

use token_storage_core::{
    Error, ErrorKind, Operation, Precondition, Result, StoredToken, TokenData, TokenKey, TokenStorageExt as _, Write,
    WriteMark, record,
};

use super::{Migration, Outcome, Reason, lease::Refreshes};

/// A record that may be moved, and under which condition it may be stored.
struct Movable {
    stored: StoredToken,
    outcome: Outcome,
    precondition: Precondition,
}

impl Migration<'_> {
    /// Moves one record, unless something is in the way.
    ///
    /// # Errors
    /// - Those of the two storages, with the key. The record is then where it was; it may be at the target, too.
    /// - [`Busy`](ErrorKind::Busy): a refresh of it did not end in time.
    /// - [`Unavailable`](ErrorKind::Unavailable): the target took it, and shows something else.
    pub async fn carry(&self, source: &TokenKey) -> Result<Outcome> {
        let target = self.target(source);
        let found = match self.read(source).await {
            Ok(Some(stored)) => stored,
            Ok(None) => return Ok(Outcome::Absent),
            Err(error) => return damaged(error),
        };
        if self.dry_run {
            let judged = self.judge(found, &target).await?;
            return Ok(judged.map_or_else(Outcome::Left, |movable| movable.outcome));
        }
        let lease = match self.at_rest(source, &found).await? {
            Refreshes::AtRest(lease) => lease,
            Refreshes::Unsettled => return Ok(Outcome::Left(Reason::Unsettled)),
        };
        let outcome = self.carry_at_rest(source, &target).await;
        if let Some(lease) = lease {
            // What was done is done; a lease that cannot be given back frees itself.
            let _ = lease.release().await;
        }
        outcome
    }

    async fn carry_at_rest(&self, source: &TokenKey, target: &TokenKey) -> Result<Outcome> {
        // Again: a refresh may have ended since.
        let stored = match self.read(source).await {
            Ok(Some(stored)) => stored,
            Ok(None) => return Ok(Outcome::Absent),
            Err(error) => return damaged(error),
        };
        let movable = match self.judge(stored, target).await? {
            Ok(movable) => movable,
            Err(reason) => return Ok(Outcome::Left(reason)),
        };
        if let Outcome::Copied { .. } = movable.outcome {
            let held = self.hold_target(target, &movable.stored.data).await?;
            let stored = self.store(target, &movable).await;
            if let Some(held) = held {
                let _ = held.release().await;
            }
            if let Some(reason) = stored? {
                return Ok(Outcome::Left(reason));
            }
        }
        self.finish(source, movable).await
    }

    /// Stores it and reads it back, or says why it was not taken.
    async fn store(&self, target: &TokenKey, movable: &Movable) -> Result<Option<Reason>> {
        let data = &movable.stored.data;
        match self.to.store(target, data, movable.precondition).await {
            Ok(_) => self.verify(target, data).await.map(|()| None),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(Some(Reason::Occupied)),
            Err(error) if is_refusal(&error) => Ok(Some(Reason::Refused(error))),
            Err(error) => Err(error),
        }
    }

    /// What would happen to this record.
    async fn judge(&self, stored: StoredToken, target: &TokenKey) -> Result<Result<Movable, Reason>> {
        if let Err(error) = self.fits(target, &stored.data) {
            return Ok(Err(Reason::Refused(error)));
        }
        let (outcome, precondition) = match self.to.get(target).await {
            Ok(None) => (Outcome::Copied { replaced: false }, Precondition::Absent),
            Ok(Some(there)) if there.revision == stored.revision && self.remove_source => {
                return Ok(Err(Reason::SamePlace));
            }
            Ok(Some(there)) if there.data == stored.data => (Outcome::AlreadyThere, Precondition::Any),
            Ok(Some(there)) if self.overwrite => (
                Outcome::Copied { replaced: true },
                Precondition::Unchanged(there.revision),
            ),
            Ok(Some(_)) => return Ok(Err(Reason::Occupied)),
            Err(error) if error.kind() == ErrorKind::Corrupt && self.overwrite => {
                (Outcome::Copied { replaced: true }, Precondition::Any)
            }
            Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(Err(Reason::Damaged(error))),
            Err(error) => return Err(error),
        };
        Ok(Ok(Movable {
            stored,
            outcome,
            precondition,
        }))
    }

    /// As far as it can be told beforehand.
    fn fits(&self, target: &TokenKey, data: &TokenData) -> Result<()> {
        let size = record::encode(data, &WriteMark::from_bytes([0; 16])).len();
        let write = Write::new(target, data, Precondition::Any);
        self.to.describe().limits.check_batch(&[write], &[size])
    }

    async fn verify(&self, target: &TokenKey, data: &TokenData) -> Result<()> {
        match self.to.get(target).await? {
            Some(there) if there.data == *data => Ok(()),
            _ => {
                let message = "it was stored there, and reads back otherwise: another program writes the same record, or \
                               the storage is not sound";
                Err(Error::new(ErrorKind::Unavailable, message)
                    .with_operation(Operation::Store)
                    .with_key(target))
            }
        }
    }

    /// The source as it is to be: without the record, or still with the one that was moved.
    async fn finish(&self, source: &TokenKey, movable: Movable) -> Result<Outcome> {
        let revision = movable.stored.revision;
        if self.remove_source {
            return match self.from.remove(source, Precondition::Unchanged(revision)).await {
                Ok(_) => Ok(movable.outcome),
                Err(error) if error.kind() == ErrorKind::Conflict => Ok(Outcome::Left(Reason::Changed)),
                Err(error) => Err(error),
            };
        }
        match self.from.get(source).await? {
            Some(now) if now.revision != revision => Ok(Outcome::Left(Reason::Changed)),
            _ => Ok(movable.outcome),
        }
    }

    async fn read(&self, source: &TokenKey) -> Result<Option<StoredToken>> {
        self.from.get(source).await
    }
}

fn damaged(error: Error) -> Result<Outcome> {
    match error.kind() {
        ErrorKind::Corrupt => Ok(Outcome::Left(Reason::Damaged(error))),
        _ => Err(error),
    }
}

/// Whether the target refuses this record, and not every one.
fn is_refusal(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::TooLarge | ErrorKind::InvalidInput | ErrorKind::Rejected
    )
}
