//! Storing token responses: a login's answer replaces, a refresh's answer is merged (clause L8).

use token_storage_core::{
    Error, ErrorKind, Extra, Members, Operation, Precondition, Result, Revision, StoredToken, TokenData, TokenKey,
    TokenStorage, Write, backend::Rounds,
};

use crate::{IssuedBy, ResponseToken, TokenResponse, issued_by, lifetime, refuse_sealed};

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
    // What becomes of a member is decided here, so each is named, and a new one asks for a decision.
    let Members {
        resource_server,
        scope,
        access_token: _,
        refresh_token,
        expires_at: _,
        token_type,
        identity_id,
        extra,
    } = stored.members();
    let kept = |answered: &Option<String>, stored: &str| answered.clone().unwrap_or_else(|| stored.to_owned());
    let mut data = TokenData::new(
        kept(&answer.resource_server, resource_server),
        kept(&answer.scope, scope),
        answer.access_token.clone(),
    );
    data.expires_at = answer.expires_at;
    data.refresh_token = answer.refresh_token.as_ref().or(refresh_token).cloned();
    data.token_type = answer.token_type.as_deref().or(token_type).map(str::to_owned);
    data.identity_id = answer.identity_id.as_deref().or(identity_id).map(str::to_owned);
    data.extra = extra.clone();
    lifetime::remove(&mut data.extra);
    merge_extra(&mut data.extra, &answer.extra);
    data
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
    let mut rounds = Rounds::new(&answers[0].0);
    loop {
        let mut planned = Vec::new();
        for (key, answer) in &answers {
            planned.push(match refuse_sealed(key, storage.get(key).await?)? {
                None => (key.clone(), answer.to_data()?, Precondition::Absent),
                Some(StoredToken { data, revision }) => {
                    may_be_merged(key, &data, answer)?;
                    (key.clone(), merge(&data, answer), Precondition::Unchanged(revision))
                }
            });
        }
        if let Some(stored) = rounds.settled(write(storage, planned).await)? {
            return Ok(stored);
        }
    }
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
