use std::sync::{Arc, Mutex, PoisonError};

use token_storage_core::{Secret, TokenKey, async_trait};

use super::Refresher;
use crate::auth_server::AuthServer;

/// A refresher whose errors are read (S1).
pub(super) struct Spied {
    pub(super) inner: Arc<dyn Refresher>,
    pub(super) server: Arc<AuthServer>,
    pub(super) broken: Arc<Broken>,
}

/// What is found aside from what a case looks for.
#[derive(Debug, Default)]
pub(super) struct Broken(Mutex<Vec<String>>);

impl Broken {
    pub(super) fn add(&self, what: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    pub(super) fn assert_none(&self) {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

#[async_trait]
impl Refresher for Spied {
    async fn access_token(&self, key: &TokenKey) -> Result<Secret, String> {
        let got = self.inner.access_token(key).await;
        match &got {
            Err(message) if self.server.shows_token(message) => {
                self.broken.add("S1: an error shows a token".into());
            }
            Ok(token) if !self.server.has_issued(token.expose()) => {
                self.broken.add("L6: a token that the server never issued".into());
            }
            _ => {}
        }
        got
    }
}
