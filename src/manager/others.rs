//! Tokens of other resource servers that came with the answer to a refresh (Globus's `other_tokens`).

use token_storage_core::{
    Error, Precondition, TokenData, TokenKey, TokenStorage, TokenStorageExt as _, backend::Rounds,
};

use super::{Event, ManagerError, inner::Inner, step::Step};
use crate::{IssuedBy, ResponseToken, is_sealed, lifetime, merge, renewal};

/// The refresh that they came with.
pub(super) struct CameWith<'a> {
    /// The record before it.
    pub(super) base: &'a TokenData,
    /// The record after it.
    pub(super) refreshed: &'a TokenData,
    /// When it was asked for.
    pub(super) sent_at: i64,
}

/// Renews the records of those resource servers that are there and belong to the same server and client, and to the same
/// person as far as is known; an absent one stays absent. A name is only a name: without this, one server could replace
/// another's tokens, and be sent them or make them be sent. It never fails the refresh that they came with: what cannot be stored is told as an event.
pub(super) async fn store<S: TokenStorage>(
    inner: &Inner<S>,
    key: &TokenKey,
    came_with: &CameWith<'_>,
    others: Vec<ResponseToken>,
) {
    for mut answer in others {
        renewal::remove(&mut answer.extra);
        lifetime::write(&mut answer.extra, answer.expires_at, came_with.sent_at);
        let answer = &answer;
        let Some(name) = &answer.resource_server else {
            continue;
        };
        let other = TokenKey::new(key.namespace(), name.as_str());
        let identity = answer.identity_id.as_ref().or(came_with.refreshed.identity_id.as_ref());
        match renew(inner, &other, came_with.base, identity.map(String::as_str), answer).await {
            Ok(true) => {}
            Ok(false) => inner.emit(&Event::OtherLeftAlone(other.clone())),
            Err(error) => {
                let error = ManagerError::storage_failed(&other, error);
                inner.emit(&Event::OtherNotStored(other.clone(), error));
            }
        }
        inner.slots.with(&other, |slot| slot.forget());
    }
}

/// Whether it was stored.
async fn renew<S: TokenStorage>(
    inner: &Inner<S>,
    key: &TokenKey,
    base: &TokenData,
    identity: Option<&str>,
    answer: &ResponseToken,
) -> Result<bool, Error> {
    let mut rounds = Rounds::new(key);
    loop {
        let stored = inner.storage.get(key).await?;
        inner.at(Step::OtherRead).await;
        let Some(stored) = stored else {
            return Ok(false);
        };
        if is_sealed(&stored.data) || !may_be_of(&stored.data, identity) || !has_same_source(inner, base, &stored.data)
        {
            return Ok(false);
        }
        let data = merge(&stored.data, answer);
        let precondition = Precondition::Unchanged(stored.revision);
        let stored = inner.storage.store(key, &data, precondition).await;
        if rounds.settled(stored)?.is_some() {
            return Ok(true);
        }
    }
}

/// Whether the record is of the server that answered, and of the same client. What the answer says of itself does not count:
/// the endpoint does, and then the record that was refreshed.
fn has_same_source<S>(inner: &Inner<S>, base: &TokenData, other: &TokenData) -> bool {
    let Ok(source) = IssuedBy::of(base) else {
        return false;
    };
    match inner.endpoint.issued_by().or(source) {
        Some(source) => source.owns(other),
        // Neither the program nor any of the records says that there is more than one server.
        None => matches!(IssuedBy::of(other), Ok(None)),
    }
}

/// Whoever is known not to be the one who logged in there must not get into that record.
fn may_be_of(stored: &TokenData, identity: Option<&str>) -> bool {
    match (stored.identity_id.as_deref(), identity) {
        (Some(stored), Some(identity)) => stored == identity,
        _ => true,
    }
}
