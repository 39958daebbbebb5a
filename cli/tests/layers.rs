//! Layers in front of a storage URL.
#![cfg(any(feature = "json", feature = "sqlite"))]

mod common;

use common::{CANARY, Cli, Ran, in_files};

const RESPONSE: &str =
    r#"{"access_token":"canary-at","refresh_token":"canary-rt","resource_server":"rs","expires_in":3600}"#;

fn on_each(test: impl Fn(&Cli)) {
    for scheme in in_files() {
        let cli = Cli::new(scheme);
        cli.store(RESPONSE);
        test(&cli);
    }
}

fn below(cli: &Cli, layers: &str, arguments: &[&str]) -> Ran {
    let url = format!("{layers}{}", cli.url);
    cli.run(&[arguments, &["--storage", &url]].concat())
}

#[test]
fn readonly_reads_and_refuses_to_write() {
    on_each(|cli| {
        below(cli, "readonly+", &["get", "rs"]).succeeded().quiet();
        assert_eq!(below(cli, "readonly+", &["list"]).succeeded().stdout, "rs\n");
        below(cli, "readonly+", &["access-token", "rs"]).succeeded();
        let refused = below(cli, "readonly+", &["remove", "rs"]);
        assert_eq!(refused.code, Some(6), "{refused:?}");
        assert!(
            refused.stderr.contains("open it without the layer `readonly`"),
            "{refused:?}"
        );
        cli.run(&["get", "rs"]).succeeded();
    });
}

#[test]
fn traced_tells_each_call_and_no_token() {
    on_each(|cli| {
        let told = below(cli, "traced+", &["get", "rs", "--reveal"]).succeeded().stderr;
        assert!(told.contains(r#"operation="get" namespace=DEFAULT"#), "{told}");
        assert!(told.contains(r#"outcome="found""#) && !told.contains(CANARY), "{told}");
        let told = below(cli, "readonly+traced+", &["get", "rs", "--json"])
            .succeeded()
            .stderr;
        assert!(!told.is_empty());
        for line in told.lines() {
            let note: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
            assert!(note["note"]["message"].is_string(), "{line}");
        }
        // What was pasted by mistake is in no record either.
        let told = below(cli, "traced+", &["get", "canary-token-pasted"]);
        assert!(
            told.stderr.contains("outcome=\"absent\"") && !told.stderr.contains(CANARY),
            "{told:?}"
        );
    });
}

#[test]
fn the_log_tells_as_much_as_was_asked_for() {
    let cli = Cli::new(in_files()[0]);
    cli.store(RESPONSE);
    let url = format!("traced+{}", cli.url);
    let with = |level: &str| {
        let mut command = cli.command(&["get", "rs", "--storage", &url]);
        Ran::of(command.env("TOKEN_STORAGE_LOG", level).output().unwrap())
    };
    assert_eq!(with("off").succeeded().stderr, "");
    assert_eq!(with("warn").succeeded().stderr, "");
    assert!(with("trace").succeeded().stderr.contains("operation"));
    let wrong = with("canary");
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("TOKEN_STORAGE_LOG is none of off, error") && !wrong.stderr.contains(CANARY));
}

#[test]
fn the_help_names_them() {
    let help = Cli::new("memory").run(&["--help"]).succeeded().stdout;
    for layer in ["readonly+URL", "traced+URL"] {
        assert!(help.contains(layer), "{help}");
    }
}
