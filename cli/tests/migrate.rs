//! Moving tokens between real files, killed and run again.
#![cfg(all(feature = "json", feature = "sqlite"))]

mod common;

use std::{io::Read as _, process::Stdio};

use common::{
    Cli,
    killer::{Killer, rounds},
};
use token_storage::{Acquisition, TokenStorage as _, json::JsonStorage, sqlite::SqliteStorage};

const RESPONSE: &str = r#"{"access_token":"canary-at","refresh_token":"canary-rt","expires_in":3600,
    "scope":"read write","resource_server":"rs","id_token":"canary-id"}"#;

fn url(cli: &Cli, scheme: &str) -> String {
    format!("{scheme}:{}", cli.folder().join(format!("new.{scheme}")).display())
}

fn revealed(cli: &Cli, storage: &str, name: &str) -> serde_json::Value {
    cli.run(&["get", name, "--storage", storage, "--reveal", "--json"])
        .succeeded()
        .json()
}

#[test]
fn a_token_goes_from_json_to_sqlite_and_is_gone_from_there() {
    let cli = Cli::new("json");
    cli.store(RESPONSE);
    let before = revealed(&cli, &cli.url, "rs");
    let new = url(&cli, "sqlite");
    let ran = cli.run(&["migrate", &cli.url, &new]).succeeded().quiet();
    assert_eq!(ran.stdout, "moved 1 token\n");
    ran.says("both storages hold these tokens now").says("--remove-source");
    assert_eq!(revealed(&cli, &new, "rs"), before);

    let ran = cli
        .run(&["migrate", &cli.url, &new, "--remove-source"])
        .succeeded()
        .quiet();
    assert_eq!(ran.stdout, "moved 0 tokens; 1 already there\n");
    cli.run(&["get", "rs"]).ended(3);
    assert_eq!(revealed(&cli, &new, "rs"), before);
}

#[test]
fn nothing_is_moved_while_another_token_is_in_the_way() {
    let cli = Cli::new("json");
    cli.store(RESPONSE);
    cli.store(&RESPONSE.replace("\"rs\"", "\"other\""));
    let new = url(&cli, "sqlite");
    let theirs = RESPONSE.replace("canary-at", "canary-theirs");
    cli.run_with_input(&["store", "--storage", &new], &theirs).succeeded();
    let migrate = |options: &[&str]| {
        let all = [&["migrate", cli.url.as_str(), new.as_str()], options].concat();
        cli.run(&all).quiet()
    };
    migrate(&[])
        .ended(2)
        .says("\"rs\" of namespace \"DEFAULT\": another token is stored there")
        .says("nothing was moved");
    cli.run(&["get", "other", "--storage", &new]).ended(3);

    let dry = migrate(&["--dry-run", "--overwrite", "--json"]).succeeded().json();
    assert_eq!((&dry["copied"], &dry["replaced"]), (&2.into(), &1.into()));
    let kept = migrate(&["--keep-going", "--json"]).ended(1).json();
    assert_eq!(
        (&kept["copied"], &kept["left"][0]["reason"]),
        (&1.into(), &"occupied".into())
    );
    assert_eq!(revealed(&cli, &new, "rs")["access_token"], "canary-theirs");
    migrate(&["--overwrite", "--remove-source"]).succeeded();
    assert_eq!(revealed(&cli, &new, "rs")["access_token"], "canary-at");
}

#[test]
fn names_come_from_arguments_and_files_and_go_into_another_namespace() {
    let cli = Cli::new("json");
    for name in ["a", "b", "c"] {
        cli.store(&RESPONSE.replace("\"rs\"", &format!("{name:?}")));
    }
    let new = url(&cli, "sqlite");
    let moved = |arguments: &[&str], input: &str| {
        let all = [&["migrate", cli.url.as_str(), new.as_str()], arguments].concat();
        cli.run_with_input(&all, input).succeeded().stdout
    };
    assert_eq!(moved(&["a"], ""), "moved 1 token\n");
    assert_eq!(
        moved(&["--keys-from", "-"], "a\r\nb\n\n"),
        "moved 1 token; 1 already there\n"
    );
    let list = cli.run(&["list", "--all-namespaces", "--json"]).succeeded().stdout;
    assert_eq!(
        moved(&["--keys-from", "-", "--to-namespace", "new"], &list),
        "moved 3 tokens\n"
    );
    let listed = cli.run(&["list", "--storage", &new, "--namespace", "new"]).succeeded();
    assert_eq!(listed.stdout, "a\nb\nc\n");
    let one = ["migrate", &cli.url, &new, "--to-namespace", "one"];
    cli.run(&one).ended(2).says("name the one to move");
    cli.run_with_input(&["migrate", &cli.url, &new, "--keys-from", "-"], "{\"tokens\":[7]}")
        .ended(2)
        .says("holds no names of tokens");
}

