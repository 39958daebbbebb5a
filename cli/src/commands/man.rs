use clap_mangen::Man;

use crate::{Context, Exit, Failure, Result, args, output::print};

/// Print the manual page, of the whole or of one command
///
/// For example `token-storage man > token-storage.1`, or `token-storage man get | man -l -`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The command; without it the page of the whole
    command: Option<String>,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit> {
    let mut command = args::command(&context.schemes);
    // Spreads the global options and full names to the subcommands.
    command.build();
    if let Some(name) = &args.command {
        let found = command.find_subcommand(name).cloned();
        command = found.ok_or_else(|| Failure::new(Exit::Usage, "there is no such command; see --help"))?;
    }
    let mut page = Vec::new();
    let rendered = Man::new(command).render(&mut page).map(|()| String::from_utf8(page));
    let Ok(Ok(page)) = rendered else {
        return Err(Failure::new(Exit::Failure, "cannot make the manual page"));
    };
    print(&page)?;
    Ok(Exit::Success)
}
