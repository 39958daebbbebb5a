use std::{error::Error as StdError, fmt};

use token_storage_core::{Error, ErrorKind, Operation, TokenKey};

/// Which rule a record breaks. It is the source of an [`Error`] of the kind [`ErrorKind::Rejected`]; no token is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValidationError {
    /// Scopes that are required for this resource server were not granted.
    MissingScopes {
        /// Those that are missing, in the order in which they were required.
        missing: Vec<String>,
    },
    /// There is no refresh token.
    MissingRefreshToken,
    /// The access token is expired.
    Expired {
        /// When it expired, in seconds since the Unix epoch.
        expires_at: i64,
    },
    /// The record does not say who logged in.
    MissingIdentity,
    /// Another person logged in than before.
    IdentityChanged {
        /// Who it was.
        stored: String,
        /// Who it is now.
        new: String,
    },
    /// What a rule of the program's own says. It must hold no token.
    Other(String),
}

impl ValidationError {
    /// The broken rule behind an error of a storage; `None` if it failed for another reason.
    pub fn of(error: &Error) -> Option<&Self> {
        let mut source = StdError::source(error);
        while let Some(error) = source {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            source = error.source();
        }
        None
    }

    pub(super) fn into_error(self, operation: Operation, key: &TokenKey) -> Error {
        let message = "the record breaks a rule of this program; see what follows";
        Error::new(ErrorKind::Rejected, message)
            .with_operation(operation)
            .with_key(key)
            .with_source(self)
    }
}

/// Names come from configuration and servers, so they are quoted and escaped.
impl fmt::Display for ValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingScopes { missing } => {
                write!(
                    f,
                    "required scopes were not granted: {missing:?}; log in again and consent to them"
                )
            }
            Self::MissingRefreshToken => {
                f.write_str("there is no refresh token; log in again and ask for offline access")
            }
            Self::Expired { expires_at } => {
                write!(
                    f,
                    "the access token is expired since {expires_at} (seconds since 1970); refresh it or log in again"
                )
            }
            Self::MissingIdentity => f.write_str("it does not say who logged in; ask for the scope openid"),
            Self::IdentityChanged { stored, new } => {
                write!(
                    f,
                    "{new:?} logged in, but the stored tokens are those of {stored:?}; log out first"
                )
            }
            Self::Other(message) => f.write_str(message),
        }
    }
}

impl StdError for ValidationError {}
