use clap::ValueEnum;
use token_storage::{StoredToken, TokenStorage};

use crate::{
    Context, Exit, Failure, Result,
    output::{print, print_json},
    record::Shown,
    text, voice,
};

/// Show a stored token, its secrets hidden
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The resource server that the token is for
    resource_server: String,

    /// Show the access token, the refresh token and every other secret
    #[arg(long)]
    reveal: bool,

    /// How to show it; `env` is for `eval` in a POSIX shell
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
    Env,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let resource_server = context.resource_server(args.resource_server)?;
    let tokens = context.tokens().await?;
    let stored = tokens.get(&resource_server).await?;
    let stored = stored.ok_or_else(|| not_found(context, tokens.storage()))?;
    voice::prove(&resource_server);
    let key = tokens.key(&resource_server);
    #[cfg(feature = "oauth")]
    let status = crate::status::of(tokens.storage(), &key, context).await;
    let shown = Shown {
        key: &key,
        data: &stored.data,
        reveal: args.reveal,
        #[cfg(feature = "oauth")]
        status: status.as_ref(),
    };
    match args.format {
        Format::Env => print(&shown.env()?)?,
        Format::Table if !context.json => print(&shown.table())?,
        Format::Table | Format::Json => print_json(&shown)?,
    }
    Ok(Exit::Success)
}

/// The record, or the failure that says there is none.
pub(super) async fn required(resource_server: &str, context: &Context) -> Result<StoredToken> {
    let tokens = context.tokens().await?;
    let stored = tokens.get(resource_server).await?;
    let stored = stored.ok_or_else(|| not_found(context, tokens.storage()))?;
    voice::prove(resource_server);
    Ok(stored)
}

/// There is no token under that name.
pub(super) fn not_found(context: &Context, storage: &dyn TokenStorage) -> Failure {
    // The name is not repeated: people paste a token where a name is due.
    let namespace = text::mention(&context.namespace);
    let hint = match storage.enumerate() {
        Some(_) => "; `token-storage list` shows what there is",
        None => "",
    };
    let message = format!("there is no token for this resource server in namespace {namespace}{hint}");
    Failure::new(Exit::NotFound, message)
}
