use serde_json::json;
use token_storage::Freshness;
use zeroize::Zeroizing;

use super::get;
use crate::{
    Context, Exit, Failure, Result,
    output::{print, print_json},
    text, time,
};

/// Print the access token alone, for `$(token-storage access-token RS)`
///
/// An expired token is not printed; the exit code is then 4. A token of unknown expiry is.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The resource server that the token is for
    resource_server: String,

    /// How many seconds the token must still be good for
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    valid_for: u32,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let resource_server = context.resource_server(args.resource_server)?;
    let data = get::required(&resource_server, context).await?.data;
    let now = time::now();
    if data.freshness(now, args.valid_for.into()) == Freshness::Stale {
        let message = format!(
            "the token for {} expires {}; log in again, or store a refreshed one with `store --refresh`",
            text::mention(&resource_server),
            time::expiry(data.expires_at, now)
        );
        return Err(Failure::new(Exit::Expired, message));
    }
    let token = data.access_token.expose();
    if context.json {
        print_json(&json!({"access_token": token, "expires_at_seconds": data.expires_at}))?;
    } else if token.contains(['\n', '\r', '\0']) {
        // `$(...)` would hand out another token than the stored one, and a header could be forged with it.
        let message = "the token contains a line break or NUL, so it is not one for `$(...)`; use --json";
        return Err(Failure::new(Exit::Corrupt, message));
    } else {
        print(&Zeroizing::new(format!("{token}\n")))?;
    }
    Ok(Exit::Success)
}
