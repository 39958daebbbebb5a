use std::{
    ffi::OsString,
    io::{self, ErrorKind},
    process::Command,
};

use token_storage::EnumerateExt as _;

use super::access_token::{self, Wanted};
use crate::{CREDENTIAL_VARIABLES, Context, Exit, Failure, Result, text};

/// Run a command that finds a valid access token in its environment
///
/// The token is refreshed first if need be. It is in the environment alone, where only the same user can see it, and not
/// among the arguments, which everyone can. The command takes this one's place: its exit code and signals are its own.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The resource server that the token is for; may be left out if the namespace has only one
    #[arg(long, visible_alias = "rs", value_name = "RS")]
    resource_server: Option<String>,

    /// The variable that the token goes into
    #[arg(long, value_name = "NAME", default_value = "TOKEN_STORAGE_ACCESS_TOKEN", value_parser = variable)]
    env: String,

    // In front of `wanted`, whose last heading would be its own, too.
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,

    #[command(flatten)]
    wanted: Wanted,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let resource_server = match args.resource_server {
        Some(given) => context.resource_server(given)?,
        None => only_one(context).await?,
    };
    let token = access_token::obtain(&resource_server, &args.wanted, context).await?;
    let Some((program, arguments)) = args.command.split_first() else {
        return Err(Failure::new(Exit::Usage, "there is no command to run"));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    for variable in CREDENTIAL_VARIABLES {
        // They are this command's own, and good for more than the one token.
        command.env_remove(variable);
    }
    #[cfg(feature = "encryption")]
    if let Some(variable) = context.key_variable() {
        command.env_remove(variable);
    }
    command.env(args.env, token.line()?);
    drop(token);
    replace(&mut command).map_err(|error| not_run(&error))
}

fn variable(name: &str) -> Result<String, &'static str> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err("that is no name for a variable");
    }
    Ok(name.to_owned())
}

/// The resource server of a namespace that has no other.
async fn only_one(context: &Context) -> Result<String> {
    let refused = |why: &str| {
        let message = format!("{why}; say which token is meant with --resource-server");
        Err(Failure::new(Exit::Usage, message))
    };
    let storage = context.open().await?;
    let Some(enumerate) = storage.enumerate() else {
        return refused("this storage cannot list what is in it");
    };
    let mut keys = enumerate.all_keys(&context.namespace).await?.items.into_iter();
    match (keys.next(), keys.next()) {
        (Some(key), None) => Ok(key.resource_server().to_owned()),
        (Some(_), Some(_)) => refused("there are several tokens"),
        (None, _) => {
            let namespace = text::mention(&context.namespace);
            let message = format!("there are no tokens in namespace {namespace}");
            Err(Failure::new(Exit::NotFound, message))
        }
    }
}

/// Becomes the command; comes back only with what went wrong.
#[cfg(unix)]
fn replace(command: &mut Command) -> io::Result<Exit> {
    use std::os::unix::process::CommandExt as _;

    Err(command.exec())
}

/// There is no such thing here, so the command runs below this one.
#[cfg(not(unix))]
fn replace(command: &mut Command) -> io::Result<Exit> {
    let status = command.status()?;
    std::process::exit(status.code().unwrap_or(1))
}

/// The codes of `env` and of shells. The command is not named: its line may hold a secret of its own.
fn not_run(error: &io::Error) -> Failure {
    match error.kind() {
        ErrorKind::NotFound => Failure::new(Exit::NoCommand, "there is no such command to run"),
        _ => Failure::new(Exit::NotRunnable, format!("the command cannot be run: {error}")),
    }
}
