//! What is no bearer token is not made a header of (RFC 6749 section 7.1).

use token_storage::manager::ManagerErrorKind;
use token_storage_conformance::auth_server::{Endpoint, Fault};

use crate::support::{World, key};

#[tokio::test]
async fn an_authorizer_makes_a_header_of_bearer_tokens_only() {
    let world = World::new().await;
    let authorizer = world.manager().authorizer(&key());
    assert!(authorizer.header_value().await.unwrap().starts_with("Bearer "));
    for token_type in [r#""DPoP""#, r#""mac""#] {
        world.expire();
        world
            .server
            .script(Endpoint::Token, Fault::Member("token_type", token_type));
        let error = authorizer.header_value().await.unwrap_err();
        assert_eq!(error.kind(), ManagerErrorKind::NotBearer);
        assert!(!world.server.shows_token(&format!("{error} {error:?}")));
        let token = authorizer.token().await.unwrap();
        assert!(!token.is_bearer() && token.header_value().is_err());
        assert!(
            world.server.is_active(token.expose()),
            "it is there for who makes the proof"
        );
    }
    world.expire();
    assert!(
        authorizer.header_value().await.is_ok(),
        "of the next one it is known again"
    );
}
