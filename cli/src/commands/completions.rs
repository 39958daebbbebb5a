use clap_complete::Shell;

use crate::{Context, Exit, Failure, Result, args, output::print};

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit> {
    // Into a buffer first: the generator panics if its writer fails, as a closed pipe does.
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut args::command(&context.schemes),
        "token-storage",
        &mut script,
    );
    let script = String::from_utf8(script).map_err(|_| Failure::new(Exit::Failure, "the completions are not UTF-8"))?;
    print(&script)?;
    Ok(Exit::Success)
}
