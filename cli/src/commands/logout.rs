use serde_json::json;
use token_storage::{
    Error, ErrorKind, Precondition, TokenKey, TokenStorage,
    backend::counted,
    manager::{Logout, LogoutOf, ManagerError, TokenManager},
};

use super::{get::not_found, remove};
use crate::{
    Context, Exit, Failure, Result,
    manager::{MARGIN, Session, Tokens},
    output::print_done,
    server::{EachServer, ServerArgs},
    text, voice,
};

/// Revoke tokens at the server, then remove them
///
/// A refresh that is under way in another process loses: what it brings is revoked and not stored. What cannot be
/// revoked is not removed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The resource server that the token is for
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    resource_server: Option<String>,

    /// Every token of the namespace
    #[arg(long)]
    all: bool,

    /// Only remove: at the server the tokens stay good until they expire
    #[arg(long)]
    local_only: bool,

    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let tokens = context.tokens().await?;
    let ended = match args.resource_server.clone() {
        Some(given) => one(&tokens, &args, &context.resource_server(given)?, context).await,
        None => all(&tokens, &args, context).await,
    };
    remove::tell_leftovers_of_last(tokens.storage(), context).await;
    ended.map(|()| Exit::Success)
}

async fn one(tokens: &Tokens, args: &Args, resource_server: &str, context: &Context) -> Result<()> {
    let key = tokens.key(resource_server);
    if !end(tokens, args, &key, context).await? {
        return Err(not_found(context, tokens.storage()));
    }
    report(&[key], context)
}

/// Goes on after a failure, and ends with the first. Each token is revoked at the server that it came from.
async fn all(tokens: &Tokens, args: &Args, context: &Context) -> Result<()> {
    let storage = tokens.storage();
    if storage.enumerate().is_none() {
        return Err(cannot_find_all(storage));
    }
    let mut builder = TokenManager::builder(storage.clone(), EachServer::new(&args.server, context.timeout));
    if let Some(timeout) = context.timeout {
        builder = builder.request_timeout(timeout);
    }
    let ended = builder
        .build()?
        .logout_all(LogoutOf::Namespace(&context.namespace), args.mode())
        .await
        .map_err(|error| Failure::of_manager(&error, context))?;
    if ended.unnameable > 0 {
        let records = counted(ended.unnameable, "more record");
        voice::note(&format!(
            "{records} whose key is not valid Unicode: not to be named, and still there"
        ));
    }
    if ended.ended.is_empty() {
        let namespace = text::mention(&context.namespace);
        voice::note(&format!("there are no tokens in namespace {namespace}"));
    }
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    for (key, outcome) in ended.ended {
        match outcome {
            Ok(true) => done.push(key),
            // Somebody else has removed it since.
            Ok(false) => {}
            Err(error) => failures.push(explained(&error, context)),
        }
    }
    report(&done, context)?;
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else {
        return Ok(());
    };
    for failure in failures {
        voice::note(failure.message());
    }
    Err(first)
}

/// Whether there was a token.
async fn end(tokens: &Tokens, args: &Args, key: &TokenKey, context: &Context) -> Result<bool> {
    if args.local_only {
        return Ok(tokens.storage().remove(key, Precondition::Any).await?);
    }
    let session = Session::on(tokens.clone(), &args.server, key.resource_server(), MARGIN, context).await?;
    let ended = async { Ok(session.manager.logout(key, Logout::Revoke).await) };
    session.within(ended).await?.map_err(|error| explained(&error, context))
}

fn explained(error: &ManagerError, context: &Context) -> Failure {
    let failure = Failure::of_manager(error, context);
    // What is damaged cannot be read, and so not be revoked.
    match error.storage().map(Error::kind) {
        Some(ErrorKind::Corrupt) => failure.with_advice("--local-only removes it all the same"),
        _ => failure,
    }
}

impl Args {
    fn mode(&self) -> Logout {
        match self.local_only {
            true => Logout::RemoveOnly,
            false => Logout::Revoke,
        }
    }
}

fn report(keys: &[TokenKey], context: &Context) -> Result<()> {
    let values: Vec<_> = keys
        .iter()
        .map(|key| json!({"namespace": key.namespace(), "resource_server": key.resource_server()}))
        .collect();
    let lines = keys
        .iter()
        .map(|key| format!("logged out {}\n", text::name(key.resource_server())));
    print_done(context, &json!({ "logged_out": values }), &lines.collect::<String>())
}

/// Why not everything can be ended at once, and what to do instead.
fn cannot_find_all(storage: &dyn TokenStorage) -> Failure {
    let backend = storage.describe().backend;
    let message = format!(
        "a {backend} storage cannot list what is in it, so --all cannot find the tokens; \
         log out of each by name, `token-storage logout RESOURCE_SERVER`"
    );
    Failure::new(Exit::Usage, message)
}
