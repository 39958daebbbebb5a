//! What well-known servers do, as found in November 2026 in what `sources.rs` names. Nothing of it was tried at
//! the real ones. `docs/providers.md` is made of this, and each row of it is run against a server that behaves so.

mod sources;
mod table;

use std::time::Duration;

pub use self::sources::Sources;

use super::{
    Config, Profile,
    profile::{Client, Expiry, Refusal, Scopes},
};

/// The habits of one provider.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Habits {
    /// Its name.
    pub provider: &'static str,
    /// Whether the token is the client's own (RFC 6749 section 4.4): no person, and no refresh token.
    pub own: bool,
    /// Whether a refresh brings a new refresh token and ends the old one.
    pub rotates: bool,
    /// For how long the old one may come again all the same, in seconds.
    pub grace: u64,
    /// How it speaks.
    pub profile: Profile,
    /// What to give the command besides issuer and client, and what to know.
    pub advice: &'static str,
}

impl Habits {
    /// A server for tests that behaves so.
    pub fn config(&self) -> Config {
        Config {
            rotate: self.rotates,
            grace: Duration::from_secs(self.grace),
            name_resource_server: self.provider == "Globus",
            profile: self.profile.clone(),
            ..Config::default()
        }
    }

    /// Where it was found.
    pub fn sources(&self) -> &'static Sources {
        sources::of(self.provider)
    }

    /// A row of the table in `docs/providers.md`.
    pub fn row(&self) -> String {
        let profile = &self.profile;
        let client = match profile.client {
            None | Some(Client::Post) => "form",
            Some(Client::Basic) => "header",
            Some(Client::Public) => "none",
            Some(Client::SecretJwt) => "JWT by secret",
            Some(Client::KeyJwt) => "JWT by key",
        };
        let client = match self.own {
            true => format!("{client}; own token"),
            false => client.to_owned(),
        };
        let rotates = match (self.rotates, self.grace) {
            _ if self.own => "no refresh token".to_owned(),
            (false, _) => "no".to_owned(),
            (true, 0) => "yes".to_owned(),
            (true, seconds) => format!("yes, {seconds} s grace"),
        };
        let expiry = match profile.expiry {
            Expiry::In => "`expires_in`",
            Expiry::InText => "`expires_in` as text",
            Expiry::InAndAt => "`expires_in`, `expires_at`",
            Expiry::Untold => "none",
        };
        let scopes = match profile.scopes {
            Scopes::Spaces => "spaces",
            Scopes::Commas => "commas",
            Scopes::Array => "array",
            Scopes::Empty => "empty",
            Scopes::Untold => "none",
        };
        let answer = match (profile.form_encoded, profile.nested) {
            (true, _) => "form-encoded".to_owned(),
            (false, Some(name)) if profile.refreshed_plain => format!("in `{name}`, refreshed not"),
            (false, Some(name)) => format!("in `{name}`"),
            (false, None) if profile.status == 200 => "JSON".to_owned(),
            (false, None) => format!("JSON, {}", profile.status),
        };
        let refusal = match profile.refusal {
            None => "400 `invalid_grant`".to_owned(),
            Some(Refusal { status, body }) => format!("{status} `{body}`"),
        };
        let revokes = if profile.revokes { "yes" } else { "no" };
        format!(
            "| {} | {client} | {rotates} | {answer} | {expiry} | {scopes} | {revokes} | {refusal} | {} |",
            self.provider, self.advice
        )
    }
}

/// All of them, in the order of the page.
pub fn provider_habits() -> &'static [Habits] {
    table::ALL
}
