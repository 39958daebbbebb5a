//! Logs in with huskarl, and calls a service with the token that this library keeps.
//!
//! ```text
//! huskarl-login login ISSUER CLIENT-KEY.jwk STORAGE     prints an address, and waits for the browser at port 8400
//! huskarl-login call ISSUER CLIENT-KEY.jwk STORAGE URL  prints what the service answers
//! huskarl-login logout ISSUER CLIENT-KEY.jwk STORAGE
//! ```
//!
//! A process that waits for another one's refresh says `waiting` on its standard error.
//!
//! `.ci/checks/56-huskarl.sh` runs it at a server that insists on all that huskarl does here. It printed, in November 2026:
//!
//! ```text
//! huskarl at oidc-provider 9.13.3: 2 logins by PAR (2 pushed), 2 x 12 processes with one request each while all of them
//! wanted one, 31 proofs, refusal, logout
//! ```

mod endpoint;
mod service;

use std::{env, error::Error, process::ExitCode, sync::Arc};

use endpoint::{CLIENT, Huskarl, response_of};
use huskarl::grant::authorization_code::{AuthorizationCodeGrant, StartInput, bind_loopback};
use huskarl_crypto_native::asymmetric::signer::{GenerateAlgorithm, PrivateKey};
use token_storage::{
    TokenKey, TokenStorage,
    manager::{Event, Logout, TokenManager},
};

const REDIRECT: &str = "http://127.0.0.1:8400/callback";
/// The name that the token is stored under.
const NAME: &str = "service";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Err(error) = run().await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("huskarl-login: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("because: {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}

async fn run() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["login", issuer, client_key, storage] => log_in(&App::new(issuer, client_key, storage).await?).await,
        ["call", issuer, client_key, storage, url] => call(&App::new(issuer, client_key, storage).await?, url).await,
        ["logout", issuer, client_key, storage] => {
            let app = App::new(issuer, client_key, storage).await?;
            app.manager.logout(&TokenKey::in_default(NAME), Logout::Revoke).await?;
            Ok(())
        }
        _ => Err("usage: huskarl-login login|call|logout ISSUER CLIENT-KEY.jwk STORAGE [URL]".into()),
    }
}

struct App {
    huskarl: Arc<Huskarl>,
    manager: TokenManager,
}

impl App {
    async fn new(issuer: &str, client_key: &str, storage: &str) -> Result<Self> {
        let huskarl = Arc::new(Huskarl::new(issuer, &std::fs::read_to_string(client_key)?).await?);
        let storage: Arc<dyn TokenStorage> = token_storage::open(storage).await?;
        let manager = TokenManager::builder(storage, huskarl.clone())
            .on_event(|event| {
                if let Event::Waiting(_) = event {
                    eprintln!("waiting");
                }
            })
            .build()?;
        Ok(Self { huskarl, manager })
    }
}

/// The login is all huskarl's; what comes of it is stored.
async fn log_in(app: &App) -> Result<()> {
    let metadata = app.huskarl.metadata().await?;
    let key = PrivateKey::generate(GenerateAlgorithm::Es256, None)?;
    let grant = AuthorizationCodeGrant::builder_from_metadata(&metadata)?
        .client_id(CLIENT)
        .http_client(app.huskarl.http())
        .client_auth(app.huskarl.client_auth())
        .redirect_uri(REDIRECT)
        .dpop(endpoint::dpop(&key))
        .build()
        .await?;
    let listener = bind_loopback(8400).await?;
    let scope = vec!["openid".to_owned(), "offline_access".to_owned()];
    let started = grant.start(StartInput::scope(scope)).await?;
    println!("{}", started.authorization_url);
    let done = grant
        .complete_on_loopback(&listener, &started.pending_state, None)
        .await?;
    let identity = done.id_token.and_then(|token| token.sub);

    let answer = &done.token_response;
    // With the key that the tokens are bound to: a refresh leaves it there.
    let response = response_of(
        answer,
        Some(&key),
        &app.huskarl.issued_by(),
        answer.received_at().as_second(),
    )?;
    let mut response = response.with_resource_server(NAME)?;
    if let Some(identity) = identity {
        response = response.with_identity_id(&identity);
    }
    app.manager.store_login("DEFAULT", &response).await?;
    println!("stored");
    Ok(())
}

/// With a token that is refreshed if need be, once for however many processes ask, and a proof of its key.
async fn call(app: &App, url: &str) -> Result<()> {
    let name = TokenKey::in_default(NAME);
    let token = app.manager.access_token(&name).await?;
    let stored = app.manager.storage().get(&name).await?.ok_or("there is no record")?;
    println!(
        "{}",
        service::get(url, &token, &endpoint::key_of(&stored.data).await?).await?
    );
    Ok(())
}
