//! A client of reqwest whose requests carry a valid token, and take a 401 once.
//!
//! `cargo run -p token-storage-http --features reqwest --example reqwest_middleware` asks a strict server of its own on this
//! machine and prints:
//!
//! ```text
//! 200 OK: 2 groups
//! the server ends the token early
//! 200 OK: 2 groups
//! requests to the API: 3, refreshes: 1
//! ```

mod server;

use reqwest_middleware::ClientBuilder;
use token_storage_http::Authorize;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let world = server::start().await?;

    // This is what a program does.
    let groups = world.manager.authorizer(&server::groups_of("DEFAULT"));
    let authorize = Authorize::new(groups, &world.server.url())?;
    let client = ClientBuilder::new(reqwest::Client::new()).with(authorize).build();

    let ask = async || -> Result<(), Box<dyn std::error::Error>> {
        let answer = client.get(world.groups_url()).send().await?;
        let status = answer.status();
        println!("{status}: {} groups", server::count(&answer.bytes().await?)?);
        Ok(())
    };
    ask().await?;
    println!("the server ends the token early");
    world.server.expire_access_tokens();
    ask().await?;
    world.tell();
    Ok(())
}
