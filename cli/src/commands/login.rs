use token_storage::{Grant, Renewal};

use crate::{
    Context, Exit, Result,
    commands::{get, store},
    login::{Apis, Ask, AskArgs, log_in},
    manager::Session,
    server::ServerArgs,
};

/// Log in, and store the tokens
///
/// Opens your browser, and waits until it comes back. With --no-browser, or where none can be opened, it prints an address
/// to visit anywhere, and takes the code that is shown there. Tokens of the same server and client that are there
/// already are replaced. Without --scope it asks Globus for who you are and for your groups, and any other server for
/// what that gives by itself.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to ask for; several may be given, or be in one word with spaces between them
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,

    /// Log in as for the stored token of this resource server: at the server that issued it, as the same client, for the
    /// same scopes and APIs
    #[arg(long, value_name = "RS")]
    again: Option<String>,

    /// Get a token for the client itself, without a person (RFC 6749 section 4.4); it is fetched anew when it expires
    #[arg(long, conflicts_with_all = ["no_browser", "device", "redirect_uri", "parameters"])]
    client_credentials: bool,

    #[command(flatten)]
    apis: Apis,

    #[command(flatten)]
    ask: AskArgs,

    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    context.url()?;
    let Some(again) = args.again else {
        let ask = Ask::new(&args.scope.join(" "), args.ask, &args.server, context)?.of(&args.apis)?;
        let ask = match args.client_credentials {
            true => ask.without_person(),
            false => ask,
        };
        // Whoever logs in should not learn afterwards that there is no storage.
        let session = Session::for_login(context, &args.server).await?;
        return finish(&session, ask, context).await;
    };
    let resource_server = context.resource_server(again)?;
    let data = get::required(&resource_server, context).await?.data;
    let session = Session::for_login_again(context, &args.server, &data).await?;
    let renewal = Renewal::of(&data)?;
    let is_of_client = renewal.grant == Grant::ClientCredentials;
    let scope = match (args.scope.is_empty(), is_of_client) {
        (false, _) => args.scope.join(" "),
        // Here it is known what was asked for.
        (true, true) => renewal.scope.clone().unwrap_or_default(),
        (true, false) => data.scope.clone(),
    };
    let ask = Ask::new(&scope, args.ask, &args.server.or_of(&data)?, context)?;
    let mut ask = ask.of(&args.apis.or_of(renewal))?.under(&resource_server);
    if args.client_credentials || is_of_client {
        ask = ask.without_person();
    }
    finish(&session, ask, context).await
}

async fn finish(session: &Session<'_>, ask: Ask, context: &Context) -> Result<Exit> {
    let stored = log_in(session, ask).await?;
    store::report(&stored, context)?;
    store::warn_of_memory(session.tokens.storage(), context)?;
    Ok(Exit::Success)
}
