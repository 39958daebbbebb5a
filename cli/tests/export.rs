//! Tokens in one encrypted file, and back, by the command.
#![cfg(all(feature = "export", feature = "json", feature = "sqlite"))]

mod common;

use std::{fs, path::Path};

use age::{secrecy::ExposeSecret as _, x25519};
use common::{CANARY, Cli, Ran, in_files};

const RESPONSE: &str = r#"{"access_token":"canary-at","refresh_token":"canary-rt","expires_in":3600,
    "scope":"read write","resource_server":"rs","id_token":"canary-id"}"#;

/// A storage with two tokens in two namespaces, and somebody who can open files.
struct World {
    cli: Cli,
    recipient: String,
    identity: String,
    file: String,
}

impl World {
    fn new(scheme: &str) -> Self {
        let cli = Cli::new(scheme);
        cli.store(RESPONSE);
        cli.run_with_input(
            &["store", "--namespace", "other"],
            RESPONSE.replace("canary-at", "canary-2"),
        )
        .succeeded();
        let key = x25519::Identity::generate();
        let identity = cli.folder().join("identity").display().to_string();
        fs::write(&identity, key.to_string().expose_secret()).unwrap();
        let file = cli.folder().join("tokens.age").display().to_string();
        let recipient = key.to_public().to_string();
        Self {
            cli,
            recipient,
            identity,
            file,
        }
    }

    fn quiet(ran: Ran) -> Ran {
        assert!(!common::has_secret(&ran.stderr), "{ran:#?}");
        ran
    }

    fn export(&self, more: &[&str]) -> Ran {
        let all = [&["export", &*self.file, "--recipient", &*self.recipient], more].concat();
        Self::quiet(self.cli.run(&all))
    }

    fn import(&self, to: &str, more: &[&str]) -> Ran {
        let all = [
            &["import", &*self.file, "--identity", &*self.identity, "--storage", to],
            more,
        ]
        .concat();
        Self::quiet(self.cli.run(&all))
    }

    fn new_storage(&self, scheme: &str) -> String {
        format!("{scheme}:{}", self.cli.folder().join(format!("new.{scheme}")).display())
    }

    fn revealed(&self, storage: &str, namespace: &str) -> serde_json::Value {
        let all = [
            "get",
            "rs",
            "--storage",
            storage,
            "--namespace",
            namespace,
            "--reveal",
            "--json",
        ];
        self.cli.run(&all).succeeded().json()
    }
}

fn shows_a_token(file: &str) -> bool {
    let bytes = fs::read(file).unwrap();
    bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes())
}

#[cfg(unix)]
#[test]
fn a_file_is_for_its_owner_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt as _;

    let world = World::new(in_files()[0]);
    for umask in ["000", "777"] {
        let file = world.cli.folder().join(umask);
        let file = file.to_str().unwrap();
        let export = world.cli.command(&["export", file, "--recipient", &world.recipient]);
        let ran = common::by_shell(&format!("umask {umask}"), &export).output().unwrap();
        World::quiet(Ran::of(ran)).succeeded();
        assert_eq!(
            fs::metadata(file).unwrap().permissions().mode() & 0o777,
            0o600,
            "{umask}"
        );
    }
}

#[test]
fn all_tokens_go_into_a_file_and_come_back_as_they_were() {
    for scheme in in_files() {
        let world = World::new(scheme);
        let ran = world.export(&[]).succeeded();
        assert!(ran.stdout.starts_with("exported 2 tokens, into "), "{ran:#?}");
        assert!(!shows_a_token(&world.file));
        for new in in_files().into_iter().map(|scheme| world.new_storage(scheme)) {
            let dry = world.import(&new, &["--dry-run", "--json"]).succeeded().json();
            assert_eq!((&dry["dry_run"], &dry["copied"]), (&true.into(), &2.into()));
            world.import(&new, &[]).succeeded();
            for namespace in ["DEFAULT", "other"] {
                let before = world.revealed(&world.cli.url, namespace);
                assert_eq!(world.revealed(&new, namespace), before, "{scheme} {new}");
            }
            let again = world.import(&new, &[]).succeeded();
            assert_eq!(again.stdout, "imported 0 tokens; 2 already there\n");
        }
    }
}

#[test]
fn some_tokens_are_chosen_and_nothing_is_overwritten_unasked() {
    let world = World::new("json");
    let new = world.new_storage("sqlite");
    world.export(&["none"]).ended(3);
    assert!(!Path::new(&world.file).exists());
    world.export(&["rs"]).succeeded();
    world.export(&[]).ended(2).says("is there already");
    let ran = world
        .import(&new, &["--namespace", "DEFAULT", "--to-namespace", "moved"])
        .succeeded();
    assert_eq!(ran.stdout, "imported 1 token\n");
    assert_eq!(world.revealed(&new, "moved")["access_token"], "canary-at");
    world.export(&["--overwrite"]).succeeded();
    let theirs = RESPONSE.replace("canary-at", "canary-theirs");
    world
        .cli
        .run_with_input(&["store", "--storage", &new], &theirs)
        .succeeded();
    world
        .import(&new, &[])
        .ended(2)
        .says("--overwrite")
        .says("nothing was imported");
    world
        .cli
        .run(&["get", "rs", "--storage", &new, "--namespace", "other"])
        .ended(3);
    world.import(&new, &["--keep-going"]).ended(1);
    assert_eq!(world.revealed(&new, "DEFAULT")["access_token"], "canary-theirs");
    world.import(&new, &["--overwrite"]).succeeded();
    assert_eq!(world.revealed(&new, "DEFAULT")["access_token"], "canary-at");
}

