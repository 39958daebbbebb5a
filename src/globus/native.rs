use crate::oauth::LoginOptions;

/// What a native application asks Globus Auth for. `offline` asks for refresh tokens. `named_grant` is the name under
/// which the person finds the consent again: the Globus SDK uses "{application} on {host name}".
pub fn login_options(scope: &str, offline: bool, named_grant: Option<&str>) -> LoginOptions {
    let access_type = if offline { "offline" } else { "online" };
    let mut parameters = vec![("access_type".to_owned(), access_type.to_owned())];
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
        assert_eq!(login_options("a  b", false, None), expected("online"));
        let named = expected("offline").with_parameter("prefill_named_grant", "app on host");
        assert_eq!(login_options("a b", true, Some("app on host")), named.unwrap());
    }
}
