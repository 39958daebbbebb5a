use std::{
    fs::File,
    io::{self, IsTerminal as _, Read},
    path::Path,
};

use serde_json::json;
use token_storage::{StorageUrl, StoredResponse, TokenResponse};
use zeroize::Zeroizing;

use crate::{Context, Exit, Failure, Result, output::print_done, record::Summary, text, time, voice};

/// More than any storage takes in one batch.
const MAX_INPUT: u64 = 16 * 1024 * 1024;

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

    /// The resource server that the token is for, if the response names none
    #[arg(long, value_name = "RS")]
    resource_server: Option<String>,

    /// The scope that was asked for; counts if the response names none
    #[arg(long, conflicts_with = "refresh")]
    scope: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let url = context.url()?;
    let (place, bytes) = read(&args.file)?;
    let response = understand(&bytes, &args, context).map_err(|failure| failure.at(&place))?;
    let tokens = context.tokens().await?;
    let stored = if args.refresh {
        tokens.merge_response(&response).await?
    } else {
        tokens.store_response(&response).await?
    };
    report(&stored, context)?;
    warn_of_memory(&url);
    Ok(Exit::Success)
}

fn understand(bytes: &[u8], args: &Args, context: &Context) -> Result<TokenResponse> {
    let mut response = TokenResponse::parse(bytes, time::now())?.strict()?;
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

/// The response and what to call it in messages.
fn read(file: &str) -> Result<(String, Zeroizing<Vec<u8>>)> {
    if file == "-" {
        let stdin = io::stdin();
        if stdin.is_terminal() {
            voice::note("reading the token response from the terminal; end it with Ctrl-D");
        }
        let place = "standard input".to_owned();
        return Ok((place.clone(), read_limited(stdin.lock(), &place)?));
    }
    if !Path::new(file).exists() {
        // The name is not repeated: people paste the response, or a token, where a file is due.
        let message = "there is no such file; give a file with the token response, or `-` for standard input";
        return Err(Failure::new(Exit::Usage, message));
    }
    let place = text::one_line(file);
    let opened = File::open(file).map_err(|error| unreadable(&place, &error))?;
    let bytes = read_limited(opened, &place)?;
    Ok((place, bytes))
}

fn read_limited(input: impl Read, place: &str) -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
    let read = input.take(MAX_INPUT + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(place, &error))?;
    if bytes.len() as u64 > MAX_INPUT {
        let message = format!("{place}: is larger than {MAX_INPUT} bytes; that is no token response");
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(bytes)
}

fn unreadable(place: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::Usage, format!("{place}: cannot be read: {error}"))
}

/// Nobody stores tokens to lose them at once.
pub(super) fn warn_of_memory(url: &StorageUrl) {
    if matches!(url, StorageUrl::Memory | StorageUrl::SqliteInMemory) {
        voice::note(&format!("{url} is gone when this command ends; nothing is kept"));
    }
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
