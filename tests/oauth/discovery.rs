//! Finding out a server's addresses, whatever its documents are like.

use token_storage::oauth::{HttpClient, LoginErrorKind, Provider};
use token_storage_auth_testing::auth_server::{AuthServer, Endpoint, Fault};

async fn discover(server: &AuthServer) -> Result<Provider, LoginErrorKind> {
    let http = HttpClient::new().unwrap();
    Provider::discover(&http, &server.url())
        .await
        .map_err(|error| error.kind())
}

#[tokio::test]
async fn the_first_document_that_can_be_used_counts() {
    let server = AuthServer::start();
    let foreign = Fault::Answer {
        status: 200,
        content_type: "application/json",
        body: r#"{"issuer":"https://elsewhere.example","token_endpoint":"https://elsewhere.example/t"}"#,
    };
    for fault in [
        Fault::Garbage,
        Fault::Omit(&["token_endpoint"]),
        Fault::Member("issuer", "7"),
        Fault::Status {
            status: 500,
            retry_after: None,
        },
        foreign.clone(),
    ] {
        server.script(Endpoint::OpenIdConfiguration, fault.clone());
        let provider = discover(&server)
            .await
            .unwrap_or_else(|kind| panic!("{fault:?}: {kind:?}"));
        assert_eq!(provider.token_endpoint(), server.token_url());
    }
    for (one, another, kind) in [
        (Fault::Garbage, Fault::Garbage, LoginErrorKind::Answer),
        // What is wrong with the address is told, not that the other document is missing.
        (
            foreign,
            Fault::Status {
                status: 404,
                retry_after: None,
            },
            LoginErrorKind::Configuration,
        ),
    ] {
        server.script(Endpoint::OpenIdConfiguration, one);
        server.script(Endpoint::Metadata, another);
        assert_eq!(discover(&server).await.unwrap_err(), kind);
    }
}

#[tokio::test]
async fn members_that_nobody_needs_break_nothing() {
    let server = AuthServer::start();
    server.script(Endpoint::OpenIdConfiguration, Fault::Member("jwks_uri", "[7]"));
    let provider = discover(&server).await.unwrap();
    assert_eq!(provider.jwks_uri(), None);
}
