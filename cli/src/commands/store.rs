use serde_json::json;
use token_storage::{Durability, StoredResponse, TokenPath, TokenResponse, TokenStorage};

use crate::{Context, Exit, Failure, Result, input, output::print_done, record::Summary, text, time, voice};

/// Store a token response, the JSON that a token endpoint answered
///
/// Each token in it goes under its resource server and replaces what is there; with --refresh it is merged with what is
/// there. All tokens of the response are stored, or none. Says what was stored, never the tokens.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file with the response; `-` is standard input
    #[arg(default_value = "-", hide_default_value = true)]
    file: String,

    /// The response answers a refresh: what it does not say (refresh token, scope, ...) stays as stored
    #[arg(long)]
    refresh: bool,

    /// Where in the response the token is, if not at the top: names separated by dots, or a JSON Pointer
    #[arg(long, value_name = "PATH")]
    token_path: Option<String>,

    /// The resource server that the token is for, if the response names none
    #[arg(long, value_name = "RS")]
    resource_server: Option<String>,

    /// The scope that was asked for; counts if the response names none
    #[arg(long, conflicts_with = "refresh")]
    scope: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    // Before anything is read.
    context.url()?;
    let (place, bytes) = input::read(&args.file, "the token response")?;
    let response = understand(&bytes, &args, context).map_err(|failure| failure.at(&place))?;
    let tokens = context.tokens().await?;
    let stored = if args.refresh {
        tokens.merge_response(&response).await?
    } else {
        tokens.store_response(&response).await?
    };
    report(&stored, context)?;
    warn_of_memory(tokens.storage(), context)?;
    Ok(Exit::Success)
}

fn understand(bytes: &[u8], args: &Args, context: &Context) -> Result<TokenResponse> {
    let path = args.token_path.as_deref().map(TokenPath::parse).transpose()?;
    let mut response = match path {
        Some(path) => TokenResponse::parse_at(bytes, &path, time::now()),
        None => TokenResponse::parse(bytes, time::now()),
    }?
    .strict()?;
    if let Some(given) = &args.resource_server {
        let given = context.resource_server(given.clone())?;
        let mut named = response.tokens().iter().map(|token| token.resource_server.as_deref());
        if !named.any(|name| name.is_none() || name == Some(&*given)) {
            let message = "the response names its resource server itself, and another one; leave out --resource-server";
            return Err(Failure::new(Exit::Usage, message));
        }
        response = response.with_resource_server(&given)?;
    } else if response.tokens().iter().any(|token| token.resource_server.is_none()) {
        let message = "the response names no resource server; say which one the token is for with --resource-server";
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(match &args.scope {
        Some(scope) => response.with_requested_scope(scope),
        None => response,
    })
}

/// Nobody stores tokens to lose them at once.
pub(super) fn warn_of_memory(storage: &dyn TokenStorage, context: &Context) -> Result<()> {
    if storage.describe().durability == Durability::Volatile {
        let url = context.url()?;
        voice::note(&format!("{url} is gone when this command ends; nothing is kept"));
    }
    Ok(())
}

/// Says what was stored, never the tokens.
pub(super) fn report(stored: &[StoredResponse], context: &Context) -> Result<()> {
    let summaries: Vec<Summary> = stored.iter().map(|one| Summary::new(&one.key, &one.data)).collect();
    let now = time::now();
    let lines = stored.iter().map(|one| {
        format!(
            "stored {}: scope {}, expires {}, {} refresh token\n",
            text::name(one.key.resource_server()),
            text::name(&one.data.scope),
            time::expiry(one.data.expires_at, now),
            if one.data.refresh_token.is_some() { "with" } else { "no" },
        )
    });
    print_done(context, &json!({ "stored": summaries }), &lines.collect::<String>())
}
