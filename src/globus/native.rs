use crate::oauth::LoginOptions;

/// Whether Globus Auth gives refresh tokens with the access tokens: its parameter `access_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// With refresh tokens.
    #[default]
    Offline,
    /// Access tokens alone: whoever needs another asks the person again.
    Online,
}

impl Access {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Online => "online",
        }
    }
}

/// What a native application asks Globus Auth for. `named_grant` is the name under which the person finds the consent
/// again: the Globus SDK uses "{application} on {host name}".
pub fn login_options(scope: &str, access: Access, named_grant: Option<&str>) -> LoginOptions {
    let mut parameters = vec![("access_type".to_owned(), access.as_str().to_owned())];
    parameters.extend(named_grant.map(|name| ("prefill_named_grant".to_owned(), name.to_owned())));
    LoginOptions::with_own(scope, parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_are_those_of_the_sdk() {
        let expected = |access_type: &str| {
            LoginOptions::new("a b")
                .with_parameter("access_type", access_type)
                .unwrap()
        };
        assert_eq!(login_options("a  b", Access::Online, None), expected("online"));
        let named = expected("offline").with_parameter("prefill_named_grant", "app on host");
        assert_eq!(
            login_options("a b", Access::Offline, Some("app on host")),
            named.unwrap()
        );
    }
}
