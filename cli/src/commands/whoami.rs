use serde_json::{Map, Value};
use token_storage::{Grant, IssuedBy, Renewal, TokenData, globus::scopes};

use super::get;
use crate::{
    Context, Exit, Failure, Result,
    manager::{Fresh, Session},
    output::{print, print_json},
    server::ServerArgs,
    text,
};

/// Say who logged in
///
/// Asks the server for it with the token, refreshed if need be, if that has the scope `openid`; else it is the identity
/// that was stored at login, or the client, if the token is its own.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The resource server of the token to ask with [default: auth.globus.org]
    // No default value: with --quoted that would have to be a JSON string.
    resource_server: Option<String>,

    /// Ask nobody: the identity that was stored at login
    #[arg(long, conflicts_with_all = ["refresh", "rejected"])]
    offline: bool,

    #[command(flatten)]
    fresh: Fresh,

    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let (resource_server, data) = record(&args, context).await?;
    let asks = data.scope.split_ascii_whitespace().any(|scope| scope == "openid");
    let claims = if asks && !args.offline {
        ask(&resource_server, &args, context).await?
    } else {
        stored(&data)?
    };
    if context.json {
        print_json(&claims)?;
    } else {
        print(&line(&claims))?;
    }
    Ok(Exit::Success)
}

/// The record to ask with. What nobody has named is named where it is missing.
async fn record(args: &Args, context: &Context) -> Result<(String, TokenData)> {
    let Some(given) = &args.resource_server else {
        let usual = scopes::AUTH_RESOURCE_SERVER;
        let found = get::required(usual, context).await.map_err(|failure| {
            if !failure.needs_login() {
                return failure;
            }
            failure
                .at(usual)
                .with_advice("name one of those, or log in at Globus with `token-storage login`")
        });
        return Ok((usual.to_owned(), found?.data));
    };
    let named = context.resource_server(given.clone())?;
    let data = get::required(&named, context).await?.data;
    Ok((named, data))
}

async fn ask(resource_server: &str, args: &Args, context: &Context) -> Result<Map<String, Value>> {
    let rejected = args.fresh.rejected()?;
    let session = Session::open(context, &args.server, resource_server).await?;
    let client = session.within(session.endpoint.client()).await?;
    if args.fresh.is_forced() {
        let key = session.tokens.key(resource_server);
        let token = session.access_token(&key, &args.fresh, rejected.as_ref()).await;
        token.map_err(|error| session.failed(&error))?;
    }
    let provider = client.provider();
    let Some(url) = provider.userinfo_endpoint() else {
        let server = text::one_line(provider.server_name());
        let message = format!("{server} does not say who somebody is; --offline shows what was stored at login");
        return Err(Failure::new(Exit::Usage, message));
    };
    let body = session.get(resource_server, url).await?;
    let claims: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
    if claims.get("sub").is_some_and(Value::is_string) {
        return Ok(claims);
    }
    let message = format!(
        "what {} says about the owner of the token cannot be read; --offline shows what was stored at login",
        text::one_line(provider.server_name())
    );
    Err(Failure::new(Exit::Unreachable, message))
}

/// Whose token it is by the record alone: a person's, or the client's own.
fn stored(data: &TokenData) -> Result<Map<String, Value>> {
    if let Some(identity) = &data.identity_id {
        return Ok(Map::from_iter([("sub".to_owned(), identity.as_str().into())]));
    }
    let client = IssuedBy::of(data)?.and_then(|issued_by| issued_by.client_id);
    match (Renewal::of(data)?.grant, client) {
        (Grant::ClientCredentials, Some(client)) => Ok(Map::from_iter([("client_id".to_owned(), client.into())])),
        _ => Err(unknown()),
    }
}

fn unknown() -> Failure {
    let message = "nobody knows whose token this is: it lacks the scope openid, and no identity was stored at login; \
                   log in with `token-storage login --scope openid`";
    Failure::new(Exit::NotFound, message)
}

/// The name to log in with, the name of the person, and what the server calls them.
fn line(claims: &Map<String, Value>) -> String {
    let known = ["preferred_username", "name", "sub", "client_id"]
        .into_iter()
        .filter_map(|name| claims.get(name)?.as_str());
    let known: Vec<String> = known.map(text::name).collect();
    known.join("\t") + "\n"
}
