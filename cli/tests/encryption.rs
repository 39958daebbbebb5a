//! Encrypted storages by the command: keys, encrypting what is there, another key, and back.
#![cfg(all(feature = "encryption", feature = "json", feature = "sqlite"))]

mod common;

use std::{fs, path::Path};

use common::{
    CANARY, Cli, Ran, beside, in_files,
    killer::{Killer, rounds},
};
use token_storage::{
    TokenData, TokenKey, TokenStorage as _,
    encryption::{Encrypted, FileKeys},
};

const RESPONSE: &str = r#"{"access_token":"canary-at","refresh_token":"canary-rt","expires_in":3600,
    "scope":"read write","resource_server":"rs","id_token":"canary-id"}"#;

/// An encrypted storage of that scheme, with a key file.
struct Sealed {
    cli: Cli,
    key: String,
    plain_url: String,
}

impl Sealed {
    fn new(scheme: &str) -> Self {
        let cli = Cli::encrypted(scheme);
        let key = cli.key_from.strip_prefix("file:").unwrap().to_owned();
        let plain_url = cli.url.strip_prefix("encrypted+").unwrap().to_owned();
        Self { cli, key, plain_url }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.cli.run(arguments).quiet_errors()
    }

    fn store(&self, response: &str) {
        self.cli.store(response);
    }

    fn revealed(&self, arguments: &[&str]) -> serde_json::Value {
        let all = [&["get", "rs", "--reveal", "--json"], arguments].concat();
        self.run(&all).succeeded().json()
    }

    /// Whether any file of the storage shows a token.
    fn shows_a_token(&self) -> bool {
        shows(self.cli.folder())
    }
}

trait QuietErrors {
    fn quiet_errors(self) -> Self;
}

impl QuietErrors for Ran {
    fn quiet_errors(self) -> Self {
        assert!(!common::has_secret(&self.stderr), "{self:#?}");
        self
    }
}

fn shows(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return shows(&path);
        }
        let bytes = fs::read(&path).unwrap();
        bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes())
    })
}

#[test]
fn every_command_works_on_an_encrypted_storage() {
    for scheme in in_files() {
        let sealed = Sealed::new(scheme);
        sealed.store(RESPONSE);
        assert!(!sealed.shows_a_token(), "{scheme}");
        assert_eq!(sealed.revealed(&[])["access_token"], "canary-at");
        assert_eq!(sealed.run(&["list"]).succeeded().stdout, "rs\n");
        assert_eq!(
            sealed.run(&["list", "--long", "--json"]).succeeded().json()["tokens"][0]["scope"],
            "read write"
        );
        assert_eq!(sealed.run(&["namespaces"]).succeeded().stdout, "DEFAULT\n");
        assert_eq!(sealed.run(&["access-token", "rs"]).succeeded().stdout, "canary-at\n");
        let exec = [
            "exec",
            "--rs",
            "rs",
            "--",
            "sh",
            "-c",
            "echo $TOKEN_STORAGE_ACCESS_TOKEN",
        ];
        assert_eq!(sealed.run(&exec).succeeded().stdout, "canary-at\n");
        let info = sealed.run(&["info", "--json"]).succeeded().json();
        assert_eq!(info["backend"], format!("encrypted+{scheme}"));
        let found = sealed.run(&["doctor"]).succeeded().quiet().stdout;
        assert!(!found.contains("encryption"), "{found}");
        sealed.run(&["remove", "rs"]).succeeded();
        sealed.run(&["get", "rs"]).ended(3);
        assert!(!sealed.shows_a_token(), "{scheme}");
    }
}

