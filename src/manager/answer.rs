//! What came of a request to an authorization server, when no tokens came of it.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use token_storage_core::TokenData;

use super::{
    Advice,
    connection::ConnectionProblem,
    quote,
    refusal::{self, Meaning},
};
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

    /// Classifies an answer that is no token response: its status, its header `Retry-After` if it has one, its body.
    ///
    /// | answer | kind | may have been done |
    /// |---|---|---|
    /// | 408, 5xx | transient | yes |
    /// | 429 | transient | no |
    /// | says that the token or code is of no use (`invalid_grant`, or one of the many other spellings) | refused | no |
    /// | says that the person is needed (`interaction_required`, `consent_required`, ...) | refused | no |
    /// | `invalid_request`, which many servers say of tokens, with another status than 401 | refused | no |
    /// | says that the client or its request is wrong (`invalid_client`, `invalid_scope`, ...); 401 without a word | client rejected | no |
    /// | says that it may work later (`temporarily_unavailable`, `slow_down`, ...) | transient | no |
    /// | `unsupported_token_type` | unsupported | no |
    /// | says an error that nobody knows | unrecognized | no |
    /// | 4xx that says nothing which can be read | transient | no |
    /// | a redirect, which is not followed | transient | yes |
    /// | everything else, such as a 200 without tokens | transient | yes |
    ///
    /// The status of an answer with a known error does not matter otherwise: some servers say 200. The spellings that are
    /// known, and where they come from, are one table in the source, `manager/refusal/table.rs`.
    pub fn from_answer(status: u16, retry_after: Option<&str>, body: &[u8]) -> Self {
        Self::of_answer(status, retry_after, body, None)
    }

    /// As [`from_answer`](Self::from_answer), for whoever knows what was sent: no explanation that repeats part of it is
    /// kept.
    pub(crate) fn of_answer(status: u16, retry_after: Option<&str>, body: &[u8], sent: Option<&[&str]>) -> Self {
        let refusal = refusal::read(body);
        let meaning = refusal.as_ref().and_then(|refusal| refusal.meaning);
        let mut error = Self::of(status, refusal.is_some(), meaning);
        error.0.status = Some(status);
        if let Some(refusal) = refusal {
            // A server may repeat the token in this place, too, where nobody looks for it.
            let fit_to_show = |code: &&String| {
                refusal.is_known || quote::explanation(code, sent.unwrap_or_default()).as_ref() == Some(*code)
            };
            let code = refusal.code.as_ref().filter(fit_to_show);
            error = error.with_code(code.map_or("", String::as_str));
            // Whoever refuses a token likes to repeat it.
            let safe = |text: String| match sent {
                Some(sent) => quote::explanation(&text, sent),
                None if matches!(meaning, Some(Meaning::TokenDead) | None) => None,
                None => quote::explanation(&text, &[]),
            };
            // What comes without a code that looks like one is not trusted with more.
            if error.0.code.is_some() {
                error.0.description = refusal.description.and_then(safe).map(Into::into);
                let uri = refusal.uri.filter(|uri| quote::is_page(uri));
                error.0.uri = uri.and_then(safe).map(Into::into);
            }
        }
        error.with_retry_after(retry_after.and_then(|text| pause(text, SystemTime::now())))
    }

    fn of(status: u16, is_refusal: bool, meaning: Option<Meaning>) -> Self {
        use EndpointErrorKind::{ClientRejected, Refused, Transient, Unrecognized, Unsupported};
        let transient = |problem| Self::new(Transient, problem);
        let unknown = |mut error: Self| {
            error.0.may_have_been_done = true;
            error
        };
        let means = |kind, meaning| Self::new(kind, Problem::Means(meaning));
        match (status, meaning) {
            (429, _) => transient(Problem::Overloaded),
            (408 | 500.., _) => unknown(transient(Problem::Failed)),
            (401, Some(Meaning::Either)) => means(ClientRejected, Meaning::Client),
            (_, Some(Meaning::Client)) => means(ClientRejected, Meaning::Client),
            (_, Some(Meaning::Later)) => means(Transient, Meaning::Later),
            (_, Some(Meaning::Unsupported)) => means(Unsupported, Meaning::Unsupported),
            (_, Some(meaning)) => means(Refused, meaning),
            (_, None) if is_refusal => Self::new(Unrecognized, Problem::Unrecognized),
            (401, None) => means(ClientRejected, Meaning::Client),
            (301 | 302 | 303 | 307 | 308, None) => unknown(transient(Problem::Redirects(None))),
            (400..500, None) => transient(Problem::Unreadable),
            (_, None) => unknown(transient(Problem::Unreadable)),
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

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem())?;
        match self.advice() {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for EndpointError {}

/// What a header `Retry-After` says: seconds, or a date (RFC 9110 section 10.2.3). A date that is past means no pause.
fn pause(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More seconds than fit are many.
        return Some(text.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l7_answers_are_classified() {
        use EndpointErrorKind::{ClientRejected, Refused, Transient, Unrecognized, Unsupported};
        for (status, body, kind, done) in [
            (400, r#"{"error":"invalid_grant"}"#, Refused, false),
            (401, r#"{"error":"invalid_grant"}"#, Refused, false),
            (200, r#"{"error":"bad_refresh_token"}"#, Refused, false),
            (400, r#"{"error":"invalid_client"}"#, ClientRejected, false),
            (401, "", ClientRejected, false),
            (400, r#"{"error":"temporarily_unavailable"}"#, Transient, false),
            (400, r#"{"error":"invalid_request"}"#, Refused, false),
            (401, r#"{"error":"invalid_request"}"#, ClientRejected, false),
            (400, r#"{"error":"interaction_required"}"#, Refused, false),
            (400, r#"{"error":"unsupported_token_type"}"#, Unsupported, false),
            (200, r#"{"ok":false,"error":"invalid_refresh_token"}"#, Refused, false),
            (
                400,
                r#"{"status":400,"message":"Invalid refresh token"}"#,
                Refused,
                false,
            ),
            (200, r#"{"ok":false,"error":"what"}"#, Unrecognized, false),
            (401, r#"{"message":"what","success":false}"#, Unrecognized, false),
            (404, "<html>", Transient, false),
            (200, "{}", Transient, true),
            (503, r#"{"error":"invalid_grant"}"#, Transient, true),
            (408, "", Transient, true),
            (429, r#"{"error":"invalid_grant"}"#, Transient, false),
            (502, "<html>", Transient, true),
            (200, "<html>", Transient, true),
            (400, "<html>", Transient, false),
            (302, "", Transient, true),
            (400, r#"{"error":{"code":1}}"#, Unrecognized, false),
        ] {
            let error = EndpointError::from_answer(status, None, body.as_bytes());
            assert_eq!(
                (error.kind(), error.may_have_been_done()),
                (kind, done),
                "{status} {body}"
            );
        }
    }

    #[test]
    fn s1_a_code_that_repeats_the_token_is_not_told() {
        let told = |body: &str, sent| {
            let error = EndpointError::of_answer(400, None, body.as_bytes(), sent);
            (error.code().map(str::to_owned), format!("{error} {error:?}"))
        };
        let sent = Some(&["old-rt", "invalid_grant", "1AbCdEfGh2"][..]);
        for body in [
            r#"{"error":"old-rt"}"#,
            r#"{"error":"unknown token 1AbCdEfGh2"}"#,
            r#"{"ok":false,"error":"xx AbCdEfGh x"}"#,
            r#"{"error":"old-rt","error_description":"expired"}"#,
            r#"{"errors":[{"errorType":"old-rt"}],"success":false}"#,
        ] {
            let (code, told) = told(body, sent);
            assert_eq!(code, None, "{body}");
            assert!(!told.contains("old-rt") && !told.contains("AbCdEfGh"), "{told}");
        }
        // Our own spelling of it, whatever was sent.
        assert_eq!(
            told(r#"{"error":"invalid_grant"}"#, sent).0.as_deref(),
            Some("invalid_grant")
        );
        assert_eq!(
            told(r#"{"error":"computer_says_no"}"#, sent).0.as_deref(),
            Some("computer_says_no")
        );
        assert_eq!(
            told(r#"{"error":"AADSTS70008"}"#, None).0.as_deref(),
            Some("AADSTS70008")
        );
        assert_eq!(
            told(r#"{"error":"8xLOxBtZp8mcanary"}"#, None).0,
            None,
            "what may be one, of nobody knows what"
        );
    }

    #[test]
    fn retry_after_is_bounded() {
        let after = |text| EndpointError::from_answer(503, Some(text), b"").retry_after();
        assert_eq!(after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        for huge in ["99999999", "99999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            assert_eq!(after(huge), Some(MAX_RETRY_AFTER), "{huge}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (text, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sunday, 06-Nov-94 08:50:37 GMT", Some(60)),
            ("Sun Nov  6 08:50:37 1994", Some(60)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("soon", None),
            ("1994-11-06T08:50:37Z", None),
            ("Sun, 06 Nov 1994 08:50:37 CET", None),
            ("Sun, 32 Nov 1994 25:50:37 GMT", None),
            ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ] {
            assert_eq!(pause(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn s1_bodies_and_odd_codes_are_not_quoted() {
        let error =
            EndpointError::from_answer(400, None, br#"{"error":"canary{}canary","error_description":"canary"}"#);
        assert!(!format!("{error:?} {error}").contains("canary"));
    }

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
    fn s1_an_explanation_that_could_repeat_a_token_is_not_kept() {
        let body = br#"{"error":"invalid_grant","error_description":"Refresh token abc-token is bad"}"#;
        assert_eq!(EndpointError::from_answer(400, None, body).description(), None);
        let knowing = |sent: &[&str]| EndpointError::of_answer(400, None, body, Some(sent));
        assert_eq!(knowing(&["abc-token"]).description(), None);
        assert_eq!(
            knowing(&["another-token"]).description(),
            Some("Refresh token abc-token is bad")
        );
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
