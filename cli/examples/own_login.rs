//! A command-line program of your own whose users log in: `login`, `groups` and `logout`, with clap.
//!
//! ```text
//! own_login --issuer URL --storage URL login     opens a browser, or prints where to go
//! own_login --issuer URL --storage URL groups    calls an API; refreshes the token if need be
//! own_login --issuer URL --storage URL logout    revoked at the server, then removed
//! ```
//!
//! `cargo run -p token-storage-cli --example own_login -- try` goes through all of it at a strict server of its own on this
//! machine, and prints:
//!
//! ```text
//! $ own_login groups
//! nobody is logged in; run `own_login login`
//! $ own_login login
//! logged in
//! $ own_login groups
//! 2 groups
//! $ own_login logout
//! logged out
//! ```

use std::{error::Error, io::Write as _, net::TcpStream, path::PathBuf, sync::Arc, time::Duration};

use clap::{Parser, Subcommand};
use token_storage::{
    TokenKey,
    globus::scopes,
    manager::{AccessToken, Logout, ManagerError, TokenManager},
    oauth::{HttpClient, LoginOptions, OAuthClient, Provider},
};
use token_storage_auth_testing::auth_server::AuthServer;

const API: &str = scopes::GROUPS_RESOURCE_SERVER;
const CLIENT: &str = "native-client";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Parser)]
struct Cli {
    /// The authorization server
    #[arg(long, default_value = "https://auth.globus.org")]
    issuer: String,
    /// The API
    #[arg(long, default_value = "https://groups.api.globus.org")]
    api: String,
    /// Where tokens are kept
    #[arg(long, default_value = "sqlite:own-login.db")]
    storage: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Subcommand)]
enum Command {
    /// Log in with a browser
    Login,
    /// Say how many groups you have
    Groups,
    /// End the login
    Logout,
    /// Go through all of it at a server on this machine
    Try,
}

struct App {
    api: String,
    client: OAuthClient,
    manager: TokenManager,
}

impl App {
    async fn new(issuer: &str, api: &str, storage: &str) -> Result<Self> {
        let http = HttpClient::new()?;
        let provider = Provider::discover(&http, issuer).await?;
        let client = OAuthClient::new(http, provider, CLIENT);
        let storage = token_storage::open(storage).await?;
        let builder = TokenManager::builder(storage, Arc::new(client.clone()));
        // What went on in the background would end with the program.
        let manager = builder.in_foreground().build()?;
        Ok(Self {
            api: api.to_owned(),
            client,
            manager,
        })
    }

    /// `open` is given the address that the person has to visit.
    async fn login(&self, open: impl FnOnce(&str)) -> Result<()> {
        let options = LoginOptions::new(scopes::VIEW_MY_GROUPS);
        let login = self.client.begin_loopback_login(&options, OAuthClient::LOOPBACK)?;
        open(login.url());
        let response = login.finish(Duration::from_secs(600)).await?;
        self.manager.store_login("DEFAULT", &response).await?;
        println!("logged in");
        Ok(())
    }

    async fn groups(&self) -> Result<()> {
        let url = format!("{}/v2/groups/my_groups", self.api);
        let (client, url) = (&self.client, &url);
        let ask =
            |token: AccessToken| async move { Ok::<_, ManagerError>(client.get_resource(url, token.secret()).await) };
        let is_unauthorized = |answer: &std::result::Result<Vec<u8>, token_storage::oauth::LoginError>| {
            let status = answer.as_ref().err().and_then(|error| error.server()?.status());
            status == Some(401)
        };
        let authorizer = self.manager.authorizer(&TokenKey::in_default(API));
        match authorizer.send(ask, is_unauthorized).await {
            Ok(answer) => {
                let groups: Vec<serde_json::Value> = serde_json::from_slice(&answer?)?;
                println!("{} groups", groups.len());
            }
            Err(error) if error.needs_login() => println!("nobody is logged in; run `own_login login`"),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    async fn logout(&self) -> Result<()> {
        self.manager.logout(&TokenKey::in_default(API), Logout::Revoke).await?;
        println!("logged out");
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    match cli.command {
        Command::Try => try_it().await,
        command => run(&App::new(&cli.issuer, &cli.api, &cli.storage).await?, command).await,
    }
}

async fn run(app: &App, command: Command) -> Result<()> {
    match command {
        Command::Login => app.login(|address| eprintln!("visit {address}")).await,
        Command::Groups => app.groups().await,
        Command::Logout => app.logout().await,
        Command::Try => Ok(()),
    }
}

/// As a person would, who says yes in the browser.
async fn try_it() -> Result<()> {
    let server = AuthServer::start();
    let folder = tempfile::tempdir()?;
    let file: PathBuf = folder.path().join("tokens.db");
    let app = App::new(&server.url(), &server.url(), &format!("sqlite:{}", file.display())).await?;
    println!("$ own_login groups");
    app.groups().await?;
    println!("$ own_login login");
    app.login(|address| {
        let back = server.decide(address, true);
        std::thread::spawn(move || visit(&back));
    })
    .await?;
    println!("$ own_login groups");
    app.groups().await?;
    println!("$ own_login logout");
    app.logout().await
}

/// As a browser that is sent to this address.
fn visit(address: &str) -> std::io::Result<String> {
    let rest = address.trim_start_matches("http://");
    let (host, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let slash = if target.starts_with('/') { "" } else { "/" };
    let mut stream = TcpStream::connect(host)?;
    write!(stream, "GET {slash}{target} HTTP/1.1\r\nhost: {host}\r\n\r\n")?;
    std::io::read_to_string(stream)
}
