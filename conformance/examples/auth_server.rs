//! Runs the authorization server for tests on its own, for trying out commands against it:
//!
//! `cargo run -p token-storage-conformance --features auth-server --example auth_server -- [--auto-approve] [--lifetime SECONDS]`
//!
//! It prints its address and runs until its standard input ends. The log is at `/_test/log`.

use std::io::{Read as _, Write as _};

use token_storage_conformance::auth_server::{AuthServer, Config};

fn main() {
    let mut config = Config::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--auto-approve" => config.auto_approve = true,
            "--lifetime" => {
                let seconds = arguments.next().and_then(|value| value.parse().ok());
                config.access_token_lifetime = Some(seconds.expect("--lifetime takes a number of seconds"));
            }
            other => panic!("unknown argument {other}"),
        }
    }
    let server = AuthServer::start_with(config);
    println!("{}", server.url());
    std::io::stdout().flush().expect("standard output can be written");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