#[test]
fn what_is_there_is_encrypted_and_decrypted() {
    for scheme in in_files() {
        let sealed = Sealed::new(scheme);
        sealed
            .cli
            .run_with_input(&["store", "--storage", &sealed.plain_url], RESPONSE)
            .succeeded();
        assert!(sealed.shows_a_token());
        let before = sealed.revealed(&["--allow-plaintext"]);
        sealed.run(&["get", "rs"]).ended(2).says("token-storage encrypt");
        sealed.run(&["doctor"]).succeeded().quiet();
        // By either name of the storage.
        let ran = sealed
            .run(&["encrypt", "--storage", &sealed.plain_url])
            .succeeded()
            .quiet();
        assert_eq!(ran.stdout, "encrypted: 1 token\n");
        let ran = sealed.run(&["encrypt"]).succeeded().quiet();
        assert_eq!(ran.stdout, "encrypted: 0 tokens; 1 already so\n");
        assert_eq!(sealed.revealed(&[]), before);
        if scheme == "sqlite" {
            sealed.run(&["give-back", "--storage", &sealed.cli.url]).succeeded();
        }
        assert!(!sealed.shows_a_token(), "{scheme}");
        let ran = sealed
            .run(&["get", "rs", "--storage", &sealed.plain_url, "--reveal", "--json"])
            .succeeded();
        let stored = ran.json()["access_token"].as_str().unwrap().to_owned();
        assert!(stored.starts_with("token-storage-sealed:1:"), "{stored}");
        let ran = sealed.run(&["decrypt"]).succeeded().quiet();
        assert_eq!(ran.stdout, "decrypted: 1 token\n");
        assert_eq!(sealed.revealed(&["--storage", &sealed.plain_url]), before);
    }
}

