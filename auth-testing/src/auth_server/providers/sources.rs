//! Where the habits were found, on 28 November 2026 at the latest: pages of the providers' documentation by their titles, and public threads
//! with a real answer to a dead refresh token. What was looked for and not found is told: there the row is a guess.

/// What stands behind a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sources {
    /// Its provider's name.
    pub provider: &'static str,
    /// Titles of pages, with their publisher where it is not the provider.
    pub pages: &'static str,
    /// Threads with the refusal, as `owner/repo#number`; empty if none was found.
    pub refusals: &'static [&'static str],
    /// What was not found.
    pub not_found: &'static str,
}

impl Sources {
    /// A row of the second table in `docs/providers.md`.
    pub fn row(&self) -> String {
        let told = |text: String| if text.is_empty() { "not found".to_owned() } else { text };
        let Self {
            provider,
            pages,
            refusals,
            not_found,
        } = self;
        let refusals = told(refusals.join(", "));
        format!("| {provider} | {pages} | {refusals} | {not_found} |")
    }
}

pub(super) fn of(provider: &str) -> &'static Sources {
    let found = ALL.iter().find(|sources| sources.provider == provider);
    found.expect("each provider has its sources")
}

const fn sources(
    provider: &'static str,
    pages: &'static str,
    refusals: &'static [&'static str],
    not_found: &'static str,
) -> Sources {
    Sources {
        provider,
        pages,
        refusals,
        not_found,
    }
}

