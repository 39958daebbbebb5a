use std::fmt;

use serde::Serialize;

/// One observation about a storage, with what to do about it: what `token-storage doctor` prints.
///
/// Holds no stored bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where: a path, a record's key, a table.
    pub place: String,
    /// What was found.
    pub message: String,
    /// What a person should do about it; empty if nothing.
    pub advice: String,
    /// The [action](crate::backend::ActionInfo) of the storage's scheme that does it, by its name.
    pub action: Option<&'static str>,
}

/// How bad a [`Finding`] is. Exhaustive on purpose: exit codes and colours are decided by it, and a fourth would have to be
/// thought of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// As it should be, or good to know.
    Info,
    /// Works, but should be changed.
    Warning,
    /// Something is damaged, unsafe or cannot be used.
    Error,
}

impl Finding {
    /// A finding; `advice` may be empty.
    pub fn new(
        severity: Severity,
        place: impl Into<String>,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            place: place.into(),
            message: message.into(),
            advice: advice.into(),
            action: None,
        }
    }

    /// Names the action that does what is advised; as [`Error::with_action`](crate::Error::with_action).
    pub fn with_action(mut self, name: &'static str) -> Self {
        self.action = Some(name);
        self
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}