#[test]
fn another_key_takes_over_and_the_old_one_goes() {
    let sealed = Sealed::new("sqlite");
    sealed.store(RESPONSE);
    sealed.store(&RESPONSE.replace("\"rs\"", "\"other\""));
    let before = sealed.revealed(&[]);
    let ids = || {
        let keys = sealed.run(&["key", "list", &sealed.key, "--json"]).succeeded().json();
        let keys = keys["keys"].as_array().unwrap().clone();
        keys.iter()
            .map(|key| key["key"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let old = ids()[0].clone();
    sealed.run(&["key", "add", &sealed.key]).succeeded();
    assert_eq!(ids().len(), 2);
    assert_eq!(ids()[1], old);
    // Named, as for a storage that cannot list; then all.
    let one = sealed.run(&["rotate-key", "rs", "none", "--json"]).succeeded().json();
    assert_eq!((&one["written"], &one["absent"]), (&1.into(), &1.into()));
    sealed.run(&["doctor"]).succeeded();
    assert_eq!(
        sealed.run(&["rotate-key"]).succeeded().stdout,
        "sealed with the new key: 1 token; 1 already so\n"
    );
    sealed.run(&["key", "remove", &sealed.key, &old]).ended(2).says("--yes");
    sealed.run(&["key", "remove", &sealed.key, &old, "--yes"]).succeeded();
    assert_eq!(sealed.revealed(&[]), before);
    let now = ids()[0].clone();
    sealed
        .run(&["key", "remove", &sealed.key, &now, "--yes"])
        .ended(2)
        .says("add another first");
}

/// What is in the storage, sealed or not, as the key file opens it.
async fn opened(sealed: &Sealed, names: &[String]) -> Vec<Option<TokenData>> {
    let below = token_storage::open(&sealed.plain_url).await.unwrap();
    let storage = Encrypted::new(below, FileKeys::new(&sealed.key)).allow_plaintext();
    let mut found = Vec::new();
    for name in names {
        let stored = storage.get(&TokenKey::in_default(name.as_str())).await.unwrap();
        found.push(stored.map(|stored| stored.data));
    }
    found
}

/// Each of them, killed and run again: no token is lost or changed, neither by the kill nor in the end.
#[test]
fn killed_at_random_moments_they_lose_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let names: Vec<String> = (0..12).map(|number| format!("rs{number}")).collect();
    let mut killers = ["encrypt", "rotate-key", "decrypt"].map(|command| (command, Killer::new()));
    for round in 0..rounds(4, 101) {
        let sealed = Sealed::new(in_files()[round as usize % in_files().len()]);
        let others = names[1..]
            .iter()
            .map(|name| RESPONSE.replace("\"rs\"", &format!("{name:?}")));
        let all = RESPONSE.replace("\"rs\"", "\"rs0\"");
        let others = others.collect::<Vec<_>>().join(",");
        let all = format!("{},\"other_tokens\":[{others}]}}", all.trim_end_matches('}'));
        sealed
            .cli
            .run_with_input(&["store", "--storage", &sealed.plain_url], all)
            .succeeded();
        let before = runtime.block_on(opened(&sealed, &names));
        assert!(before.iter().all(Option::is_some));
        for (command, killer) in &mut killers {
            if *command == "rotate-key" {
                sealed.run(&["key", "add", &sealed.key]).succeeded();
            }
            killer.kill(&mut sealed.cli.command(&[*command]));
            let now = runtime.block_on(opened(&sealed, &names));
            assert!(now == before, "round {round}: {command} has lost or changed something");
            killer.whole(|| sealed.run(&[*command])).succeeded();
            let now = runtime.block_on(opened(&sealed, &names));
            assert!(
                now == before,
                "round {round}: run again, {command} has lost or changed something"
            );
            let again = sealed.run(&[*command, "--json"]).succeeded().json();
            assert_eq!(
                (&again["written"], &again["unchanged"]),
                (&0.into(), &12.into()),
                "{command}"
            );
        }
    }
    for (command, killer) in killers {
        killer.report(command);
    }
}

#[test]
fn a_wrong_or_missing_key_says_what_to_do() {
    let sealed = Sealed::new("json");
    sealed.store(RESPONSE);
    let with = |from: &str| {
        let mut command = sealed.cli.command(&["get", "rs"]);
        command.env("TOKEN_STORAGE_KEY_FROM", from);
        Ran::of(command.output().unwrap()).ended(2).quiet()
    };
    with("").says("TOKEN_STORAGE_KEY_FROM");
    with("canary").says("file:PATH");
    with("file:no-such-file").says("no-such-file is not there");
    with("env:NO_SUCH_VARIABLE").says("NO_SUCH_VARIABLE");
    let other = sealed.cli.folder().join("other").display().to_string();
    sealed.cli.run(&["key", "generate", &other]).succeeded();
    with(&format!("file:{other}")).says("which is not in the key file");
    sealed
        .cli
        .run(&["key", "generate", &other])
        .ended(2)
        .says("is there already");
    // Given for a storage that is not encrypted, it would protect nothing.
    let given = [
        "get",
        "rs",
        "--storage",
        &sealed.plain_url,
        "--key-from",
        &format!("file:{other}"),
    ];
    sealed.cli.run(&given).ended(2).says("write encrypted+json:");
    // What does not open hides nothing of the rest, and the code says so.
    sealed.store(&RESPONSE.replace("\"rs\"", "\"good\""));
    let path = sealed.cli.file();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"read write\"", "\"write\"", 1)).unwrap();
    sealed.run(&["key", "add", &sealed.key]).succeeded();
    let ran = sealed
        .run(&["rotate-key"])
        .ended(5)
        .says("was changed after it was sealed");
    assert_eq!(ran.stdout, "sealed with the new key: 1 token; 1 left as before\n");
    let found = sealed.run(&["doctor"]).quiet();
    assert_eq!(found.code, Some(5));
    assert!(found.stdout.contains("was changed after it was sealed"), "{found:#?}");
}

