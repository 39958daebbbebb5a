//! Logins of other programs, from files in the shapes that they document.
#![cfg(any(feature = "json", feature = "sqlite"))]

mod common;

use std::path::Path;

use common::{Cli, Ran, in_files};

fn cache(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/caches").join(name);
    path.display().to_string()
}

fn import(cli: &Cli, program: &str, file: &str, more: &[&str]) -> Ran {
    cli.run(&[&["import", "--from", program, &cache(file)], more].concat())
}

/// The program, its file, the name to store it under, and what comes of it: scopes, expiry, refresh token, client.
type Kept = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Option<i64>,
    bool,
    Option<&'static str>,
);

const CACHES: [Kept; 7] = [
    (
        "spotipy",
        "spotipy.json",
        "api.spotify.com",
        "user-library-read playlist-modify-public",
        Some(1_795_649_003),
        true,
        None,
    ),
    (
        "authlib",
        "authlib.json",
        "given",
        "openid email",
        Some(1_795_649_003),
        true,
        None,
    ),
    (
        "requests-oauthlib",
        "requests-oauthlib.json",
        "given",
        "openid https://www.googleapis.com/auth/userinfo.email",
        Some(1_795_649_003),
        true,
        None,
    ),
    (
        "rclone",
        "rclone.conf",
        "drive",
        "",
        Some(1_795_645_403),
        true,
        Some("1234.apps.googleusercontent.com"),
    ),
    (
        "msal",
        "msal.json",
        "graph.microsoft.com",
        "https://graph.microsoft.com/User.Read profile openid",
        Some(1_795_649_003),
        true,
        Some("client"),
    ),
    (
        "gcloud",
        "gcloud.json",
        "www.googleapis.com",
        "",
        Some(1),
        true,
        Some("1234.apps.googleusercontent.com"),
    ),
    (
        "aws-sso",
        "aws-sso.json",
        "https://example.awsapps.com/start",
        "",
        Some(1_795_645_403),
        false,
        None,
    ),
];

#[test]
fn each_programs_login_becomes_a_record() {
    for (program, file, name, scope, expires_at, refreshable, client) in CACHES {
        let cli = Cli::new(in_files()[0]);
        let given: &[&str] = if name == "given" {
            &["--resource-server", name]
        } else {
            &[]
        };
        let ran = import(&cli, program, file, given).succeeded().quiet();
        assert!(
            ran.stdout.contains(&format!("stored {name}: expires")),
            "{program}: {ran:?}"
        );
        assert!(!ran.stderr.is_empty(), "{program}: something is always lost");
        let record = cli.run(&["get", name, "--reveal", "--json"]).succeeded().json();
        let token = if program == "gcloud" { "" } else { "canary-at" };
        assert_eq!(record["access_token"], token, "{program}");
        assert_eq!(record["scope"], scope, "{program}");
        assert_eq!(record["expires_at_seconds"].as_i64(), expires_at, "{program}");
        let refresh_token = record.get("refresh_token").and_then(|token| token.as_str());
        assert_eq!(refresh_token, refreshable.then_some("canary-rt"), "{program}");
        assert_eq!(
            record.get("token_storage_client_id").and_then(|client| client.as_str()),
            client,
            "{program}"
        );
        assert!(
            !record.to_string().contains("canary-secret"),
            "{program}: a client's secret is not the record's"
        );
    }
}

#[test]
fn all_remotes_of_rclone_come_and_one_name_is_not_enough_for_them() {
    let cli = Cli::new(in_files()[0]);
    let refused = import(&cli, "rclone", "rclone.conf", &["--resource-server", "mine"])
        .ended(2)
        .quiet();
    refused.says("several logins").says("\"box\", \"drive\"");
    let dry = import(&cli, "rclone", "rclone.conf", &["--dry-run"])
        .succeeded()
        .quiet();
    assert!(dry.stdout.contains("would store box: expires unknown"), "{dry:?}");
    dry.says("only rclone can refresh this one");
    assert_eq!(cli.run(&["list"]).succeeded().stdout, "");
    import(&cli, "rclone", "rclone.conf", &[]).succeeded();
    assert_eq!(cli.run(&["list"]).succeeded().stdout, "box\ndrive\n");
    // All or nothing.
    cli.run(&["remove", "box"]).succeeded();
    import(&cli, "rclone", "rclone.conf", &[])
        .ended(2)
        .quiet()
        .says("\"drive\": a token is stored there already");
    assert_eq!(cli.run(&["list"]).succeeded().stdout, "drive\n");
    import(&cli, "rclone", "rclone.conf", &["--overwrite"]).succeeded();
}

#[test]
fn what_is_no_such_file_is_refused_and_not_quoted() {
    let cli = Cli::new(in_files()[0]);
    for (program, ..) in CACHES {
        for text in [
            "",
            "canary",
            "[]",
            "{}",
            "{\"canary\":1}",
            "[canary]\ntoken =\n",
            "{\"type\":\"service_account\",\"canary\":1}",
        ] {
            let ran = cli.run_with_input(&["import", "--from", program, "-", "--resource-server", "rs"], text);
            ran.ended(2).quiet();
        }
    }
    import(&cli, "authlib", "authlib.json", &[])
        .ended(2)
        .says("name the resource server");
    let unknown = cli.run(&["import", "--from", "canary", "-"]).ended(2);
    let unknown = unknown.says("known are spotipy");
    assert!(
        !unknown.stderr.contains("response"),
        "none was read: {}",
        unknown.stderr
    );
    let encrypted = cli.run_with_input(
        &["import", "--from", "rclone", "-"],
        "# x\nRCLONE_ENCRYPT_V0:\ncanary\n",
    );
    encrypted.ended(2).quiet().says("rclone config show");
    assert_eq!(cli.run(&["list"]).succeeded().stdout, "");
}
