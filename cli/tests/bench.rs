//! `token-storage bench`: it measures, and nothing of it is left.
#![cfg(all(feature = "bench", feature = "json", feature = "sqlite"))]

mod common;

use std::{fs, path::Path};

use common::{CANARY, Cli, Ran, by_shell};

const RESPONSE: &str = r#"{"access_token":"canary-at","refresh_token":"canary-rt","resource_server":"rs"}"#;

/// A storage with a record in it.
fn in_use(scheme: &str) -> Cli {
    let cli = Cli::new(scheme);
    cli.store(RESPONSE);
    cli
}

fn bench(cli: &Cli, arguments: &[&str]) -> Ran {
    cli.run(&[&["bench"], arguments].concat()).quiet()
}

/// What was there is there, and nothing else.
fn left_as_it_was(cli: &Cli) {
    assert_eq!(cli.run(&["access-token", "rs"]).succeeded().stdout, "canary-at\n");
    let list = cli.run(&["list", "--all-namespaces"]).succeeded();
    assert_eq!(list.stdout, "DEFAULT\trs\n");
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn storages_in_use_are_measured_side_by_side_and_left_as_they_were() {
    let (json, sqlite) = (in_use("json"), in_use("sqlite"));
    let arguments = [&json.url, &sqlite.url, "--budget", "1s", "--html", "bench.html"];
    let ran = bench(&json, &arguments).succeeded();
    for part in [
        "survives kill -9 and power loss",
        "all processes of one host",
        "compare-and-swap",
        "power loss",
        "json",
        "sqlite",
    ] {
        assert!(ran.stdout.contains(part), "want {part:?}: {ran:#?}");
    }
    let page = fs::read_to_string(json.folder().join("bench.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("<svg") && !page.contains(CANARY));
    left_as_it_was(&json);
    left_as_it_was(&sqlite);
}

#[test]
fn results_as_json_hold_to_the_budget_of_requests() {
    let cli = in_use("json");
    let arguments = [
        &*cli.url,
        "memory:",
        "--budget",
        "2s",
        "--max-requests",
        "900",
        "--json",
    ];
    let report = bench(&cli, &arguments).succeeded().json();
    for (storage, durability) in [(0, "power_loss"), (1, "volatile")] {
        let storage = &report["storages"][storage];
        assert_eq!(storage["promises"]["durability"], durability);
        assert_eq!(storage["left"], 0);
        let requests = storage["requests"].as_u64().unwrap();
        assert!((300..=900).contains(&requests), "{storage}");
        let measured = storage["measured"].as_array().unwrap();
        for operation in ["get", "store", "list", "lease", "refresh"] {
            let of = measured.iter().filter(|measured| measured["operation"] == operation);
            assert!(of.clone().count() > 0, "{operation}: {storage}");
            for measured in of {
                assert!(measured["calls"].as_u64().unwrap() > 0);
                assert!(measured["latency_seconds"]["p99"].as_f64().unwrap() > 0.0);
            }
        }
        let skipped = storage["skipped"].as_array().unwrap();
        let growth = skipped.iter().find(|skipped| skipped["records"] == 10_000).unwrap();
        assert_eq!(growth["reason"], "the requests of the budget do not suffice");
    }
    left_as_it_was(&cli);
}

/// Without a URL: files beside the place where tokens are by default, gone afterwards.
#[test]
fn without_a_url_each_kind_is_measured_in_a_folder_that_goes() {
    let cli = Cli::new("memory");
    let mut command = cli.command(&["bench", "--only", "get,open", "--budget", "300ms", "--json"]);
    let ran = Ran::of(command.env("TOKEN_STORAGE_URL", "").output().unwrap()).succeeded();
    let report = ran.json();
    let backends: Vec<&str> = report["storages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|storage| storage["promises"]["backend"].as_str().unwrap())
        .collect();
    assert_eq!(backends, ["sqlite", "json", "memory"]);
    assert_eq!(names(cli.folder()), [""; 0], "nothing is left in the home directory");
    // With a storage named, that one.
    let report = bench(&in_use("json"), &["--only", "get", "--budget", "100ms", "--json"])
        .succeeded()
        .json();
    assert_eq!(report["storages"].as_array().unwrap().len(), 1);
    assert_eq!(report["storages"][0]["promises"]["backend"], "json");
}

#[test]
fn what_cannot_be_understood_measures_nothing() {
    let cli = in_use("json");
    for arguments in [
        &["--budget", "soon"][..],
        &["--budget", "0s"],
        &["--max-requests", "0"],
        &["--only", "everything"],
        &["--html", "no/such/folder/bench.html"],
        &["nothing:here"],
    ] {
        bench(&cli, arguments).ended(2);
    }
}

#[test]
fn a_run_that_fails_leaves_no_page_and_the_one_that_was_there() {
    let cli = in_use("json");
    fs::write(cli.folder().join("before.html"), "a page").unwrap();
    fs::write(cli.file(), "{\"data\": canary").unwrap();
    for page in ["bench.html", "before.html"] {
        bench(&cli, &["--budget", "300ms", "--html", page]).ended(5);
    }
    assert!(!cli.folder().join("bench.html").exists());
    assert_eq!(fs::read_to_string(cli.folder().join("before.html")).unwrap(), "a page");
}

/// A storage that is damaged or cannot be written to is refused before the others are measured.
#[cfg(unix)]
#[test]
fn a_storage_that_takes_no_records_is_refused() {
    let (good, damaged) = (in_use("json"), in_use("json"));
    fs::write(damaged.file(), "{\"data\": canary").unwrap();
    let arguments = [&*good.url, &damaged.url, "--budget", "300ms"];
    // The first write would keep the damaged file aside; that is for a login to do.
    bench(&good, &arguments).ended(5).says("nothing was measured");
    assert_eq!(fs::read_to_string(damaged.file()).unwrap(), "{\"data\": canary");

    let missing = format!("json:{}", good.folder().join("rs/no-folder/tokens.json").display());
    let file = good.folder().join("rs");
    fs::write(&file, "a file where a folder should be").unwrap();
    let ran = bench(&good, &[&missing, "--budget", "300ms"]);
    assert!(ran.code.is_some_and(|code| code != 0), "{ran:#?}");
    ran.says("nothing was measured");
    left_as_it_was(&good);
}

/// The file cannot grow: the measuring ends with an error, and what was written goes all the same.
#[cfg(unix)]
#[test]
fn an_error_in_the_midst_is_told_and_nothing_stays() {
    let cli = in_use("json");
    let bench = cli.command(&["bench", &cli.url, "--budget", "2s", "--html", "bench.html"]);
    let ran = by_shell("ulimit -f 256", &bench).output().unwrap();
    let ran = Ran::of(ran).ended(6).quiet().says("until then");
    assert!(ran.stdout.contains("store"), "what was measured is shown: {ran:#?}");
    let page = fs::read_to_string(cli.folder().join("bench.html")).unwrap();
    assert!(page.contains("It ended with an error"));
    left_as_it_was(&cli);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_removes_what_it_wrote() {
    use std::{os::unix::process::ExitStatusExt as _, process::Stdio};

    for scheme in ["sqlite", "json"] {
        let cli = in_use(scheme);
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            let mut command = cli.command(&["bench", &cli.url, "--budget", "600s", "--html", "bench.html"]);
            let mut running = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            // In the midst of it: something of it is there.
            while cli
                .run(&["list", "--all-namespaces"])
                .succeeded()
                .stdout
                .lines()
                .count()
                < 2
            {
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
            assert!(!cli.folder().join("bench.html").exists());
            left_as_it_was(&cli);
        }
    }
}

/// The folder that nobody named goes, too.
#[cfg(unix)]
#[test]
fn an_interrupted_run_without_a_url_leaves_no_folder() {
    use std::{os::unix::process::ExitStatusExt as _, process::Stdio};

    let cli = Cli::new("memory");
    let mut command = cli.command(&["bench", "--budget", "600s"]);
    command
        .env("TOKEN_STORAGE_URL", "")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut running = command.spawn().unwrap();
    while names(cli.folder()).is_empty() {
        assert_eq!(running.try_wait().unwrap(), None, "it ended before it wrote anything");
    }
    let pid = running.id().to_string();
    let kill = std::process::Command::new("kill").args(["-INT", &pid]).status();
    assert!(kill.unwrap().success());
    assert_eq!(running.wait().unwrap().signal(), Some(signal_hook::consts::SIGINT));
    assert_eq!(names(cli.folder()), [""; 0]);
}
