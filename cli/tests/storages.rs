//! The commands on real files, each on every local storage.
#![cfg(any(feature = "json", feature = "sqlite"))]

mod common;

use std::{
    collections::BTreeSet,
    process::{Command, Stdio},
};

use common::{CANARY, Cli, Ran, by_shell, in_files};

const RESPONSE: &str = r#"{"access_token":"canary-at","refresh_token":"canary-rt","id_token":"canary-id",
    "token_type":"Bearer","expires_in":3600,"scope":"read write","resource_server":"rs"}"#;

fn on_each(test: impl Fn(&Cli)) {
    for scheme in in_files() {
        test(&Cli::new(scheme));
    }
}

fn named(resource_server: &str, more: &str) -> String {
    let name = serde_json::to_string(resource_server).unwrap();
    format!(r#"{{"access_token":"canary-at","resource_server":{name}{more}}}"#)
}

#[test]
fn what_is_stored_is_shown_with_its_secrets_hidden() {
    on_each(|cli| {
        let ran = cli.run_with_input(&["store"], RESPONSE).succeeded().quiet();
        assert!(
            ran.stdout.starts_with("stored rs: scope read write, expires "),
            "{ran:?}"
        );
        assert!(ran.stdout.ends_with(", with refresh token\n"), "{ran:?}");
        let shown = cli.run(&["get", "rs"]).succeeded().quiet().stdout;
        for part in ["read write", "Bearer", "(hidden;", "id_token"] {
            assert!(shown.contains(part), "want {part} in {shown}");
        }
        let json = cli.run(&["get", "rs", "--json"]).succeeded().quiet().json();
        assert_eq!(json["scope"], "read write");
        assert_eq!(
            json["hidden"],
            serde_json::json!(["access_token", "refresh_token", "id_token"])
        );
        cli.run(&["get", "rs", "--format", "env"]).succeeded().quiet();
    });
}

#[test]
fn reveal_shows_everything() {
    on_each(|cli| {
        cli.store(RESPONSE);
        for format in ["table", "json", "env"] {
            let shown = cli
                .run(&["get", "rs", "--reveal", "--format", format])
                .succeeded()
                .stdout;
            assert!(
                shown.contains("canary-at") && shown.contains("canary-rt"),
                "{format}: {shown}"
            );
        }
        let json = cli.run(&["get", "rs", "--reveal", "--json"]).json();
        assert_eq!(json["id_token"], "canary-id");
    });
}

#[test]
fn a_shell_reads_the_env_format_and_runs_nothing() {
    on_each(|cli| {
        let hostile = "a'; touch pwned; echo '$(touch pwned)\n`touch pwned` \\ \"\u{1f600}";
        let scope = serde_json::to_string(hostile).unwrap();
        cli.store(&named("rs", &format!(r#","scope":{scope}"#)));
        let env = cli
            .run(&["get", "rs", "--reveal", "--format", "env"])
            .succeeded()
            .stdout;
        let script = format!("{env}printf '%s|%s' \"$TOKEN_STORAGE_SCOPE\" \"$TOKEN_STORAGE_ACCESS_TOKEN\"");
        let mut shell = Command::new("sh");
        let output = shell.arg("-c").arg(script).current_dir(cli.folder()).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            format!("{hostile}|canary-at")
        );
        assert!(!cli.folder().join("pwned").exists());
        cli.store(&named("nul", r#","scope":"a\u0000b""#));
        cli.run(&["get", "nul", "--format", "env"]).ended(2).says("NUL");
    });
}

#[test]
fn access_tokens_for_scripts() {
    on_each(|cli| {
        cli.store(RESPONSE);
        assert_eq!(cli.run(&["access-token", "rs"]).succeeded().stdout, "canary-at\n");
        let json = cli.run(&["access-token", "rs", "--json"]).succeeded().json();
        assert_eq!(json["access_token"], "canary-at");
        // It could be refreshed, if only the server were known.
        cli.run(&["access-token", "rs", "--valid-for", "7200"])
            .ended(2)
            .quiet()
            .says("--issuer");
        cli.store(&named("short", r#","expires_in":3600"#));
        cli.run(&["access-token", "short", "--valid-for", "7200"])
            .ended(4)
            .quiet()
            .says("(in ");
        cli.store(&named("old", r#","expires_at_seconds":1000"#));
        let ran = cli.run(&["access-token", "old"]).ended(4).quiet();
        ran.says("1970-01-01T00:16:40Z (expired").says("store --refresh");
        cli.store(&named("unknown", ""));
        assert_eq!(cli.run(&["access-token", "unknown"]).succeeded().stdout, "canary-at\n");
        cli.run(&["access-token", "nowhere"])
            .ended(3)
            .says("no token for this resource server");
        cli.store(r#"{"access_token":"canary\nX: y","resource_server":"forged"}"#);
        cli.run(&["access-token", "forged"]).ended(5).quiet().says("line break");
    });
}

#[test]
fn a_refresh_keeps_and_a_login_replaces() {
    on_each(|cli| {
        cli.store(RESPONSE);
        cli.run_with_input(&["store", "--refresh"], named("rs", ""))
            .succeeded()
            .quiet();
        let json = cli.run(&["get", "rs", "--reveal", "--json"]).json();
        assert_eq!(
            (&json["refresh_token"], &json["scope"]),
            (&"canary-rt".into(), &"read write".into())
        );
        cli.store(&named("rs", ""));
        let json = cli.run(&["get", "rs", "--reveal", "--json"]).json();
        assert_eq!(json.get("refresh_token"), None);
    });
}

#[test]
fn listing_and_removing() {
    on_each(|cli| {
        cli.run(&["list"]).succeeded().says("no tokens in namespace");
        assert!(!cli.file().exists(), "reading creates nothing");
        cli.run(&["remove", "rs"]).ended(3);
        cli.store(RESPONSE);
        cli.store(&named("other", ""));
        let mut in_namespace = cli.command(&["store", "--namespace", "ns"]);
        let mut child = in_namespace
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), RESPONSE.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());

        assert_eq!(cli.run(&["list"]).succeeded().stdout, "other\nrs\n");
        assert_eq!(cli.run(&["namespaces"]).succeeded().stdout, "DEFAULT\nns\n");
        let all = cli.run(&["list", "--all-namespaces"]).succeeded().stdout;
        assert_eq!(all, "DEFAULT\tother\nDEFAULT\trs\nns\trs\n");
        let long = cli.run(&["list", "--long"]).succeeded().quiet().stdout;
        assert!(long.contains("read write") && long.lines().count() == 3, "{long}");
        let json = cli.run(&["list", "--json", "--long"]).succeeded().quiet().json();
        assert_eq!(json["tokens"][1]["has_refresh_token"], true);

        assert_eq!(cli.run(&["remove", "rs"]).succeeded().stdout, "removed rs\n");
        cli.run(&["remove", "rs"]).ended(3).says("no token");
        cli.run(&["get", "rs", "--namespace", "ns"]).succeeded();
        let mut with_variable = cli.command(&["get", "rs"]);
        with_variable.env("TOKEN_STORAGE_NAMESPACE", "ns");
        Ran::of(with_variable.output().unwrap()).succeeded();
        with_variable.env("TOKEN_STORAGE_NAMESPACE", "");
        Ran::of(with_variable.output().unwrap()).ended(3);
    });
}

#[test]
fn k4_hostile_names_forge_nothing_and_can_be_used() {
    let names = [
        "",
        " ",
        "a\nb",
        "a\tb",
        "a\0b",
        "\u{1b}[31mred",
        "../../etc",
        "a:b",
        "%2e",
        "\"q\"",
        "-x",
        "--help",
        "é",
        "e\u{301}",
        "\u{202e}rtl",
        "\u{1f600}",
        "a\r\nstored b",
        "{}",
    ];
    on_each(|cli| {
        for name in names {
            cli.store(&named(name, ""));
        }
        let listed = cli.run(&["list"]).succeeded().stdout;
        assert_eq!(listed.lines().count(), names.len(), "{listed:?}");
        assert!(!listed.contains(['\u{1b}', '\0', '\t', '\u{202e}', '\r']), "{listed:?}");
        let json = cli.run(&["list", "--json"]).succeeded().json();
        let tokens = json["tokens"].as_array().unwrap();
        let got: BTreeSet<&str> = tokens
            .iter()
            .map(|key| key["resource_server"].as_str().unwrap())
            .collect();
        assert_eq!(got, BTreeSet::from(names));
        for name in names {
            let quoted = serde_json::to_string(name).unwrap();
            cli.run(&["get", "--quoted", "--", &quoted]).succeeded().quiet();
            let removed = cli.run(&["remove", "--quoted", "--", &quoted]).succeeded();
            assert_eq!(removed.stdout.lines().count(), 1, "{removed:?}");
        }
        cli.run(&["list"]).succeeded().says("no tokens in namespace");
    });
}

#[cfg(all(feature = "json", feature = "sqlite"))]
#[test]
fn a_record_moves_between_storages_but_a_hidden_one_does_not() {
    let (from, to) = (Cli::new("json"), Cli::new("sqlite"));
    from.store(RESPONSE);
    let shown = from.run(&["get", "rs", "--reveal", "--json"]).succeeded().stdout;
    to.store(&shown);
    assert_eq!(to.run(&["get", "rs", "--reveal", "--json"]).stdout, shown);
    let hidden = from.run(&["get", "rs", "--json"]).succeeded().stdout;
    to.run_with_input(&["store"], hidden)
        .ended(2)
        .says("has no access_token");
}

#[test]
fn a_response_is_stored_whole_or_not_at_all() {
    on_each(|cli| {
        let whole = r#"{"access_token":"canary","resource_server":"a",
            "other_tokens":[{"access_token":"canary","resource_server":"b"}]}"#;
        let too_long = "x".repeat(3_000_000);
        let partly = whole.replace("\"b\"", &format!("\"{too_long}\""));
        cli.run_with_input(&["store"], partly).ended(2);
        cli.run(&["list"]).succeeded().says("no tokens in namespace");
        cli.store(whole);
        assert_eq!(cli.run(&["list"]).succeeded().stdout, "a\nb\n");
    });
}

#[test]
fn d3_damage_is_an_error_that_names_the_file_and_nothing_is_lost() {
    on_each(|cli| {
        let junk = b"canary, and certainly neither JSON nor a database\0\0".repeat(30);
        std::fs::write(cli.file(), &junk).unwrap();
        for arguments in [&["get", "rs"][..], &["list"], &["access-token", "rs"], &["namespaces"]] {
            cli.run(arguments).ended(5).quiet().says("tokens.file");
        }
        cli.run(&["doctor"]).quiet_doctor(5);
        assert_eq!(std::fs::read(cli.file()).unwrap(), junk, "reading changes nothing");
        cli.store(RESPONSE);
        cli.run(&["get", "rs"]).succeeded();
        let kept = std::fs::read_dir(cli.folder())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let kept = kept
            .filter(|path| path.is_file())
            .any(|path| std::fs::read(path).unwrap() == junk);
        assert!(kept, "the damaged file is kept aside, unchanged");
    });
}

impl Ran {
    /// `doctor` tells on standard output, so nothing need be on standard error.
    #[track_caller]
    fn quiet_doctor(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(!self.stderr.contains(CANARY), "{self:#?}");
        self.quiet()
    }
}

#[test]
fn doctor_and_info_on_a_healthy_storage() {
    on_each(|cli| {
        cli.run(&["doctor"]).quiet_doctor(0);
        cli.store(RESPONSE);
        let told = cli.run(&["doctor"]).quiet_doctor(0).stdout;
        assert!(told.contains(", 1 record\n"), "{told}");
        let findings = cli.run(&["doctor", "--json"]).quiet_doctor(0).json();
        for finding in findings["findings"].as_array().unwrap() {
            assert_ne!(finding["severity"], "error", "{finding}");
        }
        let info = cli.run(&["info", "--json"]).succeeded().json();
        assert_eq!(info["durability"], "power_loss");
        assert_eq!(info["enumerates"], true);
        assert!(info["location"].as_str().unwrap().contains("tokens.file"));
    });
}

#[test]
fn a_folder_as_path_is_an_error() {
    for scheme in in_files() {
        let mut cli = Cli::new(scheme);
        cli.url = format!("{scheme}:{}", cli.folder().display());
        let ran = cli.run(&["get", "rs"]);
        assert!(matches!(ran.code, Some(2 | 5 | 6)), "{ran:?}");
        let ran = cli.run_with_input(&["store"], RESPONSE);
        assert!(matches!(ran.code, Some(2 | 5 | 6)), "{ran:?}");
        assert!(!ran.stderr.contains(CANARY) && !ran.stderr.is_empty(), "{ran:?}");
    }
}

#[test]
fn bare_names_and_relative_paths_work() {
    for scheme in in_files() {
        let mut cli = Cli::new(scheme);
        for path in ["bare.file", "./dot.file", "100%25 ?#.file"] {
            cli.url = format!("{scheme}:{path}");
            cli.store(RESPONSE);
            cli.run(&["get", "rs"]).succeeded();
            assert!(cli.folder().join(path).is_file(), "{path}");
        }
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn the_default_is_a_sqlite_file_in_the_data_folder() {
    let cli = Cli::new("sqlite");
    let run = |arguments: &[&str]| {
        let mut command = cli.command(arguments);
        let command = command
            .env("TOKEN_STORAGE_URL", "")
            .env("XDG_DATA_HOME", cli.folder().join("data"));
        Ran::of(command.output().unwrap())
    };
    run(&["get", "rs"]).ended(3);
    std::fs::write(cli.folder().join("response.json"), RESPONSE).unwrap();
    run(&["store", "response.json"]).succeeded();
    run(&["get", "rs"]).succeeded();
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &str| std::fs::metadata(cli.folder().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("data/token-storage"), 0o700);
        assert_eq!(mode("data/token-storage/tokens.db"), 0o600);
    }
}

#[test]
fn many_commands_at_once_lose_nothing() {
    on_each(|cli| {
        let children: Vec<_> = (0..12)
            .map(|number| {
                std::fs::write(
                    cli.folder().join(format!("{number}.json")),
                    named(&format!("rs-{number:02}"), ""),
                )
                .unwrap();
                let mut command = cli.command(&["store", &format!("{number}.json")]);
                command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        for child in children {
            Ran::of(child.wait_with_output().unwrap()).succeeded();
        }
        assert_eq!(cli.run(&["list"]).succeeded().stdout.lines().count(), 12);
    });
}

#[cfg(unix)]
#[test]
fn a_closed_output_does_not_undo_the_work() {
    on_each(|cli| {
        std::fs::write(cli.folder().join("response.json"), RESPONSE).unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = cli
            .command(&["store", "response.json"])
            .stdout(writer)
            .output()
            .unwrap();
        Ran::of(output).succeeded();
        cli.run(&["get", "rs"]).succeeded();
    });
}

#[cfg(unix)]
#[test]
fn d4_a_mode_that_is_too_wide_is_tightened_with_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    on_each(|cli| {
        cli.store(RESPONSE);
        std::fs::set_permissions(cli.file(), std::fs::Permissions::from_mode(0o644)).unwrap();
        let finding = cli.run(&["doctor"]).quiet_doctor(5).stdout;
        assert!(finding.contains("644"), "doctor says so: {finding}");
        let mode = || std::fs::metadata(cli.file()).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o644, "and changes nothing");
        let ran = cli.run_with_input(&["store"], RESPONSE).succeeded().quiet();
        let ran = ran.says("warning").says("0644");
        assert_eq!(
            ran.stderr.matches("warning").count(),
            1,
            "nothing was made with the wide mode beside it: {}",
            ran.stderr
        );
        assert_eq!(mode(), 0o600);
        assert_eq!(
            cli.run(&["get", "rs"]).succeeded().stderr,
            "",
            "once it is tightened, nothing is said"
        );
    });
}

/// What the SDK's format 1.0 becomes on the first write, and what is told of the copy when the last token is removed.
#[cfg(feature = "json")]
#[test]
fn removing_the_last_token_names_the_copies_that_still_hold_some() {
    let cli = Cli::new("json");
    let old = r#"{"by_rs": {"rs": {"scope": "s", "access_token": "canary-at", "refresh_token": null, "token_type": null,
        "expires_at_seconds": 1, "resource_server": "rs"}}, "format_version": "1.0", "globus-sdk.version": "3.0.0"}"#;
    std::fs::write(cli.file(), old).unwrap();
    cli.run(&["get", "rs"]).succeeded().quiet();
    cli.store(&named("rs", ""));
    let ran = cli.run(&["remove", "rs"]).succeeded().quiet();
    let copy = std::fs::read_dir(cli.folder())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let copy = copy
        .filter(|path| path.is_file())
        .find(|path| std::fs::read(path).unwrap() == old.as_bytes());
    let copy = copy.expect("the original stays beside");
    let name = copy.file_name().unwrap().to_str().unwrap();
    assert_eq!(ran.stderr.matches(name).count(), 1, "said once: {}", ran.stderr);
}

/// The limit of a shell, `ulimit -f`, in blocks of 512 bytes (POSIX) or 1024 (bash).
#[cfg(target_os = "linux")]
#[test]
fn d2_a_file_size_limit_is_an_error_and_loses_nothing() {
    on_each(|cli| {
        cli.store(RESPONSE);
        let large = named("large", &format!(r#","x":"{}""#, "canary".repeat(100_000)));
        std::fs::write(cli.folder().join("large.json"), large).unwrap();
        let before = entries(cli);
        let mut shell = by_shell("ulimit -f 200", &cli.command(&["store", "large.json"]));
        Ran::of(shell.output().unwrap()).ended(6).quiet();
        assert_eq!(entries(cli), before, "no stray file");
        cli.run(&["get", "rs"]).succeeded();
        cli.run(&["get", "large"]).ended(3);
        cli.run(&["store", "large.json"]).succeeded();
    });
}

#[cfg(target_os = "linux")]
fn entries(cli: &Cli) -> BTreeSet<std::ffi::OsString> {
    let entries = std::fs::read_dir(cli.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    // SQLite's own files come and go with the connections.
    entries
        .filter(|name| !name.to_string_lossy().contains("-wal") && !name.to_string_lossy().contains("-shm"))
        .collect()
}

/// Naming a wrong file, as root perhaps, must not take it away from others. Once a write has put it aside, it may hold
/// tokens.
#[cfg(unix)]
#[test]
fn reading_a_file_that_is_no_storage_leaves_its_mode() {
    use std::os::unix::fs::PermissionsExt as _;
    on_each(|cli| {
        std::fs::write(cli.file(), "root:x:0:0").unwrap();
        std::fs::set_permissions(cli.file(), std::fs::Permissions::from_mode(0o644)).unwrap();
        for arguments in [&["get", "rs"][..], &["list"], &["info"], &["doctor"]] {
            cli.run(arguments);
        }
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&cli.file()), 0o644);
        cli.store(RESPONSE);
        for entry in std::fs::read_dir(cli.folder()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
            }
        }
    });
}

/// The database of the SDK is one file, in a journal mode that needs no other.
#[cfg(feature = "sqlite")]
#[test]
fn a_database_is_given_back_without_its_log() {
    let has_log = |cli: &Cli| std::fs::read(cli.file()).unwrap()[18] == 2;
    let cli = Cli::new("sqlite");
    cli.run(&["give-back"]).ended(2).says("there is no database");
    assert!(!cli.file().exists());
    cli.store(RESPONSE);
    assert!(has_log(&cli), "as after each write of ours");
    let ran = cli.run(&["give-back"]).succeeded();
    assert!(ran.stdout.contains("no write-ahead log any more"), "{ran:?}");
    assert!(!has_log(&cli));
    let token = cli.run(&["access-token", "rs"]).succeeded();
    assert_eq!(token.stdout, "canary-at\n");
    assert!(!has_log(&cli), "reading changes nothing");
    let given = cli.run(&["give-back", "--json"]).succeeded().json();
    assert_eq!(given["given_back"], cli.file().display().to_string());
    Cli::new("memory").run(&["give-back"]).ended(2).says("`sqlite:PATH`");
}
