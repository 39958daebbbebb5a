//! Keeping what a login brought, without losing what was there before.

use token_storage_core::{
    Error, ErrorKind, Extra, Operation, Precondition, StoredToken, TokenData, TokenKey, TokenStorage, Write,
    backend::Rounds,
};

use super::{EndpointError, ManagerError, error::Action, inner::Inner, revoke};
use crate::{IssuedBy, StoredResponse, TokenResponse, apply, lifetime, sealed::refuse_sealed};

/// The member of a record's [`extra`](TokenData::extra) that names the resource servers of all records that one login
/// brought, where there are several.
const LOGIN: &str = "token_storage_login";

/// What happens to a record of another server or client that is stored under the name of a new login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InTheWay<'a> {
    /// Nothing is stored: [`ManagerErrorKind::InTheWay`](super::ManagerErrorKind::InTheWay).
    #[default]
    Refuse,
    /// It is replaced. Its tokens stay good at their server; log out of it first to revoke them.
    Replace,
    /// It is replaced if it has one of these keys: those that a person has been asked about.
    ReplaceThese(&'a [TokenKey]),
}

impl InTheWay<'_> {
    fn replaces(self, key: &TokenKey) -> bool {
        match self {
            Self::Refuse => false,
            Self::Replace => true,
            Self::ReplaceThese(keys) => keys.contains(key),
        }
    }
}

/// What a login led to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoredLogin {
    /// The records as they are now.
    pub records: Vec<StoredResponse>,
    /// The records that had other tokens before, as they were then. Those stay good at their server until they expire:
    /// revoking them is left to the program
    /// ([`TokenManager::revoke_replaced`](super::TokenManager::revoke_replaced)), because at many servers (Keycloak and
    /// Google among them) that ends the new login of the same person too.
    pub replaced: Vec<StoredResponse>,
}

pub(super) async fn store<S: TokenStorage>(
    inner: &Inner<S>,
    namespace: &str,
    response: &TokenResponse,
    in_the_way: InTheWay<'_>,
) -> Result<StoredLogin, ManagerError> {
    let fallback = TokenKey::new(namespace, "");
    let planned = plan(inner, namespace, response).map_err(|error| ManagerError::storage_failed(&fallback, error))?;
    let failed = |error| ManagerError::storage_failed(&planned[0].0, error);
    let mut rounds = Rounds::new(&planned[0].0);
    let (before, revisions) = loop {
        let mut before = Vec::new();
        for (key, data) in &planned {
            let found = there(inner, key).await?;
            if let Some(found) = found.0.as_ref().filter(|_| !in_the_way.replaces(key))
                && let Some(theirs) = of_another(inner, &found.data, data)
            {
                return Err(ManagerError::in_the_way(key, &theirs, source(inner, data).as_ref()));
            }
            before.push(found);
        }
        let writes: Vec<Write<'_>> = planned
            .iter()
            .zip(&before)
            .map(|((key, data), (_, precondition))| Write::new(key, data, *precondition))
            .collect();
        let stored = inner.storage.store_all(&writes).await;
        if let Some(revisions) = rounds.settled(stored).map_err(failed)? {
            break (before, revisions);
        }
    };
    let replaced = before
        .into_iter()
        .zip(&planned)
        .filter_map(|((found, _), (key, data))| {
            let StoredToken { data, revision } = found.filter(|found| !is_kept(&found.data, data))?;
            let key = key.clone();
            Some(StoredResponse { key, data, revision })
        });
    let replaced = replaced.collect();
    let records = planned.into_iter().zip(revisions);
    let records = records.map(|((key, data), revision)| StoredResponse { key, data, revision });
    Ok(StoredLogin {
        records: records.collect(),
        replaced,
    })
}

/// Whether the old tokens live on in the new record.
fn is_kept(old: &TokenData, new: &TokenData) -> bool {
    match old.refresh_token {
        Some(_) => old.refresh_token == new.refresh_token,
        None => old.access_token == new.access_token,
    }
}

/// What can be known of a name before anybody logs in: that it can be stored under, and that nobody else's record is there.
pub(super) async fn prepare<S: TokenStorage>(
    inner: &Inner<S>,
    key: &TokenKey,
    in_the_way: InTheWay<'_>,
) -> Result<(), ManagerError> {
    // Tokens that cannot be stored are of no use.
    let proven = inner.storage.prove_writable(key).await;
    proven.map_err(|error| ManagerError::storage_failed(key, error))?;
    let (found, _) = there(inner, key).await?;
    let ours = inner.endpoint.issued_by();
    let theirs = found.and_then(|found| IssuedBy::of(&found.data).ok().flatten().zip(Some(found)));
    match (theirs, &ours) {
        (Some((theirs, found)), Some(ours)) if !in_the_way.replaces(key) && !ours.owns(&found.data) => {
            Err(ManagerError::in_the_way(key, &theirs, Some(ours)))
        }
        _ => Ok(()),
    }
}

