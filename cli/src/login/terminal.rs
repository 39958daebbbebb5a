//! What people are told and asked, on standard error: standard output is for the result.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Read as _},
    thread,
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};
use zeroize::Zeroizing;

use crate::{Exit, Failure, Result, voice};

/// A code is a line; an address with one in it is longer, but not by much.
const LONGEST: u64 = 64 * 1024;

/// Whether there is somebody to ask.
pub(crate) fn is_attended() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

pub(super) fn say(message: &str) {
    voice::say(message);
}

/// As the Globus SDK does: the greeting, and the address between two lines, on a line of its own so that it can be
/// copied.
pub(super) fn announce(greeting: &str, address: &str) {
    let line = "-".repeat(greeting.len());
    say(&format!("\n{greeting}\n{line}\n{address}\n{line}\n"));
}

/// What was typed or pasted after the prompt. It is read in a thread, because reading cannot be broken off.
pub(super) async fn read_line(prompt: &str, patience: Duration) -> Result<Zeroizing<String>> {
    voice::ask(prompt);
    let (sender, line) = oneshot::channel();
    thread::spawn(move || {
        let mut line = Zeroizing::new(String::new());
        let read = io::stdin().lock().take(LONGEST).read_line(&mut line);
        // Nobody may wait for it any longer.
        let _ = sender.send(read.map(|length| (length, line)));
    });
    let Ok(Ok(read)) = timeout(patience, line).await else {
        voice::say("");
        return Err(no_code(&format!("there was no code within {} s", patience.as_secs())));
    };
    match read {
        Ok((0, _)) => {
            voice::say("");
            Err(no_code("the input ended before there was a code"))
        }
        Ok((_, line)) if line.trim().is_empty() => Err(no_code("there was no code")),
        Ok((_, line)) => Ok(line),
        Err(error) => Err(no_code(&format!("the code cannot be read: {error}"))),
    }
}

fn no_code(why: &str) -> Failure {
    let message = format!("{why}, so nobody is logged in; start again in a terminal, or use --device");
    Failure::new(Exit::Failure, message)
}
