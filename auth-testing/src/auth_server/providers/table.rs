//! The habits, provider by provider.

use super::{
    super::{
        Profile,
        profile::{Client, Expiry, Refusal, Scopes},
    },
    Habits,
};

const fn spoken(client: Client) -> Profile {
    Profile {
        client: Some(client),
        by_certificate: false,
        status: 200,
        form_encoded: false,
        nested: None,
        refreshed_plain: false,
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
const BY_KEY: Profile = spoken(Client::KeyJwt);

const fn habits(provider: &'static str, rotates: bool, grace: u64, profile: Profile, advice: &'static str) -> Habits {
    Habits {
        provider,
        own: false,
        rotates,
        grace,
        profile,
        advice,
    }
}

/// A token for the client itself. What is refused is the client's request.
const fn own(provider: &'static str, profile: Profile, advice: &'static str) -> Habits {
    Habits {
        own: true,
        ..habits(provider, false, 0, profile, advice)
    }
}

/// All of them, in the order of the page.
pub(super) const ALL: &[Habits] = &[
    habits(
        "GitHub",
        true,
        0,
        Profile {
            form_encoded: true,
            scopes: Scopes::Empty,
            revokes: false,
            refusal: refusal(
                200,
                r#"{"error":"bad_refresh_token","error_description":"The refresh token passed is incorrect or expired."}"#,
            ),
            ..FORM
        },
        "user tokens of GitHub Apps, where expiry is on; what they may do is the app's, so the scope is empty; tokens are deleted by an API of its own",
    ),
    habits(
        "Google",
        false,
        0,
        Profile {
            refusal: refusal(
                400,
                r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#,
            ),
            ..FORM
        },
        "`access_type=offline` and `prompt=consent` at login, else there is no refresh token",
    ),
    habits(
        "Microsoft",
        true,
        7_776_000,
        Profile {
            revokes: false,
            refusal: refusal(
                400,
                r#"{"error":"invalid_grant","error_description":"AADSTS700082: The refresh token has expired due to inactivity.","error_codes":[700082]}"#,
            ),
            ..FORM
        },
        "the scope `offline_access`; the issuer is that of the tenant, not `common`; the old refresh token is not ended and lives as long as the new (90 days; 24 hours for single-page applications); `interaction_required` where a further factor is wanted",
    ),
    habits(
        "Slack",
        true,
        0,
        Profile {
            nested: Some("authed_user"),
            refreshed_plain: true,
            scopes: Scopes::Commas,
            revokes: false,
            refusal: refusal(200, r#"{"ok":false,"error":"invalid_refresh_token"}"#),
            ..HEADER
        },
        "where token rotation is on; at login a user's token is in `authed_user`, a bot's is not; a refresh brings either in the answer itself",
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
            scopes: Scopes::Untold,
            refusal: refusal(
                400,
                r#"{"status":"BAD_REFRESH_TOKEN","message":"missing or invalid refresh token"}"#,
            ),
            ..FORM
        },
        "version 1 of its API, whose refusal this is, ends in February 2027 and has no such revocation; the scopes are in an array `scopes`",
    ),
    habits(
        "Atlassian",
        true,
        600,
        Profile {
            revokes: false,
            refusal: refusal(
                403,
                r#"{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}"#,
            ),
            ..FORM
        },
        "the scope `offline_access`, and `audience=api.atlassian.com` at login; the access token ends with the old refresh token; documented with requests in JSON",
    ),
    habits(
        "Strava",
        true,
        0,
        Profile {
            expiry: Expiry::InAndAt,
            scopes: Scopes::Untold,
            revokes: false,
            refusal: refusal(
                400,
                r#"{"message":"Bad Request","errors":[{"resource":"RefreshToken","field":"refresh_token","code":"invalid"}]}"#,
            ),
            ..FORM
        },
        "scopes are asked for with commas; those given are in the redirect only; ended by an API of its own",
    ),
    habits(
        "Intuit",
        true,
        0,
        Profile {
            refusal: refusal(
                400,
                r#"{"error":"invalid_grant","error_description":"Incorrect or invalid refresh token"}"#,
            ),
            ..HEADER
        },
        "the refresh token changes about once a day, and one of before was refused at once; its life is in `x_refresh_token_expires_in`, five years at most",
    ),
    habits(
        "Xero",
        true,
        1800,
        HEADER,
        "the scope `offline_access`; the grace is for an answer that was lost; unused for 60 days it ends",
    ),
    habits(
        "Zoom",
        true,
        0,
        Profile {
            refusal: refusal(400, r#"{"reason":"Invalid Token!","error":"invalid_grant"}"#),
            ..HEADER
        },
        "the refusal had the status 401 until 2022",
    ),
    habits(
        "Notion",
        true,
        0,
        Profile {
            expiry: Expiry::Untold,
            scopes: Scopes::Untold,
            ..HEADER
        },
        "no scopes; documented with requests in JSON, revocation with an access token",
    ),
    habits(
        "LinkedIn",
        false,
        0,
        Profile {
            scopes: Scopes::Commas,
            revokes: false,
            ..FORM
        },
        "refresh tokens for approved partners only; they end 365 days after the login, whatever a refresh does",
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
        "the scope `offline.access`; confidential clients authenticate by the header; an old refresh token that comes again ends all",
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
        "may end logins before the expiry: a 401 tells; asks to validate a token each hour",
    ),
    habits(
        "Fitbit",
        true,
        120,
        Profile {
            refusal: refusal(
                400,
                r#"{"errors":[{"errorType":"invalid_grant","message":"Refresh token invalid: <refresh_token>. Visit the documentation for more information."}],"success":false}"#,
            ),
            ..HEADER
        },
        "the grace is for the same request; its refusal repeats the refresh token; public clients: none",
    ),
    habits(
        "Withings",
        true,
        28_800,
        Profile {
            nested: Some("body"),
            scopes: Scopes::Commas,
            revokes: false,
            refusal: refusal(
                200,
                r#"{"status":503,"body":{},"error":"Invalid Params: invalid refresh_token"}"#,
            ),
            ..FORM
        },
        "`action=requesttoken` in each token request; the grace ends when the new access token is used",
    ),
    habits(
        "Bluesky",
        true,
        0,
        PUBLIC,
        "tokens are bound by DPoP and asked for by PAR: a library for these must send the requests, see [login.md](login.md#beyond-that)",
    ),
    habits(
        "Spotify",
        true,
        0,
        Profile {
            revokes: false,
            refusal: refusal(
                400,
                r#"{"error":"invalid_grant","error_description":"Refresh token revoked"}"#,
            ),
            ..PUBLIC
        },
        "a refresh token ends six months after the login, whatever a refresh does; confidential clients authenticate by the header, and their refresh tokens stay",
    ),
    habits(
        "Dropbox",
        false,
        0,
        Profile {
            revokes: false,
            refusal: refusal(
                400,
                r#"{"error": "invalid_grant", "error_description": "refresh token is invalid or revoked"}"#,
            ),
            ..FORM
        },
        "`token_access_type=offline` at login; tokens are ended by an API of its own",
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
        "the scope `offline_access`; rotation, and a grace called leeway or overlap, are settings",
    ),
    habits(
        "Okta",
        true,
        30,
        Profile {
            refusal: refusal(
                400,
                r#"{"error":"invalid_grant","error_description":"The refresh token is invalid or expired."}"#,
            ),
            ..HEADER
        },
        "the scope `offline_access`; rotation and the grace are settings, on for single-page applications",
    ),
    habits(
        "Keycloak",
        true,
        0,
        Profile {
            refusal: refusal(
                400,
                r#"{"error":"invalid_grant","error_description":"Token is not active"}"#,
            ),
            ..FORM
        },
        "the issuer is that of the realm; the old refresh token ends, and reuse is noticed, where \"revoke refresh token\" is on",
    ),
    habits(
        "Keycloak, signed JWT",
        true,
        0,
        Profile {
            refusal: refusal(
                400,
                r#"{"error":"invalid_grant","error_description":"Token is not active"}"#,
            ),
            ..BY_KEY
        },
        "`--client-key-file`, and where the client's setting wants it `--client-key-algorithm`; the JWT is good once and for a minute, so clocks must agree",
    ),
    own(
        "Microsoft Entra, certificate",
        Profile {
            by_certificate: true,
            revokes: false,
            refusal: refusal(
                401,
                r#"{"error":"invalid_client","error_description":"AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on application.","error_codes":[700027]}"#,
            ),
            ..BY_KEY
        },
        "`login --client-credentials --scope API/.default` with `--client-key-file`, `--client-certificate-file` and `--client-key-algorithm PS256`; the key is known by its certificate, and the thumbprints of both kinds (`x5t`, `x5t#S256`) are sent",
    ),
    own(
        "Okta service apps",
        Profile {
            refusal: refusal(
                401,
                r#"{"error":"invalid_client","error_description":"The client_assertion JWT kid is invalid."}"#,
            ),
            ..BY_KEY
        },
        "`login --client-credentials` with `--client-key-file`, and `--client-key-id` where the app has several keys; for Okta's own scopes there is no other way",
    ),
    own(
        "Auth0 machine to machine",
        Profile {
            revokes: false,
            refusal: refusal(401, r#"{"error":"access_denied","error_description":"Unauthorized"}"#),
            ..FORM
        },
        "`login --client-credentials --audience https://api.example.org`: without an audience there is no token for an API",
    ),
    habits(
        "Globus",
        false,
        0,
        PUBLIC,
        "built in: `token-storage login` alone; a record for each resource server",
    ),
    habits(
        "Supabase",
        true,
        0,
        Profile {
            status: 201,
            scopes: Scopes::Untold,
            revokes: false,
            ..FORM
        },
        "its management API; logins are ended by an API of its own",
    ),
    habits(
        "Naver",
        false,
        0,
        Profile {
            expiry: Expiry::InText,
            scopes: Scopes::Untold,
            revokes: false,
            ..FORM
        },
        "tokens are ended by `grant_type=delete`",
    ),
];
