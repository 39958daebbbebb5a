use serde_json::{Map, Value};
use url::Url;

use super::{HttpClient, LoginError, LoginErrorKind};
use crate::{
    IssuedBy,
    manager::{ConnectionProblem, EndpointError, clean},
};

/// The addresses of an authorization server: given, or discovered.
///
/// Each of them is https, or http on this machine: an address is checked when it gets in here, and nothing is sent to one
/// that was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    pub(crate) issuer: Option<String>,
    pub(crate) authorization_endpoint: Option<Url>,
    pub(crate) token_endpoint: Url,
    pub(crate) revocation_endpoint: Option<Url>,
    pub(crate) device_authorization_endpoint: Option<Url>,
    pub(crate) jwks_uri: Option<Url>,
    pub(crate) userinfo_endpoint: Option<Url>,
    pub(crate) issuer_in_redirects: bool,
    /// The issuer of its id_tokens, where it has one for each tenant: `https://login.example/{tenantid}/v2.0`.
    pub(crate) issuer_template: Option<String>,
    /// Whether a record named it, so that its addresses may be out of date, or not all there.
    pub(crate) of_record: bool,
}

/// What some servers put in place of a tenant's name.
const TENANT: &str = "{tenantid}";

impl Provider {
    /// A server that is only known by its token endpoint: enough to refresh. What else there is to know is added, as needed.
    ///
    /// ```
    /// use token_storage::oauth::Provider;
    ///
    /// let provider = Provider::new("https://auth.example.org/token")?
    ///     .with_issuer("https://auth.example.org")?
    ///     .with_revocation_endpoint("https://auth.example.org/revoke")?;
    /// assert_eq!(provider.revocation_endpoint(), Some("https://auth.example.org/revoke"));
    /// assert!(provider.with_jwks_uri("http://auth.example.org/keys").is_err(), "in the clear");
    /// # Ok::<(), token_storage::oauth::LoginError>(())
    /// ```
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`] if this is no address, one without encryption that is not on loopback, or one
    ///   with a user name or a password in it.
    pub fn new(token_endpoint: &str) -> Result<Self, LoginError> {
        Ok(Self {
            issuer: None,
            authorization_endpoint: None,
            token_endpoint: endpoint(token_endpoint)?,
            revocation_endpoint: None,
            device_authorization_endpoint: None,
            jwks_uri: None,
            userinfo_endpoint: None,
            issuer_in_redirects: false,
            issuer_template: None,
            of_record: false,
        })
    }

    /// With its name for itself, as in `iss` of an id_token.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`] as for [`new`](Self::new), the same with every other address; and if it has a query
    ///   or a fragment, which no issuer has (RFC 8414 section 2).
    pub fn with_issuer(mut self, issuer: &str) -> Result<Self, LoginError> {
        issuer_address(issuer)?;
        self.issuer = Some(issuer.to_owned());
        Ok(self)
    }

    /// With the address where a person says yes or no.
    ///
    /// # Errors
    /// Those of [`with_issuer`](Self::with_issuer).
    pub fn with_authorization_endpoint(mut self, url: &str) -> Result<Self, LoginError> {
        self.authorization_endpoint = Some(endpoint(url)?);
        Ok(self)
    }

    /// With the address where tokens are revoked (RFC 7009).
    ///
    /// # Errors
    /// Those of [`with_issuer`](Self::with_issuer).
    pub fn with_revocation_endpoint(mut self, url: &str) -> Result<Self, LoginError> {
        self.revocation_endpoint = Some(endpoint(url)?);
        Ok(self)
    }

    /// With the address where the device flow starts (RFC 8628).
    ///
    /// # Errors
    /// Those of [`with_issuer`](Self::with_issuer).
    pub fn with_device_authorization_endpoint(mut self, url: &str) -> Result<Self, LoginError> {
        self.device_authorization_endpoint = Some(endpoint(url)?);
        Ok(self)
    }

    /// With the address of the keys that id_tokens are signed with.
    ///
    /// # Errors
    /// Those of [`with_issuer`](Self::with_issuer).
    pub fn with_jwks_uri(mut self, url: &str) -> Result<Self, LoginError> {
        self.jwks_uri = Some(endpoint(url)?);
        Ok(self)
    }

    /// With the address that says who the owner of a token is (OpenID).
    ///
    /// # Errors
    /// Those of [`with_issuer`](Self::with_issuer).
    pub fn with_userinfo_endpoint(mut self, url: &str) -> Result<Self, LoginError> {
        self.userinfo_endpoint = Some(endpoint(url)?);
        Ok(self)
    }

    /// Says that it names itself in every redirect of a login, so that one without its name is refused (RFC 9207).
    pub fn with_issuer_in_redirects(mut self) -> Self {
        self.issuer_in_redirects = true;
        self
    }

    /// Whether tokens may be sent to this address: it is https, or http on this machine.
    ///
    /// # Errors
    /// Those of [`with_issuer`](Self::with_issuer).
    pub fn check_address(url: &str) -> Result<(), LoginError> {
        endpoint(url).map(drop)
    }

    /// Whether this can be the name of a server for itself: an address that tokens may be sent to, without query and fragment
    /// (RFC 8414 section 2).
    ///
    /// # Errors
    /// Those of [`with_issuer`](Self::with_issuer).
    pub fn check_issuer(url: &str) -> Result<(), LoginError> {
        issuer_address(url).map(drop)
    }

    /// Its name for itself.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Where a person says yes or no.
    pub fn authorization_endpoint(&self) -> Option<&str> {
        self.authorization_endpoint.as_ref().map(Url::as_str)
    }

    /// Where codes and refresh tokens are redeemed.
    pub fn token_endpoint(&self) -> &str {
        self.token_endpoint.as_str()
    }

    /// Where tokens are revoked.
    pub fn revocation_endpoint(&self) -> Option<&str> {
        self.revocation_endpoint.as_ref().map(Url::as_str)
    }

    /// Where the device flow starts.
    pub fn device_authorization_endpoint(&self) -> Option<&str> {
        self.device_authorization_endpoint.as_ref().map(Url::as_str)
    }

    /// The keys that id_tokens are signed with.
    pub fn jwks_uri(&self) -> Option<&str> {
        self.jwks_uri.as_ref().map(Url::as_str)
    }

    /// Who the owner of a token is.
    pub fn userinfo_endpoint(&self) -> Option<&str> {
        self.userinfo_endpoint.as_ref().map(Url::as_str)
    }

    /// Whether it names itself in every redirect of a login.
    pub fn issuer_in_redirects(&self) -> bool {
        self.issuer_in_redirects
    }

    /// Its name for people: its issuer, or its token endpoint.
    pub fn server_name(&self) -> &str {
        self.issuer().unwrap_or(self.token_endpoint())
    }

    /// The server that a record names, as far as the record goes: enough to refresh and to revoke, without asking anybody
    /// anything. If an endpoint is gone (404, 410, no connection) or not known, an `OAuthClient` of it asks the issuer for
    /// its addresses then. For a login [`discover`](Self::discover) it. `None` if the record names no token endpoint.
    ///
    /// Where a record names an address, whoever can write to the storage has named it: give such a client no secret.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`] if what it names is no address, or one without encryption that is not on loopback.
    pub fn of_record(record: &IssuedBy) -> Result<Option<Self>, LoginError> {
        let Some(token_endpoint) = &record.token_endpoint else {
            return Ok(None);
        };
        let provider = Self::new(token_endpoint)?;
        Ok(Some(Self {
            issuer: record.issuer.clone(),
            // Without it a logout asks the issuer.
            revocation_endpoint: record.revocation_endpoint.as_deref().and_then(|url| endpoint(url).ok()),
            of_record: true,
            ..provider
        }))
    }

    /// What a record says of itself that comes from this server, issued to this client.
    pub fn issued_by(&self, client_id: &str) -> IssuedBy {
        IssuedBy {
            issuer: self.issuer.clone(),
            token_endpoint: Some(self.token_endpoint.to_string()),
            client_id: Some(client_id.to_owned()),
            revocation_endpoint: self.revocation_endpoint.as_ref().map(Url::to_string),
            token_path: None,
            client_auth: None,
        }
    }

    /// Asks the server for its addresses, all in all for no longer than one request may take: first the OpenID document, then that of RFC 8414, for an issuer with a path at
    /// both places where servers put each. The first document that can be used counts; of its members only the token
    /// endpoint is needed, and others that make no sense count as absent.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`] if `issuer` is no address, if the document names another issuer (RFC 8414
    ///   section 3.3), or a token endpoint without encryption.
    /// - [`LoginErrorKind::Answer`] if there are documents, and none can be read.
    /// - [`LoginErrorKind::Server`] if none can be had.
    pub async fn discover(http: &HttpClient, issuer: &str) -> Result<Self, LoginError> {
        let issuer = issuer.trim_end_matches('/');
        let base = issuer_address(issuer)?;
        let asked = tokio::time::timeout(http.timeout(), Self::ask(http, issuer, &base)).await;
        asked.unwrap_or_else(|_| {
            let late = EndpointError::connection(ConnectionProblem::TimedOut);
            Err(late.with_server(issuer).into())
        })
    }

    async fn ask(http: &HttpClient, issuer: &str, base: &Url) -> Result<Self, LoginError> {
        let mut worst: Option<LoginError> = None;
        for document in documents(base) {
            let error = match http.get(document.as_str(), None).await {
                Ok(answer) if answer.is_success() => match Self::from_metadata(&answer.body, issuer) {
                    Ok(provider) => return Ok(provider),
                    Err(error) => error,
                },
                Ok(answer) => answer.said_by(issuer).error().of_discovery().into(),
                // Who does not answer at all has no other document either.
                Err(error) => return Err(error.with_server(issuer).into()),
            };
            if worst.as_ref().is_none_or(|worst| telling(&error) > telling(worst)) {
                worst = Some(error);
            }
        }
        let nothing = || {
            let message = "tells nothing about itself; give the addresses of its endpoints";
            LoginError::about(issuer, LoginErrorKind::Server, message)
        };
        Err(worst.unwrap_or_else(nothing))
    }

    fn from_metadata(json: &[u8], issuer: &str) -> Result<Self, LoginError> {
        let unreadable = || {
            let message = "has a discovery document that cannot be read; check the issuer, or try again later";
            LoginError::about(issuer, LoginErrorKind::Answer, message)
        };
        let members: Map<String, Value> = serde_json::from_slice(json).map_err(|_| unreadable())?;
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let named = text("issuer").ok_or_else(unreadable)?;
        let is_template = fits_template(named, issuer);
        if named.trim_end_matches('/') != issuer && !is_template {
            let message = format!(
                "has the discovery document of another issuer ({}); use the issuer's exact address",
                clean(named)
            );
            return Err(LoginError::about(issuer, LoginErrorKind::Configuration, message));
        }
        let optional = |name: &str| text(name).and_then(|url| endpoint(url).ok());
        Ok(Self {
            // With a template the name that was asked for is the one that finds the server again.
            issuer: Some(if is_template { issuer } else { named }.to_owned()),
            authorization_endpoint: optional("authorization_endpoint"),
            token_endpoint: endpoint(text("token_endpoint").ok_or_else(unreadable)?).map_err(|error| {
                let message = format!("names a token endpoint that cannot be used: {error}");
                LoginError::about(issuer, LoginErrorKind::Configuration, message)
            })?,
            revocation_endpoint: optional("revocation_endpoint"),
            device_authorization_endpoint: optional("device_authorization_endpoint"),
            jwks_uri: optional("jwks_uri"),
            userinfo_endpoint: optional("userinfo_endpoint"),
            issuer_in_redirects: members.get("authorization_response_iss_parameter_supported")
                == Some(&Value::Bool(true)),
            issuer_template: is_template.then(|| named.to_owned()),
            of_record: false,
        })
    }

    /// The issuer that an id_token must name; for a server of many tenants that of the tenant it names itself.
    pub(super) fn issuer_of_tenant(&self, tenant: Option<&str>) -> Option<String> {
        match (&self.issuer_template, tenant) {
            (None, _) => self.issuer.clone(),
            (Some(template), Some(tenant)) if is_segment(tenant) => Some(template.replace(TENANT, tenant)),
            (Some(_), _) => None,
        }
    }
}

