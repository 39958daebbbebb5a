use serde_json::json;

use crate::{Context, Exit, Failure, Result, output::print_done};

/// Delete the DynamoDB table that --storage names, with every token in it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Really do it
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let url = context.url()?;
    if !args.yes {
        let message = format!("this deletes {url} with every token in it; say --yes if that is meant");
        return Err(Failure::new(Exit::Usage, message));
    }
    let deleted = url.open_dynamodb().await?.delete_table().await?;
    let line = match deleted {
        true => "deleted\n",
        false => "there was no such table\n",
    };
    print_done(context, &json!({ "deleted": deleted }), line)?;
    Ok(if deleted { Exit::Success } else { Exit::NotFound })
}
