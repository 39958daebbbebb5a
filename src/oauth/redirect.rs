//! What the server sends the browser back with (RFC 6749 section 4.1.2, RFC 9207).

use token_storage_core::Secret;

use super::{LoginError, LoginErrorKind};
use crate::manager::EndpointError;

/// What a redirect must have to belong to one login.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    /// The server that was asked, by the name for people.
    pub(super) server: String,
    pub(super) state: Secret,
    pub(super) issuer: Option<String>,
    /// Whether the server announced that it names itself in every redirect.
    pub(super) issuer_required: bool,
}

impl Expected {
    /// The code in a redirect's query.
    ///
    /// The state comes first: before it is known to be right, nothing else of the query means anything.
    pub(super) fn code(&self, query: &str) -> Result<Secret, LoginError> {
        let state = only(query, "state").map(Secret::new);
        if state.as_ref() != Some(&self.state) {
            let message = "was asked something else: this answer does not belong to the login, as its state is not the one \
                           that was sent; an address of an earlier login is of no use, start again";
            return Err(LoginError::about(&self.server, LoginErrorKind::StateMismatch, message));
        }
        self.check_issuer(query)?;
        if let Some(code) = only(query, "error") {
            let (description, uri) = (only(query, "error_description"), only(query, "error_uri"));
            let refused = EndpointError::of_redirect(&code, description.as_deref(), uri.as_deref());
            return Err(refused.with_server(&self.server).into());
        }
        match only(query, "code").filter(|code| !code.is_empty()) {
            Some(code) => Ok(Secret::new(code)),
            None => Err(LoginError::about(
                &self.server,
                LoginErrorKind::Answer,
                "sent the browser back without a code; start again",
            )),
        }
    }

    /// Against the mix-up of servers: a code of one must not be shown to another.
    fn check_issuer(&self, query: &str) -> Result<(), LoginError> {
        let named = values(query, "iss").count();
        let issuer = only(query, "iss");
        if issuer == self.issuer && named <= 1 || named == 0 && !self.issuer_required {
            return Ok(());
        }
        // Who knows no issuer cannot compare, and mixes up no servers either.
        if self.issuer.is_none() && named == 1 {
            return Ok(());
        }
        let message = "was asked, and the answer comes from another server; start again";
        Err(LoginError::about(&self.server, LoginErrorKind::StateMismatch, message))
    }
}

fn values<'a>(query: &'a str, name: &'a str) -> impl Iterator<Item = String> + 'a {
    url::form_urlencoded::parse(query.as_bytes())
        .filter(move |(found, _)| found == name)
        .map(|(_, value)| value.into_owned())
}

/// The value of a parameter that comes once. One that comes twice is as good as none (RFC 6749 section 3.1).
fn only(query: &str, name: &str) -> Option<String> {
    let mut values = values(query, name);
    let value = values.next();
    value.filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected() -> Expected {
        Expected {
            server: "https://a.example".into(),
            state: Secret::from("0123456789abcdef"),
            issuer: Some("https://a.example".into()),
            issuer_required: false,
        }
    }

    fn kind(expected: &Expected, query: &str) -> LoginErrorKind {
        expected.code(query).expect_err(query).kind()
    }

    #[test]
    fn a_redirect_of_this_login_gives_its_code() {
        for query in [
            "code=c+1&state=0123456789abcdef",
            "state=0123456789abcdef&session_state=x&code=c%201",
            "code=c+1&state=0123456789abcdef&iss=https%3A%2F%2Fa.example",
        ] {
            assert_eq!(expected().code(query).expect(query).expose(), "c 1");
        }
    }

    #[test]
    fn a_redirect_of_another_login_gives_nothing() {
        for query in [
            "",
            "code=c",
            "code=c&state=",
            "code=c&state=0123456789abcdeF",
            "code=c&state=0123456789abcdef0",
            "code=c&state=0123456789abcdef&state=0123456789abcdef",
            "error=access_denied",
            "code=c&state=0123456789abcdef&iss=https%3A%2F%2Fb.example",
            "code=c&state=0123456789abcdef&iss=https%3A%2F%2Fa.example&iss=https%3A%2F%2Fa.example",
        ] {
            assert_eq!(kind(&expected(), query), LoginErrorKind::StateMismatch, "{query}");
        }
        let mut strict = expected();
        strict.issuer_required = true;
        assert_eq!(
            kind(&strict, "code=c&state=0123456789abcdef"),
            LoginErrorKind::StateMismatch
        );
    }

    #[test]
    fn without_a_known_issuer_none_is_compared() {
        let mut unknown = expected();
        unknown.issuer = None;
        assert!(unknown.code("code=c&state=0123456789abcdef&iss=x").is_ok());
    }

    #[test]
    fn a_refusal_is_told_by_its_kind() {
        let with_state = |rest: &str| kind(&expected(), &format!("state=0123456789abcdef&{rest}"));
        assert_eq!(with_state("error=access_denied"), LoginErrorKind::Denied);
        assert_eq!(with_state("error=invalid_scope&code=c"), LoginErrorKind::Server);
        assert_eq!(with_state("error=server_error"), LoginErrorKind::Server);
        assert_eq!(with_state("code="), LoginErrorKind::Answer);
        assert_eq!(with_state("code=a&code=b"), LoginErrorKind::Answer);
    }
}
