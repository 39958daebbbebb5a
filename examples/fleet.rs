//! Worker processes that share one rotating refresh token: whoever finds the access token expired first refreshes it, and all
//! get the new one. The server takes each refresh token once, and ends the login if one comes twice.
//!
//! `cargo run --example fleet --features oauth,sqlite` starts a strict server of its own on this machine, four workers with
//! eight tasks each, and prints:
//!
//! ```text
//! 4 processes with 8 tasks each had a token: 32, of which good: 32, different: 1
//! refreshes: 1, refresh tokens that came twice: 0
//! ```

use std::{
    env,
    error::Error,
    process::{Command, Stdio},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use token_storage::{
    Namespaced, TokenKey, TokenResponse, TokenStorage,
    manager::TokenManager,
    oauth::{HttpClient, OAuthClient, Provider},
};
use token_storage_auth_testing::auth_server::AuthServer;

const WORKERS: usize = 4;
const TASKS: usize = 8;
/// What the token is for.
const API: &str = "resource.example.org";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [] => fleet().await,
        [storage, token_endpoint] => work(storage, token_endpoint).await,
        _ => Err("usage: fleet [STORAGE TOKEN-ENDPOINT]".into()),
    }
}

/// What each worker is: a manager over the shared storage.
async fn work(storage: &str, token_endpoint: &str) -> Result<()> {
    let storage: Arc<dyn TokenStorage> = token_storage::open(storage).await?;
    let provider = Provider::new(token_endpoint)?;
    let client = OAuthClient::new(HttpClient::new()?, provider, AuthServer::NATIVE_CLIENT);
    let manager = TokenManager::builder(storage, Arc::new(client)).build()?;
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let authorizer = manager.authorizer(&TokenKey::in_default(API));
            tokio::spawn(async move { authorizer.token().await })
        })
        .collect();
    for task in tasks {
        // For this demonstration alone: a worker would call the API with it.
        println!("{}", task.await??.expose());
    }
    manager.finish().await;
    Ok(())
}

/// Somebody logged in a while ago. Then the workers start, all at once.
async fn fleet() -> Result<()> {
    let server = AuthServer::start();
    let folder = tempfile::tempdir()?;
    let storage = format!("sqlite:{}", folder.path().join("tokens.db").display());
    let now: i64 = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().try_into()?;
    let answer = server.issue(AuthServer::NATIVE_CLIENT, "read");
    let answer = TokenResponse::parse(answer, now - 4000)?.with_resource_server(API)?;
    let tokens = Namespaced::in_default(token_storage::open(&storage).await?);
    tokens.store_response(&answer).await?;

    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        let mut worker = Command::new(env::current_exe()?);
        worker.args([&storage, &server.token_url()]).stdout(Stdio::piped());
        workers.push(worker.spawn()?);
    }
    let mut had = Vec::new();
    for worker in workers {
        let output = worker.wait_with_output()?;
        had.extend(String::from_utf8(output.stdout)?.lines().map(str::to_owned));
    }
    let good = had.iter().filter(|token| server.is_active(token)).count();
    let count = had.len();
    had.sort_unstable();
    had.dedup();
    println!(
        "{WORKERS} processes with {TASKS} tasks each had a token: {count}, of which good: {good}, different: {}",
        had.len()
    );
    println!(
        "refreshes: {}, refresh tokens that came twice: {}",
        server.refresh_requests(),
        server.reuse_detections()
    );
    Ok(())
}
