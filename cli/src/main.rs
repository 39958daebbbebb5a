//! The command `token-storage`: stores, hands out, lists and removes OAuth tokens.
//!
//! Results go to standard output, everything else to standard error; what the exit codes mean is in [`exit`].

mod args;
mod commands;
mod context;
#[cfg(unix)]
mod descriptors;
mod exit;
mod failure;
mod input;
#[cfg(feature = "oauth")]
mod interrupt;
#[cfg(feature = "oauth")]
mod login;
#[cfg(feature = "oauth")]
mod manager;
mod output;
mod record;
#[cfg(feature = "oauth")]
mod server;
#[cfg(feature = "oauth")]
mod status;
mod text;
mod time;
mod voice;
mod warnings;

use std::process::ExitCode;

use crate::{
    args::Cli,
    context::Context,
    exit::Exit,
    failure::{Failure, Result},
};

/// The client's secret; there is no option for it, because others can see a command line.
pub(crate) const SECRET_VARIABLE: &str = "TOKEN_STORAGE_CLIENT_SECRET";
/// The client's private key, in PEM or as JWK.
pub(crate) const KEY_VARIABLE: &str = "TOKEN_STORAGE_CLIENT_KEY";
/// What the client proves itself with, and where that is: nothing that this command starts has any business with it.
pub(crate) const CREDENTIAL_VARIABLES: [&str; 4] = [
    SECRET_VARIABLE,
    KEY_VARIABLE,
    "TOKEN_STORAGE_CLIENT_SECRET_FILE",
    "TOKEN_STORAGE_CLIENT_KEY_FILE",
];

fn main() -> ExitCode {
    args::listen();
    let cli = match args::parse() {
        Ok(cli) => cli,
        Err(error) => return args::report(error),
    };
    warnings::tell();
    survive_file_size_limit();
    match run(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(),
    }
}

fn run(cli: Cli) -> Result<Exit> {
    // Also because the runtime panics where it may not open a file.
    #[cfg(unix)]
    descriptors::check()?;
    // One thread is enough, and starts faster: the local storages bring their own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Unavailable, format!("cannot start: {error}")))?;
    let context = Context::new(cli.global)?;
    runtime.block_on(commands::run(cli.command, &context))
}

/// A file size limit must end in an error that says so, not in the death of the process with a half-written file: once
/// the signal is caught, the write itself fails.
fn survive_file_size_limit() {
    #[cfg(unix)]
    {
        let caught = std::sync::Arc::default();
        // If it cannot be caught, things are as they would be without this.
        let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, caught);
    }
}
