//! The middleware of reqwest, at real servers.

mod common;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    thread::JoinHandle,
};

use common::World;
use http_body_util::Full;
use reqwest::{Body, StatusCode};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Error};
use token_storage_auth_testing::auth_server::AuthServer;
use token_storage_http::{Authorize, AuthorizeError};

fn client(world: &World) -> ClientWithMiddleware {
    with(Authorize::new(world.authorizer(), &world.server.url()).unwrap())
}

fn with(authorize: Authorize<token_storage::MemoryStorage>) -> ClientWithMiddleware {
    ClientBuilder::new(reqwest::Client::builder().no_proxy().build().unwrap())
        .with(authorize)
        .build()
}

async fn status(client: &ClientWithMiddleware, url: &str) -> StatusCode {
    client.get(url).send().await.unwrap().status()
}

#[tokio::test]
async fn a_401_is_taken_once() {
    let world = World::new().await;
    let client = client(&world);
    assert_eq!(status(&client, &world.service()).await, StatusCode::OK);
    assert_eq!(world.counts(), (1, 0));
    world.server.expire_access_tokens();
    assert_eq!(status(&client, &world.service()).await, StatusCode::OK);
    assert_eq!(world.counts(), (3, 1));
}

#[tokio::test]
async fn a_stream_is_sent_once_and_the_next_request_has_a_good_token() {
    let world = World::new().await;
    let client = client(&world);
    world.server.expire_access_tokens();
    // Of a body that was wrapped, reqwest cannot know that it could be sent twice.
    let stream = Body::wrap(Full::<&[u8]>::new(b"part"));
    let answer = client.post(world.service()).body(stream).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(world.counts(), (1, 1));
    assert_eq!(status(&client, &world.service()).await, StatusCode::OK);
    assert_eq!(world.counts(), (2, 1));
}

#[tokio::test]
async fn when_a_login_is_needed_it_is_said() {
    let world = World::new().await;
    let client = client(&world);
    world.server.revoke_everything();
    let Error::Middleware(error) = client.get(world.service()).send().await.unwrap_err() else {
        panic!("the service cannot be asked without a token");
    };
    match error.downcast_ref::<AuthorizeError>() {
        Some(AuthorizeError::Token(error)) => assert!(error.needs_login(), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_request_has_the_token_of_its_user() {
    let world = World::new().await;
    let client = with(Authorize::per_request(world.manager.clone(), &world.server.url()).unwrap());
    let request = client.get(world.service()).with_extension(World::key("DEFAULT"));
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    let error = client.get(world.service()).send().await.unwrap_err();
    assert!(error.to_string().contains("TokenKey"), "{error}");
    assert_eq!(world.counts(), (1, 0));
}

/// Answers one request with a redirect, and gives its head.
fn redirecting(to: String) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let head = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let head: Vec<String> = lines.map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
        write!(
            stream,
            "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"
        )
        .unwrap();
        head.join("\n").to_ascii_lowercase()
    });
    (origin, head)
}

#[tokio::test]
async fn a_redirect_to_another_server_leads_there_without_the_token() {
    let world = World::new().await;
    let stranger = AuthServer::start();
    let (origin, head) = redirecting(format!("{}/v2/groups/my_groups", stranger.url()));
    let client = with(Authorize::new(world.authorizer(), &origin).unwrap());
    // The stranger's 401 says nothing about the token, so nothing is refreshed.
    assert_eq!(status(&client, &origin).await, StatusCode::UNAUTHORIZED);
    assert!(head.join().unwrap().contains("authorization: bearer at-"));
    assert_eq!(world.counts(), (0, 0));
}
