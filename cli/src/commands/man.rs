use std::path::{Path, PathBuf};

use clap_mangen::Man;

use crate::{Context, Exit, Failure, Result, args, output::print, text};

/// Print the manual page, of the whole or of one command
///
/// For example `token-storage man > token-storage.1`, or `token-storage man get | man -l -`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The command; without it the page of the whole
    command: Option<String>,

    /// Write all pages into this folder, which must be there, in place of printing one
    #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
    all: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit> {
    let mut command = args::command(&context.schemes);
    if let Some(folder) = &args.all {
        // It builds the command itself, without pages of `help`, which are there once it is built.
        return write_all(command, folder);
    }
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

fn write_all(command: clap::Command, folder: &Path) -> Result<Exit> {
    let written = clap_mangen::generate_to(command, folder);
    written.map_err(|error| {
        let place = text::one_line(&folder.display().to_string());
        Failure::new(
            Exit::Failure,
            format!("{place}: the manual pages cannot be written there: {error}"),
        )
    })?;
    Ok(Exit::Success)
}
