//! What came of a request to an authorization server, when no tokens came of it.

mod asked;
mod classified;
mod told;

use std::{fmt, time::Duration};

use token_storage_core::TokenData;

use super::{Advice, connection::ConnectionProblem, quote, refusal::Meaning};
use crate::IssuedBy;

/// What an authorization server refused, or what went wrong on the way.
///
/// It never quotes an answer's body. Of an error the code is kept, if it looks like one, and the server's own explanation:
/// without control characters, cut to 200 characters, and only where it cannot repeat a token.
///
/// `Display` names the server, says what it did, and ends with what helps ([`advice`](Self::advice)).
#[derive(Clone)]
pub struct EndpointError(Box<Facts>);

#[derive(Clone, Debug)]
struct Facts {
    kind: EndpointErrorKind,
    problem: Problem,
    server: Option<Box<str>>,
    code: Option<Box<str>>,
    description: Option<Box<str>>,
    uri: Option<Box<str>>,
    retry_after: Option<Duration>,
    status: Option<u16>,
    may_have_been_done: bool,
    /// Whether the message is whole without the server's name.
    names_itself: bool,
}

/// The kind of an [`EndpointError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndpointErrorKind {
    /// Terminal: this refresh token is expired, revoked, spent or unknown, or the server wants to see the person.
    Refused,
    /// The server does not accept the client or its request; the token may be fine. The configuration must change.
    ClientRejected,
    /// Network, time-out, 408, 429, 5xx, an answer that cannot be read: later it may work.
    Transient,
    /// The server has no such endpoint.
    Unsupported,
    /// The server answered with an error that nobody here knows. It may pass; where it comes again and again it will not.
    Unrecognized,
}

/// What is told, the server's name aside.
#[derive(Clone, Debug)]
enum Problem {
    /// Behind the server's name.
    Said(String, Option<Advice>),
    Means(Meaning),
    Unrecognized,
    /// To somebody else, before.
    Remembered(String),
    Connection(ConnectionProblem),
    Overloaded,
    Failed,
    Unreadable,
    /// It says that somebody else is to be asked, and whom, where that can be shown.
    Redirects(Option<String>),
    /// It tells nothing of itself.
    #[cfg(feature = "oauth")]
    Undiscovered,
    /// Of an authorization code, which is no token.
    #[cfg(feature = "oauth")]
    Code,
}

/// The longest `Retry-After` that is believed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

impl EndpointError {
    /// A terminal refusal of the refresh token with this OAuth error code.
    pub fn refused(code: &str) -> Self {
        Self::new(EndpointErrorKind::Refused, Problem::Means(Meaning::TokenDead)).with_code(code)
    }

    /// The client or its request was rejected with this OAuth error code.
    pub fn client_rejected(code: &str) -> Self {
        Self::new(EndpointErrorKind::ClientRejected, Problem::Means(Meaning::Client)).with_code(code)
    }

    /// The server answered, completely, with an error that nobody knows. It was not done.
    pub fn unrecognized(code: &str) -> Self {
        Self::new(EndpointErrorKind::Unrecognized, Problem::Unrecognized).with_code(code)
    }

    /// The token came from another server than `ours`, or belongs to another client, so nothing was sent.
    pub fn misdirected(ours: &IssuedBy, data: &TokenData) -> Self {
        let theirs = IssuedBy::of(data).ok().flatten();
        let named = |by: &IssuedBy| {
            let server = by.server_name().unwrap_or("another server").to_owned();
            match &by.client_id {
                Some(client) => format!("{} to client {:?}", quote::clean(&server), quote::clean(client)),
                None => quote::clean(&server),
            }
        };
        let theirs = theirs.as_ref().map_or_else(|| "an unknown server".to_owned(), named);
        let ours = named(ours).replacen(" to client ", " as client ", 1);
        let message = format!("the token was issued by {theirs}, and this is {ours}; nothing was sent");
        let mut error = Self::new(
            EndpointErrorKind::ClientRejected,
            Problem::Said(message, Some(Advice::NameServer)),
        );
        error.0.names_itself = true;
        error
    }

    /// The answer to a refresh is of another login than the record. Terminal: only a new login says who it is.
    #[cfg(feature = "oauth")]
    pub(crate) fn of_another_login(what: &str, server: &str) -> Self {
        let message = format!("it answered a refresh with {what}, so nothing of it was stored");
        let problem = Problem::Said(message, Some(Advice::LogInAgain));
        Self::new(EndpointErrorKind::Refused, problem).with_server(server)
    }

    /// The record says something that cannot be sent, so nothing was.
    pub(super) fn senseless(message: &str) -> Self {
        // What helps is said behind it.
        let problem = message.split(';').next().unwrap_or_default();
        let message = format!("nothing was sent there, because {problem}");
        Self::new(
            EndpointErrorKind::ClientRejected,
            Problem::Said(message, Some(Advice::LogInAgain)),
        )
    }