/// Whether an issuer is one of those that a template stands for.
fn fits_template(template: &str, issuer: &str) -> bool {
    let Some((before, after)) = template.split_once(TENANT) else {
        return false;
    };
    let middle = issuer.strip_prefix(before);
    let middle = middle.and_then(|rest| rest.strip_suffix(after.trim_end_matches('/')));
    // A host name must not be a matter of the tenant.
    before.matches('/').count() >= 3 && middle.is_some_and(is_segment)
}

fn is_segment(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// Which of several failures is told: that of a document that was there.
fn telling(error: &LoginError) -> u8 {
    match error.kind() {
        LoginErrorKind::Configuration => 2,
        LoginErrorKind::Answer => 1,
        _ => 0,
    }
}

/// OpenID appends its path to the issuer's, RFC 8414 puts it in front; each is also found the other way round.
fn documents(issuer: &Url) -> Vec<Url> {
    const OPENID: &str = "/.well-known/openid-configuration";
    const OAUTH: &str = "/.well-known/oauth-authorization-server";
    let path = issuer.path().trim_end_matches('/');
    let mut paths = vec![format!("{path}{OPENID}"), format!("{OAUTH}{path}")];
    if !path.is_empty() {
        paths.extend([format!("{OPENID}{path}"), format!("{path}{OAUTH}")]);
    }
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    paths.into_iter().map(at).collect()
}

/// An address that tokens may be sent to.
pub(crate) fn endpoint(text: &str) -> Result<Url, LoginError> {
    let no_url = |_| LoginError::configuration("the server's address is not a URL; it begins with https://");
    let url = Url::parse(text).map_err(no_url)?;
    checked(url)
}

fn checked(url: Url) -> Result<Url, LoginError> {
    let loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
        let message = "has an address that is neither https nor on this machine, and tokens are sent to no other; give its \
                       https address";
        return Err(refused(&url, message));
    }
    // It is shown, stored and sent on as a name, and nothing would be logged in by it.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused(
            &url,
            "has an address with a user name or a password in it; give the address without them",
        ));
    }
    Ok(url)
}

