//! The command line itself: what is wrong with it, help, bad input; needs no storage.

mod common;

use common::{CANARY, Cli};

#[test]
fn help_and_version_are_results() {
    let cli = Cli::new("memory");
    for arguments in [&["--help"][..], &["--version"], &["help", "store"], &["get", "--help"]] {
        let ran = cli.run(arguments).succeeded();
        assert!(ran.stdout.contains("token") && ran.stderr.is_empty(), "{arguments:?}");
        assert!(!ran.stdout.contains('\u{1b}'), "colour without a terminal");
    }
    let help = cli.run(&["--help"]).stdout;
    for code in ["0  done", "3  there is no such token", "4  the token has expired"] {
        assert!(help.contains(code), "the exit codes are documented: {code}");
    }
}

/// The lines of the part of a help that begins with this heading, up to the next.
fn part<'a>(help: &'a str, heading: &str) -> Vec<&'a str> {
    let lines = help.lines().skip_while(|line| *line != heading).skip(1);
    lines
        .take_while(|line| line.is_empty() || line.starts_with(' '))
        .collect()
}

#[test]
fn a_command_has_its_own_options_apart_from_those_of_every_command() {
    let cli = Cli::new("memory");
    let help = |command: &str| cli.run(&[command, "--help"]).succeeded().stdout;
    for command in ["store", "get", "exec", "list", "migrate"] {
        let help = help(command);
        let own = part(&help, "Options:");
        assert!(own.iter().any(|line| line.contains("--help")), "{help}");
        assert!(!own.iter().any(|line| line.contains("--storage")), "{help}");
        let shared = part(&help, "Options of every command:");
        for option in ["--storage", "--namespace", "--timeout", "--json", "--quoted"] {
            assert!(
                shared.iter().any(|line| line.trim_start().starts_with(option)),
                "{help}"
            );
        }
    }
}

#[cfg(feature = "oauth")]
#[test]
fn what_exec_runs_is_an_argument() {
    let help = Cli::new("memory").run(&["exec", "--help"]).succeeded().stdout;
    assert!(
        part(&help, "Arguments:").iter().any(|line| line.contains("<COMMAND>")),
        "{help}"
    );
}

#[test]
fn a_wrong_command_line_ends_with_2_and_repeats_no_value() {
    let cli = Cli::new("memory");
    for arguments in [
        &[][..],
        &[CANARY],
        &["get"],
        &["get", "rs", CANARY],
        &["get", "rs", "--format", CANARY],
        &["get", "rs", "--reveel"],
        &["store", CANARY],
        &["store", "{\"access_token\":\"canary\"}"],
        &["store", "-", CANARY],
        &["store", "--refresh", "--scope", CANARY],
        &["access-token", "rs", "--valid-for", CANARY],
        &["completions", CANARY],
        &["man", CANARY],
        &["--storage", CANARY, "list"],
        &["--storage", "canary:x", "list", "--quoted", "--namespace", CANARY],
        &["--quoted", "get", CANARY],
    ] {
        let ran = cli.run(arguments).ended(2);
        assert_eq!(ran.stdout, "", "{arguments:?}");
        if !arguments.is_empty() {
            let json = cli.run(&[arguments, &["--json"]].concat()).ended(2);
            let error: serde_json::Value = serde_json::from_str(&json.stderr).expect("a JSON error");
            assert_eq!(error["error"]["kind"], "usage", "{arguments:?}");
        }
    }
}

#[test]
fn a_storage_that_is_not_usable_says_what_would_be() {
    let mut cli = Cli::new("memory");
    for (url, part) in [
        ("postgres:x", "`postgres:` is unknown"),
        ("tokens.db", "`sqlite:PATH`"),
        ("json:", "`json:PATH`"),
    ] {
        cli.url = url.to_owned();
        cli.run(&["list"]).ended(2).says(part);
    }
}