    /// What another process was answered, from what it kept of it.
    pub(super) fn remembered(kind: EndpointErrorKind, code: Option<&str>, status: Option<u16>, done: bool) -> Self {
        let answer = match (code, status) {
            (Some(code), _) => code.to_owned(),
            (None, Some(status)) => format!("HTTP status {status}"),
            (None, None) => "no answer".to_owned(),
        };
        let mut error = Self::new(kind, Problem::Remembered(answer)).with_code(code.unwrap_or_default());
        error.0.status = status;
        error.0.may_have_been_done = done;
        error
    }

    /// Whether somebody else was answered so, before.
    pub(super) fn is_remembered(&self) -> bool {
        matches!(self.0.problem, Problem::Remembered(_))
    }

    /// A failure that may pass. The request may have been carried out, unless [`not_done`](Self::not_done) says
    /// otherwise. The message is told behind the server's name, and must not quote an answer.
    pub fn transient(message: impl Into<String>) -> Self {
        let problem = Problem::Said(message.into(), Some(Advice::TryAgainLater));
        let mut error = Self::new(EndpointErrorKind::Transient, problem);
        error.0.may_have_been_done = true;
        error
    }

    /// The answer wraps the token in this member, and nobody has said so: a matter of configuration, so that whoever mends it
    /// need not wait. The refresh token may be spent all the same.
    #[cfg(feature = "oauth")]
    pub(crate) fn wrapped(member: &str, status: u16) -> Self {
        let message = format!("its answer has no token at its top level, but one in its member `{member}`");
        let problem = Problem::Said(message, Some(Advice::GiveTokenPath));
        let mut error = Self::new(EndpointErrorKind::ClientRejected, problem);
        error.0.status = Some(status);
        error.0.may_have_been_done = true;
        error
    }

    /// The connection could not be made, or broke. What was never sent was not done.
    pub fn connection(problem: ConnectionProblem) -> Self {
        let mut error = Self::new(EndpointErrorKind::Transient, Problem::Connection(problem));
        error.0.may_have_been_done = !problem.is_before_sending();
        error
    }

    /// The server has no such endpoint. The message is told behind its name.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(EndpointErrorKind::Unsupported, Problem::Said(message.into(), None))
    }

    /// As [`unsupported`](Self::unsupported), of something that is not in order on this side, so that nothing was sent. The
    /// message is told as it is: it names the server itself, if it knows one, and says what helps.
    pub fn unconfigured(message: impl Into<String>) -> Self {
        let mut error = Self::unsupported(message);
        error.0.names_itself = true;
        error
    }

    fn new(kind: EndpointErrorKind, problem: Problem) -> Self {
        Self(Box::new(Facts {
            kind,
            problem,
            server: None,
            code: None,
            description: None,
            uri: None,
            retry_after: None,
            status: None,
            may_have_been_done: false,
            names_itself: false,
        }))
    }

    /// Says that the request was certainly not carried out: it was never sent, or turned away at the door.
    pub fn not_done(mut self) -> Self {
        self.0.may_have_been_done = false;
        self
    }

    /// Says when a new try is worth while at the earliest.
    pub fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.0.retry_after = after.map(|after| after.min(MAX_RETRY_AFTER));
        self
    }

    /// Says which server it is about, for the message: its issuer, or its host.
    pub fn with_server(mut self, name: &str) -> Self {
        self.0.server = Some(quote::clean(name).into());
        self
    }

    /// As [`with_server`](Self::with_server), if it does not say so yet.
    pub(crate) fn or_server(self, name: Option<&str>) -> Self {
        match name {
            Some(name) if self.0.server.is_none() => self.with_server(name),
            _ => self,
        }
    }

    fn with_code(mut self, code: &str) -> Self {
        let plausible = |b: u8| b.is_ascii_alphanumeric() || b"_- .=".contains(&b);
        if !code.is_empty() && code.len() <= 40 && code.bytes().all(plausible) {
            self.0.code = Some(code.into());
        }
        self
    }

    /// The kind.
    pub fn kind(&self) -> EndpointErrorKind {
        self.0.kind
    }

    /// The OAuth error code, such as `invalid_grant`, or what the server has in its place.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The server's own explanation, `error_description`, as far as it can be shown.
    pub fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// The page that the server refers to, `error_uri`.
    pub fn uri(&self) -> Option<&str> {
        self.0.uri.as_deref()
    }

    /// The server that it is about, by its issuer or host, if that is known.
    pub fn server(&self) -> Option<&str> {
        self.0.server.as_deref()
    }

    /// What was wrong with the connection, if there was no answer.
    pub fn connection_problem(&self) -> Option<ConnectionProblem> {
        match self.0.problem {
            Problem::Connection(problem) => Some(problem),
            _ => None,
        }
    }

    /// The HTTP status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// When a new try is worth while at the earliest.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the server may have done what it was asked. A refresh token is then perhaps spent.
    pub fn may_have_been_done(&self) -> bool {
        self.0.may_have_been_done
    }

    /// Whether the server says that the token itself is expired, revoked or unknown.
    #[cfg(feature = "oauth")]
    pub(crate) fn is_about_a_dead_token(&self) -> bool {
        matches!(self.0.problem, Problem::Means(Meaning::TokenDead))
    }
}

impl fmt::Debug for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for EndpointError {}
