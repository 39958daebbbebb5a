//! Revoking (RFC 7009), at servers that do it in their own way.

use token_storage::manager::{EndpointErrorKind, TokenKind};
use token_storage_auth_testing::auth_server::{Endpoint, Fault};

use crate::support::world;

#[tokio::test]
async fn a_token_that_is_of_no_use_any_more_is_revoked() {
    let (server, client) = world().await;
    for (error, wanted) in [
        ("invalid_token", None),
        ("invalid_grant", None),
        ("unsupported_token_type", Some(EndpointErrorKind::Unsupported)),
        ("invalid_request", Some(EndpointErrorKind::Refused)),
        ("invalid_client", Some(EndpointErrorKind::ClientRejected)),
    ] {
        server.script(Endpoint::Revoke, Fault::Refuse { status: 400, error });
        let revoked = client.revoke_token(&"token".into(), TokenKind::Access).await;
        assert_eq!(revoked.err().map(|error| error.kind()), wanted, "{error}");
    }
}