/// Killed after each of many records, and run again to the end. Each time a program that refreshes the last record makes it
/// wait for that, so no kill comes too late.
#[test]
fn a_migration_that_was_killed_is_run_again_and_loses_nothing() {
    let cli = Cli::new("json");
    let names: Vec<String> = (0..40).map(|n| format!("rs{n}")).collect();
    for chunk in names.chunks(20) {
        let others: Vec<String> = chunk[1..]
            .iter()
            .map(|name| {
                format!(r#"{{"access_token":"canary-{name}","resource_server":"{name}","refresh_token":"canary"}}"#)
            })
            .collect();
        let name = &chunk[0];
        cli.store(&format!(
            r#"{{"access_token":"canary-{name}","resource_server":"{name}","refresh_token":"canary","other_tokens":[{}]}}"#,
            others.join(",")
        ));
    }
    let new = url(&cli, "sqlite");
    let places = [cli.url.clone(), new.clone()];
    let arguments = ["migrate", &cli.url, &new, "--remove-source"];
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let target = SqliteStorage::open(cli.folder().join("new.sqlite")).unwrap();
    let moved = || {
        let page = runtime.block_on(async { target.enumerate().unwrap().list_keys("DEFAULT", None).await });
        page.unwrap().items.len()
    };
    let source = JsonStorage::open(cli.file()).unwrap();
    let listed = runtime.block_on(async { source.enumerate().unwrap().list_keys("DEFAULT", None).await });
    let last = listed.unwrap().items.pop().unwrap();
    // So many records are at the target at the earliest when it is killed.
    for wanted in [1, 5, 6, 17, 30] {
        let lease = runtime.block_on(async { source.lease().unwrap().try_acquire(&last).await });
        let Acquisition::Acquired(_refreshing) = lease.unwrap() else {
            panic!("somebody who was killed holds a lease")
        };
        let mut child = cli
            .command(&arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while moved() < wanted && child.try_wait().unwrap().is_none() {}
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().code(), None, "it has ended by itself");
        assert!((wanted..names.len()).contains(&moved()));
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!(errors, "");
        for name in &names {
            let found = places.iter().any(|place| {
                let ran = cli.run(&["get", name, "--storage", place, "--reveal", "--json"]);
                ran.code == Some(0) && ran.json()["access_token"] == format!("canary-{name}")
            });
            assert!(found, "{name} is in neither");
        }
    }
    cli.run(&arguments).succeeded().quiet();
    assert_eq!(cli.run(&["list"]).succeeded().stdout, "");
    for name in &names {
        assert_eq!(revealed(&cli, &new, name)["access_token"], format!("canary-{name}"));
    }
}

/// Of both storages, those of the target last.
async fn records(urls: &[&str], names: &[String]) -> Vec<Option<token_storage::TokenData>> {
    let mut found: Vec<Option<token_storage::TokenData>> = vec![None; names.len()];
    for url in urls {
        let storage = token_storage::open(url).await.unwrap();
        for (place, name) in found.iter_mut().zip(names) {
            let key = token_storage::TokenKey::in_default(name.as_str());
            if let Some(stored) = storage.get(&key).await.unwrap() {
                *place = Some(stored.data);
            }
        }
    }
    found
}

#[test]
fn killed_at_random_moments_it_is_run_again_and_loses_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut killer = Killer::new();
    let names: Vec<String> = (0..12).map(|number| format!("rs{number}")).collect();
    for round in 0..rounds(5, 100) {
        let (cli, to) = match round % 2 {
            0 => (Cli::new("json"), "sqlite"),
            _ => (Cli::new("sqlite"), "json"),
        };
        let others: Vec<String> = names[1..]
            .iter()
            .map(|name| {
                RESPONSE
                    .replace("\"rs\"", &format!("{name:?}"))
                    .replace("-rt", &format!("-rt-{name}"))
            })
            .collect();
        let all = RESPONSE.replace("\"rs\"", "\"rs0\"");
        let all = format!(
            "{},\"other_tokens\":[{}]}}",
            all.trim_end_matches('}'),
            others.join(",")
        );
        cli.store(&all);
        let new = url(&cli, to);
        let before = runtime.block_on(records(&[&cli.url], &names));
        assert!(before.iter().all(Option::is_some));
        let arguments = ["migrate", &cli.url, &new, "--remove-source"];
        killer.kill(&mut cli.command(&arguments));
        let now = runtime.block_on(records(&[&cli.url, &new], &names));
        assert!(now == before, "round {round}: something is lost or changed");
        killer.whole(|| cli.run(&arguments)).succeeded().quiet();
        assert!(runtime.block_on(records(&[&new], &names)) == before, "round {round}");
        assert_eq!(cli.run(&["list"]).succeeded().stdout, "");
    }
    killer.report("migrate");
}

