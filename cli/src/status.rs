//! What is known of a token's refreshes, for commands that only look. No server is asked.

use serde::Serialize;
use token_storage::{
    LeaseKind, TokenKey, TokenStorage,
    manager::{ManagerError, RefreshStatus, refresh_status},
};

use crate::{
    Context,
    advice::{told, told_of},
};

/// What `get` and `doctor` tell of it.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    state: &'static str,
    pub(crate) message: String,
    /// Whether a person must log in again.
    needs_login: bool,
    /// When the server is asked again at the earliest.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
}

/// `None` if there is nothing to tell, or if it cannot be found out. Writes nothing.
pub(crate) async fn of(storage: &dyn TokenStorage, key: &TokenKey, context: &Context) -> Option<Status> {
    match refresh_status(storage, key).await.ok()? {
        RefreshStatus::UnderWay => Some(Status::new(
            "under_way",
            match storage.describe().lease {
                Some(LeaseKind::Timed { .. }) => "another process is refreshing it now, or died before it had begun",
                _ => "another process is refreshing it now",
            },
        )),
        RefreshStatus::Interrupted => Some(Status::new(
            "interrupted",
            "the last one ended without an answer, so the token may be dead; the next one, the only one that is tried with \
             this refresh token, shows it",
        )),
        RefreshStatus::Failed(error) => {
            let message = match error.server_name() {
                Some(_) => told(&error, context),
                // The record does not name it, and then a login has to.
                None => told_of(
                    &error,
                    storage.get(key).await.ok()?.map(|stored| stored.data).as_ref(),
                    context,
                ),
            };
            Some(Status::failed(&error, message))
        }
        _ => None,
    }
}

impl Status {
    fn new(state: &'static str, message: impl Into<String>) -> Self {
        Self {
            state,
            message: message.into(),
            needs_login: false,
            retry_after_seconds: None,
        }
    }

    fn failed(error: &ManagerError, message: String) -> Self {
        let needs_login = error.needs_login();
        // A pause is for a while, a refusal until somebody logs in.
        let retry_after = error.retry_after().filter(|_| !needs_login);
        Self {
            needs_login,
            retry_after_seconds: retry_after.map(|left| left.as_secs() + u64::from(left.subsec_nanos() > 0)),
            ..Self::new("failed", message)
        }
    }
}
