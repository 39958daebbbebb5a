//! Requests and answers in the plain form that the endpoints work on.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{HeaderMap, Method, Uri, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::log::Outcome;

pub(super) const AUTHORIZE_PATH: &str = "/v2/oauth2/authorize";
pub(super) const TOKEN_PATH: &str = "/v2/oauth2/token";
pub(super) const REVOKE_PATH: &str = "/v2/oauth2/token/revoke";
pub(super) const INTROSPECT_PATH: &str = "/v2/oauth2/token/introspect";
pub(super) const DEVICE_PATH: &str = "/v2/oauth2/device_authorization";
pub(super) const CODE_PAGE_PATH: &str = "/v2/web/auth-code";

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// The page that asks for consent.
    Authorize,
    /// The button on that page.
    Decision,
    /// The page that shows a code to be pasted.
    CodePage,
    /// The token endpoint.
    Token,
    /// Revocation (RFC 7009).
    Revoke,
    /// Introspection (RFC 7662).
    Introspect,
    /// Device authorization (RFC 8628).
    DeviceAuthorization,
    /// The page where a person enters the user code.
    DevicePage,
    /// `/.well-known/oauth-authorization-server` (RFC 8414).
    Metadata,
    /// `/.well-known/openid-configuration`.
    OpenIdConfiguration,
    /// The signing keys.
    Keys,
    /// OpenID userinfo.
    UserInfo,
    /// The groups of the person who logged in.
    Groups,
    /// The log of all requests as JSON, for scripts.
    Log,
    /// What tests in another process switch on; `docs/test-auth-server.md` lists the paths.
    Control,
    /// Anything else.
    Unknown,
}

impl Endpoint {
    fn of(path: &str) -> Self {
        match path {
            AUTHORIZE_PATH => Self::Authorize,
            "/v2/oauth2/authorize/decision" => Self::Decision,
            CODE_PAGE_PATH => Self::CodePage,
            TOKEN_PATH => Self::Token,
            REVOKE_PATH => Self::Revoke,
            INTROSPECT_PATH => Self::Introspect,
            DEVICE_PATH => Self::DeviceAuthorization,
            "/device" => Self::DevicePage,
            "/.well-known/oauth-authorization-server" => Self::Metadata,
            "/.well-known/openid-configuration" => Self::OpenIdConfiguration,
            "/jwk.json" => Self::Keys,
            "/v2/oauth2/userinfo" => Self::UserInfo,
            "/v2/groups/my_groups" => Self::Groups,
            "/_test/log" => Self::Log,
            "/_test/fault" | "/_test/expire" | "/_test/revoke" => Self::Control,
            _ => Self::Unknown,
        }
    }
}

pub(super) struct Request {
    pub(super) endpoint: Endpoint,
    pub(super) path: String,
    pub(super) post: bool,
    /// Query and form together; a name that comes twice, and must not, is told by `repeated`.
    pub(super) params: BTreeMap<String, String>,
    /// The names of those of the query.
    pub(super) in_url: BTreeSet<String>,
    pub(super) repeated: bool,
    /// The values of `resource` and `audience`, which may come several times.
    pub(super) targets: Vec<(String, String)>,
    pub(super) basic: Option<(String, String)>,
    pub(super) bearer: Option<String>,
    pub(super) form: bool,
}

impl Request {
    pub(super) fn new(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Self {
        let content_type = header_text(headers, &header::CONTENT_TYPE).unwrap_or_default();
        let mut request = Self {
            endpoint: Endpoint::of(uri.path()),
            path: uri.path().to_owned(),
            post: method == Method::POST,
            params: BTreeMap::new(),
            in_url: BTreeSet::new(),
            repeated: false,
            targets: Vec::new(),
            basic: None,
            bearer: None,
            form: content_type.starts_with("application/x-www-form-urlencoded"),
        };
        request.add_params(uri.query().unwrap_or_default().as_bytes());
        request.in_url = request.params.keys().cloned().collect();
        request.add_params(body);
        if let Some(authorization) = header_text(headers, &header::AUTHORIZATION) {
            request.basic = authorization.strip_prefix("Basic ").and_then(basic);
            request.bearer = authorization.strip_prefix("Bearer ").map(str::to_owned);
        }
        request
    }

    /// One that was never sent.
    pub(super) fn of_query(query: &str) -> Self {
        let uri = Uri::default();
        let mut request = Self::new(&Method::GET, &uri, &HeaderMap::new(), b"");
        request.add_params(query.as_bytes());
        request
    }

    fn add_params(&mut self, encoded: &[u8]) {
        for (name, value) in form_urlencoded::parse(encoded) {
            let may_repeat = ["resource", "audience"].contains(&&*name);
            if may_repeat {
                self.targets
                    .push((name.clone().into_owned(), value.clone().into_owned()));
            }
            let known = self.params.insert(name.into_owned(), value.into_owned());
            self.repeated |= known.is_some() && !may_repeat;
        }
    }

    /// The APIs that the tokens are to be for.
    pub(super) fn target_names(&self) -> Vec<String> {
        self.targets.iter().map(|(_, value)| value.clone()).collect()
    }

    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }
}

fn header_text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// RFC 6749 section 2.3.1: both parts are form-encoded before they are put together.
fn basic(encoded: &str) -> Option<(String, String)> {
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let plain = |text: &str| {
        let pair = format!("x={text}");
        let value = form_urlencoded::parse(pair.as_bytes()).next();
        value.map(|(_, value)| value.into_owned())
    };
    Some((plain(id)?, plain(secret)?))
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
    pub(super) outcome: Outcome,
}

impl Answer {
    pub(super) fn json(body: &Value) -> Self {
        Self::new(200, "application/json", body.to_string(), Outcome::Served)
    }

    pub(super) fn html(status: u16, body: String) -> Self {
        let outcome = if status < 400 {
            Outcome::Served
        } else {
            Outcome::Refused("page")
        };
        Self::new(status, "text/html; charset=utf-8", body, outcome)
    }

    pub(super) fn redirect(target: &str) -> Self {
        let mut answer = Self::new(303, "text/plain", String::new(), Outcome::Served);
        answer.headers.push(("location", target.to_owned()));
        answer
    }

    /// An OAuth error; `error` is its code. 401 comes with the header that RFC 6749 section 5.2 asks for.
    pub(super) fn refuse(status: u16, error: &'static str) -> Self {
        let body = serde_json::json!({ "error": error }).to_string();
        let mut answer = Self::new(status, "application/json", body, Outcome::Refused(error));
        if status == 401 {
            answer.headers.push(("www-authenticate", "Basic realm=\"test\"".into()));
        }
        answer
    }

    pub(super) fn new(status: u16, content_type: &str, body: String, outcome: Outcome) -> Self {
        Self {
            status,
            headers: vec![
                ("content-type", content_type.to_owned()),
                ("cache-control", "no-store".into()),
            ],
            body,
            outcome,
        }
    }

    pub(super) fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }
}
