use url::Url;

use crate::oauth::{LoginError, Provider, endpoint};

/// One of the environments in which Globus runs, and the addresses of its services there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    name: String,
    /// Without a slash at the end.
    auth: String,
    groups: String,
}

/// The variables of the Globus SDK.
const ENVIRONMENT: &str = "GLOBUS_SDK_ENVIRONMENT";
const AUTH_URL: &str = "GLOBUS_SDK_SERVICE_URL_AUTH";
const GROUPS_URL: &str = "GLOBUS_SDK_SERVICE_URL_GROUPS";

/// Those that only Globus itself uses.
const INTERNAL: [&str; 4] = ["sandbox", "integration", "test", "staging"];

impl Environment {
    /// The name of the one that everybody uses.
    pub const PRODUCTION: &'static str = "production";

    /// `production`, `preview`, or one of those that Globus uses itself: `sandbox`, `integration`, `test`, `staging`.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`](crate::oauth::LoginErrorKind::Configuration) if there is no such environment.
    pub fn named(name: &str) -> Result<Self, LoginError> {
        let domain = match name {
            Self::PRODUCTION => "globus.org".to_owned(),
            "preview" => "preview.globus.org".to_owned(),
            name if INTERNAL.contains(&name) => format!("{name}.globuscs.info"),
            _ => {
                let message = "Globus has no such environment; there are production, preview, sandbox, integration, test and staging";
                return Err(LoginError::configuration(message));
            }
        };
        Ok(Self {
            name: name.to_owned(),
            auth: format!("https://auth.{domain}"),
            groups: format!("https://groups.api.{domain}"),
        })
    }

    /// What the variables of the Globus SDK say: `GLOBUS_SDK_ENVIRONMENT` (`production` if it is not set), and
    /// `GLOBUS_SDK_SERVICE_URL_AUTH` and `GLOBUS_SDK_SERVICE_URL_GROUPS` for services at other addresses. An empty
    /// variable counts as not set.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`](crate::oauth::LoginErrorKind::Configuration), naming the variable.
    pub fn from_variables() -> Result<Self, LoginError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// The one whose Globus Auth has this address: the issuer of its tokens.
    pub fn of_issuer(issuer: &str) -> Option<Self> {
        let named = [Self::PRODUCTION, "preview"].into_iter().chain(INTERNAL);
        named
            .filter_map(|name| Self::named(name).ok())
            .find(|environment| environment.is_issuer(issuer))
    }

    /// Whether this is the address of its Globus Auth. A slash at the end does not matter.
    pub fn is_issuer(&self, issuer: &str) -> bool {
        self.auth == issuer.trim_end_matches('/')
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, LoginError> {
        let set = |name| lookup(name).filter(|value| !value.is_empty());
        let name = set(ENVIRONMENT).unwrap_or_else(|| Self::PRODUCTION.to_owned());
        let mut found = Self::named(&name).map_err(|error| of_variable(ENVIRONMENT, &error))?;
        if let Some(url) = set(AUTH_URL) {
            found = found
                .with_auth_url(&url)
                .map_err(|error| of_variable(AUTH_URL, &error))?;
        }
        if let Some(url) = set(GROUPS_URL) {
            let moved = found.with_groups_url(&url);
            found = moved.map_err(|error| of_variable(GROUPS_URL, &error))?;
        }
        Ok(found)
    }

    /// With Globus Auth at another address.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`](crate::oauth::LoginErrorKind::Configuration) if it is neither https nor on
    ///   this machine.
    pub fn with_auth_url(mut self, url: &str) -> Result<Self, LoginError> {
        self.auth = checked(url)?;
        Ok(self)
    }

    /// With Globus Groups at another address.
    ///
    /// # Errors
    /// Those of [`with_auth_url`](Self::with_auth_url).
    pub fn with_groups_url(mut self, url: &str) -> Result<Self, LoginError> {
        self.groups = checked(url)?;
        Ok(self)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Globus Auth, without a slash at the end.
    pub fn auth_url(&self) -> &str {
        &self.auth
    }

    /// Globus Groups, without a slash at the end.
    pub fn groups_url(&self) -> &str {
        &self.groups
    }

    /// Globus Auth as an authorization server. Its addresses are known, so that nothing has to be asked for. It has no
    /// device flow.
    pub fn provider(&self) -> Provider {
        let at = |path: &str| -> Url {
            let url = format!("{}{path}", self.auth);
            url.parse().expect("the base was checked, and the paths are plain")
        };
        Provider {
            issuer: Some(self.auth.clone()),
            authorization_endpoint: Some(at("/v2/oauth2/authorize")),
            token_endpoint: at("/v2/oauth2/token"),
            revocation_endpoint: Some(at("/v2/oauth2/token/revoke")),
            device_authorization_endpoint: None,
            jwks_uri: Some(at("/jwk.json")),
            userinfo_endpoint: Some(at("/v2/oauth2/userinfo")),
            issuer_in_redirects: false,
            issuer_template: None,
            of_record: false,
        }
    }

    /// The page of Globus Auth that shows a code to be pasted: where the login of a native application ends that opens
    /// no port. Every native client may use it.
    pub fn code_page(&self) -> String {
        format!("{}/v2/web/auth-code", self.auth)
    }
}

fn checked(url: &str) -> Result<String, LoginError> {
    endpoint(url)?;
    Ok(url.trim_end_matches('/').to_owned())
}

fn of_variable(variable: &str, error: &LoginError) -> LoginError {
    LoginError::configuration(format!("{variable}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::LoginErrorKind;

    fn with(variables: &[(&str, &str)]) -> Result<Environment, LoginError> {
        Environment::from_lookup(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_addresses_are_those_of_the_sdk() {
        for (name, auth, groups) in [
            ("", "https://auth.globus.org", "https://groups.api.globus.org"),
            ("production", "https://auth.globus.org", "https://groups.api.globus.org"),
            (
                "preview",
                "https://auth.preview.globus.org",
                "https://groups.api.preview.globus.org",
            ),
            (
                "test",
                "https://auth.test.globuscs.info",
                "https://groups.api.test.globuscs.info",
            ),
        ] {
            let found = with(&[(ENVIRONMENT, name)]).unwrap();
            assert_eq!((found.auth_url(), found.groups_url()), (auth, groups));
        }
    }

    #[test]
    fn services_may_be_elsewhere() {
        let found = with(&[
            (AUTH_URL, "http://127.0.0.1:1/"),
            (GROUPS_URL, "https://groups.example.org"),
        ])
        .unwrap();
        assert_eq!(
            found.provider().token_endpoint.as_str(),
            "http://127.0.0.1:1/v2/oauth2/token"
        );
        assert_eq!(found.provider().issuer.as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(found.code_page(), "http://127.0.0.1:1/v2/web/auth-code");
        assert_eq!(found.groups_url(), "https://groups.example.org");
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (variable, value) in [
            (ENVIRONMENT, "nowhere"),
            (AUTH_URL, "http://auth.example.org"),
            (GROUPS_URL, "groups"),
        ] {
            let error = with(&[(variable, value)]).unwrap_err();
            assert_eq!(error.kind(), LoginErrorKind::Configuration);
            assert!(error.to_string().starts_with(variable), "{error}");
        }
    }
}
