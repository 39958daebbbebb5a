//! Why a command failed, and how that is told.

use std::{fmt::Write as _, process::ExitCode};

use token_storage::Error;

use crate::{exit::Exit, text, voice};

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// A command that failed: the exit code and what to say, which never holds a token.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }

    /// A failure that nobody is to be told of: the reader of our output has gone.
    pub(crate) fn silent() -> Self {
        Self::new(Exit::Success, "")
    }

    /// Says in front of the message where it happened.
    pub(crate) fn at(mut self, place: &str) -> Self {
        self.message.insert_str(0, &format!("{place}: "));
        self
    }

    /// Adds what to do next.
    pub(crate) fn with_advice(mut self, advice: &str) -> Self {
        self.message.push_str("; ");
        self.message.push_str(advice);
        self
    }

    /// What to say.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Whether a login would help.
    #[cfg(feature = "oauth")]
    pub(crate) fn needs_login(&self) -> bool {
        matches!(self.exit, Exit::NotFound | Exit::Expired)
    }

    pub(crate) fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            voice::fail(self.exit.name(), &self.message);
        }
        self.exit.into()
    }
}

/// What to say: for the page that a browser shows.
impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Self::new(error.kind().into(), chain(&error));
        match error.action() {
            Some(action) => failure.with_advice(&text::action(action)),
            None => failure,
        }
    }
}

/// An error and its causes in one message.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    add_causes(&mut message, error);
    message
}

/// What led to it, behind what was said of it.
pub(crate) fn add_causes(message: &mut String, error: &dyn std::error::Error) {
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !message.contains(&text) {
            let _ = write!(message, ": {text}");
        }
        source = cause.source();
    }
}