/// Where `--key-from` finds a key, `key` finds it, too: no file of the name `file:...` is made.
#[test]
fn a_key_file_is_named_as_by_key_from() {
    let sealed = Sealed::new("json");
    sealed.store(RESPONSE);
    sealed.run(&["key", "add", &sealed.cli.key_from]).succeeded();
    let listed = sealed.run(&["key", "list", &sealed.key]).succeeded();
    assert_eq!(listed.stdout.lines().count(), 2);
    assert_eq!(
        sealed.run(&["rotate-key"]).succeeded().stdout,
        "sealed with the new key: 1 token\n"
    );
    sealed
        .run(&["key", "generate", &sealed.cli.key_from])
        .ended(2)
        .says("is there already");
    sealed
        .run(&["key", "generate", "env:OWN_KEY"])
        .ended(2)
        .says("key generate -");
    assert!(!sealed.cli.folder().join("env:OWN_KEY").exists());
    sealed.run(&["key", "generate", "keyring:canary"]).ended(2);
}

#[test]
fn a_key_in_a_variable_is_not_handed_on() {
    let sealed = Sealed::new("sqlite");
    let key = sealed.cli.run(&["key", "generate", "-"]).succeeded().stdout;
    let run = |arguments: &[&str]| {
        let mut command = sealed.cli.command(arguments);
        command
            .env("TOKEN_STORAGE_KEY_FROM", "env:OWN_KEY")
            .env("OWN_KEY", key.trim());
        Ran::of(command.output().unwrap())
    };
    let file = sealed.cli.folder().join("response.json");
    fs::write(&file, RESPONSE).unwrap();
    run(&["store", file.to_str().unwrap()]).succeeded();
    let ran = run(&["exec", "--rs", "rs", "--", "sh", "-c", "echo \"<$OWN_KEY>\""]).succeeded();
    assert_eq!(ran.stdout, "<>\n");
    fs::remove_file(file).unwrap();
    assert!(!sealed.shows_a_token());
}

#[test]
fn without_a_storage_a_key_means_the_default_one_encrypted() {
    let sealed = Sealed::new("sqlite");
    let run = |arguments: &[&str]| {
        let mut command = sealed.cli.command(arguments);
        command.env("TOKEN_STORAGE_URL", "");
        Ran::of(command.output().unwrap())
    };
    let info = run(&["info", "--json"]).succeeded().json();
    assert_eq!(info["backend"], "encrypted+sqlite");
}

#[test]
fn a_passphrase_protects_a_key_file() {
    let sealed = Sealed::new("json");
    let file = sealed.cli.folder().join("protected").display().to_string();
    let run = |passphrase: &str, arguments: &[&str]| {
        let mut command = sealed.cli.command(arguments);
        command
            .env("TOKEN_STORAGE_KEY_FROM", format!("file:{file}"))
            .env("TOKEN_STORAGE_KEY_PASSPHRASE", passphrase);
        Ran::of(command.output().unwrap())
    };
    run("canary-pass", &["key", "generate", &file, "--passphrase"]).succeeded();
    let response = sealed.cli.folder().join("response.json");
    fs::write(&response, RESPONSE).unwrap();
    run("canary-pass", &["store", response.to_str().unwrap()]).succeeded();
    assert_eq!(
        run("canary-pass", &["access-token", "rs"]).succeeded().stdout,
        "canary-at\n"
    );
    run("canary-fail", &["access-token", "rs"])
        .ended(2)
        .says("is another one");
}

/// Migrating is between any two storages, encrypted ones included.
#[test]
fn tokens_move_into_an_encrypted_storage() {
    let sealed = Sealed::new("json");
    sealed
        .cli
        .run_with_input(&["store", "--storage", &sealed.plain_url], RESPONSE)
        .succeeded();
    let before = sealed.revealed(&["--storage", &sealed.plain_url]);
    let new = format!("encrypted+sqlite:{}", sealed.cli.folder().join("new.db").display());
    sealed
        .run(&["migrate", &sealed.plain_url, &new, "--remove-source"])
        .succeeded();
    assert_eq!(sealed.revealed(&["--storage", &new]), before);
    assert!(!sealed.shows_a_token());
}

