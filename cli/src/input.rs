//! What is read from files or standard input: token responses, tokens.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read},
    path::Path,
};

use zeroize::Zeroizing;

use crate::{Exit, Failure, Result, text, voice};

/// More than any storage takes in one batch.
const MAX_INPUT: u64 = 16 * 1024 * 1024;

/// The content of a file, or of standard input for `-`, and what to call it in messages.
pub(crate) fn read(file: &str, what: &str) -> Result<(String, Zeroizing<Vec<u8>>)> {
    read_up_to(MAX_INPUT, file, what)
}

/// The same of a file that may be larger.
pub(crate) fn read_up_to(most: u64, file: &str, what: &str) -> Result<(String, Zeroizing<Vec<u8>>)> {
    if file == "-" {
        let stdin = io::stdin();
        if stdin.is_terminal() {
            voice::note(&format!("reading {what} from the terminal; end it with Ctrl-D"));
        }
        let place = "standard input".to_owned();
        return Ok((place.clone(), read_limited(most, stdin.lock(), &place, what)?));
    }
    if !Path::new(file).exists() {
        // The name is not repeated: people paste the response, or a token, where a file is due.
        let message = format!("there is no such file; give a file with {what}, or `-` for standard input");
        return Err(Failure::new(Exit::Usage, message));
    }
    let place = text::one_line(file);
    let opened = File::open(file).map_err(|error| unreadable(&place, &error))?;
    let bytes = read_limited(most, opened, &place, what)?;
    Ok((place, bytes))
}

fn read_limited(most: u64, input: impl Read, place: &str, what: &str) -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
    let read = input.take(most + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(place, &error))?;
    if bytes.len() as u64 > most {
        let message = format!("{place}: is larger than {most} bytes; that is not {what}");
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(bytes)
}

fn unreadable(place: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::Usage, format!("{place}: cannot be read: {error}"))
}