#[test]
fn bad_responses_are_named_by_their_place() {
    let cli = Cli::new("memory");
    for (response, part) in [
        (
            "",
            "standard input: cannot use the token response: the response is empty",
        ),
        ("{\"access_token\":\"canary", "ends in the middle, at line 1"),
        ("{\"access_token\":\"canary\"}canary", "line 1 column"),
        ("\u{feff}{\"access_token\":\"canary\"}", "byte order mark"),
        ("\0\0\0\0", "line 1 column 1"),
        ("[\"canary\"]", "element 0"),
        ("\"canary\"", "neither a JSON object"),
        ("{\"x\":\"canary\"}", "has no access_token"),
        (
            "{\"access_token\":\"canary\",\"expires_in\":-1}",
            "`expires_in` of the response is negative",
        ),
        ("{\"access_token\":\"canary\",\"expires_in\":1e300}", "absurd"),
        ("{\"access_token\":\"canary\"}", "--resource-server"),
    ] {
        let ran = cli.run_with_input(&["store"], response).ended(2).says(part);
        assert_eq!(ran.stdout, "");
    }
    let ran = cli.run_with_input(&["store"], b"{\"access_token\":\"canary\xff\"}");
    ran.ended(2).says("not UTF-8: line 1, byte 23");
}

#[test]
fn an_unusable_input_file_is_named() {
    let cli = Cli::new("memory");
    std::fs::write(cli.folder().join("bad.json"), "{\n\"access_token\": canary}").unwrap();
    cli.run(&["store", "bad.json"])
        .ended(2)
        .says("bad.json: cannot use")
        .says("line 2 column");
    cli.run(&["store", "."]).ended(2).says(".: cannot be read");
    cli.run(&["store", "nowhere.json"]).ended(2).says("no such file");
    #[cfg(target_os = "linux")]
    cli.run(&["store", "/dev/zero"]).ended(2).says("is larger than");
}

#[test]
fn a_resource_server_that_contradicts_the_response_is_refused() {
    let cli = Cli::new("memory");
    let named = r#"{"access_token":"canary","resource_server":"a"}"#;
    let run = |given| cli.run_with_input(&["store", "--resource-server", given], named);
    run("b").ended(2).says("leave out --resource-server");
    run("a").succeeded().quiet();
}

#[test]
fn memory_is_pointed_out_as_volatile() {
    let cli = Cli::new("memory");
    let ran = cli.run_with_input(&["store", "--resource-server", "rs"], r#"{"access_token":"canary"}"#);
    let ran = ran.succeeded().quiet().says("nothing is kept");
    assert_eq!(ran.stdout, "stored rs: scope \"\", expires unknown, no refresh token\n");
}

#[test]
fn completions_and_manual_pages() {
    let cli = Cli::new("memory");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(
            cli.run(&["completions", shell])
                .succeeded()
                .stdout
                .contains("access-token")
        );
    }
    assert!(cli.run(&["man"]).succeeded().stdout.contains(".TH token-storage 1"));
    let page = cli.run(&["man", "get"]).succeeded().stdout;
    assert!(
        page.contains("token\\-storage get") || page.contains("token\\-storage\\-get"),
        "{page}"
    );
}

/// A reader that goes away ends the command quietly; an output that cannot be written is a failure.
#[cfg(target_os = "linux")]
#[test]
fn closed_and_full_outputs() {
    use std::{fs::OpenOptions, io::pipe};

    let cli = Cli::new("memory");
    for arguments in [&["completions", "bash"][..], &["man"], &["info"], &["--help"]] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let output = cli.command(arguments).stdout(writer).output().unwrap();
        let ran = common::Ran::of(output);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = cli.command(&["info"]).stdout(full).output().unwrap();
    common::Ran::of(output).ended(1).says("cannot write to standard output");
    let store = |cli: &Cli| {
        std::fs::write(
            cli.folder().join("response.json"),
            r#"{"access_token":"canary","resource_server":"zz"}"#,
        )
        .unwrap();
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = cli.command(&["store", "response.json"]).stdout(full).output().unwrap();
        common::Ran::of(output).ended(1)
    };
    store(&cli).says("done all the same: stored zz");
    #[cfg(feature = "json")]
    {
        let cli = Cli::new("json");
        store(&cli).says("done all the same: stored zz");
        for line in [&["remove", "zz"][..], &["remove", "zz", "--json"]] {
            let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
            let output = cli.command(line).stdout(full).output().unwrap();
            common::Ran::of(output).ended(1).says("done all the same: removed zz");
            store(&cli);
        }
    }
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let status = cli.command(&["get", "rs"]).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(3), "standard error may be closed as well");
}
