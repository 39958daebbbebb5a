//! The commands, one module each.

use clap::Subcommand;

use crate::{Context, Exit, Result};

pub(crate) mod access_token;
mod completions;
#[cfg(feature = "conformance")]
mod conformance;
#[cfg(feature = "dynamodb")]
mod create_table;
#[cfg(feature = "dynamodb")]
mod delete_table;
#[cfg(feature = "dynamodb")]
mod describe_table;
mod doctor;
mod exec;
mod get;
#[cfg(feature = "sqlite")]
mod give_back;
#[cfg(feature = "oauth")]
mod groups;
mod info;
mod list;
#[cfg(feature = "oauth")]
mod login;
#[cfg(feature = "oauth")]
mod logout;
mod man;
mod namespaces;
#[cfg(feature = "oauth")]
mod open_browser;
mod remove;
mod store;
#[cfg(feature = "oauth")]
mod whoami;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[cfg(feature = "oauth")]
    Login(login::Args),
    Store(store::Args),
    Get(get::Args),
    AccessToken(access_token::Args),
    Exec(exec::Args),
    #[cfg(feature = "oauth")]
    Logout(logout::Args),
    #[cfg(feature = "oauth")]
    Whoami(whoami::Args),
    #[cfg(feature = "oauth")]
    Groups(groups::Args),
    List(list::Args),
    Namespaces(namespaces::Args),
    Remove(remove::Args),
    Info(info::Args),
    Doctor(doctor::Args),
    #[cfg(feature = "sqlite")]
    GiveBack(give_back::Args),
    #[cfg(feature = "conformance")]
    Conformance(conformance::Args),
    #[cfg(feature = "dynamodb")]
    CreateTable(create_table::Args),
    #[cfg(feature = "dynamodb")]
    #[command(visible_alias = "describe")]
    DescribeTable(describe_table::Args),
    #[cfg(feature = "dynamodb")]
    DeleteTable(delete_table::Args),
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
        Command::Get(args) => get::run(args, context).await,
        Command::AccessToken(args) => access_token::run(args, context).await,
        Command::Exec(args) => exec::run(args, context).await,
        #[cfg(feature = "oauth")]
        Command::Logout(args) => logout::run(args, context).await,
        #[cfg(feature = "oauth")]
        Command::Whoami(args) => whoami::run(args, context).await,
        #[cfg(feature = "oauth")]
        Command::Groups(args) => groups::run(args, context).await,
        Command::List(args) => list::run(args, context).await,
        Command::Namespaces(args) => namespaces::run(args, context).await,
        Command::Remove(args) => remove::run(args, context).await,
        Command::Info(args) => info::run(args, context).await,
        Command::Doctor(args) => doctor::run(args, context).await,
        #[cfg(feature = "sqlite")]
        Command::GiveBack(args) => give_back::run(args, context).await,
        #[cfg(feature = "conformance")]
        Command::Conformance(args) => conformance::run(args, context).await,
        #[cfg(feature = "dynamodb")]
        Command::CreateTable(args) => create_table::run(args, context).await,
        #[cfg(feature = "dynamodb")]
        Command::DescribeTable(args) => describe_table::run(args, context).await,
        #[cfg(feature = "dynamodb")]
        Command::DeleteTable(args) => delete_table::run(args, context).await,
        #[cfg(feature = "oauth")]
        Command::OpenBrowser(args) => open_browser::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}
