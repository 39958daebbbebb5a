use serde_json::json;
use token_storage::{EnumerateExt as _, Precondition, Severity, TokenStorage};

use super::{doctor, get::not_found};
use crate::{Context, Exit, Result, output::print_done, text, voice};

/// Remove a stored token; it is not revoked, see `logout`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The resource server that the token is for
    resource_server: String,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let resource_server = context.resource_server(args.resource_server)?;
    let tokens = context.tokens().await?;
    if !tokens.remove(&resource_server, Precondition::Any).await? {
        return Err(not_found(context, tokens.storage()));
    }
    voice::prove(&resource_server);
    let removed = json!({"namespace": context.namespace, "resource_server": resource_server});
    let line = format!("removed {}\n", text::name(&resource_server));
    let printed = print_done(context, &json!({ "removed": removed }), &line);
    tell_leftovers_of_last(tokens.storage(), context).await;
    printed.map(|()| Exit::Success)
}

/// If that was the last token: names the copies that still hold some.
pub(super) async fn tell_leftovers_of_last(storage: &dyn TokenStorage, context: &Context) {
    if is_empty(storage).await {
        tell_leftovers(context).await;
    }
}

/// Whether that was the last token, as far as the storage can tell.
async fn is_empty(storage: &dyn TokenStorage) -> bool {
    let Some(enumerate) = storage.enumerate() else {
        return false;
    };
    let namespaces = enumerate.all_namespaces().await;
    namespaces.is_ok_and(|page| page.items.is_empty() && page.unnameable == 0)
}

/// Whoever removes the last token wants none to be left, so copies of older files are named. The token is removed
/// already, hence no failure here.
async fn tell_leftovers(context: &Context) {
    let Ok(url) = context.url() else { return };
    for finding in url.examine().await.unwrap_or_default() {
        if finding.severity >= Severity::Warning && !context.told().has(&finding) {
            voice::note(&doctor::line(&finding));
        }
    }
}