const ALL: &[Sources] = &[
    sources(
        "GitHub",
        "Refreshing user access tokens; Expiring user-to-server access tokens for GitHub Apps",
        &["interlink-hq/interLink#262"],
        "",
    ),
    sources(
        "Google",
        "Using OAuth 2.0 to Access Google APIs; Using OAuth 2.0 for Web Server Applications",
        &["apache/opendal#3901", "mbrother2/backuptogoogle#4"],
        "",
    ),
    sources(
        "Microsoft",
        "Refresh tokens in the Microsoft identity platform; Microsoft identity platform and OAuth 2.0 authorization code flow",
        &["blobfile/blobfile#93", "Softeria/ms-365-mcp-server#522"],
        "",
    ),
    sources(
        "Slack",
        "Using token rotation; oauth.v2.access method; OAuthV2TokenRefreshResponse (@slack/oauth); slackapi/python-slack-sdk, slack_sdk/oauth/token_rotation/rotator.py",
        &["CogniQ/CogniQ#72", "slackapi/python-slack-sdk#1242"],
        "the refusal's HTTP status",
    ),
    sources(
        "Salesforce",
        "OAuth 2.0 Refresh Token Flow for Renewed Sessions; Understanding the OAuth Refresh Token Process; OAuth 2.0 Authorization Errors (which has the refusal)",
        &["restforce/restforce#81", "forcedotcom/SalesforceMobileSDK-iOS#1250"],
        "the refusal's HTTP status; no expiry: jstanden/cerb#836 only",
    ),
    sources(
        "HubSpot",
        "Manage OAuth access tokens using the v3 APIs; OAuth token endpoint; Revoke an OAuth token",
        &[
            "HGData/mk-node-hubspot#64",
            "supaglue-labs/supaglue#1935",
            "airbytehq/airbyte#79592",
        ],
        "how the versions after 1 refuse: their pages have `VALIDATION_ERROR` for every wrong input",
    ),
    sources(
        "Atlassian",
        "Implementing the Refresh Token Flow (which has the refusal); The old access token will be revoked during the refresh token exchange (Atlassian Developer Community)",
        &["ParabolInc/parabol#5690"],
        "revocation on a page of its own; GitGuardian's page of its detector says that there is none",
    ),
    sources(
        "Strava",
        "Authentication; OAuth Updates",
        &["dreeveapp/dreeve#1449", "dreeveapp/dreeve#1520"],
        "",
    ),
    sources(
        "Intuit",
        "Authorization FAQ; Set up OAuth 2.0; intuit/QuickBooks-V3-Java-SDK, release v6.5.4",
        &["routablehq/python-quickbooks#397", "intuit/oauth-jsclient#77"],
        "whether a refresh token of before has a grace: page and reports differ; scopes",
    ),
    sources(
        "Xero",
        "OAuth 2.0 (frequently asked questions); Help with refreshing expired access token in OAuth 2.0 (Xero Developer Community)",
        &["XeroAPI/xero-node#370", "XeroAPI/Xero-NetStandard#257"],
        "scopes; revocation: XeroAPI/xero-node, release 4.10.1, and no page",
    ),
    sources(
        "Zoom",
        "Refresh access token; Revoke an access token (Zoom Public API Documentation)",
        &[
            "raycast/extensions#10896",
            "tl-its-umich-edu/remote-office-hours-queue#363",
        ],
        "whether a refresh token can be revoked; scopes",
    ),
    sources(
        "Notion",
        "Refresh a token; Create a token; Revoke token; Status codes (which has the refusal)",
        &["makenotion/notion-cookbook#1"],
        "whether requests as forms, and refresh tokens at revocation, are taken",
    ),
    sources(
        "LinkedIn",
        "Refresh Tokens with OAuth 2.0",
        &[],
        "the refusal; scopes with commas: public logs, and the example on the page Token introspection",
    ),
    sources(
        "X",
        "OAuth 2.0 Authorization Code Flow with PKCE; How to connect to endpoints using OAuth 2.0 Authorization Code Flow with PKCE",
        &["trypostit/trypost#126"],
        "the words of the refusal in a thread: in the tests of public clients only",
    ),
    sources(
        "Twitch",
        "Refreshing Access Tokens; Validating Tokens",
        &["twitchdev/issues#1037", "Teekeks/pyTwitchAPI#37"],
        "",
    ),
    sources(
        "Fitbit",
        "Refresh Token; OAuth2 Token; Web API Best Practices",
        &[
            "home-assistant/core#141223",
            "lukasolson/fitbit-node#14",
            "aarondcoleman/Fitbit.NET#320",
        ],
        "the page with the two minutes: brocg/f23-csci622-project only",
    ),
    sources(
        "Withings",
        "Access and refresh tokens",
        &["jaroslawhartman/withings-sync#41", "jaroslawhartman/withings-sync#53"],
        "the words of the refusal on a page: the threads have its statuses (HTTP 200, 503 within), and several public programs quote the whole",
    ),
    sources(
        "Bluesky",
        "OAuth (AT Protocol specification)",
        &["bluesky-social/atproto#5411", "ChimeHQ/OAuthenticator#23"],
        "revocation",
    ),
    sources(
        "Spotify",
        "Refreshing tokens; Introducing refresh token expiration; rspotify, AuthCodePkceSpotify",
        &["barmiro/SYSH#8", "home-assistant/core#124333"],
        "",
    ),
    sources(
        "Dropbox",
        "Using OAuth 2.0 with offline access",
        &["nextcloud/integration_dropbox#34", "dropbox/dropbox-sdk-dotnet#384"],
        "",
    ),
    sources(
        "Auth0",
        "Configure Refresh Token Rotation; Revoke Refresh Tokens",
        &["auth0/Auth0.swift#819", "auth0/nextjs-auth0#333"],
        "the refusal's HTTP status",
    ),
    sources(
        "Okta",
        "Refresh access tokens and rotate refresh tokens; Refresh token rotation; okta/okta-sdk-dotnet, docs/OpenIdConnectApplicationSettingsRefreshToken.md (30 s by default)",
        &["okta/okta-react-native#287", "okta/okta-react-native#109"],
        "",
    ),
    sources(
        "Keycloak",
        "Managing user sessions (Server Administration Guide); Session and Token Timeouts",
        &["keycloak/keycloak#39266", "marcospereirampj/python-keycloak#53"],
        "",
    ),
    sources(
        "Keycloak, signed JWT",
        "Confidential client credentials (Server Administration Guide)",
        &["keycloak/keycloak#39266"],
        "a refusal with this kind of client in particular; of the JWT: keycloak/keycloak#39944",
    ),
    sources(
        "Microsoft Entra, certificate",
        "Microsoft identity platform application authentication certificate credentials (which has x5t with RS256 in its older versions, x5t#S256 with PS256 in the present one)",
        &[
            "AzureAD/microsoft-authentication-library-for-js#8339",
            "MicrosoftDocs/entra-docs#1301",
        ],
        "the refusal's HTTP status; somebody whom x5t#S256 alone was refused: entra-docs#1301",
    ),
    sources(
        "Okta service apps",
        "Implement OAuth for Okta with a service app",
        &["okta/okta-sdk-python#289"],
        "",
    ),
    sources(
        "Auth0 machine to machine",
        "Client Credentials Flow",
        &["auth0/node-auth0#428", "auth0/node-auth0#682"],
        "the refusal's HTTP status; revocation of access tokens",
    ),
    sources(
        "Globus",
        "Globus Auth API Reference; globus/globus-cli, exception_handling/hooks.py, which takes `invalid_grant` for a refresh token that is no longer valid",
        &[],
        "the refusal's HTTP status",
    ),
    sources(
        "Supabase",
        "Build a Supabase Integration",
        &[],
        "the refusal; whether the old refresh token ends. The status 201: modelcontextprotocol/python-sdk#1502, pocketpaw/pocketpaw#786; Harvest (pow-auth/assent#112) and Ostrom (openhab/openhab-core#5284) answer so too",
    ),
    sources(
        "Naver",
        "Naver Login API specification (naver/naver-openapi-guide, ko/login/api/api.md)",
        &[],
        "the refusal. The expiry as text: panva/oauth4webapi#47, panva/oauth4webapi#112",
    ),
];
