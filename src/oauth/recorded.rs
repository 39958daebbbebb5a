//! A server that only a record names: its addresses are asked for once one of them is gone, or is not in the record.

use url::Url;

use super::{OAuthClient, Provider};
use crate::manager::EndpointError;

impl OAuthClient {
    /// Where refresh tokens are redeemed, as far as is known.
    pub(super) fn token_endpoint(&self) -> &Url {
        &self.known().token_endpoint
    }

    /// Where tokens are revoked; asked for if the record does not say.
    pub(super) async fn revocation_endpoint(&self) -> Result<Option<&Url>, EndpointError> {
        if self.known().revocation_endpoint.is_some() || !self.may_ask() {
            return Ok(self.known().revocation_endpoint.as_ref());
        }
        Ok(self.asked().await?.revocation_endpoint.as_ref())
    }

    /// Where to send again what `outcome` says never arrived, because the address `url` of the record is gone. `None` if it
    /// arrived, or if nothing better can be found: the first failure is then what is told.
    pub(super) async fn moved<T>(
        &self,
        outcome: &Result<T, EndpointError>,
        url: &Url,
        address: impl Fn(&Provider) -> Option<&Url>,
    ) -> Option<&Url> {
        let error = outcome.as_ref().err()?;
        if !self.may_ask() || !is_gone(error) {
            return None;
        }
        address(self.asked().await.ok()?).filter(|found| *found != url)
    }

    fn known(&self) -> &Provider {
        self.found.get().unwrap_or(&self.provider)
    }

    /// Whether the issuer has not been asked yet, and may be.
    fn may_ask(&self) -> bool {
        self.provider.of_record && self.provider.issuer.is_some() && !self.found.initialized()
    }

    async fn asked(&self) -> Result<&Provider, EndpointError> {
        let issuer = self.provider.issuer.as_deref().unwrap_or_default();
        let found = self
            .found
            .get_or_try_init(|| Provider::discover(&self.http, issuer))
            .await;
        found.map_err(|error| EndpointError::from(&error))
    }
}

/// Whether nothing can have been done, because nobody serves that address (any more).
fn is_gone(error: &EndpointError) -> bool {
    let unconnected = error.connection_problem().is_some() && !error.may_have_been_done();
    unconnected || matches!(error.status(), Some(404 | 410))
}