#[test]
fn what_does_not_open_stores_nothing() {
    let world = World::new("json");
    let new = world.new_storage("json");
    world.export(&[]).succeeded();
    let whole = fs::read(&world.file).unwrap();
    let refused = |says: &str| {
        world.import(&new, &[]).ended(2).says(says);
        assert!(!Path::new(new.strip_prefix("json:").unwrap()).exists(), "{says}");
    };
    for length in [0, 10, 40, whole.len() / 2, whole.len() - 1] {
        fs::write(&world.file, &whole[..length]).unwrap();
        refused("cut off or changed");
    }
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&world.file, &changed).unwrap();
    refused("cut off or changed");
    let later = String::from_utf8_lossy(&whole[..21]).replace("/v1", "/v2");
    fs::write(&world.file, [later.as_bytes(), &whole[21..]].concat()).unwrap();
    refused("a later version of age");
    fs::write(
        &world.file,
        age::encrypt(&world.recipient.parse::<x25519::Recipient>().unwrap(), b"canary").unwrap(),
    )
    .unwrap();
    refused("something else");
    fs::write(&world.file, &whole).unwrap();
    fs::write(
        &world.identity,
        x25519::Identity::generate().to_string().expose_secret(),
    )
    .unwrap();
    refused("for other recipients");
    fs::write(&world.identity, "canary").unwrap();
    refused("AGE-SECRET-KEY-1");
    let ran = world.cli.run(&["export", "-", "--recipient", "canary"]).ended(2);
    let told = World::quiet(ran).stderr;
    assert!(
        told.starts_with("token-storage: a recipient is named by age1..."),
        "{told}"
    );
}

#[test]
fn no_storage_is_overwritten_by_its_own_export() {
    for scheme in in_files() {
        let mut world = World::new(scheme);
        world.file = world.cli.file().display().to_string();
        let before = fs::read(&world.file).unwrap();
        world.export(&["--overwrite"]).ended(2).says("is no file of age");
        assert_eq!(fs::read(&world.file).unwrap(), before, "{scheme}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_stays_one_and_nothing_is_left_beside_it() {
    let world = World::new("json");
    let target = world.cli.folder().join("elsewhere.age");
    fs::write(&target, "age-encryption.org/v1").unwrap();
    std::os::unix::fs::symlink(&target, &world.file).unwrap();
    world.export(&["--overwrite"]).succeeded();
    assert!(fs::symlink_metadata(&world.file).unwrap().is_symlink());
    world.import(&world.new_storage("json"), &[]).succeeded();
    let names = fs::read_dir(world.cli.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = names
        .filter(|name| name.to_string_lossy().starts_with(".token-storage-export."))
        .collect();
    assert_eq!(left, Vec::<std::ffi::OsString>::new());
}

/// A link that leads nowhere is not replaced by the file, and nobody waits for a pipe to be written to.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_left_as_it_is() {
    let world = World::new("json");
    std::os::unix::fs::symlink("nowhere", &world.file).unwrap();
    for more in [&[][..], &["--overwrite"]] {
        world.export(more).ended(2).says("leads nowhere");
        assert!(fs::symlink_metadata(&world.file).unwrap().is_symlink());
    }
    fs::remove_file(&world.file).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&world.file).status();
    assert!(made.unwrap().success());
    world.export(&["--overwrite"]).ended(2).says("is no file of age");
}

#[test]
fn where_a_file_cannot_be_made_that_is_said() {
    let mut world = World::new("json");
    world.file = world.cli.folder().join("missing/tokens.age").display().to_string();
    let told = world.export(&[]).ended(6).stderr;
    assert!(
        told.contains("missing/tokens.age: cannot be written: ") && told.contains("make the folder"),
        "{told}"
    );
    assert!(
        !told.contains(".token-storage-export"),
        "no other file is missing: {told}"
    );
    world.file = world.cli.folder().display().to_string();
    world.export(&["--overwrite"]).ended(2).says("is no file of age");
}

#[test]
fn a_passphrase_locks_a_file() {
    let world = World::new("sqlite");
    let new = world.new_storage("json");
    let run = |passphrase: &str, arguments: &[&str]| {
        let mut command = world.cli.command(arguments);
        command.env("TOKEN_STORAGE_EXPORT_PASSPHRASE", passphrase);
        World::quiet(Ran::of(command.output().unwrap()))
    };
    run("canary-pass", &["export", &world.file]).succeeded();
    assert!(!shows_a_token(&world.file));
    let import = ["import", &world.file, "--storage", &new];
    run("canary-fail", &import).ended(2).says("another passphrase");
    assert!(!Path::new(new.strip_prefix("json:").unwrap()).exists());
    run("canary-pass", &import).succeeded();
    assert_eq!(world.revealed(&new, "other"), world.revealed(&world.cli.url, "other"));
    world.import(&new, &[]).ended(2).says("give the passphrase");
}
