use std::fmt;

use crate::manager::{EndpointError, EndpointErrorKind, clean};

/// Why a login, or another exchange with an authorization server, did not work. Holds no secret.
#[derive(Debug)]
pub struct LoginError {
    kind: LoginErrorKind,
    message: String,
    server_name: Option<Box<str>>,
    server: Option<EndpointError>,
}

/// The kind of a [`LoginError`]: what a program decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoginErrorKind {
    /// Addresses, client or options make no sense; the message says which.
    Configuration,
    /// The person, or the server on their behalf, said no.
    Denied,
    /// What came back does not belong to this login: a wrong `state`. Start again; it may have been an attack.
    StateMismatch,
    /// What a person pasted is something else than was asked for, and was not sent anywhere. Start again.
    Pasted,
    /// Nobody finished the login in time.
    TimedOut,
    /// The server refused or could not be reached; see [`LoginError::server`].
    Server,
    /// The id_token is not what it must be, so nobody knows who logged in.
    IdToken,
    /// The answer cannot be read.
    Answer,
    /// Something on this machine failed: no loopback port, no randomness.
    Local,
}

impl LoginError {
    pub(crate) fn new(kind: LoginErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            server_name: None,
            server: None,
        }
    }

    /// About a server; the message goes on behind its name, and ends with what helps.
    pub(crate) fn about(server: &str, kind: LoginErrorKind, message: impl fmt::Display) -> Self {
        let server = clean(server);
        Self {
            server_name: Some(server.as_str().into()),
            ..Self::new(kind, format!("{server} {message}"))
        }
    }

    /// A login that a person did not bring to its end: nobody `did` it.
    pub(crate) fn late(server: &str, did: &str) -> Self {
        let server = clean(server);
        Self {
            server_name: Some(server.as_str().into()),
            ..Self::new(
                LoginErrorKind::TimedOut,
                format!("nobody {did} the login at {server} in time; start again"),
            )
        }
    }

    /// Of an id_token that proves nothing: the message says why, and the server is named where it is known.
    pub(crate) fn at_prover(self, server: &str) -> Self {
        match self.kind {
            LoginErrorKind::IdToken if self.server_name.is_none() => {
                let message = format!(
                    "does not prove who logged in: {}; nothing was stored, start again",
                    self.message
                );
                Self::about(server, self.kind, message)
            }
            _ => self,
        }
    }

    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::new(LoginErrorKind::Configuration, message)
    }

    /// The kind.
    pub fn kind(&self) -> LoginErrorKind {
        self.kind
    }

    /// The server that it is about, by its issuer or host; `None` if it is about something on this side.
    pub fn server_name(&self) -> Option<&str> {
        let answered = self.server.as_ref().and_then(EndpointError::server);
        answered.or(self.server_name.as_deref())
    }

    /// What the server answered, if that is what failed.
    pub fn server(&self) -> Option<&EndpointError> {
        self.server.as_ref()
    }
}

impl From<EndpointError> for LoginError {
    fn from(error: EndpointError) -> Self {
        let server = error.server().unwrap_or("the authorization server");
        let (kind, message) = match (error.kind(), error.code()) {
            (_, Some("access_denied")) => (
                LoginErrorKind::Denied,
                format!("the login at {server} was denied ({}); start again", error.said()),
            ),
            (_, Some("expired_token")) => (
                LoginErrorKind::TimedOut,
                format!("nobody approved the login at {server} in time; start again"),
            ),
            (EndpointErrorKind::Unsupported, _) => (LoginErrorKind::Configuration, error.to_string()),
            _ => (LoginErrorKind::Server, error.to_string()),
        };
        Self {
            kind,
            message,
            server_name: None,
            server: Some(error),
        }
    }
}

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// `Display` says what the server said, so there is no source.
impl std::error::Error for LoginError {}
