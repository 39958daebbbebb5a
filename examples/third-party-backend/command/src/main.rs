//! The command `token-storage`, with tokens in folders.

use std::process::ExitCode;

use token_storage_folder::FolderScheme;

fn main() -> ExitCode {
    token_storage_cli::Command::new().scheme(FolderScheme).run()
}
