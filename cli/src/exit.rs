//! What the exit codes mean.

use std::process::ExitCode;

use token_storage::ErrorKind;

/// Shown by `--help` and in the manual page.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done
  1  something else went wrong, or a storage does not conform
  2  the command line, the configuration or the input is wrong; nothing was changed
  3  there is no such token
  4  the token has expired and cannot be refreshed; log in again
  5  what is stored is damaged, or `doctor` found an error
  6  the storage is busy, unavailable, full, or may not be used
  7  the server cannot be reached, or cannot answer now; try again later
`exec` ends as its command does, with 127 if there is none of that name, and with 126 if it cannot be run.
";

/// An exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Success = 0,
    Failure = 1,
    Usage = 2,
    NotFound = 3,
    Expired = 4,
    Corrupt = 5,
    Unavailable = 6,
    #[cfg(feature = "oauth")]
    Unreachable = 7,
    NotRunnable = 126,
    NoCommand = 127,
}

impl Exit {
    /// The name in the JSON form of an error.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::Expired => "expired",
            Self::Corrupt => "corrupt",
            Self::Unavailable => "unavailable",
            #[cfg(feature = "oauth")]
            Self::Unreachable => "unreachable",
            Self::NotRunnable => "not_runnable",
            Self::NoCommand => "no_command",
        }
    }
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidInput | ErrorKind::TooLarge | ErrorKind::Misconfigured => Self::Usage,
            ErrorKind::Corrupt => Self::Corrupt,
            ErrorKind::Busy | ErrorKind::Unavailable | ErrorKind::PermissionDenied | ErrorKind::StorageFull => {
                Self::Unavailable
            }
            _ => Self::Failure,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
