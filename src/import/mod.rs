//! Logins that other programs keep, as records.
//!
//! ```
//! use token_storage::import::{Program, read};
//!
//! # fn main() -> token_storage::Result<()> {
//! let cache = br#"{"access_token":"at","token_type":"Bearer","expires_in":3600,"refresh_token":"rt","scope":"a b",
//!     "expires_at":1795649003}"#;
//! let found = read("spotipy".parse()?, cache, Some("api.spotify.com"), 1_795_646_000)?;
//! assert_eq!(found[0].data.resource_server, "api.spotify.com");
//! assert_eq!(found[0].data.expires_at, Some(1_795_649_003));
//! assert!(found[0].lost[0].contains("client"));
//! # Ok(()) }
//! ```
//!
//! A refresh token that is in two programs is spent by whichever refreshes first: log out there, or stop using one.

mod google;
mod msal;
mod plain;
mod rclone;

use std::{fmt, str::FromStr};

use serde_json::{Map, Value};
use token_storage_core::{Error, ErrorKind, Operation, Result, TokenData};

use crate::{IssuedBy, TokenResponse};

/// A program whose cache is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Program {
    /// spotipy's `.cache`: a response of Spotify with `expires_at`.
    Spotipy,
    /// What programs with Authlib keep: its `OAuth2Token`, a response with `expires_at`, as JSON.
    Authlib,
    /// What programs with requests-oauthlib keep: its `token`, a response with `expires_at` and a list of scopes, as JSON.
    RequestsOauthlib,
    /// `rclone.conf`: sections with a `token`, as golang.org/x/oauth2 writes it. A record for each, under its name.
    Rclone,
    /// MSAL's `SerializableTokenCache` (Python) or `msal_token_cache.json`. A record for each access token.
    Msal,
    /// gcloud's `application_default_credentials.json` of a person who logged in.
    Gcloud,
    /// A file of the AWS CLI below `~/.aws/sso/cache`.
    AwsSso,
}

impl Program {
    /// All of them, by the names that [`FromStr`] takes.
    pub const ALL: [(&'static str, Self); 7] = [
        ("spotipy", Self::Spotipy),
        ("authlib", Self::Authlib),
        ("requests-oauthlib", Self::RequestsOauthlib),
        ("rclone", Self::Rclone),
        ("msal", Self::Msal),
        ("gcloud", Self::Gcloud),
        ("aws-sso", Self::AwsSso),
    ];
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Self::ALL.iter().find(|(_, program)| program == self);
        f.write_str(named.map_or("", |(name, _)| name))
    }
}

impl FromStr for Program {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        known.map(|(_, program)| *program).ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name).join(", ");
            invalid(format!("no program of that name is known; known are {names}"))
        })
    }
}

/// One login that was found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found {
    /// The record; its resource server is the name to store it under.
    pub data: TokenData,
    /// What the file has and the record has not, or what the file does not have and a refresh needs: in whole sentences, for
    /// people.
    pub lost: Vec<String>,
}

/// The logins in a file of another program. `resource_server` names the record; where several are found, none can be
/// named so. `now` is in seconds since the Unix epoch.
///
/// # Errors
/// - [`InvalidInput`](ErrorKind::InvalidInput): it is no such file, or there is no login in it; or a name is needed, or was given
///   for several. The message quotes nothing of the file.
pub fn read(program: Program, file: &[u8], resource_server: Option<&str>, now: i64) -> Result<Vec<Found>> {
    let mut found = match program {
        Program::Spotipy | Program::Authlib | Program::RequestsOauthlib | Program::AwsSso => {
            vec![plain::read(program, file, resource_server, now)?]
        }
        Program::Rclone => rclone::read(file, now)?,
        Program::Msal => msal::read(file, now)?,
        Program::Gcloud => vec![google::read(file)?],
    };
    match (resource_server, &mut found[..]) {
        (_, []) => Err(nothing(program)),
        (Some(name), [one]) => {
            name.clone_into(&mut one.data.resource_server);
            Ok(found)
        }
        (Some(_), _) => {
            let names: Vec<&str> = found.iter().map(|one| &*one.data.resource_server).collect();
            Err(invalid(format!(
                "there are several logins in it, so one name is not enough; without it they are {names:?}"
            )))
        }
        (None, _) => Ok(found),
    }
}

impl Found {
    /// What a response says, and what is known of where it came from.
    fn of(response: TokenResponse, resource_server: &str, from: Option<&IssuedBy>) -> Result<Self> {
        let mut lost: Vec<String> = response.warnings().iter().map(ToString::to_string).collect();
        let response = match from {
            Some(from) => response.with_issued_by(from),
            None => {
                lost.push("The file does not say which client logged in: a refresh has to be told.".to_owned());
                response
            }
        };
        let data = response.with_resource_server(resource_server)?.primary().to_data()?;
        Ok(Self { data, lost })
    }
}

/// A JSON object, whatever is in it.
fn object(program: Program, file: &[u8]) -> Result<Map<String, Value>> {
    match serde_json::from_slice(file) {
        Ok(Value::Object(members)) => Ok(members),
        // Not with the parser's words: it quotes values.
        _ => Err(invalid(format!("it is no cache of {program}: that is a JSON object"))),
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// A server and a client of it.
fn issued_by(issuer: &str, token_endpoint: Option<&str>, client_id: &str) -> IssuedBy {
    let mut issued_by = IssuedBy::named(issuer, client_id);
    issued_by.token_endpoint = token_endpoint.map(str::to_owned);
    issued_by
}

fn nothing(program: Program) -> Error {
    invalid(format!("there is no login of {program} in it"))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message).with_operation(Operation::Parse)
}
