//! Passwords that a person gave git or Docker, kept as records beside those of logins.

use token_storage::{Extra, Precondition, Secret, StoredToken, TokenData};

use crate::{Context, Exit, Failure, Result};

/// The user name that came with a password. A record that has it was kept by this command, and may be replaced and removed by
/// it; one of a login never.
const USERNAME: &str = "credential_username";
/// What Docker calls the server.
const SERVER_URL: &str = "credential_server_url";

/// What git or Docker want kept.
pub(super) struct Password<'a> {
    pub(super) username: &'a str,
    pub(super) secret: Secret,
    pub(super) expires_at: Option<i64>,
    pub(super) server_url: Option<&'a str>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// There is a record of a login under that name, and it stays as it is.
    IsOfLogin,
}

/// The user name of a record that was kept here; `None`: it is of a login, or another program's.
pub(super) fn username(data: &TokenData) -> Option<String> {
    text(data, USERNAME)
}

/// What Docker calls the server of a record that was kept here.
pub(super) fn server_url(data: &TokenData) -> Option<String> {
    text(data, SERVER_URL)
}

fn text(data: &TokenData, member: &str) -> Option<String> {
    serde_json::from_str(data.extra.get(member)?).ok()
}

pub(super) async fn keep(name: &str, password: Password<'_>, context: &Context) -> Result<Outcome> {
    let tokens = context.tokens().await?;
    let precondition = match tokens.get(name).await? {
        None => Precondition::Absent,
        Some(stored) if username(&stored.data).is_none() => return Ok(Outcome::IsOfLogin),
        Some(stored) => Precondition::Unchanged(stored.revision),
    };
    tokens.store(name, &record(name, password)?, precondition).await?;
    Ok(Outcome::Done)
}

fn record(name: &str, password: Password<'_>) -> Result<TokenData> {
    let mut extra = Extra::new();
    let members = [(USERNAME, Some(password.username)), (SERVER_URL, password.server_url)];
    for (member, value) in members {
        if let Some(value) = value {
            let json = serde_json::to_string(value);
            let json = json.map_err(|_| Failure::new(Exit::Usage, "the user name cannot be kept"))?;
            extra.insert(member, &json)?;
        }
    }
    let mut data = TokenData::new(name, "", password.secret).with_extra(extra);
    data.expires_at = password.expires_at;
    Ok(data)
}

pub(super) async fn forget(name: &str, stored: &StoredToken, context: &Context) -> Result<Outcome> {
    if username(&stored.data).is_none() {
        return Ok(Outcome::IsOfLogin);
    }
    let tokens = context.tokens().await?;
    tokens.remove(name, Precondition::Unchanged(stored.revision)).await?;
    Ok(Outcome::Done)
}