/// Sealing takes room, so an encrypted storage takes less than the one below it.
#[test]
fn what_the_target_does_not_take_stays_whole_and_is_told() {
    for scheme in in_files() {
        let sealed = Sealed::new("sqlite");
        let from = format!("{scheme}:{}", sealed.cli.folder().join("from").display());
        let store = |response: &str| {
            sealed
                .cli
                .run_with_input(&["store", "--storage", &from], response)
                .succeeded();
        };
        let long = format!("canary-{}", "x".repeat(900_000));
        store(RESPONSE);
        store(&RESPONSE.replace("\"rs\"", "\"long\"").replace("canary-rt", &long));
        let shown = |name: &str, storage: &str| {
            let ran = sealed.run(&["get", name, "--storage", storage, "--reveal", "--json"]);
            (ran.code == Some(0)).then(|| ran.json())
        };
        let before = ["rs", "long"].map(|name| shown(name, &from).expect("it was stored"));
        let migrate = |more: &[&str], code: i32| {
            let all = [&["migrate", &*from, &*sealed.cli.url, "--remove-source"], more].concat();
            sealed.run(&all).ended(code).quiet().says("long").says("takes at most")
        };
        let ran = migrate(&["--dry-run", "--json"], 0);
        assert_eq!(ran.json()["left"][0]["reason"], "refused");
        migrate(&[], 2).says("nothing was moved");
        assert_eq!(["rs", "long"].map(|name| shown(name, &from).unwrap()), before);
        assert_eq!(shown("rs", &sealed.cli.url), None);
        let ran = migrate(&["--keep-going"], 1);
        assert_eq!(ran.stdout, "moved 1 token; 1 left in place\n");
        let there = |name: &str| (shown(name, &from), shown(name, &sealed.cli.url));
        assert_eq!(there("rs"), (None, Some(before[0].clone())));
        assert!(there("long") == (Some(before[1].clone()), None), "{scheme}");
        // And in place: it stays as it is, and the others are encrypted.
        store(RESPONSE);
        let ran = sealed.run(&["encrypt", "--storage", &from]).ended(2).quiet();
        assert_eq!(ran.stdout, "encrypted: 1 token; 1 left as before\n");
        assert_eq!(shown("long", &from), Some(before[1].clone()));
    }
}

/// The log stands above the encryption here, and is no reason to encrypt twice.
#[test]
fn encryption_is_found_below_another_layer() {
    for scheme in in_files() {
        let sealed = Sealed::new(scheme);
        sealed.store(RESPONSE);
        let before = sealed.revealed(&[]);
        let traced = format!("traced+{}", sealed.cli.url);
        let says = |command: &str, says: &str| {
            let ran = sealed.run(&[command, "--storage", &traced]).succeeded();
            assert_eq!(ran.stdout, says, "{scheme}");
        };
        says("encrypt", "encrypted: 0 tokens; 1 already so\n");
        assert_eq!(sealed.revealed(&[]), before);
        says("decrypt", "decrypted: 1 token\n");
        assert_eq!(sealed.revealed(&["--storage", &sealed.plain_url]), before);
        says("encrypt", "encrypted: 1 token\n");
        assert_eq!(sealed.revealed(&[]), before);
    }
}

/// The same file with and without encryption is one place: what is there once is not removed.
#[test]
fn a_storage_does_not_move_into_itself() {
    let sealed = Sealed::new("sqlite");
    sealed
        .cli
        .run_with_input(&["store", "--storage", &sealed.plain_url], RESPONSE)
        .succeeded();
    let before = sealed.revealed(&["--storage", &sealed.plain_url]);
    let (plain, encrypted) = (sealed.plain_url.as_str(), sealed.cli.url.as_str());
    for options in [&[][..], &["--allow-plaintext"], &["--allow-plaintext", "--overwrite"]] {
        for both in [[plain, encrypted], [encrypted, plain]] {
            let all = [&["migrate", "--remove-source"], &both[..], options].concat();
            let ran = sealed.run(&all).quiet();
            assert_ne!(ran.code, Some(0), "{ran:?}");
            assert_eq!(sealed.revealed(&["--storage", plain]), before, "{ran:?}");
        }
    }
}