fn issuer_address(text: &str) -> Result<Url, LoginError> {
    let url = endpoint(text)?;
    if url.query().is_none() && url.fragment().is_none() {
        return Ok(url);
    }
    let message =
        "has an issuer with a query or a fragment, which no issuer has; give it without what is behind ? or #";
    Err(refused(&url, message))
}

/// Of an address nothing is shown but the host: the rest may hold what is secret.
fn refused(url: &Url, message: &str) -> LoginError {
    let server = url.host_str().unwrap_or("the server");
    LoginError::about(server, LoginErrorKind::Configuration, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_not_sent_in_the_clear() {
        for (url, fine) in [
            ("https://auth.example.org/token", true),
            ("http://127.0.0.1:8080/token", true),
            ("http://[::1]/token", true),
            ("http://localhost:1/", true),
            ("http://auth.example.org/token", false),
            ("http://localhost.example.org/", false),
            ("ftp://127.0.0.1/", false),
            ("token", false),
        ] {
            assert_eq!(endpoint(url).is_ok(), fine, "{url}");
        }
    }

    #[test]
    fn no_secret_is_part_of_an_address() {
        for url in [
            "https://canary@a.example/",
            "https://me:canary@a.example/",
            "https://:canary@a.example/",
        ] {
            let error = endpoint(url).unwrap_err();
            assert_eq!(error.kind(), LoginErrorKind::Configuration);
            let told = format!("{error} {error:?}");
            assert!(
                told.contains("a.example has an address") && !told.contains("canary"),
                "{told}"
            );
        }
        for url in [
            "https://a.example/?key=canary",
            "https://a.example/#canary",
            "https://a.example?",
        ] {
            let error = Provider::check_issuer(url).unwrap_err();
            let told = format!("{error} {error:?}");
            assert!(
                told.contains("a.example has an issuer") && !told.contains("canary"),
                "{told}"
            );
            assert!(
                endpoint(url).is_ok(),
                "an endpoint may have a query (RFC 6749 section 3.2)"
            );
        }
    }

    #[test]
    fn both_kinds_of_discovery_know_issuers_with_a_path() {
        let found = documents(&Url::parse("https://id.example.org/realms/one").unwrap());
        assert_eq!(found[0].path(), "/realms/one/.well-known/openid-configuration");
        assert_eq!(found[1].path(), "/.well-known/oauth-authorization-server/realms/one");
        assert_eq!(found[2].path(), "/.well-known/openid-configuration/realms/one");
        assert_eq!(found[3].path(), "/realms/one/.well-known/oauth-authorization-server");
        assert_eq!(documents(&Url::parse("https://id.example.org").unwrap()).len(), 2);
    }

    #[test]
    fn the_document_must_be_of_the_issuer_asked() {
        let document = |issuer: &str| format!(r#"{{"issuer":"{issuer}","token_endpoint":"https://a.example/t"}}"#);
        let read = |issuer: &str| Provider::from_metadata(document(issuer).as_bytes(), "https://a.example");
        assert!(read("https://a.example/").is_ok());
        assert_eq!(
            read("https://b.example").unwrap_err().kind(),
            LoginErrorKind::Configuration
        );
    }

    #[test]
    fn members_that_are_not_needed_cannot_break_it() {
        let odd = br#"{"issuer":"https://a.example","token_endpoint":"https://a.example/t","jwks_uri":7,
            "revocation_endpoint":"http://a.example/r","userinfo_endpoint":"","authorization_endpoint":null,
            "device_authorization_endpoint":{},"authorization_response_iss_parameter_supported":"yes"}"#;
        let provider = Provider::from_metadata(odd, "https://a.example").unwrap();
        assert_eq!(provider.revocation_endpoint, None, "nothing is sent in the clear");
        assert_eq!((provider.jwks_uri, provider.issuer_in_redirects), (None, false));
    }

    #[test]
    fn an_issuer_of_many_tenants_is_one_of_its_template() {
        let document = |issuer: &str| format!(r#"{{"issuer":"{issuer}","token_endpoint":"https://a.example/t"}}"#);
        let read = |issuer: &str, asked| Provider::from_metadata(document(issuer).as_bytes(), asked);
        let provider = read("https://a.example/{tenantid}/v2.0", "https://a.example/common/v2.0").unwrap();
        assert_eq!(provider.issuer.as_deref(), Some("https://a.example/common/v2.0"));
        let of = |tenant| provider.issuer_of_tenant(tenant);
        assert_eq!(of(Some("t-1")).as_deref(), Some("https://a.example/t-1/v2.0"));
        assert_eq!((of(None), of(Some("")), of(Some("a/b"))), (None, None, None));
        for (template, asked) in [
            ("https://a.example/{tenantid}/v2.0", "https://a.example/a/b/v2.0"),
            ("https://a.example/{tenantid}/v2.0", "https://b.example/common/v2.0"),
            ("https://{tenantid}/v2.0", "https://a.example/v2.0"),
        ] {
            assert!(read(template, asked).is_err(), "{template} {asked}");
        }
    }

    #[test]
    fn a_record_is_enough_to_refresh() {
        let mut record = IssuedBy::named("https://a.example", "client");
        assert_eq!(Provider::of_record(&record).unwrap(), None);
        record.token_endpoint = Some("https://a.example/t".into());
        record.revocation_endpoint = Some("https://a.example/r".into());
        let provider = Provider::of_record(&record).unwrap().unwrap();
        assert_eq!(provider.issued_by("client"), record);
        record.token_endpoint = Some("http://a.example/t".into());
        assert!(
            Provider::of_record(&record).is_err(),
            "a storage sends nothing in the clear"
        );
    }
}
