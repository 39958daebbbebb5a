//! Tokens of other resource servers that came with the answer to a refresh (Globus's `other_tokens`).

use token_storage_core::{Error, ErrorKind, Operation, Precondition, TokenData, TokenKey, TokenStorage};

use super::{Event, ManagerError, inner::Inner, step::Step};
use crate::{ResponseToken, merge};

/// How often others may change such a record in between.
const MAX_ROUNDS: usize = 32;

/// Renews the records of those resource servers that are there and belong to the same person as far as is known; an absent
/// one stays absent. It never fails the refresh that they came with: what cannot be stored is told as an event.
pub(super) async fn store<S: TokenStorage>(
    inner: &Inner<S>,
    key: &TokenKey,
    refreshed: &TokenData,
    others: &[ResponseToken],
) {
    for answer in others {
        let Some(name) = &answer.resource_server else {
            continue;
        };
        let other = TokenKey::new(key.namespace(), name.as_str());
        let identity = answer.identity_id.as_ref().or(refreshed.identity_id.as_ref());
        match renew(inner, &other, identity.map(String::as_str), answer).await {
            Ok(()) => {}
            Err(error) => {
                let error = ManagerError::storage_failed(&other, error);
                inner.emit(&Event::OtherNotStored(other.clone(), error));
            }
        }
        if let Some(slot) = inner.slots.get(&other) {
            slot.forget();
        }
    }
}

async fn renew<S: TokenStorage>(
    inner: &Inner<S>,
    key: &TokenKey,
    identity: Option<&str>,
    answer: &ResponseToken,
) -> Result<(), Error> {
    for _ in 0..MAX_ROUNDS {
        let stored = inner.storage.get(key).await?;
        inner.at(Step::OtherRead).await;
        let Some(stored) = stored.filter(|stored| may_be_of(&stored.data, identity)) else {
            return Ok(());
        };
        let data = merge(&stored.data, answer);
        let precondition = Precondition::Unchanged(stored.revision);
        match inner.storage.store(key, &data, precondition).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            stored => return stored.map(drop),
        }
    }
    let message = "others kept changing the record";
    Err(Error::new(ErrorKind::Busy, Operation::Store, message).with_key(key))
}

/// Whoever is known not to be the one who logged in there must not get into that record.
fn may_be_of(stored: &TokenData, identity: Option<&str>) -> bool {
    match (stored.identity_id.as_deref(), identity) {
        (Some(stored), Some(identity)) => stored == identity,
        _ => true,
    }
}
