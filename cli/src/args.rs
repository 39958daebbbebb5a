//! The command line.

use std::{env, process::ExitCode};

use clap::{
    Arg, Args, CommandFactory as _, FromArgMatches as _, Parser,
    builder::Resettable,
    error::{ContextKind, ContextValue},
};

use crate::{
    commands::Command,
    exit::{self, Exit},
    failure::Failure,
};

/// Stores OAuth tokens, hands them out, lists and removes them.
#[derive(Debug, Parser)]
#[command(name = "token-storage", version, after_help = exit::HELP, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Where the tokens are: `sqlite:PATH`, `json:PATH`, `dynamodb:TABLE?region=R` or `memory:`
    ///
    /// Without it: a SQLite file in the platform's folder for application data. PATH is taken literally; see the URLs in
    /// the documentation for more.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TOKEN_STORAGE_URL",
        hide_env_values = true
    )]
    pub(crate) storage: Option<String>,

    /// Which of the users, applications or tenants that share the storage [default: DEFAULT]
    #[arg(
        long,
        global = true,
        value_name = "NS",
        env = "TOKEN_STORAGE_NAMESPACE",
        hide_env_values = true
    )]
    pub(crate) namespace: Option<String>,

    /// Print results and errors as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Namespace and resource server are given as JSON strings, for names that no shell can pass
    #[arg(long, global = true)]
    pub(crate) quoted: bool,
}

pub(crate) fn parse() -> Result<Cli, clap::Error> {
    let command = without_empty_variables(Cli::command());
    Cli::from_arg_matches(&command.try_get_matches()?)
}

/// An empty variable counts as unset, as usual; on the command line an empty value is meant.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |arg: &Arg| {
        arg.get_env()
            .and_then(env::var_os)
            .is_some_and(|value| value.is_empty())
    };
    command
        .mut_args(|arg| {
            if is_empty(&arg) {
                arg.env(Resettable::Reset)
            } else {
                arg
            }
        })
        .mut_subcommands(without_empty_variables)
}

/// Shows help, the version, or what is wrong with the command line.
pub(crate) fn report(mut error: clap::Error) -> ExitCode {
    hide_values(&mut error);
    let exit = ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    // The command line could not be understood, so look for the word itself.
    let json = env::args_os().any(|argument| argument == "--json");
    if json && error.use_stderr() {
        let message = error.to_string();
        return Failure::new(Exit::Usage, message.trim_start_matches("error: ").trim_end()).report(true);
    }
    let _ = error.print();
    exit
}

/// Options are repeated in a message, values not: one may be a token that somebody pasted.
fn hide_values(error: &mut clap::Error) {
    for kind in [
        ContextKind::InvalidArg,
        ContextKind::InvalidValue,
        ContextKind::InvalidSubcommand,
    ] {
        let is_value = match error.get(kind) {
            Some(ContextValue::String(text)) => !text.starts_with('-') && !text.starts_with('<'),
            _ => false,
        };
        if is_value {
            error.insert(kind, ContextValue::String("...".to_owned()));
        }
    }
}
