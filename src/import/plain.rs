//! Files that are a token response, or nearly.

use serde_json::Value;
use token_storage_core::Result;

use super::{Found, Program, invalid, nothing, object, text};
use crate::TokenResponse;

pub(super) fn read(program: Program, file: &[u8], name: Option<&str>, now: i64) -> Result<Found> {
    let mut members = object(program, file)?;
    if !["access_token", "accessToken"]
        .iter()
        .any(|name| text(&members, name).is_some())
    {
        return Err(nothing(program));
    }
    let url = text(&members, "startUrl").map(str::to_owned);
    let usual = match program {
        Program::Spotipy => Some("api.spotify.com"),
        Program::AwsSso => Some(url.as_deref().unwrap_or("aws-sso")),
        _ => None,
    };
    let Some(name) = name.or(usual) else {
        let message = "the file does not say for which server the token is; name the resource server";
        return Err(invalid(message));
    };
    let mut lost = Vec::new();
    if program == Program::AwsSso {
        lost.push(
            "AWS refreshes by a protocol of its own: the token is handed out until it expires, then log in there again.".to_owned(),
        );
        // The registration of a client, which nobody but the AWS CLI can use.
        for gone in ["clientId", "clientSecret", "registrationExpiresAt", "refreshToken"] {
            members.remove(gone);
        }
    }
    let response = TokenResponse::parse(Value::Object(members).to_string(), now)?;
    let mut found = Found::of(response, name, None)?;
    if program == Program::AwsSso {
        found.lost = lost;
    }
    Ok(found)
}
