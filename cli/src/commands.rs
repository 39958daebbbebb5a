//! The commands, one module each.

use clap::Subcommand;

use crate::{Context, Exit, Result};

pub(crate) mod access_token;
pub(crate) mod action;
#[cfg(feature = "bench")]
mod bench;
mod completions;
#[cfg(feature = "conformance")]
mod conformance;
mod credential;
mod doctor;
mod exec;
#[cfg(feature = "export")]
mod export;
mod get;
#[cfg(feature = "oauth")]
mod groups;
mod import;
mod info;
#[cfg(feature = "encryption")]
mod key;
mod list;
#[cfg(feature = "oauth")]
mod login;
#[cfg(feature = "oauth")]
mod logout;
mod man;
mod migrate;
mod namespaces;
#[cfg(feature = "oauth")]
mod open_browser;
mod remove;
#[cfg(feature = "encryption")]
mod reseal;
mod store;
#[cfg(feature = "oauth")]
mod whoami;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[cfg(feature = "oauth")]
    Login(login::Args),
    Store(store::Args),
    Import(import::Args),
    Get(get::Args),
    AccessToken(access_token::Args),
    Exec(exec::Args),
    Credential(credential::Args),
    #[cfg(feature = "oauth")]
    Logout(logout::Args),
    #[cfg(feature = "oauth")]
    Whoami(whoami::Args),
    #[cfg(feature = "oauth")]
    Groups(groups::Args),
    List(list::Args),
    Namespaces(namespaces::Args),
    Remove(remove::Args),
    Migrate(migrate::Args),
    #[cfg(feature = "export")]
    Export(export::Args),
    #[cfg(feature = "encryption")]
    Encrypt(reseal::Encrypt),
    #[cfg(feature = "encryption")]
    Decrypt(reseal::Decrypt),
    #[cfg(feature = "encryption")]
    RotateKey(reseal::RotateKey),
    #[cfg(feature = "encryption")]
    Key(key::Args),
    Info(info::Args),
    Doctor(doctor::Args),
    #[cfg(feature = "bench")]
    Bench(bench::Args),
    #[cfg(feature = "conformance")]
    Conformance(conformance::Args),
    /// What only some storages have; it is not known before there are schemes.
    #[command(skip)]
    Action(action::Args),
    #[cfg(feature = "oauth")]
    #[command(hide = true)]
    OpenBrowser(open_browser::Args),
    Completions(completions::Args),
    Man(man::Args),
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<Exit> {
    match command {
        #[cfg(feature = "oauth")]
        Command::Login(args) => login::run(args, context).await,
        Command::Store(args) => store::run(args, context).await,
        Command::Import(args) => import::run(args, context).await,
        Command::Get(args) => get::run(args, context).await,
        Command::AccessToken(args) => access_token::run(args, context).await,
        Command::Exec(args) => exec::run(args, context).await,
        Command::Credential(args) => credential::run(args, context).await,
        #[cfg(feature = "oauth")]
        Command::Logout(args) => logout::run(args, context).await,
        #[cfg(feature = "oauth")]
        Command::Whoami(args) => whoami::run(args, context).await,
        #[cfg(feature = "oauth")]
        Command::Groups(args) => groups::run(args, context).await,
        Command::List(args) => list::run(args, context).await,
        Command::Namespaces(args) => namespaces::run(args, context).await,
        Command::Remove(args) => remove::run(args, context).await,
        Command::Migrate(args) => migrate::run(args, context).await,
        #[cfg(feature = "export")]
        Command::Export(args) => export::run(args, context).await,
        #[cfg(feature = "encryption")]
        Command::Encrypt(args) => reseal::encrypt(args, context).await,
        #[cfg(feature = "encryption")]
        Command::Decrypt(args) => reseal::decrypt(args, context).await,
        #[cfg(feature = "encryption")]
        Command::RotateKey(args) => reseal::rotate_key(args, context).await,
        #[cfg(feature = "encryption")]
        Command::Key(args) => key::run(args, context).await,
        Command::Info(args) => info::run(args, context).await,
        Command::Doctor(args) => doctor::run(args, context).await,
        #[cfg(feature = "bench")]
        Command::Bench(args) => bench::run(args, context).await,
        #[cfg(feature = "conformance")]
        Command::Conformance(args) => conformance::run(args, context).await,
        Command::Action(args) => action::run(args, context).await,
        #[cfg(feature = "oauth")]
        Command::OpenBrowser(args) => open_browser::run(&args),
        Command::Completions(args) => completions::run(&args, context),
        Command::Man(args) => man::run(&args, context),
    }
}
