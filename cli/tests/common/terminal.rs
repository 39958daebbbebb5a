//! The command in a pseudo-terminal.

use std::process::{Command, Stdio};

use rexpect::session::{PtySession, spawn_command};

/// In milliseconds; longer than any step takes.
pub(crate) const PATIENCE: Option<u64> = Some(60_000);

pub(crate) fn in_terminal(mut command: Command) -> PtySession {
    command
        .stdin(Stdio::inherit())
        .stdout(Stdio::inherit())
        .stderr(Stdio::inherit());
    spawn_command(command, PATIENCE).unwrap()
}
