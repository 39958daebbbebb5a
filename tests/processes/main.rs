//! The token manager across processes, on every storage that processes can share: real files, a real emulator, real
//! signals. Each worker is this very binary, started again.
//!
//! - `cargo test -p token-storage --all-features --test processes -- stampede` counts requests against
//!   expiries; `TOKEN_STORAGE_SOAK=1` makes it 32 processes x 16 tasks x 200 expiries.
//! - `... -- crash` kills the holder of a refresh at every step and at every await point, `... -- stopped` stops it and
//!   lets it go on. Both print a table of what became of it.

mod crash;
mod stampede;
mod stopped;
mod storages;
mod table;
mod worker;
mod world;

use std::time::Duration;

use libtest_mimic::{Arguments, Trial};

fn main() {
    if let Some(job) = worker::job() {
        worker::run(job);
        return;
    }
    let arguments = Arguments::from_args();
    let mut trials: Vec<Trial> = Vec::new();
    for storage in storages::all() {
        trials.extend(stampede::trials(storage));
        trials.extend(crash::trials(storage));
        trials.extend(stopped::trials(storage));
    }
    guard_against_hanging();
    let conclusion = libtest_mimic::run(&arguments, trials);
    table::print(&storages::all());
    conclusion.exit();
}

/// A worker that never answers must not hang the run. All trials together take seconds, a soak minutes; a slow machine
/// may build the emulator first.
fn guard_against_hanging() {
    let limit = if stampede::is_soak() { 4 * 3600 } else { 3600 };
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(limit));
        eprintln!("the trials have not ended within {limit} s: one of them hangs");
        std::process::exit(101);
    });
}
