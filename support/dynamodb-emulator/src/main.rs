//! A DynamoDB in memory on a free port of the loopback interface.
//!
//! Prints the port as one line on standard output and serves until standard input is closed. The parent holds the other
//! end of that pipe, so the emulator ends with it, however it ends.
#![forbid(unsafe_code)]

use std::{
    io::{self, Read, Write},
    process,
};

use dynoxide::{Database, server};
use tokio::net::TcpListener;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
    let port = listener.local_addr()?.port();
    let database = Database::memory()?;
    runtime.spawn(server::serve_on(listener, database));

    let mut stdout = io::stdout();
    writeln!(stdout, "{port}")?;
    stdout.flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    // The data is in memory and nobody is left to ask for it.
    process::exit(0)
}
