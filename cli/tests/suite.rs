//! The conformance suite on storages that are in use.
#![cfg(all(feature = "conformance", feature = "sqlite", feature = "json"))]

mod common;

use common::{CANARY, Cli, Ran, by_shell};

const RESPONSE: &str = r#"{"access_token":"canary-at","refresh_token":"canary-rt","resource_server":"rs"}"#;

/// A storage with a record in it.
fn in_use(scheme: &str) -> Cli {
    let cli = Cli::new(scheme);
    cli.store(RESPONSE);
    cli
}

fn conformance(cli: &Cli, arguments: &[&str]) -> Ran {
    let arguments = [&["conformance", cli.url.as_str()], arguments].concat();
    cli.run(&arguments).quiet()
}

/// What was there is there, and nothing else.
fn left_as_it_was(cli: &Cli) {
    assert_eq!(cli.run(&["access-token", "rs"]).succeeded().stdout, "canary-at\n");
    let list = cli.run(&["list", "--all-namespaces"]).succeeded();
    assert_eq!(list.stdout, "DEFAULT\trs\n");
}

#[test]
fn a_whole_run_on_a_storage_in_use_leaves_it_as_it_was() {
    let cli = in_use("sqlite");
    let ran = conformance(&cli, &["--html", "report.html"]).succeeded();
    for part in ["core ", "hostile ", "coverage ", "divergence  0 of ", "not decided: "] {
        assert!(ran.stdout.contains(part), "want {part:?}: {ran:#?}");
    }
    let page = std::fs::read_to_string(cli.folder().join("report.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("conforms") && !page.contains(CANARY));
    left_as_it_was(&cli);
}

#[test]
fn results_as_json() {
    let cli = in_use("json");
    let ran = conformance(&cli, &["--level", "enumerate,core", "--filter", "removal::", "--json"]).succeeded();
    let json = ran.json();
    assert_eq!(json["suite"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json["divergence"]["count"], 0);
    assert!(json["coverage"]["count"].as_u64().unwrap() > 0);
    assert_eq!(json["left"], 0);
    let cases = json["cases"].as_array().unwrap();
    assert!(
        !cases.is_empty() && cases.iter().all(|case| case["verdict"] == "passed"),
        "{cases:?}"
    );
    left_as_it_was(&cli);
}

#[test]
fn storages_without_a_file_work_too() {
    for scheme in ["memory:", "sqlite::memory:"] {
        let mut cli = Cli::new("memory");
        cli.url = scheme.to_owned();
        conformance(&cli, &["--level", "core", "--filter", "keys::"]).succeeded();
    }
}

#[test]
fn it_runs_only_where_nothing_is() {
    let cli = in_use("sqlite");
    let refused = ["--filter", "removal::", "--namespace", "DEFAULT"];
    conformance(&cli, &refused).ended(2).says("records in the namespace");
    // Nor where its own names could meet somebody's.
    let refused = ["--filter", "removal::", "--namespace", "DEF"];
    conformance(&cli, &refused).ended(2).says("records in the namespace");
    conformance(&cli, &["--filter", "removal::", "--namespace", "mine"]).succeeded();
    left_as_it_was(&cli);
}

#[test]
fn nothing_run_is_no_success() {
    let cli = in_use("sqlite");
    conformance(&cli, &["--filter", "no such case"]).ended(2).says("--list");
    conformance(&cli, &["--level", "everything"]).ended(2);
    // Chosen, but not for a storage that is in use.
    let ran = conformance(&cli, &["--filter", "damage::"]).ended(2);
    assert!(ran.stdout.contains("for the backend's own tests"), "{ran:#?}");
    conformance(&cli, &["--html", "no/such/folder/report.html"])
        .ended(2)
        .says("cannot be written");
}

#[test]
fn a_damaged_storage_is_not_written_to() {
    let cli = in_use("json");
    std::fs::write(cli.file(), "{\"data\": canary").unwrap();
    conformance(&cli, &["--filter", "removal::", "--html", "report.html"]).ended(5);
    assert!(!cli.folder().join("report.html").exists(), "an empty page");
    assert_eq!(std::fs::read_to_string(cli.file()).unwrap(), "{\"data\": canary");
}

#[test]
fn the_cases_are_listed() {
    let cli = Cli::new("memory");
    let ran = cli.run(&["conformance", "--list", "--level", "lease"]).succeeded();
    assert!(ran.stdout.contains("lease::one_holder_at_a_time"), "{ran:#?}");
    let json = cli.run(&["conformance", "--list", "--json"]).succeeded().json();
    let cases = json["cases"].as_array().unwrap();
    assert!(cases.len() > 100);
    assert!(
        cases[0]["clauses"]
            .as_array()
            .is_some_and(|clauses| !clauses.is_empty())
    );
    cli.run(&["conformance"]).ended(2);
}

/// A storage that does not conform: its file cannot grow.
#[cfg(unix)]
#[test]
fn a_failure_is_explained_and_ends_with_1() {
    let cli = in_use("json");
    let arguments = [
        "conformance",
        &cli.url,
        "--filter",
        "limits::a_record_of_half",
        "--html",
        "report.html",
    ];
    let ran = by_shell("ulimit -f 256", &cli.command(&arguments)).output().unwrap();
    let ran = Ran::of(ran).ended(1).quiet();
    for part in [
        "limits::a_record_of_half_the_declared_size_fits failed",
        "clause K7",
        "  want: Ok",
        "what was done:",
    ] {
        assert!(ran.stdout.contains(part), "want {part:?}: {ran:#?}");
    }
    assert!(
        ran.stdout.contains("to repeat: TOKEN_STORAGE_CONFORMANCE_SEED="),
        "{ran:#?}"
    );
    let page = std::fs::read_to_string(cli.folder().join("report.html")).unwrap();
    assert!(page.contains("does not conform"));
    left_as_it_was(&cli);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_removes_what_it_wrote() {
    use std::{os::unix::process::ExitStatusExt as _, process::Stdio};

    let cli = in_use("sqlite");
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let mut command = cli.command(&["conformance", &cli.url]);
        let mut running = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // In the midst of a case: something of it is there.
        while cli.run(&["namespaces"]).succeeded().stdout == "DEFAULT\n" {
            assert_eq!(running.try_wait().unwrap(), None, "it ended before it wrote anything");
        }
        let pid = running.id().to_string();
        let kill = std::process::Command::new("kill")
            .args([&format!("-{signal}"), &pid])
            .status();
        assert!(kill.unwrap().success());
        let ended = running.wait_with_output().unwrap();
        assert_eq!(ended.status.signal(), Some(signal), "{ended:?}");
        assert!(String::from_utf8(ended.stderr).unwrap().contains("interrupted"));
        left_as_it_was(&cli);
    }
}
