//! A storage that cannot list, and one that cannot be reached: neither needs a table.
#![cfg(feature = "dynamodb")]

mod common;

use common::{CANARY, Cli};

/// A table behind a port where nobody listens.
fn unreachable() -> Cli {
    let mut cli = Cli::new("memory");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    cli.url = format!("dynamodb:tokens?region=eu-central-1&endpoint=http://127.0.0.1:{port}");
    cli
}

fn run(cli: &Cli, arguments: &[&str]) -> common::Ran {
    let mut command = cli.command(arguments);
    command
        .env("AWS_ACCESS_KEY_ID", "made-up")
        .env("AWS_SECRET_ACCESS_KEY", CANARY)
        .env("AWS_EC2_METADATA_DISABLED", "true");
    common::Ran::of(command.output().unwrap())
}

#[test]
fn c2_listing_is_explained_and_something_else_is_offered() {
    let cli = unreachable();
    for arguments in [&["list"][..], &["list", "--all-namespaces"], &["namespaces"]] {
        let ran = run(&cli, arguments)
            .ended(2)
            .says("cannot list")
            .says("get RESOURCE_SERVER");
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
}

#[test]
fn info_costs_no_request() {
    let ran = run(&unreachable(), &["info", "--json"]).succeeded();
    let info = ran.json();
    assert_eq!(info["backend"], "dynamodb");
    assert_eq!(info["enumerates"], false);
    assert_eq!(info["lease"]["kind"], "timed");
}

#[test]
fn a_table_out_of_reach_is_unavailable() {
    run(&unreachable(), &["get", "rs"]).ended(6).quiet();
}
