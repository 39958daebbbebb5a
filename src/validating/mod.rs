//! A storage that checks what goes in and what comes out.
//!
//! ```
//! use token_storage::{MemoryStorage, Precondition, TokenData, TokenKey, TokenStorageExt as _};
//! use token_storage::validating::{HasRefreshToken, RequiredScopes, Validating, ValidationError};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let scopes = RequiredScopes::new().require("groups.api.globus.org", "view_my_groups");
//! let tokens = Validating::new(MemoryStorage::new()).with(scopes).with(HasRefreshToken);
//! let key = TokenKey::in_default("groups.api.globus.org");
//! let data = TokenData::new("groups.api.globus.org", "openid", "access token");
//! let error = tokens.store(&key, &data, Precondition::Any).await.unwrap_err();
//! assert!(matches!(ValidationError::of(&error), Some(ValidationError::MissingScopes { .. })));
//! # }
//! ```

mod error;
mod identity;
mod storage;
mod validators;

use std::{fmt, sync::Arc};

use token_storage_core::{TokenData, TokenKey, TokenStorage};

pub use error::ValidationError;
pub use validators::{HasRefreshToken, NotExpired, RequiredScopes};

use identity::Identities;

/// A rule for records. It is asked before a record is stored and after one was read.
///
/// Neither method may look into the storage or block.
pub trait Validator: fmt::Debug + Send + Sync {
    /// Whether this may be stored.
    ///
    /// # Errors
    /// - Why not. Nothing is written then, of a batch nothing at all.
    fn before_store(&self, key: &TokenKey, data: &TokenData) -> Result<(), ValidationError>;

    /// Whether this may be handed out.
    ///
    /// # Errors
    /// - Why not. The record stays as it is.
    fn after_get(&self, key: &TokenKey, data: &TokenData) -> Result<(), ValidationError>;
}

/// A storage whose records follow rules; everything else it forwards, all capabilities included.
///
/// What breaks a rule is an error of the kind [`Rejected`](token_storage_core::ErrorKind::Rejected), and
/// [`ValidationError::of`] tells which. A rejected write has changed nothing and is remembered nowhere. Nothing is read
/// when it is made, and an absent record stays `Ok(None)`. `remove`, listing and leases are not validated, so that what
/// breaks a rule can be found and removed.
///
/// A token manager works on top of it, and then sees errors of the storage. Leave [`NotExpired`] out there: a manager
/// must read expired records to refresh them.
#[derive(Debug)]
pub struct Validating<S> {
    storage: S,
    validators: Vec<Arc<dyn Validator>>,
    identities: Option<Identities>,
}

impl<S: TokenStorage> Validating<S> {
    /// A storage without rules as yet.
    pub fn new(storage: S) -> Self {
        Self {
            storage,
            validators: Vec::new(),
            identities: None,
        }
    }

    /// Adds a rule. All rules must be kept; the first that is broken is reported.
    #[must_use]
    pub fn with(mut self, validator: impl Validator + 'static) -> Self {
        self.validators.push(Arc::new(validator));
        self
    }

    /// Adds the rule that each stored record says who logged in, and that it is the same person throughout a namespace:
    /// as in the record that is replaced, in the other records of the batch, and in those that this handle has read or
    /// stored as long as they are still there. Removing them, as logging out does, lets somebody else log in.
    ///
    /// Each store then reads the record that it replaces, and replaces exactly that one. Of records that nobody touched
    /// through this handle it knows nothing: it lists nothing, so that it works on every storage. For the same reason two
    /// first logins at the same instant, of two people and for two resource servers, may both succeed.
    #[must_use]
    pub fn with_unchanging_identity(mut self) -> Self {
        self.identities = Some(Identities::default());
        self
    }

    /// The storage below.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// The storage below, for good.
    pub fn into_storage(self) -> S {
        self.storage
    }
}
