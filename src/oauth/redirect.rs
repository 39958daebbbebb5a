//! What the server sends the browser back with (RFC 6749 section 4.1.2, RFC 9207).

use token_storage_core::Secret;

use super::{LoginError, LoginErrorKind};
use crate::manager::EndpointError;

/// What a redirect must have to belong to one login.
#[derive(Clone, Debug)]
pub(super) struct Expected {
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
            let message =
                "the answer does not belong to this login, its state is not the one that was sent; start again";
            return Err(LoginError::new(LoginErrorKind::StateMismatch, message));
        }
        self.check_issuer(query)?;
        if let Some(code) = only(query, "error") {
            return Err(refusal(&code).into());
        }
        match only(query, "code").filter(|code| !code.is_empty()) {
            Some(code) => Ok(Secret::new(code)),
            None => Err(LoginError::new(
                LoginErrorKind::Answer,
                "the server's answer has no code; start again",
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
        let message = "the answer comes from another server than the one that was asked; start again";
        Err(LoginError::new(LoginErrorKind::StateMismatch, message))
    }
}

/// Errors of the authorization endpoint (RFC 6749 section 4.1.2.1).
fn refusal(code: &str) -> EndpointError {
    match code {
        "server_error" | "temporarily_unavailable" => {
            EndpointError::transient("the authorization server cannot serve the login now; try again later").not_done()
        }
        code => EndpointError::client_rejected(code),
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
