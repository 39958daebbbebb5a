//! The commands that make, describe and delete a DynamoDB table, and all others on one.
#![cfg(feature = "dynamodb")]

mod common;

use std::process::Stdio;

use common::{CANARY, Cli, Ran};
use token_storage_dynamodb_testing::emulator;

/// On a table that does not exist yet.
fn table(name: &str) -> Cli {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let endpoint = runtime.block_on(emulator());
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos();
    let mut cli = Cli::new("memory");
    cli.url = format!("dynamodb:{name}-{nanos}?region=eu-central-1&endpoint={endpoint}");
    cli
}

fn command(cli: &Cli, arguments: &[&str]) -> std::process::Command {
    let mut command = cli.command(arguments);
    command
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

fn run(cli: &Cli, arguments: &[&str]) -> Ran {
    Ran::of(command(cli, arguments).output().unwrap())
}

fn store(cli: &Cli, response: &str) -> Ran {
    use std::io::Write as _;

    let mut command = command(cli, &["store"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(response.as_bytes()).unwrap();
    Ran::of(child.wait_with_output().unwrap())
}

/// Without a listing: every case that needs one is ignored, aloud.
#[cfg(feature = "conformance")]
#[test]
fn the_conformance_suite_on_a_table() {
    let cli = table("conformance");
    run(&cli, &["create-table"]).succeeded();
    let url = cli.url.as_str();
    let ran = run(
        &cli,
        &[
            "conformance",
            url,
            "--level",
            "core,enumerate",
            "--filter",
            "e",
            "--json",
        ],
    );
    let json = ran.succeeded().quiet().json();
    let [core, enumerate] = [0, 1].map(|level| &json["levels"][level]);
    assert!(core["passed"].as_u64() > Some(50) && core["failed"] == 0, "{core}");
    assert!(
        enumerate["passed"] == 0 && enumerate["ignored"].as_u64() > Some(5),
        "{enumerate}"
    );
    assert_eq!(json["left"], 0);
    run(&cli, &["delete-table", "--yes"]).succeeded();
}

#[test]
fn a_table_from_its_creation_to_its_end() {
    let cli = table("whole");
    run(&cli, &["get", "rs"]).ended(2).says("create-table");
    run(&cli, &["describe"]).ended(2).says("create-table");

    let created = run(&cli, &["create-table", "--provisioned", "5:5", "--clean-up"])
        .succeeded()
        .says("ACTIVE");
    assert_eq!(created.stdout, "created\n");
    assert_eq!(
        run(&cli, &["create-table", "--clean-up"]).succeeded().stdout,
        "already there\n"
    );
    let described = run(&cli, &["describe-table", "--json"]).succeeded().json();
    assert_eq!(described["status"], "ACTIVE");
    assert_eq!(described["billing"]["write_units"], 5);
    assert_eq!(described["time_to_live"], "token-storage.clean-up");
    assert!(
        run(&cli, &["describe"])
            .succeeded()
            .stdout
            .contains("5 read and 5 write units")
    );

    let response = format!(r#"{{"access_token":"{CANARY}","resource_server":"rs","expires_in":3600}}"#);
    store(&cli, &response).succeeded();
    assert!(run(&cli, &["get", "rs"]).succeeded().quiet().stdout.contains("rs"));
    assert_eq!(run(&cli, &["access-token", "rs"]).succeeded().stdout.trim_end(), CANARY);
    run(&cli, &["doctor"]).succeeded().quiet();
    run(&cli, &["list"]).ended(2).says("cannot list");
    run(&cli, &["remove", "rs"]).succeeded();
    run(&cli, &["get", "rs"]).ended(3);

    run(&cli, &["delete-table"]).ended(2).says("--yes");
    assert_eq!(run(&cli, &["delete-table", "--yes"]).succeeded().stdout, "deleted\n");
    assert_eq!(run(&cli, &["delete-table", "--yes"]).code, Some(3));
}

/// 20 processes that start for the first time at once.
#[test]
fn concurrent_first_starts_all_succeed() {
    let cli = table("starts");
    let spawn = || {
        let mut command = command(&cli, &["create-table"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let starts: Vec<_> = (0..20).map(|_| spawn()).collect();
    let ended = starts
        .into_iter()
        .map(|child| Ran::of(child.wait_with_output().unwrap()).succeeded().stdout);
    assert_eq!(ended.filter(|stdout| stdout == "created\n").count(), 1);
}

#[test]
fn wrong_options_are_explained() {
    let cli = table("never");
    run(&cli, &["create-table", "--provisioned", "0:5"])
        .ended(2)
        .says("5:5");
    run(&cli, &["create-table", "--no-wait", "--clean-up"]).ended(2);
    let elsewhere = Cli::new("json");
    run(&elsewhere, &["create-table"]).ended(2).says("dynamodb:TABLE");
}
