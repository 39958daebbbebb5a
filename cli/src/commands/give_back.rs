use serde_json::json;
use token_storage::{StorageUrl, sqlite};

use crate::{Context, Exit, Failure, Result, output::print_done, text};

/// Turn off a SQLite database's write-ahead log, as the Globus SDK makes it: one file, which a read-only mount can hold
///
/// The tokens stay as they are. The next token that is stored or refreshed turns the log on again. Waits up to ten seconds
/// for other programs to close the database.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_args: Args, context: &Context) -> Result<Exit> {
    let StorageUrl::Sqlite(path) = context.url()? else {
        let message =
            "only a SQLite database has a write-ahead log; nothing was changed. Name one with --storage sqlite:PATH";
        return Err(Failure::new(Exit::Usage, message));
    };
    let place = text::name(&path.display().to_string());
    // It blocks, and nothing else runs here.
    sqlite::give_back(&path)?;
    let line = format!("{place} has no write-ahead log any more, until the next token is stored in it\n");
    print_done(context, &json!({ "given_back": path.display().to_string() }), &line)?;
    Ok(Exit::Success)
}
