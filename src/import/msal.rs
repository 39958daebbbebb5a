//! The cache of the Microsoft Authentication Libraries: access tokens, refresh tokens and id_tokens apart, tied by whose
//! they are.

use serde_json::{Map, Value, json};
use token_storage_core::Result;

use super::{Found, Program, issued_by, nothing, object, text};
use crate::TokenResponse;

type Members = Map<String, Value>;

pub(super) fn read(file: &[u8], now: i64) -> Result<Vec<Found>> {
    let cache = object(Program::Msal, file)?;
    let tokens = section(&cache, "AccessToken");
    let mut found: Vec<Found> = Vec::new();
    for token in tokens.filter(|token| text(token, "secret").is_some()) {
        let mut one = read_one(&cache, token, now)?;
        // Two accounts, or two sets of scopes, at one server.
        let same = |other: &Found| other.data.resource_server == one.data.resource_server;
        if found.iter().any(same) {
            let account = text(token, "home_account_id").unwrap_or("another account");
            one.data.resource_server = format!("{} ({account})", one.data.resource_server);
            let number = found
                .iter()
                .filter(|other| other.data.resource_server == one.data.resource_server)
                .count();
            if number > 0 {
                one.data.resource_server += &format!(" {}", number + 1);
            }
        }
        found.push(one);
    }
    if found.is_empty() {
        Err(nothing(Program::Msal))
    } else {
        Ok(found)
    }
}

fn read_one(cache: &Members, token: &Members, now: i64) -> Result<Found> {
    let whose = |other: &&Members| {
        ["home_account_id", "environment", "client_id"]
            .iter()
            .all(|name| other.get(*name) == token.get(*name))
    };
    let secret = |section_name: &str| {
        section(cache, section_name)
            .find(whose)
            .and_then(|other| text(other, "secret"))
    };
    let scope = text(token, "target").unwrap_or_default();
    let response = json!({
        "access_token": token["secret"],
        "token_type": token.get("token_type"),
        "expires_on": token.get("expires_on"),
        "scope": scope,
        "refresh_token": secret("RefreshToken"),
        "id_token": secret("IdToken"),
    });
    let environment = text(token, "environment").unwrap_or("login.microsoftonline.com");
    let realm = text(token, "realm").unwrap_or("common");
    let issuer = format!("https://{environment}/{realm}/v2.0");
    let endpoint = format!("https://{environment}/{realm}/oauth2/v2.0/token");
    let from = text(token, "client_id").map(|client| issued_by(&issuer, Some(&endpoint), client));
    let response = TokenResponse::parse(without_nulls(response).to_string(), now)?;
    let mut found = Found::of(response, resource_server(scope, environment), from.as_ref())?;
    if found.data.refresh_token.is_none() {
        found
            .lost
            .push("There is no refresh token for it: log in again when it expires.".to_owned());
    }
    found
        .lost
        .push("The account's names and what MSAL knows of its client are left behind.".to_owned());
    Ok(found)
}

/// What the scopes belong to: the host of the first that is an address. Those of OpenID are everybody's.
fn resource_server<'a>(scope: &'a str, environment: &'a str) -> &'a str {
    let hosts = scope
        .split_ascii_whitespace()
        .filter_map(|scope| scope.strip_prefix("https://"));
    hosts
        .filter_map(|rest| rest.split('/').next())
        .next()
        .unwrap_or(environment)
}

fn section<'a>(cache: &'a Members, name: &str) -> impl Iterator<Item = &'a Members> {
    let entries = cache.get(name).and_then(Value::as_object);
    entries.into_iter().flatten().filter_map(|(_, entry)| entry.as_object())
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => members.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        other => other,
    }
}