/// Revokes what a login replaced, each where it was issued, and goes on after a failure.
pub(super) async fn revoke_replaced<S: TokenStorage>(
    inner: &Inner<S>,
    replaced: &[StoredResponse],
) -> Vec<(TokenKey, Result<(), ManagerError>)> {
    let mut ended = Vec::new();
    for StoredResponse { key, data, .. } in replaced {
        let revoked = match inner.endpoint.issued_by() {
            // A record that names no server may be of any.
            Some(ours) if !ours.owns(data) => Err(EndpointError::misdirected(&ours, data)),
            _ => revoke::record(inner, key, data).await,
        };
        let failed = |error| inner.named(ManagerError::not_revoked(key, error), Action::RevokeReplaced);
        ended.push((key.clone(), revoked.map_err(failed)));
    }
    ended
}

/// What is stored there. A record that cannot be read is replaced: logging in works without a person deleting files (D3).
/// One that is encrypted is none of these: it says nowhere whose it is.
async fn there<S: TokenStorage>(
    inner: &Inner<S>,
    key: &TokenKey,
) -> Result<(Option<StoredToken>, Precondition), ManagerError> {
    let read = inner.storage.get(key).await;
    match read.and_then(|stored| refuse_sealed(key, stored)) {
        Ok(None) => Ok((None, Precondition::Absent)),
        Ok(Some(stored)) => {
            let precondition = Precondition::Unchanged(stored.revision);
            Ok((Some(stored), precondition))
        }
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok((None, Precondition::Any)),
        Err(error) => Err(ManagerError::storage_failed(key, error)),
    }
}

fn plan<S>(inner: &Inner<S>, namespace: &str, response: &TokenResponse) -> Result<Vec<(TokenKey, TokenData)>, Error> {
    let answers = apply::keyed(namespace, response)?;
    let names: Vec<&str> = answers.iter().map(|(key, _)| key.resource_server()).collect();
    let login = serde_json::json!(names).to_string();
    let mut planned = Vec::new();
    for (key, answer) in &answers {
        let mut data = answer.to_data()?;
        lifetime::write(&mut data.extra, data.expires_at, inner.clock.now());
        data.extra.remove(LOGIN);
        if names.len() > 1 {
            data.extra.insert(LOGIN, &login)?;
        }
        planned.push((key.clone(), data));
    }
    Ok(planned)
}

/// Which server and client a login is of.
fn source<S>(inner: &Inner<S>, new: &TokenData) -> Option<IssuedBy> {
    let named = IssuedBy::of(new).ok().flatten();
    named.or_else(|| inner.endpoint.issued_by())
}

/// Whose record it is, if it is known to be another's.
fn of_another<S>(inner: &Inner<S>, stored: &TokenData, new: &TokenData) -> Option<IssuedBy> {
    let theirs = IssuedBy::of(stored).ok().flatten()?;
    let ours = source(inner, new)?;
    let same = ours.is_same_server(&theirs) && ours.is_same_client(&theirs);
    (!same).then_some(theirs)
}

/// The keys of the login that a record belongs to, itself first. Those that have been replaced by another login since are
/// left out.
pub(super) async fn keys<S: TokenStorage>(inner: &Inner<S>, key: &TokenKey) -> Result<Vec<TokenKey>, ManagerError> {
    let mut keys = vec![key.clone()];
    let Some(stored) = inner.read(key).await? else {
        return Ok(keys);
    };
    let Some(names) = stored.data.extra.get(LOGIN) else {
        return Ok(keys);
    };
    let names: Vec<String> = serde_json::from_str(names).map_err(|_| ManagerError::storage_failed(key, senseless()))?;
    for name in names {
        let other = TokenKey::new(key.namespace(), name);
        let found = inner.read(&other).await?;
        if other != *key && found.is_some_and(|found| is_of_same_login(&found.data, &stored.data)) {
            keys.push(other);
        }
    }
    Ok(keys)
}

fn is_of_same_login(one: &TokenData, other: &TokenData) -> bool {
    let source = |data| IssuedBy::of(data).ok();
    let login = |extra: &Extra| extra.get(LOGIN).map(str::to_owned);
    login(&one.extra) == login(&other.extra) && source(one) == source(other)
}

fn senseless() -> Error {
    let message = format!("the member {LOGIN} of the record makes no sense; log in again");
    Error::new(ErrorKind::Corrupt, message).with_operation(Operation::Parse)
}
