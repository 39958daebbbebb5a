//! The command `token-storage`: stores, hands out, lists and removes OAuth tokens.
//!
//! It is a library so that a program can have it with backends of its own, all commands on all of them:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! // In place of `MemoryScheme` the one of your backend; `docs/writing-a-backend.md` of the repository leads there.
//! use token_storage::backend::MemoryScheme;
//!
//! fn main() -> ExitCode {
//!     token_storage_cli::Command::new().scheme(MemoryScheme).run()
//! }
//! ```
//!
//! Results go to standard output, everything else to standard error; what the exit codes mean is shown by `--help`.
//!
//! # Features
//! `json`, `sqlite`, `dynamodb`: the backends of that name. `encryption`: encrypted storages. `export`: tokens in one encrypted
//! file. `oauth`: everything that talks to an authorization server. `bench`: the command of that name, which measures
//! storages. `conformance`: the command of that name, for authors and operators of storages. On by default are `bench`, `encryption`, `json`, `sqlite` and `oauth`.

#[cfg(feature = "oauth")]
mod advice;
mod args;
mod commands;
mod context;
#[cfg(unix)]
mod descriptors;
mod exit;
mod failure;
mod fault;
#[cfg(any(feature = "bench", feature = "conformance"))]
mod html_file;
mod input;
#[cfg(any(feature = "encryption", feature = "export", feature = "oauth"))]
#[cfg_attr(
    not(all(feature = "oauth", any(feature = "encryption", feature = "export"))),
    allow(
        dead_code,
        unused_imports,
        reason = "one part is for logins, the other for passphrases"
    )
)]
mod interrupt;
#[cfg(feature = "encryption")]
mod key_place;
#[cfg(feature = "encryption")]
mod keys;
mod log;
#[cfg(feature = "oauth")]
mod login;
#[cfg(feature = "oauth")]
mod manager;
mod moving;
mod output;
#[cfg(any(feature = "encryption", feature = "export"))]
mod passphrase;
mod record;
#[cfg(feature = "oauth")]
mod server;
#[cfg(feature = "oauth")]
mod status;
#[cfg(any(feature = "bench", feature = "conformance"))]
mod stoppable;
mod text;
mod time;
mod voice;

use std::{panic::AssertUnwindSafe, process::ExitCode};

use token_storage::{
    Schemes,
    backend::{Layer, Scheme},
};

use crate::{
    args::Parsed,
    context::Context,
    exit::Exit,
    failure::{Failure, Result},
};

/// The client's secret; there is no option for it, because others can see a command line.
pub(crate) const SECRET_VARIABLE: &str = "TOKEN_STORAGE_CLIENT_SECRET";
/// The client's private key, in PEM or as JWK.
pub(crate) const KEY_VARIABLE: &str = "TOKEN_STORAGE_CLIENT_KEY";
/// The passphrase of a key file.
pub(crate) const PASSPHRASE_VARIABLE: &str = "TOKEN_STORAGE_KEY_PASSPHRASE";
/// The passphrase of an exported file.
pub(crate) const EXPORT_PASSPHRASE_VARIABLE: &str = "TOKEN_STORAGE_EXPORT_PASSPHRASE";
/// What the client proves itself with, what opens the storage, and where that is: nothing that this command starts has any
/// business with it.
pub(crate) const CREDENTIAL_VARIABLES: [&str; 6] = [
    PASSPHRASE_VARIABLE,
    EXPORT_PASSPHRASE_VARIABLE,
    SECRET_VARIABLE,
    KEY_VARIABLE,
    "TOKEN_STORAGE_CLIENT_SECRET_FILE",
    "TOKEN_STORAGE_CLIENT_KEY_FILE",
];

/// The command, with the storages that it knows.
#[derive(Clone, Debug, Default)]
pub struct Command {
    schemes: Schemes,
}

impl Command {
    /// With the backends that are built in.
    pub fn new() -> Self {
        Self::default()
    }

    /// And with this one: its URLs are understood and stand in the help, its actions are commands.
    #[must_use]
    pub fn scheme(mut self, scheme: impl Scheme + 'static) -> Self {
        self.schemes = self.schemes.with(scheme);
        self
    }

    /// And with this layer, in front of any storage.
    #[must_use]
    pub fn layer(mut self, layer: impl Layer + 'static) -> Self {
        self.schemes = self.schemes.with_layer(layer);
        self
    }

    /// Does what the command line of this process says, and returns the code to end with. To be called once, from `main`:
    /// it reads the environment, and a signal that comes while a refresh is under way waits for it.
    ///
    /// A panic, here or in another thread, is told without what it says, which may hold a token.
    pub fn run(self) -> ExitCode {
        fault::listen();
        let ended = std::panic::catch_unwind(AssertUnwindSafe(|| self.end()));
        ended.unwrap_or_else(|_| fault::failure().report())
    }

    fn end(self) -> ExitCode {
        args::listen(&self.schemes);
        let cli = match args::parse(&self.schemes) {
            Ok(cli) => cli,
            Err(error) => return args::report(error),
        };
        survive_file_size_limit();
        match run(cli, self.schemes) {
            Ok(exit) => exit.into(),
            Err(failure) => failure.report(),
        }
    }
}

fn run(cli: Parsed, schemes: Schemes) -> Result<Exit> {
    // Also because the runtime panics where it may not open a file.
    #[cfg(unix)]
    descriptors::check()?;
    log::begin()?;
    // One thread is enough, and starts faster: the local storages bring their own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Unavailable, format!("cannot start: {error}")))?;
    let context = Context::new(cli.global, schemes)?;
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
