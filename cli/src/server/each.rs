//! The servers of all records in a storage, each asked about its own.

use std::sync::Arc;

use token_storage::{
    TokenData, TokenResponse, async_trait,
    manager::{EndpointError, RefreshRequest, RevokeRequest, TokenEndpoint},
};

use super::{Endpoint, ServerArgs};

/// For work on many records at once: which server is asked, and as which client, the record says, or the options.
#[derive(Debug)]
pub(crate) struct EachServer(ServerArgs);

impl EachServer {
    pub(crate) fn new(args: &ServerArgs) -> Arc<Self> {
        Arc::new(Self(args.clone()))
    }

    fn of(&self, data: &TokenData) -> Result<Arc<Endpoint>, EndpointError> {
        let server = self.0.server_of(data);
        let refused = |failure: crate::Failure| EndpointError::unconfigured(failure.message());
        server.map(Endpoint::new).map_err(refused)
    }
}

#[async_trait]
impl TokenEndpoint for EachServer {
    async fn refresh(&self, request: RefreshRequest<'_>) -> Result<TokenResponse, EndpointError> {
        self.of(request.data)?.refresh(request).await
    }

    fn accepts(&self, data: &TokenData) -> Result<(), EndpointError> {
        self.of(data)?.accepts(data)
    }

    fn renews(&self, data: &TokenData) -> bool {
        self.of(data).is_ok_and(|endpoint| endpoint.renews(data))
    }

    async fn revoke(&self, request: RevokeRequest<'_>) -> Result<(), EndpointError> {
        self.of(request.data)?.revoke(request).await
    }
}
