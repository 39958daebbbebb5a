//! The tower layer around real clients.

mod common;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use common::World;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use token_storage::MemoryStorage;
use token_storage_auth_testing::auth_server::{Endpoint, Fault};
use token_storage_http::{
    Authorize, AuthorizeError,
    tower::{AuthorizeLayer, AuthorizeService, Error},
};
use tower_layer::Layer as _;
use tower_service::Service;

type Body = Full<&'static [u8]>;
type Hyper = Client<HttpConnector, Body>;
type Service_ = AuthorizeService<Hyper, MemoryStorage, Body>;

fn hyper() -> Hyper {
    Client::builder(TokioExecutor::new()).build_http()
}

fn client(world: &World) -> Service_ {
    let authorize = Authorize::new(world.authorizer(), &world.server.url()).unwrap();
    AuthorizeLayer::new(authorize).layer(hyper())
}

fn get(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::default()).unwrap()
}

async fn status(client: &mut Service_, request: Request<Body>) -> StatusCode {
    client.call(request).await.unwrap().status()
}

#[tokio::test]
async fn a_good_token_costs_no_refresh() {
    let world = World::new().await;
    assert_eq!(status(&mut client(&world), get(&world.service())).await, StatusCode::OK);
    assert_eq!(world.counts(), (1, 0));
}

#[tokio::test]
async fn the_401s_of_many_requests_cost_one_refresh() {
    let world = World::new().await;
    let client = client(&world);
    world.server.expire_access_tokens();
    let sent = (0..20).map(|_| {
        let (mut client, request) = (client.clone(), get(&world.service()));
        tokio::spawn(async move { status(&mut client, request).await })
    });
    for sent in sent.collect::<Vec<_>>() {
        assert_eq!(sent.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(world.counts().1, 1);
}

#[tokio::test]
async fn a_service_that_refuses_the_fresh_token_too_is_asked_twice_and_no_more() {
    let world = World::new().await;
    let mut client = client(&world);
    let refuses = Fault::Status {
        status: 401,
        retry_after: None,
    };
    world.server.script_all(Endpoint::Groups, Some(refuses));
    assert_eq!(
        status(&mut client, get(&world.service())).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(world.counts(), (2, 1));
    // And then not even that, for as long as the token is fresh.
    assert_eq!(
        status(&mut client, get(&world.service())).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(world.counts(), (3, 1));
}

#[tokio::test]
async fn a_body_that_cannot_be_sent_twice_leaves_the_next_request_a_good_token() {
    let world = World::new().await;
    let authorize = Authorize::new(world.authorizer(), &world.server.url()).unwrap();
    let mut client = AuthorizeLayer::without_retry(authorize).layer(hyper());
    world.server.expire_access_tokens();
    assert_eq!(
        status(&mut client, get(&world.service())).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(world.counts(), (1, 1));
    assert_eq!(status(&mut client, get(&world.service())).await, StatusCode::OK);
    assert_eq!(world.counts(), (2, 1));
}

#[tokio::test]
async fn when_a_login_is_needed_it_is_said() {
    let world = World::new().await;
    let mut client = client(&world);
    world.server.revoke_everything();
    match client.call(get(&world.service())).await.unwrap_err() {
        Error::Authorize(AuthorizeError::Token(error)) => assert!(error.needs_login(), "{error}"),
        other => panic!("{other:?}"),
    }
}

/// Takes note of the headers that would be sent.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<HeaderMap>>>);

impl Service<Request<String>> for Recorder {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        self.0.lock().unwrap().push(request.headers().clone());
        ready(Ok(Response::new(())))
    }
}

impl Recorder {
    fn last(&self) -> Option<String> {
        let sent = self.0.lock().unwrap();
        let value = sent.last().unwrap().get("authorization")?;
        Some(value.to_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn the_token_goes_where_it_may_and_nowhere_else() {
    let world = World::new().await;
    let token = world.authorizer().token().await.unwrap();
    let sent = Recorder::default();
    let authorize = Authorize::new(world.authorizer(), "https://api.example.org").unwrap();
    let authorize = authorize.also_at("http://127.0.0.1:8080").unwrap();
    let mut client = AuthorizeLayer::new(authorize).layer(sent.clone());
    let expected = format!("Bearer {}", token.expose());
    for (uri, authorized) in [
        ("https://api.example.org/v1", true),
        ("http://127.0.0.1:8080/v1", true),
        ("http://api.example.org/v1", false),
        ("https://api.example.org:8443/v1", false),
        ("https://evil.example/api.example.org", false),
        ("/v1", false),
    ] {
        client
            .call(Request::get(uri).body(String::new()).unwrap())
            .await
            .unwrap();
        assert_eq!(sent.last(), authorized.then(|| expected.clone()), "{uri}");
    }
    let own = Request::get("https://api.example.org").header("authorization", "Basic b3du");
    client.call(own.body(String::new()).unwrap()).await.unwrap();
    assert_eq!(sent.last().as_deref(), Some("Basic b3du"));
}

#[tokio::test]
async fn each_request_has_the_token_of_its_user() {
    let world = World::new().await;
    world.log_in("ada").await;
    world.log_in("bob").await;
    let sent = Recorder::default();
    let authorize = Authorize::per_request(world.manager.clone(), "https://api.example.org").unwrap();
    let mut client = AuthorizeLayer::new(authorize).layer(sent.clone());
    for user in ["ada", "bob"] {
        let request = Request::get("https://api.example.org").extension(World::key(user));
        client.call(request.body(String::new()).unwrap()).await.unwrap();
        let token = world.manager.access_token(&World::key(user)).await.unwrap();
        assert_eq!(sent.last(), Some(format!("Bearer {}", token.expose())), "{user}");
    }
    let nobody = Request::get("https://api.example.org").body(String::new()).unwrap();
    let error = client.call(nobody).await.unwrap_err();
    assert!(matches!(error, Error::Authorize(AuthorizeError::NoKey)), "{error:?}");
    assert_eq!(sent.0.lock().unwrap().len(), 2, "nothing was sent for nobody");
}

#[tokio::test]
async fn s1_no_token_in_debug_and_errors() {
    let world = World::new().await;
    let token = world.authorizer().token().await.unwrap();
    let client = client(&world);
    assert!(!format!("{client:?}").contains(token.expose()));
}
