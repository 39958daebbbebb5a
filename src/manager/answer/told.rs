//! What people are told of it.

use std::fmt;

use super::{EndpointError, EndpointErrorKind, Problem};
use crate::manager::Advice;

impl EndpointError {
    /// What helps.
    pub fn advice(&self) -> Option<Advice> {
        match &self.0.problem {
            Problem::Said(_, advice) => *advice,
            Problem::Means(meaning) => meaning.advice(),
            Problem::Remembered(_) => Some(match self.0.kind {
                EndpointErrorKind::Refused => Advice::LogInAgain,
                EndpointErrorKind::ClientRejected => Advice::CheckClient,
                _ => Advice::TryAgainLater,
            }),
            Problem::Connection(problem) => Some(Advice::Connection(*problem)),
            Problem::Unrecognized | Problem::Overloaded | Problem::Failed => Some(Advice::TryAgainLater),
            Problem::Unreadable | Problem::Redirects(_) => Some(Advice::CheckAddress),
            #[cfg(feature = "oauth")]
            Problem::Undiscovered => Some(Advice::GiveAddresses),
            #[cfg(feature = "oauth")]
            Problem::Code => Some(Advice::StartAgain),
        }
    }

    /// What happened, without what helps.
    pub fn problem(&self) -> String {
        let server = self.server().unwrap_or("the authorization server");
        let status = self.0.status.unwrap_or_default();
        match &self.0.problem {
            Problem::Said(message, _) if self.0.names_itself => message.clone(),
            Problem::Said(message, _) => format!("{server}: {message}"),
            Problem::Means(meaning) => format!("{server} {}", meaning.told(&self.said())),
            Problem::Unrecognized => format!(
                "{server} answers with an error that is not known here ({})",
                self.said()
            ),
            Problem::Remembered(answer) => {
                format!("that was the outcome of an earlier request to {server} ({answer}), and nobody has asked since")
            }
            Problem::Connection(problem) => problem.told(server),
            Problem::Overloaded => format!("{server} is overloaded ({})", self.said_with_status()),
            Problem::Failed => format!("{server} failed ({})", self.said_with_status()),
            Problem::Unreadable => format!("the answer of {server} cannot be read (HTTP status {status})"),
            Problem::Redirects(Some(there)) => {
                format!("{server} redirects to {there} (HTTP status {status}), where nothing is sent")
            }
            Problem::Redirects(None) => {
                format!("{server} redirects elsewhere (HTTP status {status}), where nothing is sent")
            }
            #[cfg(feature = "oauth")]
            Problem::Undiscovered => format!("{server} tells nothing about itself (HTTP status {status})"),
            #[cfg(feature = "oauth")]
            Problem::Code => format!(
                "{server} does not take this code ({}): it is not whole, was used before or is too old",
                self.said()
            ),
        }
    }

    /// Its status, and what it said besides.
    fn said_with_status(&self) -> String {
        let status = format!("HTTP status {}", self.0.status.unwrap_or_default());
        match &self.0.code {
            Some(_) => format!("{status}, {}", self.said()),
            None => status,
        }
    }

    /// What the server said: its code or its status, and its explanation.
    pub(crate) fn said(&self) -> String {
        let mut said = match (&self.0.code, self.0.status) {
            (Some(code), _) => code.to_string(),
            (None, Some(status)) => format!("HTTP status {status}"),
            (None, None) => "no error code".into(),
        };
        for (before, more) in [(": ", &self.0.description), ("; see ", &self.0.uri)] {
            if let Some(more) = more {
                said.push_str(before);
                said.push_str(more);
            }
        }
        said
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem())?;
        match self.advice() {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_the_server_and_what_it_said() {
        let body = br#"{"error":"invalid_scope","error_description":"No scope\u0007 'x' here","error_uri":"https://a.example/e"}"#;
        let error = EndpointError::from_answer(400, None, body).with_server("https://a.example");
        let text = error.to_string();
        assert_eq!(
            text,
            "https://a.example rejects this client or its request (invalid_scope: No scope 'x' here; see https://a.example/e); \
             check client id, secret and scopes"
        );
        assert_eq!(error.description(), Some("No scope 'x' here"));
        assert_eq!(error.uri(), Some("https://a.example/e"));
    }

    #[test]
    fn both_hints_for_what_may_be_either() {
        let text = EndpointError::from_answer(400, None, br#"{"error":"invalid_request"}"#).to_string();
        assert!(
            text.contains("token") && text.contains("client id, secret and scopes"),
            "{text}"
        );
    }
}
