//! Storing token responses: a login's answer replaces, a refresh's answer is merged (clause L8).

use token_storage_core::{
    Error, ErrorKind, Extra, Operation, Precondition, Result, Revision, StoredToken, TokenData, TokenKey, TokenStorage,
    Write,
};

use crate::{IssuedBy, ResponseToken, TokenResponse, issued_by, lifetime};

/// How often a merge is tried again when other writers keep changing the same records. Each round means that another
/// writer got through, so in practice a few are enough.
const MAX_ATTEMPTS: usize = 32;

/// One record that a token response led to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredResponse {
    /// Where it was stored.
    pub key: TokenKey,
    /// What was stored.
    pub data: TokenData,
    /// The state it is in now.
    pub revision: Revision,
}

/// The record that the answer to a refresh makes of the stored one (clause L8).
///
/// What the answer does not say stays: refresh token, scope, token type, identity and each unknown member (a null in
/// the answer does not clear one either). The expiry is the exception: it belongs to the access token, so if the answer
/// does not say it, it is unknown. Which server issued the token ([`IssuedBy`](crate::IssuedBy)) is not for an answer to
/// change.
///
/// ```
/// use token_storage::{TokenData, TokenResponse, merge};
///
/// let stored = TokenData::new("rs", "read", "old").with_refresh_token("keep me").with_expires_at(10);
/// let answer = TokenResponse::parse(br#"{"access_token": "new"}"#, 1_000)?;
/// let merged = merge(&stored, answer.primary());
/// assert_eq!(merged.access_token.expose(), "new");
/// assert_eq!(merged.refresh_token.unwrap().expose(), "keep me");
/// assert_eq!((merged.scope.as_str(), merged.expires_at), ("read", None));
/// # Ok::<(), token_storage::Error>(())
/// ```
pub fn merge(stored: &TokenData, answer: &ResponseToken) -> TokenData {
    let mut data = stored.clone();
    data.access_token = answer.access_token.clone();
    data.expires_at = answer.expires_at;
    if let Some(resource_server) = &answer.resource_server {
        data.resource_server.clone_from(resource_server);
    }
    if let Some(scope) = &answer.scope {
        data.scope.clone_from(scope);
    }
    keep_or_replace(&mut data.refresh_token, &answer.refresh_token);
    keep_or_replace(&mut data.token_type, &answer.token_type);
    keep_or_replace(&mut data.identity_id, &answer.identity_id);
    lifetime::remove(&mut data.extra);
    merge_extra(&mut data.extra, &answer.extra);
    data
}

fn keep_or_replace<T: Clone>(stored: &mut Option<T>, answered: &Option<T>) {
    if answered.is_some() {
        stored.clone_from(answered);
    }
}

fn merge_extra(stored: &mut Extra, answered: &Extra) {
    for (name, json) in answered.iter() {
        if issued_by::stays(name, stored) || (json == "null" && stored.get(name).is_some()) {
            continue;
        }
        // It came out of an `Extra`, so it can go into one.
        let _ = stored.insert(name, json);
    }
}

pub(crate) async fn store_response<S: TokenStorage + ?Sized>(
    storage: &S,
    namespace: &str,
    response: &TokenResponse,
) -> Result<Vec<StoredResponse>> {
    let mut planned = Vec::new();
    for (key, answer) in keyed(namespace, response)? {
        planned.push((key, answer.to_data()?, Precondition::Any));
    }
    write(storage, planned).await
}

pub(crate) async fn merge_response<S: TokenStorage + ?Sized>(
    storage: &S,
    namespace: &str,
    response: &TokenResponse,
) -> Result<Vec<StoredResponse>> {
    let answers = keyed(namespace, response)?;
    for _ in 0..MAX_ATTEMPTS {
        let mut planned = Vec::new();
        for (key, answer) in &answers {
            planned.push(match storage.get(key).await? {
                None => (key.clone(), answer.to_data()?, Precondition::Absent),
                Some(StoredToken { data, revision }) => {
                    may_be_merged(key, &data, answer)?;
                    (key.clone(), merge(&data, answer), Precondition::Unchanged(revision))
                }
            });
        }
        match write(storage, planned).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            result => return result,
        }
    }
    Err(contended(&answers[0].0))
}

/// What one server answered must not get into the record of another's token, whatever name it carries: the next refresh
/// would send it there. A side that names no server may be any.
fn may_be_merged(key: &TokenKey, stored: &TokenData, answer: &ResponseToken) -> Result<()> {
    let theirs = IssuedBy::of_extra(&answer.extra)?;
    match (IssuedBy::of(stored)?, theirs) {
        (Some(ours), Some(theirs)) if !(ours.is_same_server(&theirs) && ours.is_same_client(&theirs)) => {
            let message = "the stored token was issued by another authorization server, or to another client, than the \
                           response says; store the response under another name";
            Err(Error::new(ErrorKind::InvalidInput, message)
                .with_operation(Operation::StoreAll)
                .with_key(key))
        }
        _ => Ok(()),
    }
}

/// The key of each token. Of two tokens for one resource server the last wins, as in the Globus SDK.
pub(crate) fn keyed<'a>(namespace: &str, response: &'a TokenResponse) -> Result<Vec<(TokenKey, &'a ResponseToken)>> {
    let mut answers: Vec<(TokenKey, &ResponseToken)> = Vec::new();
    for answer in response.tokens() {
        let key = TokenKey::new(namespace, answer.required_resource_server()?);
        match answers.iter_mut().find(|(earlier, _)| *earlier == key) {
            Some(earlier) => earlier.1 = answer,
            None => answers.push((key, answer)),
        }
    }
    Ok(answers)
}

async fn write<S: TokenStorage + ?Sized>(
    storage: &S,
    planned: Vec<(TokenKey, TokenData, Precondition)>,
) -> Result<Vec<StoredResponse>> {
    let writes: Vec<Write<'_>> = planned
        .iter()
        .map(|(key, data, precondition)| Write::new(key, data, *precondition))
        .collect();
    let revisions = storage.store_all(&writes).await?;
    let stored = planned.into_iter().zip(revisions);
    Ok(stored
        .map(|((key, data, _), revision)| StoredResponse { key, data, revision })
        .collect())
}

pub(crate) fn contended(key: &TokenKey) -> Error {
    let message =
        format!("other writers changed the record each of {MAX_ATTEMPTS} times that this one tried; try again later");
    Error::new(ErrorKind::Busy, message)
        .with_operation(Operation::StoreAll)
        .with_key(key)
}
