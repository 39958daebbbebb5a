use std::fmt;

use crate::manager::{EndpointError, EndpointErrorKind};

/// Why a login, or another exchange with an authorization server, did not work. Holds no secret.
#[derive(Debug)]
pub struct LoginError {
    kind: LoginErrorKind,
    message: String,
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
            server: None,
        }
    }

    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::new(LoginErrorKind::Configuration, message)
    }

    /// The kind.
    pub fn kind(&self) -> LoginErrorKind {
        self.kind
    }

    /// What the server answered, if that is what failed.
    pub fn server(&self) -> Option<&EndpointError> {
        self.server.as_ref()
    }
}

impl From<EndpointError> for LoginError {
    fn from(error: EndpointError) -> Self {
        let (kind, message) = match (error.kind(), error.code()) {
            (_, Some("access_denied")) => (LoginErrorKind::Denied, "the login was denied"),
            (_, Some("expired_token")) => (
                LoginErrorKind::TimedOut,
                "nobody approved the login in time; start again",
            ),
            (EndpointErrorKind::Unsupported, _) => (LoginErrorKind::Configuration, "the server cannot do this"),
            _ => (
                LoginErrorKind::Server,
                "the authorization server did not give what was asked for",
            ),
        };
        Self {
            kind,
            message: message.into(),
            server: Some(error),
        }
    }
}

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for LoginError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The server's word for these two adds nothing but confusion.
        let told = matches!(self.kind, LoginErrorKind::Denied | LoginErrorKind::TimedOut);
        self.server.as_ref().filter(|_| !told).map(|error| error as _)
    }
}
