//! What well-known servers do, from their public documentation as of November 2026. Nothing of it was tried at the real
//! ones. `docs/providers.md` is made of this table, and each row of it is run against a server that behaves so.

use std::time::Duration;

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

    /// A row of the table in `docs/providers.md`.
    pub fn row(&self) -> String {
        let profile = &self.profile;
        let client = match profile.client {
            None | Some(Client::Post) => "form",
            Some(Client::Basic) => "header",
            Some(Client::Public) => "none",
        };
        let rotates = match (self.rotates, self.grace) {
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
        };
        let answer = match (profile.form_encoded, profile.nested) {
            (true, _) => "form-encoded".to_owned(),
            (false, Some(name)) => format!("in `{name}`"),
            (false, None) => "JSON".to_owned(),
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

const fn spoken(client: Client) -> Profile {
    Profile {
        client: Some(client),
        status: 200,
        form_encoded: false,
        nested: None,
        expiry: Expiry::In,
        scopes: Scopes::Spaces,
        refusal: None,
        revokes: true,
    }
}

const fn refusal(status: u16, body: &'static str) -> Option<Refusal> {
    Some(Refusal { status, body })
}

const FORM: Profile = spoken(Client::Post);
const HEADER: Profile = spoken(Client::Basic);
const PUBLIC: Profile = spoken(Client::Public);

const fn habits(provider: &'static str, rotates: bool, grace: u64, profile: Profile, advice: &'static str) -> Habits {
    Habits {
        provider,
        rotates,
        grace,
        profile,
        advice,
    }
}

/// All of them, in the order of the page.
pub fn provider_habits() -> &'static [Habits] {
    const ALL: &[Habits] = &[
        habits(
            "GitHub",
            true,
            0,
            Profile {
                form_encoded: true,
                scopes: Scopes::Commas,
                revokes: false,
                refusal: refusal(
                    200,
                    r#"{"error":"bad_refresh_token","error_description":"The refresh token passed is incorrect or expired."}"#,
                ),
                ..FORM
            },
            "user tokens of GitHub Apps, where expiry is on; tokens are deleted by an API of its own",
        ),
        habits(
            "Google",
            false,
            0,
            FORM,
            "`access_type=offline` and `prompt=consent` at login, else there is no refresh token",
        ),
        habits(
            "Microsoft",
            true,
            86_400,
            Profile {
                revokes: false,
                refusal: refusal(
                    400,
                    r#"{"error":"interaction_required","error_description":"AADSTS50076","error_codes":[50076]}"#,
                ),
                ..FORM
            },
            "the scope `offline_access`; the issuer is that of the tenant, not `common`; the old refresh token stays good",
        ),
        habits(
            "Slack",
            true,
            0,
            Profile {
                nested: Some("authed_user"),
                scopes: Scopes::Commas,
                revokes: false,
                refusal: refusal(200, r#"{"ok":false,"error":"invalid_refresh_token"}"#),
                ..FORM
            },
            "where token rotation is on; a user's token is in `authed_user`, a bot's is not",
        ),
        habits(
            "Salesforce",
            false,
            0,
            Profile {
                expiry: Expiry::Untold,
                refusal: refusal(
                    400,
                    r#"{"error":"invalid_grant","error_description":"expired access/refresh token"}"#,
                ),
                ..FORM
            },
            "the scope `refresh_token`; the session's length is a setting of the organisation, so a 401 tells; rotation is a setting",
        ),
        habits(
            "HubSpot",
            false,
            0,
            Profile {
                revokes: false,
                refusal: refusal(
                    400,
                    r#"{"status":"BAD_REFRESH_TOKEN","message":"missing or invalid refresh token"}"#,
                ),
                ..FORM
            },
            "refresh tokens are deleted by an API of its own",
        ),
        habits(
            "Atlassian",
            true,
            600,
            Profile {
                revokes: false,
                refusal: refusal(
                    403,
                    r#"{"error":"unauthorized_client","error_description":"refresh_token is invalid"}"#,
                ),
                ..FORM
            },
            "the scope `offline_access`, and `audience=api.atlassian.com` at login",
        ),
        habits(
            "Strava",
            true,
            0,
            Profile {
                expiry: Expiry::InAndAt,
                scopes: Scopes::Commas,
                revokes: false,
                refusal: refusal(
                    400,
                    r#"{"message":"Bad Request","errors":[{"resource":"RefreshToken","field":"refresh_token","code":"invalid"}]}"#,
                ),
                ..FORM
            },
            "scopes are asked for with commas too",
        ),
        habits(
            "Intuit",
            true,
            86_400,
            HEADER,
            "a new refresh token about once a day, the old one is good until then; its life is in `x_refresh_token_expires_in`",
        ),
        habits(
            "Xero",
            true,
            1800,
            HEADER,
            "the scope `offline_access`; the grace is for an answer that was lost",
        ),
        habits(
            "Zoom",
            true,
            0,
            Profile {
                refusal: refusal(401, r#"{"reason":"Invalid Token!","error":"invalid_request"}"#),
                ..HEADER
            },
            "",
        ),
        habits(
            "Notion",
            true,
            0,
            Profile {
                expiry: Expiry::Untold,
                ..HEADER
            },
            "no scopes; access tokens that do not expire are given too",
        ),
        habits(
            "LinkedIn",
            false,
            0,
            Profile {
                scopes: Scopes::Commas,
                revokes: false,
                refusal: refusal(
                    400,
                    r#"{"error":"invalid_request","error_description":"The token used in the request has been revoked"}"#,
                ),
                ..FORM
            },
            "refresh tokens for approved partners only; their life is not prolonged by a refresh",
        ),
        habits(
            "X",
            true,
            0,
            Profile {
                refusal: refusal(
                    400,
                    r#"{"error":"invalid_request","error_description":"Value passed for the token was invalid."}"#,
                ),
                ..PUBLIC
            },
            "the scope `offline.access`; confidential clients authenticate by the header",
        ),
        habits(
            "Twitch",
            false,
            0,
            Profile {
                scopes: Scopes::Array,
                refusal: refusal(400, r#"{"status":400,"message":"Invalid refresh token"}"#),
                ..FORM
            },
            "ends logins without an expiry: a 401 tells",
        ),
        habits(
            "Fitbit",
            true,
            120,
            Profile {
                refusal: refusal(
                    400,
                    r#"{"errors":[{"errorType":"invalid_grant","message":"Refresh token invalid"}],"success":false}"#,
                ),
                ..HEADER
            },
            "",
        ),
        habits(
            "Withings",
            true,
            28_800,
            Profile {
                nested: Some("body"),
                scopes: Scopes::Commas,
                revokes: false,
                refusal: refusal(200, r#"{"status":401,"body":{},"error":"invalid_token"}"#),
                ..FORM
            },
            "`action=requesttoken` in each token request",
        ),
        habits(
            "Bluesky",
            true,
            0,
            PUBLIC,
            "tokens are bound by DPoP and asked for by PAR: a library for these must send the requests, see [refresh.md](refresh.md)",
        ),
        habits(
            "Spotify",
            true,
            0,
            Profile {
                revokes: false,
                ..PUBLIC
            },
            "confidential clients authenticate by the header, and their refresh tokens stay",
        ),
        habits(
            "Dropbox",
            false,
            0,
            Profile { revokes: false, ..FORM },
            "`token_access_type=offline` at login",
        ),
        habits(
            "Auth0",
            true,
            0,
            Profile {
                refusal: refusal(
                    403,
                    r#"{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}"#,
                ),
                ..FORM
            },
            "the scope `offline_access`; rotation, and a grace called leeway, are settings",
        ),
        habits(
            "Okta",
            true,
            30,
            HEADER,
            "the scope `offline_access`; rotation and a grace of up to 60 s are settings",
        ),
        habits(
            "Keycloak",
            true,
            0,
            FORM,
            "the issuer is that of the realm; reuse is noticed where \"revoke refresh token\" is on",
        ),
        habits(
            "Globus",
            false,
            0,
            PUBLIC,
            "built in: `token-storage login` alone; a record for each resource server",
        ),
    ];
    ALL
}
