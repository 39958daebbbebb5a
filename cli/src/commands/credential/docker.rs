//! Docker's protocol: JSON, as docker-credential-helpers describes it.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use token_storage::{EnumerateExt as _, Secret};
use zeroize::Zeroizing;

use super::{
    USERNAME, kept,
    kept::{Outcome, Password},
    may_go_to,
};
use crate::{
    Context, Exit, Failure, Result,
    args::unless_empty,
    commands::access_token::{self, Wanted},
    input,
    output::print,
    text, voice,
};

/// What Docker takes for "nothing there" rather than a failure.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// A credential helper of Docker
///
/// Docker runs `docker-credential-NAME`: make a link of that name, `docker-credential-token-storage`, to this command, and say
/// `"credsStore": "token-storage"`, or `"credHelpers": {"registry.example.org": "token-storage"}`, in `~/.docker/config.json`.
/// The host of the registry is the resource server.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What Docker wants: `get`, `store`, `erase` or `list`; it adds that itself
    action: String,

    /// The user name that goes with the token of a login [default: oauth2]
    #[arg(
        long,
        value_name = "NAME",
        env = unless_empty("TOKEN_STORAGE_CREDENTIAL_USERNAME"),
        hide_env_values = true
    )]
    username: Option<String>,

    #[command(flatten)]
    wanted: Wanted,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    #[serde(rename = "ServerURL")]
    server_url: String,
    username: String,
    secret: String,
}

/// A registry, and the name of its record.
struct Server {
    url: String,
    name: String,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let done = match &*args.action {
        "get" => get(&args, context).await,
        "store" => store(context).await,
        "erase" => erase(context).await,
        "list" => list(context).await,
        _ => Err(Failure::new(
            Exit::Usage,
            "Docker's helpers know `get`, `store`, `erase` and `list`",
        )),
    };
    // It shows what stands on standard output, and nothing else.
    if let Err(failure) = &done {
        print(&format!("{}\n", voice::guarded(&text::one_line(failure.message()))))?;
    }
    done
}

impl Server {
    fn of(url: &str) -> Result<Self> {
        let (protocol, rest) = url.split_once("://").unwrap_or(("https", url));
        let name = rest.split('/').next().unwrap_or_default();
        if name.is_empty() || name.contains('@') {
            return Err(Failure::new(Exit::Usage, "Docker names no registry"));
        }
        if !may_go_to(protocol, name) {
            return Err(Failure::new(
                Exit::Usage,
                "a token must not be sent there in the clear; use https",
            ));
        }
        Ok(Self {
            url: url.to_owned(),
            name: name.to_owned(),
        })
    }

    fn read() -> Result<Self> {
        let (_, bytes) = input::read("-", "Docker's question")?;
        Self::of(std::str::from_utf8(&bytes).unwrap_or_default().trim())
    }
}

async fn get(args: &Args, context: &Context) -> Result<Exit> {
    let server = Server::read()?;
    let Some(stored) = context.tokens().await?.get(&server.name).await? else {
        print(&format!("{NOT_FOUND}\n"))?;
        return Ok(Exit::Failure);
    };
    let kept = kept::username(&stored.data);
    let username = kept.as_deref().or(args.username.as_deref()).unwrap_or(USERNAME);
    let token = access_token::obtain(&server.name, &args.wanted, context).await?;
    let answer = json!({"ServerURL": server.url, "Username": username, "Secret": token.line()?});
    print(&Zeroizing::new(format!("{answer}\n")))?;
    Ok(Exit::Success)
}

async fn store(context: &Context) -> Result<Exit> {
    let (place, bytes) = input::read("-", "what Docker wants kept")?;
    // An error of serde_json would quote it.
    let given: Given = serde_json::from_slice(&bytes)
        .map_err(|_| Failure::new(Exit::Usage, format!("{place}: it is not what Docker says")))?;
    let server = Server::of(&given.server_url)?;
    let password = Password {
        username: &given.username,
        secret: Secret::new(given.secret),
        expires_at: None,
        server_url: Some(&server.url),
    };
    match kept::keep(&server.name, password, context).await? {
        Outcome::Done => Ok(Exit::Success),
        Outcome::IsOfLogin => Err(is_of_login(&server)),
    }
}

async fn erase(context: &Context) -> Result<Exit> {
    let server = Server::read()?;
    let Some(stored) = context.tokens().await?.get(&server.name).await? else {
        return Ok(Exit::Success);
    };
    match kept::forget(&server.name, &stored, context).await? {
        Outcome::Done => Ok(Exit::Success),
        Outcome::IsOfLogin => Err(is_of_login(&server)),
    }
}

fn is_of_login(server: &Server) -> Failure {
    let name = text::command_word(&server.name);
    let message =
        format!("the token of a login is stored for this registry, and stays; `token-storage logout {name}` ends it");
    Failure::new(Exit::Usage, message)
}

/// Those that Docker had kept: what the registry of a login is called by Docker, nobody has said.
async fn list(context: &Context) -> Result<Exit> {
    let tokens = context.tokens().await?;
    let mut found = Map::new();
    if let Some(enumerate) = tokens.storage().enumerate() {
        for key in enumerate.all_keys(tokens.namespace()).await?.items {
            let Some(stored) = tokens.get(key.resource_server()).await? else {
                continue;
            };
            if let (Some(url), Some(username)) = (kept::server_url(&stored.data), kept::username(&stored.data)) {
                found.insert(url, username.into());
            }
        }
    }
    print(&format!("{}\n", Value::from(found)))?;
    Ok(Exit::Success)
}
