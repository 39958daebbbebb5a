use serde::Deserialize;
use url::Url;

use super::{HttpClient, LoginError, LoginErrorKind};
use crate::IssuedBy;

/// The addresses of an authorization server: given, or discovered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Provider {
    /// Its name for itself, as in `iss` of an id_token.
    pub issuer: Option<String>,
    /// Where a person says yes or no.
    pub authorization_endpoint: Option<Url>,
    /// Where codes and refresh tokens are redeemed.
    pub token_endpoint: Url,
    /// Where tokens are revoked (RFC 7009).
    pub revocation_endpoint: Option<Url>,
    /// Where the device flow starts (RFC 8628).
    pub device_authorization_endpoint: Option<Url>,
    /// The keys that id_tokens are signed with.
    pub jwks_uri: Option<Url>,
    /// Who the owner of a token is (OpenID).
    pub userinfo_endpoint: Option<Url>,
    /// Whether it names itself in every redirect of a login, so that one without its name is refused (RFC 9207).
    pub issuer_in_redirects: bool,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: Option<Url>,
    token_endpoint: Url,
    revocation_endpoint: Option<Url>,
    device_authorization_endpoint: Option<Url>,
    jwks_uri: Option<Url>,
    userinfo_endpoint: Option<Url>,
    #[serde(default, rename = "authorization_response_iss_parameter_supported")]
    issuer_in_redirects: bool,
}

impl Provider {
    /// A server that is only known by its token endpoint: enough to refresh. Set the other fields as needed.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`] if this is no address, or one without encryption that is not on loopback.
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
        })
    }

    /// What a record says of itself that comes from this server, issued to this client.
    pub fn issued_by(&self, client_id: &str) -> IssuedBy {
        IssuedBy {
            issuer: self.issuer.clone(),
            token_endpoint: Some(self.token_endpoint.to_string()),
            client_id: Some(client_id.to_owned()),
        }
    }

    /// Asks the server for its addresses: first the OpenID document, then that of RFC 8414.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`] if `issuer` is no address, if the document names another issuer (RFC 8414
    ///   section 3.3), or an address without encryption.
    /// - [`LoginErrorKind::Server`] if neither document can be had.
    pub async fn discover(http: &HttpClient, issuer: &str) -> Result<Self, LoginError> {
        let issuer = issuer.trim_end_matches('/');
        let base = endpoint(issuer)?;
        let mut last = None;
        for document in documents(&base) {
            match http.get(document.as_str(), None).await {
                Ok(answer) if answer.is_success() => return Self::from_metadata(&answer.body, issuer),
                Ok(answer) => last = Some(answer.error()),
                Err(error) => last = Some(error),
            }
        }
        let nothing = || LoginError::new(LoginErrorKind::Server, "the server tells nothing about itself");
        Err(last.map_or_else(nothing, LoginError::from))
    }

    fn from_metadata(json: &[u8], issuer: &str) -> Result<Self, LoginError> {
        let metadata: Metadata = serde_json::from_slice(json)
            .map_err(|_| LoginError::new(LoginErrorKind::Answer, "the discovery document cannot be read"))?;
        if metadata.issuer.trim_end_matches('/') != issuer {
            let message = "the discovery document is that of another issuer; use the issuer's exact address";
            return Err(LoginError::configuration(message));
        }
        let optional = |url: Option<Url>| url.map(checked).transpose();
        Ok(Self {
            issuer: Some(metadata.issuer),
            authorization_endpoint: optional(metadata.authorization_endpoint)?,
            token_endpoint: checked(metadata.token_endpoint)?,
            revocation_endpoint: optional(metadata.revocation_endpoint)?,
            device_authorization_endpoint: optional(metadata.device_authorization_endpoint)?,
            jwks_uri: optional(metadata.jwks_uri)?,
            userinfo_endpoint: optional(metadata.userinfo_endpoint)?,
            issuer_in_redirects: metadata.issuer_in_redirects,
        })
    }
}

/// OpenID appends its path to the issuer's, RFC 8414 puts it in front.
fn documents(issuer: &Url) -> [Url; 2] {
    let path = issuer.path().trim_end_matches('/').to_owned();
    let at = |path: &str| {
        let mut url = issuer.clone();
        url.set_path(path);
        url
    };
    [
        at(&format!("{path}/.well-known/openid-configuration")),
        at(&format!("/.well-known/oauth-authorization-server{path}")),
    ]
}

/// An address that tokens may be sent to.
pub(crate) fn endpoint(text: &str) -> Result<Url, LoginError> {
    let url = Url::parse(text).map_err(|_| LoginError::configuration("the server's address is not a URL"))?;
    checked(url)
}

fn checked(url: Url) -> Result<Url, LoginError> {
    let loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if url.scheme() == "https" || (url.scheme() == "http" && loopback) {
        return Ok(url);
    }
    let message = "tokens are only sent over https, or http on this machine; the server's address is neither";
    Err(LoginError::configuration(message))
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
    fn both_kinds_of_discovery_know_issuers_with_a_path() {
        let found = documents(&Url::parse("https://id.example.org/realms/one").unwrap());
        assert_eq!(found[0].path(), "/realms/one/.well-known/openid-configuration");
        assert_eq!(found[1].path(), "/.well-known/oauth-authorization-server/realms/one");
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
}
