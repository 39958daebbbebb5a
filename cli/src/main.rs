//! The command `token-storage` with the backends that are built in.

use std::process::ExitCode;

fn main() -> ExitCode {
    token_storage_cli::Command::new().run()
}
