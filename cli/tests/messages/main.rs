//! What the library and the command say about servers: each message is had for real, from servers on loopback that do each
//! thing wrong, and held against the rules of `docs/messages.md`, which is made of them.
//!
//! `TOKEN_STORAGE_WRITE_MESSAGES=1 cargo test --workspace --all-features --test messages` writes the page anew.
#![cfg(all(feature = "oauth", feature = "json"))]

#[path = "../common/mod.rs"]
mod common;

mod command;
mod library;
mod page;
mod rules;
mod servers;

use std::process::Command;

/// The authorities that the process trusts are read when it first makes a connection.
const AUTHORITIES: &str = "SSL_CERT_FILE";

#[test]
fn every_message_about_a_server_keeps_the_rules() {
    let here = std::env::var_os(AUTHORITIES).is_some_and(|file| file == servers::AUTHORITY);
    if !here {
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "every_message_about_a_server_keeps_the_rules", "--nocapture"]);
        let status = again.env(AUTHORITIES, servers::AUTHORITY).status().unwrap();
        assert!(status.success(), "see above");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let library = runtime.block_on(library::messages());
    let command = command::messages();
    let broken: Vec<String> = library.iter().chain(&command).filter_map(rules::broken).collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
    page::compare(&library, &command);
}
