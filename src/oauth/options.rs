use super::LoginError;
use crate::{Grant, Renewal};

/// What a login asks for: scopes, and whatever else the server understands.
///
/// ```
/// use token_storage::oauth::LoginOptions;
///
/// let options = LoginOptions::new("openid email").with_parameter("prompt", "login")?;
/// assert_eq!(options.scope(), "openid email");
/// # Ok::<(), token_storage::oauth::LoginError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginOptions {
    scope: String,
    pub(super) parameters: Vec<(String, String)>,
    renewal: Renewal,
}

/// Parameters that protect the login or are part of it; a second one of them would break it.
const OURS: [&str; 9] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
];

impl LoginOptions {
    /// A login for these scopes, separated by white space. With `openid` among them the server says who logged in.
    pub fn new(scope: impl AsRef<str>) -> Self {
        let scopes: Vec<&str> = scope.as_ref().split_ascii_whitespace().collect();
        Self {
            scope: scopes.join(" "),
            parameters: Vec::new(),
            renewal: Renewal::default(),
        }
    }

    #[cfg(feature = "globus")]
    pub(crate) fn with_own(scope: &str, parameters: Vec<(String, String)>) -> Self {
        Self {
            parameters,
            ..Self::new(scope)
        }
    }

    /// One more parameter of the authorization request, such as `access_type`, `prompt` or `login_hint`. Of one name the
    /// last counts. The device flow sends them with the request for a code.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`](super::LoginErrorKind::Configuration) if the login sets this parameter itself.
    pub fn with_parameter(mut self, name: &str, value: &str) -> Result<Self, LoginError> {
        if name.is_empty() || OURS.contains(&name) {
            let message = format!("the parameter {name:?} of an authorization request is set by the login itself");
            return Err(LoginError::configuration(message));
        }
        self.parameters.retain(|(other, _)| other != name);
        self.parameters.push((name.to_owned(), value.to_owned()));
        Ok(self)
    }

    /// The API that the token is for, by its address (RFC 8707); may be called for several. It is sent at the start of the
    /// login, with each token request, and, as it is kept with the record ([`Renewal`]), with each refresh.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`](super::LoginErrorKind::Configuration) if it is no absolute URI without fragment.
    pub fn with_resource(self, uri: &str) -> Result<Self, LoginError> {
        match url::Url::parse(uri) {
            Ok(url) if url.fragment().is_none() => self.with_token_parameter("resource", uri),
            _ => Err(LoginError::configuration(
                "a resource is the absolute URI of an API, without fragment (RFC 8707)",
            )),
        }
    }

    /// The audience of the token, as Auth0 and others have it in place of `resource`; may be called for several. It is sent
    /// and kept as [`with_resource`](Self::with_resource) says.
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.renewal.parameters.push(("audience".to_owned(), audience.into()));
        self
    }

    /// One more parameter of the authorization request, of each token request, and of each refresh, as
    /// [`with_resource`](Self::with_resource) says. A name may come several times.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`](super::LoginErrorKind::Configuration) if the login or the grant sets this
    ///   parameter itself.
    pub fn with_token_parameter(mut self, name: &str, value: &str) -> Result<Self, LoginError> {
        let own = || {
            let message = format!("the parameter {name:?} of a token request is set by the login itself");
            LoginError::configuration(message)
        };
        if name.is_empty() || OURS.contains(&name) {
            return Err(own());
        }
        self.renewal = self.renewal.with_parameter(name, value).map_err(|_| own())?;
        Ok(self)
    }

    /// What is to be repeated when the token is asked for anew.
    pub(super) fn renewal(&self, grant: Grant) -> Renewal {
        Renewal {
            grant,
            ..self.renewal.clone()
        }
    }

    /// What goes with the request that starts a login, besides what the login sets itself.
    pub(super) fn start_parameters(&self) -> impl Iterator<Item = &(String, String)> {
        self.parameters.iter().chain(&self.renewal.parameters)
    }

    /// The scopes, separated by single spaces.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    pub(super) fn asks_for_identity(&self) -> bool {
        self.scope.split(' ').any(|scope| scope == "openid")
    }
}

#[cfg(test)]
mod tests {
    use super::{super::LoginErrorKind, *};

    #[test]
    fn the_parameters_that_protect_a_login_cannot_be_replaced() {
        for name in OURS.into_iter().chain([""]) {
            let error = LoginOptions::new("").with_parameter(name, "x").unwrap_err();
            assert_eq!(error.kind(), LoginErrorKind::Configuration, "{name}");
        }
    }

    #[test]
    fn of_one_name_the_last_counts() {
        let options = LoginOptions::new(" a\tb ").with_parameter("prompt", "login").unwrap();
        let options = options.with_parameter("prompt", "none").unwrap();
        assert_eq!(options.scope(), "a b");
        assert_eq!(options.parameters, [("prompt".to_owned(), "none".to_owned())]);
    }
}
