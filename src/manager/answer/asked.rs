//! What an answer means in the light of what was asked for.

use super::{EndpointError, EndpointErrorKind, Problem};
#[cfg(feature = "oauth")]
use crate::manager::quote;
use crate::manager::refusal::Meaning;

impl EndpointError {
    /// Says where a redirect leads, as far as that repeats nothing of what was sent.
    #[cfg(feature = "oauth")]
    pub(crate) fn leading_to(mut self, address: &str, sent: &[&str]) -> Self {
        if matches!(self.0.problem, Problem::Redirects(_)) {
            let shown = quote::explanation(address, sent).filter(|shown| quote::is_page(shown));
            self.0.problem = Problem::Redirects(shown);
        }
        self
    }

    /// What was asked for was what the server tells of itself.
    #[cfg(feature = "oauth")]
    pub(crate) fn of_discovery(mut self) -> Self {
        if matches!(
            self.0.problem,
            Problem::Unreadable | Problem::Unrecognized | Problem::Means(_)
        ) {
            self.0.problem = Problem::Undiscovered;
        }
        self
    }

    /// The client asked for itself: there is no token that could be refused.
    pub(crate) fn of_the_client(mut self) -> Self {
        if let Problem::Means(Meaning::TokenDead | Meaning::Either | Meaning::NeedsPerson) = self.0.problem {
            self.0.problem = Problem::Means(Meaning::Client);
            self.0.kind = EndpointErrorKind::ClientRejected;
        }
        self
    }

    /// The error that a server sent with the browser (RFC 6749 section 4.1.2.1).
    #[cfg(feature = "oauth")]
    pub(crate) fn of_redirect(code: &str, description: Option<&str>, uri: Option<&str>) -> Self {
        let mut error = match code {
            "server_error" | "temporarily_unavailable" => {
                Self::new(EndpointErrorKind::Transient, Problem::Means(Meaning::Later))
            }
            _ => Self::new(EndpointErrorKind::ClientRejected, Problem::Means(Meaning::Client)),
        };
        error = error.with_code(code);
        error.0.description = description
            .and_then(|text| quote::explanation(text, &[]))
            .map(Into::into);
        error.0.uri = uri.filter(|uri| quote::is_page(uri)).map(Into::into);
        error
    }

    /// A service answered, which knows no client.
    #[cfg(feature = "oauth")]
    pub(crate) fn of_a_service(mut self) -> Self {
        if self.0.status == Some(401) {
            self.0.problem = Problem::Means(Meaning::TokenDead);
        }
        self
    }

    /// What was refused was a code that a person brought, and no token.
    #[cfg(feature = "oauth")]
    pub(crate) fn of_a_code(mut self) -> Self {
        if matches!(self.0.problem, Problem::Means(Meaning::TokenDead | Meaning::Either)) {
            self.0.problem = Problem::Code;
        }
        self
    }
}

/// What came before the request failed, such as asking the server for its addresses: nothing was sent.
#[cfg(feature = "oauth")]
impl From<&crate::oauth::LoginError> for EndpointError {
    fn from(error: &crate::oauth::LoginError) -> Self {
        if let Some(answered) = error.server() {
            return answered.clone().not_done();
        }
        let mut failed = Self::unconfigured(error.to_string());
        if error.kind() == crate::oauth::LoginErrorKind::Answer {
            failed.0.kind = EndpointErrorKind::Transient;
        }
        match error.server_name() {
            Some(name) => failed.with_server(name),
            None => failed,
        }
    }
}
