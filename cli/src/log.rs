//! What the command tells of its calls, for whoever looks for a fault: on standard error, as everything that is no result.

use std::{env, io};

use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::{Exit, Failure, Result, voice};

const VARIABLE: &str = "TOKEN_STORAGE_LOG";
/// All of ours, and none of the libraries': what those write is not ours to answer for.
const OURS: &str = "token_storage";
/// Only the layer `traced` speaks there, so whoever names it wants to hear it.
const CALLS: &str = "token_storage::storage";

/// From now on.
pub(crate) fn begin() -> Result<()> {
    let told = match env::var(VARIABLE) {
        Ok(level) if !level.is_empty() => Targets::new().with_target(OURS, level_of(&level)?),
        _ => Targets::new().with_target(CALLS, LevelFilter::DEBUG),
    };
    let lines = fmt::layer().without_time().with_ansi(false).with_writer(Voice);
    // Somebody who has this command in a program of theirs may have a subscriber, which stays.
    let _ = tracing_subscriber::registry().with(lines).with(told).try_init();
    Ok(())
}

fn level_of(given: &str) -> Result<LevelFilter> {
    given.parse().map_err(|_| {
        let message = format!("{VARIABLE} is none of off, error, warn, info, debug and trace");
        Failure::new(Exit::Usage, message)
    })
}

/// Says each record as everything else is said.
struct Voice;

impl<'a> MakeWriter<'a> for Voice {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl io::Write for Voice {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        voice::note(String::from_utf8_lossy(record).trim());
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
