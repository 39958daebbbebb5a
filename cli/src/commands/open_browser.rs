use crate::{Exit, Result, login::open_here};

/// Open an address in the browser, for `login`
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(crate) struct Args {
    /// The address
    url: String,
}

pub(crate) fn run(args: &Args) -> Result<Exit> {
    Ok(match open_here(&args.url) {
        true => Exit::Success,
        false => Exit::Failure,
    })
}
