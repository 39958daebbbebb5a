//! What is no bearer token is not made a header of (RFC 6749 section 7.1).

use token_storage::manager::ManagerErrorKind;
use token_storage_auth_testing::auth_server::{Endpoint, Fault};

use crate::support::{World, key};

#[tokio::test]
async fn an_authorizer_makes_a_header_of_bearer_tokens_only() {
    let world = World::new().await;
    let authorizer = world.manager().authorizer(&key());
    assert!(authorizer.header_value().await.unwrap().expose().starts_with("Bearer "));
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

/// RFC 6749 appendix A.12: behind a line break a server could say more in a request to another one.
#[tokio::test]
async fn what_would_break_out_of_a_header_is_not_put_into_one() {
    let world = World::new().await;
    let authorizer = world.manager().authorizer(&key());
    for odd in [r#""canary\r\nX-More: 1""#, r#""canary\u0000""#, r#""canaryü""#] {
        world.expire();
        world.server.script(Endpoint::Token, Fault::Member("access_token", odd));
        let error = authorizer.header_value().await.unwrap_err();
        assert_eq!(error.kind(), ManagerErrorKind::NotBearer);
        let told = format!("{error} {error:?}");
        assert!(
            told.contains("no header may have") && !told.contains("canary"),
            "{told}"
        );
    }
}
