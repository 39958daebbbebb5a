//! How cases say what they expected and what they got.

use token_storage_core::{Error, ErrorKind, Result, StoredToken, TokenData, TokenKey};

use crate::history::short;

/// The result of a case.
pub(crate) type Check<T = ()> = std::result::Result<T, Stop>;

/// Why a case ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    Failed(Failure),
    /// A call failed that should have succeeded.
    Storage(Error),
    Ignored(String),
    /// The machine kept the case waiting until a lease ran out that was to be held.
    Stalled,
}

/// An expectation that was not met.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Failure {
    /// The clause of the contract.
    pub clause: String,
    /// What was expected of what.
    pub expectation: String,
    /// What the storage did.
    pub got: String,
    /// What it should have done.
    pub want: String,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Storage(error)
    }
}

pub(crate) fn fail<T>(clause: &str, expectation: &str, got: impl Into<String>, want: impl Into<String>) -> Check<T> {
    Err(Stop::Failed(Failure {
        clause: clause.to_owned(),
        expectation: expectation.to_owned(),
        got: got.into(),
        want: want.into(),
    }))
}

pub(crate) fn ignore<T>(reason: impl Into<String>) -> Check<T> {
    Err(Stop::Ignored(reason.into()))
}

/// The two are equal.
pub(crate) fn same<T: PartialEq + Show>(clause: &str, expectation: &str, got: &T, want: &T) -> Check {
    if got == want {
        return Ok(());
    }
    fail(clause, expectation, got.show(), want.show())
}

/// The condition holds.
pub(crate) fn holds(clause: &str, expectation: &str, condition: bool) -> Check {
    if condition {
        return Ok(());
    }
    fail(clause, expectation, "it does not hold", "it holds")
}

/// The call failed, with this kind of error.
pub(crate) fn refused<T>(clause: &str, expectation: &str, got: Result<T>, want: ErrorKind) -> Check<Error> {
    match got {
        Err(error) if error.kind() == want => Ok(error),
        Err(error) => fail(
            clause,
            expectation,
            format!("{:?}: {error}", error.kind()),
            format!("{want:?}"),
        ),
        Ok(_) => fail(clause, expectation, "Ok", format!("an error of kind {want:?}")),
    }
}

/// There is a record, with this content.
pub(crate) fn stored(clause: &str, got: &Option<StoredToken>, want: &TokenData) -> Check {
    match got {
        Some(got) => same(clause, "the record is as it was stored", &got.data, want),
        None => fail(clause, "the record is as it was stored", "no record", want.show()),
    }
}

pub(crate) fn absent(clause: &str, expectation: &str, got: &Option<StoredToken>) -> Check {
    match got {
        None => Ok(()),
        Some(got) => fail(clause, expectation, got.data.show(), "no record"),
    }
}

/// Shows test data, secrets included: they are the suite's own.
pub(crate) trait Show {
    fn show(&self) -> String;
}

impl Show for TokenData {
    fn show(&self) -> String {
        let mut text = format!(
            "resource_server {}, scope {}, access_token {}",
            short(&self.resource_server),
            short(&self.scope),
            short(self.access_token.expose())
        );
        let mut more = |name: &str, value: String| text += &format!(", {name} {value}");
        if let Some(token) = &self.refresh_token {
            more("refresh_token", short(token.expose()));
        }
        if let Some(at) = self.expires_at {
            more("expires_at", at.to_string());
        }
        if let Some(kind) = &self.token_type {
            more("token_type", short(kind));
        }
        if let Some(id) = &self.identity_id {
            more("identity_id", short(id));
        }
        for (name, json) in self.extra.iter() {
            more(&format!("extra {}", short(name)), short(json));
        }
        text
    }
}

impl Show for TokenKey {
    fn show(&self) -> String {
        format!("{}/{}", short(self.namespace()), short(self.resource_server()))
    }
}

impl Show for StoredToken {
    fn show(&self) -> String {
        self.data.show()
    }
}

impl<T: Show> Show for Option<T> {
    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "nothing".to_owned(), Show::show)
    }
}

impl<T: Show> Show for Vec<T> {
    fn show(&self) -> String {
        let shown: Vec<String> = self.iter().map(Show::show).collect();
        format!("[{}]", shown.join("; "))
    }
}

impl Show for String {
    fn show(&self) -> String {
        short(self)
    }
}

macro_rules! show_as_debug {
    ($($type:ty),*) => {
        $(impl Show for $type {
            fn show(&self) -> String {
                format!("{self:?}")
            }
        })*
    };
}

show_as_debug!(
    bool,
    i32,
    usize,
    u32,
    u64,
    i64,
    token_storage_core::Revision,
    std::path::PathBuf,
    std::ffi::OsString
);