#[test]
fn nothing_is_removed_for_a_storage_that_keeps_nothing() {
    let cli = Cli::new("sqlite");
    cli.store(RESPONSE);
    let arguments = [
        "migrate",
        &cli.url,
        "memory:",
        "--remove-source",
        "--keep-going",
        "--overwrite",
    ];
    cli.run(&arguments).ended(2).quiet().says("gone when this command ends");
    assert_eq!(revealed(&cli, &cli.url, "rs")["access_token"], "canary-at");
}

#[test]
fn the_other_namespace_is_quoted_as_names_are() {
    let cli = Cli::new("json");
    cli.store(RESPONSE);
    let new = url(&cli, "sqlite");
    let quoted = "\"a\\tb\"";
    cli.run(&[
        "migrate",
        &cli.url,
        &new,
        "\"rs\"",
        "--quoted",
        "--to-namespace",
        quoted,
    ])
    .succeeded();
    let listed = cli
        .run(&["list", "--quoted", "--namespace", quoted, "--storage", &new])
        .succeeded();
    assert_eq!(listed.stdout, "rs\n");
}

#[test]
fn one_file_by_two_names_loses_nothing() {
    let cli = Cli::new("sqlite");
    cli.store(RESPONSE);
    let link = cli.folder().join("link");
    std::os::unix::fs::symlink(cli.folder(), &link).unwrap();
    let other = format!("sqlite:{}", link.join("tokens.file").display());
    for options in [
        &["--remove-source"][..],
        &["--remove-source", "--overwrite", "--keep-going"],
    ] {
        let all = [&["migrate", cli.url.as_str(), other.as_str()], options].concat();
        let ran = cli.run(&all);
        assert_ne!(ran.code, Some(0));
        ran.says("both names lead to the same record");
        assert_eq!(revealed(&cli, &cli.url, "rs")["access_token"], "canary-at");
    }
}

/// Of a file with two names each name is told, and the token is under both afterwards.
#[cfg(unix)]
#[test]
fn a_file_and_its_hard_link_lose_nothing() {
    for scheme in ["json", "sqlite"] {
        let cli = Cli::new(scheme);
        cli.store(RESPONSE);
        let before = revealed(&cli, &cli.url, "rs");
        let link = cli.folder().join("link");
        std::fs::hard_link(cli.file(), &link).unwrap();
        let other = format!("{scheme}:{}", link.display());
        for options in [
            &["--remove-source"][..],
            &["--remove-source", "--overwrite", "--keep-going"],
        ] {
            let all = [&["migrate", cli.url.as_str(), other.as_str()], options].concat();
            let ran = cli.run(&all).quiet();
            assert_ne!(ran.code, Some(0), "{scheme}");
            ran.says("one file is a copy of the other");
            for url in [&cli.url, &other] {
                assert_eq!(revealed(&cli, url, "rs"), before, "{scheme}");
            }
        }
    }
}
