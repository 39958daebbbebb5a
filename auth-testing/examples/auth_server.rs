//! Runs the authorization server for tests on its own, for trying out commands against it:
//!
//! `cargo run -p token-storage-auth-testing --example auth_server -- [--auto-approve] [--lifetime SECONDS] [--issue SCOPE]..`
//!
//! It prints its address, then a line with the token response of each login that `--issue` asks for, and runs until its
//! standard input ends. The log is at `/_test/log`.

use std::io::{Read as _, Write as _};

use token_storage_auth_testing::auth_server::{AuthServer, Config};

fn main() {
    let mut config = Config::default();
    let mut issued = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--auto-approve" => config.auto_approve = true,
            "--lifetime" => {
                let seconds = arguments.next().and_then(|value| value.parse().ok());
                config.access_token_lifetime = Some(seconds.expect("--lifetime takes a number of seconds"));
            }
            "--issue" => issued.push(arguments.next().expect("--issue takes scopes")),
            other => panic!("unknown argument {other}"),
        }
    }
    let server = AuthServer::start_with(config);
    println!("{}", server.url());
    for scope in issued {
        println!("{}", server.issue(AuthServer::NATIVE_CLIENT, &scope));
    }
    std::io::stdout().flush().expect("standard output can be written");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