/// Asked for at the terminal itself, so that output may go into a pipe; not shown; and never on standard output.
#[cfg(unix)]
#[test]
fn a_passphrase_is_asked_for_at_the_terminal() {
    use common::terminal::PATIENCE;
    use rexpect::{process::WaitStatus, session::spawn_command};

    let sealed = Sealed::new("json");
    let file = sealed.cli.folder().join("protected").display().to_string();
    let typed = |arguments: &[&str], answers: &[(&str, &str)], code: i32| {
        let mut command = sealed.cli.command(arguments);
        command
            .env("TOKEN_STORAGE_KEY_FROM", format!("file:{file}"))
            .stdin(std::process::Stdio::inherit());
        let mut session = spawn_command(command, PATIENCE).unwrap();
        for (prompt, answer) in answers {
            session.exp_string(prompt).unwrap();
            session.send_line(answer).unwrap();
        }
        let shown = session.exp_eof().unwrap();
        assert!(!shown.contains("canary-pass"), "{shown}");
        let ended = session.process().wait().unwrap();
        assert!(
            matches!(ended, WaitStatus::Exited(_, found) if found == code),
            "{ended:?}: {shown}"
        );
        shown
    };
    let generate = ["key", "generate", &file, "--passphrase"];
    let different = [("New passphrase of", "canary-pass"), ("Once more: ", "canary-past")];
    assert!(typed(&generate, &different, 2).contains("two different passphrases"));
    assert!(typed(&generate, &[("New passphrase of", "")], 2).contains("protects nothing"));
    assert!(!Path::new(&file).exists());
    let twice = [("New passphrase of", "canary-pass"), ("Once more: ", "canary-pass")];
    typed(&generate, &twice, 0);
    typed(&["list"], &[("Passphrase of", "canary-pass")], 0);
    assert!(typed(&["list"], &[("Passphrase of", "canary-fail")], 2).contains("is another one"));
    // Nobody to ask: no terminal at all.
    if cfg!(target_os = "linux") {
        let inner = sealed.cli.command(&["list"]);
        let mut command = beside("setsid", &inner);
        command.arg("--wait").arg(inner.get_program()).args(inner.get_args());
        command.env("TOKEN_STORAGE_KEY_FROM", format!("file:{file}"));
        let ran = Ran::of(command.stdin(std::process::Stdio::null()).output().unwrap());
        ran.ended(2).says("set TOKEN_STORAGE_KEY_PASSPHRASE");
    }
}

/// What stands there for a token is neither handed out nor sent, and what a login would replace says nowhere whose it is.
#[test]
fn without_the_key_nothing_sealed_is_used() {
    for scheme in in_files() {
        let sealed = Sealed::new(scheme);
        sealed.store(RESPONSE);
        for arguments in [
            &["access-token", "rs"][..],
            &["access-token", "rs", "--no-refresh"],
            &[
                "access-token",
                "rs",
                "--refresh",
                "--token-endpoint",
                "http://127.0.0.1:1/",
                "--client-id",
                "c",
            ],
            &["exec", "--rs", "rs", "--", "true"],
            &[
                "logout",
                "rs",
                "--token-endpoint",
                "http://127.0.0.1:1/",
                "--client-id",
                "c",
            ],
        ] {
            let plain = [&["--storage", &*sealed.plain_url], arguments].concat();
            let mut command = sealed.cli.command(&plain);
            command.env_remove("TOKEN_STORAGE_KEY_FROM");
            let ran = Ran::of(command.output().unwrap()).ended(2);
            assert_eq!(ran.says("put `encrypted+` in front").stdout, "", "{arguments:?}");
        }
        assert_eq!(sealed.revealed(&[])["access_token"], "canary-at");
    }
}
