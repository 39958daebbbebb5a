//! What servers say instead of a token, as data. RFC 6749 names six codes; the world has many more. Each row says where the
//! spelling was found: a standard, a provider's page, or a public report of what it sends.
//!
//! To add a server's spelling add a row, and let the tests write `docs/refusals.md` anew; nothing else has to change.

use self::Source::{Documentation, Quoted, Read, Report, Standard};
use super::Meaning::{self, Client, Either, Later, NeedsPerson, TokenDead, Unsupported};

/// One spelling.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) says: Says,
    pub(super) meaning: Meaning,
    /// Where it was found. For readers and tests.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by people"))]
    pub(super) source: Source,
}

/// Where a spelling was found, and how far that can be checked.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "read by people"))]
pub(super) enum Source {
    /// The section of a standard.
    Standard(&'static str),
    /// A public thread or program in which the answer itself is shown: `owner/repository#number`.
    Report(&'static str),
    /// The title of a provider's page or file that has the spelling, as it was read in November 2026.
    Read(&'static str),
    /// The title of a provider's page. The page itself could not be had in November 2026; several public programs that have
    /// nothing to do with one another quote the spelling as this provider's.
    Quoted(&'static str),
    /// The title of a provider's page. It was not found again, or not in full, so the row is a good guess.
    Documentation(&'static str),
}

/// How it is recognised. Case does not matter.
#[derive(Clone, Copy, Debug)]
pub(super) enum Says {
    /// The whole value of a member that holds a code (`error`, `code`, `errorType`, ...). A number is written with its
    /// member's name: `errcode=40030`.
    Code(&'static str),
    /// Part of a text that is meant for people (`message`, `error_description`, `reason`, ...).
    Text(&'static str),
}

const fn code(says: &'static str, meaning: Meaning, source: Source) -> Row {
    Row {
        says: Says::Code(says),
        meaning,
        source,
    }
}

const fn text(says: &'static str, meaning: Meaning, source: Source) -> Row {
    Row {
        says: Says::Text(says),
        meaning,
        source,
    }
}

const RFC_6749: Source = Standard("RFC 6749 section 5.2");
const RFC_6749_AUTHORIZE: Source = Standard("RFC 6749 section 4.1.2.1");
const RFC_6750: Source = Standard("RFC 6750 section 3.1");
const RFC_8628: Source = Standard("RFC 8628 section 3.5");
const OPENID: Source = Standard("OpenID Connect Core section 3.1.2.6");
const GITHUB: Source = Read("GitHub, Troubleshooting OAuth app access token request errors");
const GITHUB_DEVICE: Source = Read("GitHub, Authorizing OAuth apps, Error codes for the device flow");
const GITHUB_REFRESH: Source = Report("interlink-hq/interLink#262");
const SLACK: Source = Read("Slack, oauth.v2.access method, errors, in slack-ruby/slack-api-ref");
const SLACK_ALL: Source = Quoted("Slack, oauth.v2.access method, errors common to all methods");
const SLACK_AUTH: Source = Read("Slack, auth.test method, errors, in slack-ruby/slack-api-ref");
const SLACK_COMMON: Source =
    Read("Slack, errors common to all methods, in the package slack_kit, priv/docs/common_errors.json");
const SLACK_CODE: Source = Documentation("Slack, oauth.v2.access method, errors");
const TWITCH: Source = Quoted("Twitch, Refreshing Access Tokens");
const TWITCH_REFRESH: Source = Report("twitchdev/issues#1037");
const TWITCH_CLIENT: Source = Report("twitchdev/issues#943");
const FITBIT: Source = Report("home-assistant/core#141223");
const STRAVA: Source = Quoted("Strava, Authentication and faults of the API");
const STRAVA_REFRESH: Source = Report("dreeveapp/dreeve#1449");
const HUBSPOT: Source =
    Report("HubSpot/oauth-quickstart-nodejs and HGData/mk-node-hubspot#64, answers of /oauth/v1/token");
const WITHINGS: Source = Report("Withings API, Response status; jaroslawhartman/withings-sync#41");
const SUPABASE: Source = Read("supabase/auth, internal/api/apierrors/errorcode.go");
const FIREBASE: Source = Quoted("Firebase Auth REST API, Exchange a refresh token for an ID token, common error codes");
const COGNITO: Source = Quoted("Amazon Cognito, InitiateAuth, errors and their messages");
const OPENAI: Source = Report("openai/codex#24830");
const META: Source = Read("Meta, Graph API, Handling Errors");
const WECHAT: Source = Quoted("WeChat Open Platform, Global return codes");
const WECHAT_ANSWERS: Source = Read("developers.weixin.qq.com, threads of its community with such answers");
const X: Source = Report("plhery/node-twitter-api-v2#496, answers of /2/oauth2/token");
const ATLASSIAN: Source = Documentation("Atlassian, OAuth 2.0 (3LO) apps, refresh token errors");
const ZOOM: Source = Report("raycast/extensions#10896, answers of zoom.us/oauth/token");
const LINKEDIN: Source = Quoted("LinkedIn, Authorization Code Flow, API errors");
const SALESFORCE_REFRESH: Source = Read("Salesforce Help, OAuth 2.0 Authorization Errors");
const SALESFORCE: Source = Documentation("Salesforce, OAuth 2.0 Refresh Token Flow and its error codes");
const MICROSOFT: Source =
    Read("Microsoft identity platform, OAuth 2.0 authorization code flow, error codes for token endpoint errors");
const GOOGLE: Source = Quoted("Google Identity, Using OAuth 2.0, errors");
const GOOGLE_DISABLED: Source = Documentation("Google Identity, Using OAuth 2.0, errors");
const GOOGLE_DELETED: Source = Report("xyou365/AutoRclone#98");
const ATPROTO: Source = Quoted("AT Protocol, com.atproto.server.refreshSession, errors");
const ATPROTO_LEXICON: Source = Read("AT Protocol, lexicon com.atproto.server.refreshSession, errors");
const ATPROTO_EXPIRED: Source = Report("MarshalX/atproto#158");
const AUTH0_MFA: Source = Read("@auth0/nextjs-auth0, MfaRequiredError: what a refresh is answered");
const AUTH0: Source = Documentation("Auth0, Authentication API, standard error responses");
const OKTA: Source = Quoted("Okta, error codes");
const NOTION: Source = Read("Notion API, Status codes");
const DROPBOX: Source = Read("dropbox/dropbox-sdk-python, dropbox/auth.py, AuthError");
const DROPBOX_AUTH: Source = Read("dropbox/dropbox-api-spec, auth.stone, AuthError");

/// The first row that fits counts; codes before texts.
pub(super) const TABLE: &[Row] = &[
    // The standards.
    code("invalid_grant", TokenDead, RFC_6749),
    code("invalid_request", Either, RFC_6749),
    code("invalid_client", Client, RFC_6749),
    code("unauthorized_client", Client, RFC_6749),
    code("unsupported_grant_type", Client, RFC_6749),
    code("invalid_scope", Client, RFC_6749),
    code("unsupported_response_type", Client, RFC_6749_AUTHORIZE),
    code("server_error", Later, RFC_6749_AUTHORIZE),
    code("temporarily_unavailable", Later, RFC_6749_AUTHORIZE),
    code("access_denied", NeedsPerson, RFC_6749_AUTHORIZE),
    code("authorization_pending", Later, RFC_8628),
    code("slow_down", Later, RFC_8628),
    code("expired_token", TokenDead, RFC_8628),
    code("invalid_token", TokenDead, RFC_6750),
    code("insufficient_scope", NeedsPerson, RFC_6750),
    code("interaction_required", NeedsPerson, OPENID),
    code("login_required", NeedsPerson, OPENID),
    code("consent_required", NeedsPerson, OPENID),
    code("account_selection_required", NeedsPerson, OPENID),
    code(
        "unmet_authentication_requirements",
        NeedsPerson,
        Standard("OpenID Connect, Unmet Authentication Requirements"),
    ),
    code(
        "insufficient_user_authentication",
        NeedsPerson,
        Standard("RFC 9470 section 3"),
    ),
    code(
        "unsupported_token_type",
        Unsupported,
        Standard("RFC 7009 section 2.2.1"),
    ),
    code("invalid_target", Client, Standard("RFC 8707 section 2")),
    code("invalid_authorization_details", Client, Standard("RFC 9396 section 5")),
    code("invalid_dpop_proof", Client, Standard("RFC 9449 section 5")),
    code("use_dpop_nonce", Client, Standard("RFC 9449 section 8")),
    code("invalid_software_statement", Client, Standard("RFC 7591 section 3.2.2")),
    // Providers.
    code("bad_refresh_token", TokenDead, GITHUB_REFRESH),
    code("bad_verification_code", TokenDead, GITHUB),
    code("incorrect_client_credentials", Client, GITHUB),
    code("incorrect_device_code", Client, GITHUB_DEVICE),
    code("redirect_uri_mismatch", Client, GITHUB),
    code("unverified_user_email", NeedsPerson, GITHUB),
    code("device_flow_disabled", Client, GITHUB_DEVICE),
    code("invalid_refresh_token", TokenDead, SLACK),
    code("token_expired", TokenDead, SLACK_ALL),
    code("token_revoked", TokenDead, SLACK_ALL),
    code("invalid_auth", TokenDead, SLACK_AUTH),
    code("not_authed", TokenDead, SLACK_AUTH),
    code("account_inactive", NeedsPerson, SLACK_AUTH),
    code("invalid_code", TokenDead, SLACK),
    code("code_already_used", TokenDead, SLACK_CODE),
    code("bad_client_secret", Client, SLACK),
    code("invalid_client_id", Client, SLACK),
    code("bad_redirect_uri", Client, SLACK),
    code("oauth_authorization_url_mismatch", Client, SLACK),
    code("ratelimited", Later, SLACK_ALL),
    code("internal_error", Later, SLACK_COMMON),
    code("fatal_error", Later, SLACK_COMMON),
    code("service_unavailable", Later, SLACK_ALL),
    code("refreshtoken refresh_token invalid", TokenDead, STRAVA_REFRESH),
    code("authorizationcode code invalid", TokenDead, STRAVA),
    code("application client_id invalid", Client, STRAVA),
    code("application client_secret invalid", Client, STRAVA),
    code("bad_refresh_token", TokenDead, HUBSPOT),
    code("bad_auth_code", TokenDead, HUBSPOT),
    code("bad_client_id", Client, HUBSPOT),
    code("bad_client_secret", Client, HUBSPOT),
    code("bad_redirect_uri", Client, HUBSPOT),
    code("status=601", Later, WITHINGS),
    code("refresh_token_not_found", TokenDead, SUPABASE),
    code("refresh_token_already_used", TokenDead, SUPABASE),
    code("session_not_found", TokenDead, SUPABASE),
    code("session_expired", TokenDead, SUPABASE),
    code("user_banned", NeedsPerson, SUPABASE),
    code("user_not_found", NeedsPerson, SUPABASE),
    code("over_request_rate_limit", Later, SUPABASE),
    code("user_disabled", NeedsPerson, FIREBASE),
    code("missing_refresh_token", Client, FIREBASE),
    code("refresh_token_reused", TokenDead, OPENAI),
    code("refresh_token_expired", TokenDead, OPENAI),
    code("refresh_token_invalidated", TokenDead, OPENAI),
    code("code=190", TokenDead, META),
    code("errcode=40030", TokenDead, WECHAT_ANSWERS),
    code("errcode=42002", TokenDead, WECHAT),
    code("errcode=42007", TokenDead, WECHAT),
    code("errcode=40029", TokenDead, WECHAT_ANSWERS),
    code("errcode=40013", Client, WECHAT),
    code("errcode=40125", Client, WECHAT_ANSWERS),
    code("errcode=-1", Later, WECHAT),
    code("expired_access_token", TokenDead, DROPBOX),
    code("invalid_access_token", TokenDead, DROPBOX_AUTH),
    code("user_suspended", NeedsPerson, DROPBOX),
    code("revoked_access_token", TokenDead, LINKEDIN),
    code("expired_access_token", TokenDead, LINKEDIN),
    code("serviceerrorcode=65601", TokenDead, LINKEDIN),
    code("serviceerrorcode=65602", TokenDead, LINKEDIN),
    code("inactive_user", NeedsPerson, SALESFORCE),
    code("inactive_org", NeedsPerson, SALESFORCE),
    code("invalid_session_id", TokenDead, SALESFORCE),
    code("rate_limit_exceeded", Later, SALESFORCE),
    code("invalid_resource", Client, MICROSOFT),
    code("deleted_client", Client, GOOGLE_DELETED),
    code("disabled_client", Client, GOOGLE_DISABLED),
    code("org_internal", Client, GOOGLE),
    code("admin_policy_enforced", NeedsPerson, GOOGLE),
    code("invalid_rapt", NeedsPerson, GOOGLE),
    code("expiredtoken", TokenDead, ATPROTO_EXPIRED),
    code("invalidtoken", TokenDead, ATPROTO),
    code("accounttakedown", NeedsPerson, ATPROTO_LEXICON),
    code("ratelimitexceeded", Later, ATPROTO),
    code("mfa_required", NeedsPerson, AUTH0_MFA),
    code("too_many_requests", Later, AUTH0),
    code("too_many_attempts", Later, AUTH0),
    code("e0000011", TokenDead, OKTA),
    code("e0000047", Later, OKTA),
    code("rate_limited", Later, NOTION),
    // Texts, for servers without a code of their own, or with one that says less than the text.
    text("invalid refresh token", TokenDead, TWITCH_REFRESH),
    text("invalid client secret", Client, TWITCH),
    text("invalid client", Client, TWITCH),
    text("missing client", Client, TWITCH_CLIENT),
    text("refresh token invalid", TokenDead, FITBIT),
    text("missing or invalid refresh token", TokenDead, HUBSPOT),
    text("missing or unknown refresh token", TokenDead, HUBSPOT),
    text("invalid refresh_token", TokenDead, WITHINGS),
    text("invalid_refresh_token", TokenDead, FIREBASE),
    text("token_expired", TokenDead, FIREBASE),
    text("user_disabled", NeedsPerson, FIREBASE),
    text("user_not_found", NeedsPerson, FIREBASE),
    text("api key not valid", Client, FIREBASE),
    text("refresh token has expired", TokenDead, COGNITO),
    text("refresh token has been revoked", TokenDead, COGNITO),
    text("value passed for the token was invalid", TokenDead, X),
    text("value passed for the authorization code was invalid", TokenDead, X),
    text("missing valid authorization header", Client, X),
    text("refresh_token is invalid", TokenDead, ATLASSIAN),
    text("invalid token!", TokenDead, ZOOM),
    text("revoked by the user", TokenDead, LINKEDIN),
    text("token used in the request has expired", TokenDead, LINKEDIN),
    text("expired access/refresh token", TokenDead, SALESFORCE_REFRESH),
];
