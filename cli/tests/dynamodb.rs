//! A storage that cannot list, and one that cannot be reached: neither needs a table.
#![cfg(feature = "dynamodb")]

mod common;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
};

use common::{CANARY, Cli};

/// A table behind a port where nobody listens.
fn unreachable() -> Cli {
    let mut cli = Cli::new("memory");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
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

/// Whose credentials a request is signed with: answers it with "no such table".
fn signer(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let head = BufReader::new(&stream)
        .lines()
        .map(Result::unwrap)
        .take_while(|line| !line.is_empty());
    let head: Vec<String> = head.collect();
    let answer = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"}"#;
    let length = answer.len();
    let head_of_answer = format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all((head_of_answer + answer).as_bytes()).unwrap();
    let credential = head.iter().find_map(|line| line.split_once("Credential=")).unwrap().1;
    credential.split('/').next().unwrap().to_owned()
}

/// As with the AWS command: the environment of a shell must not lead to another account's table.
#[test]
fn a_profile_that_is_named_comes_before_credentials_in_the_environment() {
    let mut cli = Cli::new("memory");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let credentials = cli.folder().join("credentials");
    let profile = format!("[work]\naws_access_key_id = of-the-profile\naws_secret_access_key = {CANARY}\n");
    std::fs::write(&credentials, profile).unwrap();
    for (parameter, want) in [("&profile=work", "of-the-profile"), ("", "made-up")] {
        cli.url = format!("dynamodb:tokens?region=eu-central-1&endpoint={endpoint}{parameter}");
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| signer(&listener));
            let mut command = cli.command(&["get", "rs"]);
            command
                .env("AWS_ACCESS_KEY_ID", "made-up")
                .env("AWS_SECRET_ACCESS_KEY", CANARY)
                .env("AWS_SHARED_CREDENTIALS_FILE", &credentials)
                .env("AWS_CONFIG_FILE", cli.folder().join("none"))
                .env("AWS_EC2_METADATA_DISABLED", "true");
            common::Ran::of(command.output().unwrap()).ended(2).quiet();
            assert_eq!(asked.join().unwrap(), want);
        });
    }
}
