use crate::{
    Context, Exit, Result,
    commands::store,
    login::{Ask, AskArgs, log_in},
    manager::Session,
    server::ServerArgs,
};

/// Log in, and store the tokens
///
/// Opens your browser, and waits until it comes back. With --no-browser, or where none can be opened, it prints an address
/// to visit anywhere, and takes the code that is shown there. Tokens that are there already are replaced. Without
/// --scope it asks Globus for who you are and for your groups, and any other server for what that gives by itself.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to ask for; several may be given, or be in one word with spaces between them
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,

    #[command(flatten)]
    ask: AskArgs,

    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let url = context.url()?;
    let ask = Ask::new(&args.scope.join(" "), args.ask, &args.server, context)?;
    // Whoever logs in should not learn afterwards that there is no storage.
    let session = Session::for_login(context, &args.server).await?;
    let stored = log_in(&session, ask).await?;
    store::report(&stored, context)?;
    store::warn_of_memory(&url);
    Ok(Exit::Success)
}
