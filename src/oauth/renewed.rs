//! Whose token a refresh brought: the id_token of its answer is of the same login, or nothing of it is stored (OpenID
//! Connect Core section 12.2).
//!
//! Its signature is not looked at, as it comes over TLS from the token endpoint itself (section 3.1.3.7, 6): keys that cannot
//! be had for a moment must not cost a good token.

use base64::Engine as _;
use serde::{Deserialize, de::DeserializeOwned};
use token_storage_core::TokenData;

use super::{OAuthClient, id_token::Audience, keys::BASE64_URL};
use crate::{
    TokenResponse,
    manager::{EndpointError, TokenKind},
};

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    tid: Option<String>,
}

/// The response if it is of the login that the record is of, or if one of them does not say so.
///
/// # Errors
/// - Refused, with the response, whose tokens nobody may keep.
pub(super) fn check(
    client: &OAuthClient,
    record: &TokenData,
    response: TokenResponse,
) -> Result<TokenResponse, (TokenResponse, EndpointError)> {
    let Some(id_token) = response.id_token() else {
        return Ok(response);
    };
    let stored: Option<Claims> = id_token_of(record).as_deref().and_then(claims);
    if record.identity_id.is_none() && stored.is_none() {
        return Ok(response);
    }
    let problem = match claims(id_token.expose()) {
        None => Some("an id_token that cannot be read"),
        Some(fresh) => problem(client, record, stored.as_ref(), &fresh),
    };
    match problem {
        None => Ok(response),
        Some(what) => {
            let server = client.provider.server_name();
            Err((response, EndpointError::of_another_login(what, server)))
        }
    }
}

fn problem(client: &OAuthClient, record: &TokenData, stored: Option<&Claims>, fresh: &Claims) -> Option<&'static str> {
    let subject = record
        .identity_id
        .as_deref()
        .or(stored.map(|claims| claims.sub.as_str()));
    let issuer = match stored {
        Some(claims) => Some(claims.iss.clone()),
        None => client.provider.issuer_of_tenant(fresh.tid.as_deref()),
    };
    let problems = [
        (
            subject.is_some_and(|subject| subject != fresh.sub),
            "an id_token of another person",
        ),
        (
            issuer.is_some_and(|issuer| issuer != fresh.iss),
            "an id_token of another issuer",
        ),
        (!fresh.aud.names(&client.client_id), "an id_token for another client"),
    ];
    problems.into_iter().find(|(wrong, _)| *wrong).map(|(_, what)| what)
}

fn id_token_of(record: &TokenData) -> Option<String> {
    serde_json::from_str(record.extra.get("id_token")?).ok()
}

fn claims<T: DeserializeOwned>(token: &str) -> Option<T> {
    let claims = token.split('.').nth(1)?;
    serde_json::from_slice(&BASE64_URL.decode(claims).ok()?).ok()
}

impl OAuthClient {
    /// Revokes the tokens of a response, without those that the record has as well.
    pub(super) async fn revoke_fresh(&self, response: &TokenResponse, record: &TokenData) {
        for token in response.tokens() {
            let fresh = token.refresh_token.as_ref();
            if let Some(fresh) = fresh.filter(|fresh| record.refresh_token.as_ref() != Some(fresh)) {
                let _ = self.revoke_token(fresh, TokenKind::Refresh).await;
            }
            if token.access_token != record.access_token {
                let _ = self.revoke_token(&token.access_token, TokenKind::Access).await;
            }
        }
    }
}
