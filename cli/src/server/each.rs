//! The servers of all records in a storage, each asked about its own.

use std::{sync::Arc, time::Duration};

use token_storage::{
    TokenData, TokenResponse, async_trait,
    manager::{EndpointError, RefreshRequest, RevokeRequest, TokenEndpoint},
};

use super::{Endpoint, Server, ServerArgs};

/// For work on many records at once: which server is asked, and as which client, the record says, or the options.
#[derive(Debug)]
pub(crate) struct EachServer {
    args: ServerArgs,
    timeout: Option<Duration>,
}

impl EachServer {
    /// `timeout`: how long each request may take, if that was said.
    pub(crate) fn new(args: &ServerArgs, timeout: Option<Duration>) -> Arc<Self> {
        let args = args.clone();
        Arc::new(Self { args, timeout })
    }

    fn of(&self, data: &TokenData) -> Result<Arc<Endpoint>, EndpointError> {
        let server = self.args.server_of(data);
        let refused = |failure: crate::Failure| EndpointError::unconfigured(failure.message());
        let within = |server: Result<Server, String>| Endpoint::new(server.map(|server| server.within(self.timeout)));
        server.map(within).map_err(refused)
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
