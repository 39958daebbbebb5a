//! A client of hyper inside a tower layer: its requests carry a valid token, and take a 401 once.
//!
//! `cargo run -p token-storage-http --features tower --example tower_layer` asks a strict server of its own on this machine and
//! prints:
//!
//! ```text
//! 200 OK: 2 groups
//! the server ends the token early; 10 tasks ask at once
//! 10 of them were served
//! refreshes: 1
//! ```

mod server;

use std::error::Error;

use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use token_storage_http::{Authorize, tower::AuthorizeLayer};
use tower_layer::Layer as _;
use tower_service::Service as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let world = server::start().await?;

    // This is what a program does.
    let groups = world.manager.authorizer(&server::groups_of("DEFAULT"));
    let layer = AuthorizeLayer::new(Authorize::new(groups, &world.server.url())?);
    let mut client = layer.layer(Client::builder(TokioExecutor::new()).build_http());

    let request = || Request::get(world.groups_url()).body(Empty::<&[u8]>::new());
    let answer = client.call(request()?).await?;
    let status = answer.status();
    println!(
        "{status}: {} groups",
        server::count(&answer.into_body().collect().await?.to_bytes())?
    );

    println!("the server ends the token early; 10 tasks ask at once");
    world.server.expire_access_tokens();
    let mut tasks = Vec::new();
    for _ in 0..10 {
        tasks.push(tokio::spawn(client.call(request()?)));
    }
    let mut served = 0;
    for task in tasks {
        served += usize::from(task.await??.status().is_success());
    }
    println!("{served} of them were served");
    println!("refreshes: {}", world.server.refresh_requests());
    Ok(())
}
