//! Ending tokens at the server.

use std::time::Duration;

use token_storage_core::{TokenData, TokenKey, TokenStorage};

use super::{
    ConnectionProblem, EndpointError, EndpointErrorKind, Event, RevokeRequest, TokenKind, inner::Inner,
    jitter::jittered, step::Step,
};

/// How often a revocation is tried before it is given up.
const ATTEMPTS: u32 = 3;

/// The access token first, as the Globus SDK does it: some servers forget it together with the refresh token. The refresh
/// token is revoked whatever is said of that (RFC 7009 section 2.1: it is what lives on), and a server that says a word
/// against the access token then has ended it, or cannot.
pub(super) async fn record<S: TokenStorage>(
    inner: &Inner<S>,
    key: &TokenKey,
    data: &TokenData,
) -> Result<(), EndpointError> {
    let asked = |token, kind| inner.revoke(RevokeRequest::new(key, data, token, kind));
    let accepted = inner.endpoint.accepts(data);
    accepted.map_err(|error| error.or_server(inner.server_name(Some(data)).as_deref()))?;
    let access = asked(&data.access_token, TokenKind::Access).await;
    let Some(token) = &data.refresh_token else {
        return access;
    };
    asked(token, TokenKind::Refresh).await?;
    match access {
        Err(error) if error.kind() == EndpointErrorKind::Transient => Err(error),
        _ => Ok(()),
    }
}

impl<S: TokenStorage> Inner<S> {
    /// Revokes tokens that nobody may use; the refresh token first, because it lives longer. `record` is the one that they
    /// were asked for with. Says whether all of them are revoked.
    pub(super) async fn revoke_fresh(&self, key: &TokenKey, record: &TokenData, fresh: &TokenData) -> bool {
        self.at(Step::BeforeRevoke).await;
        let refresh = fresh.refresh_token.as_ref().map(|token| (token, TokenKind::Refresh));
        let mut failed = None;
        for (token, kind) in refresh.into_iter().chain([(&fresh.access_token, TokenKind::Access)]) {
            let request = RevokeRequest::new(key, record, token, kind);
            failed = self.revoke(request).await.err().or(failed);
        }
        let revoked = failed.is_none();
        self.emit(&match failed {
            None => Event::Revoked(key.clone()),
            Some(error) => Event::NotRevoked(key.clone(), error),
        });
        revoked
    }

    /// Revoking twice does no harm, so this may be repeated where a refresh may not.
    pub(super) async fn revoke(&self, request: RevokeRequest<'_>) -> Result<(), EndpointError> {
        let mut attempt = 1;
        loop {
            let asked = tokio::time::timeout(self.settings.request_timeout, self.endpoint.revoke(request)).await;
            let error = match asked {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error,
                Err(_) => EndpointError::connection(ConnectionProblem::TimedOut),
            };
            // Whoever did not answer in all that time will not in as much again.
            let hangs = error.connection_problem() == Some(ConnectionProblem::TimedOut);
            if hangs || error.kind() != EndpointErrorKind::Transient || attempt == ATTEMPTS {
                return Err(error.or_server(self.server_name(Some(request.data)).as_deref()));
            }
            tokio::time::sleep(jittered(Duration::from_millis(100) * attempt)).await;
            attempt += 1;
        }
    }
}
