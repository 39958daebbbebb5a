//! S1: whatever the command is asked to do, at the finest level of its log, no token is in what it says, in no spelling.
#![cfg(all(feature = "oauth", any(feature = "json", feature = "sqlite")))]

mod common;

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Read as _},
    process::Command,
};

use common::{
    Cli, Ran, in_files,
    world::{GROUPS, GROUPS_SCOPE, World, visit},
};
use serde_json::Value;
use token_storage_auth_testing::auth_server::{Config, Endpoint, Fault};

/// Every token that was ever in the storage.
struct Planted<'a> {
    world: &'a World,
    url: String,
    tokens: BTreeSet<String>,
}

impl<'a> Planted<'a> {
    fn on(world: &'a World) -> Self {
        Self {
            world,
            url: format!("traced+{}", world.cli.url),
            tokens: BTreeSet::new(),
        }
    }

    /// What is stored now is looked for from here on.
    fn plant(&mut self) {
        self.plant_record(GROUPS);
    }

    fn plant_record(&mut self, resource_server: &str) {
        let record = self.world.record(resource_server);
        for member in ["access_token", "refresh_token", "id_token"] {
            if let Some(Value::String(token)) = record.get(member) {
                self.tokens.insert(token.clone());
            }
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.command(&[&["--storage", &*self.url], arguments].concat());
        command.env("TOKEN_STORAGE_LOG", "trace");
        command
    }

    fn say(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// Logs in with a browser that agrees; the code that it brings is looked for as a token is.
    #[cfg(unix)]
    fn log_in(&mut self) {
        let mut command = self.command(&["login", "--scope", &format!("openid {GROUPS_SCOPE}")]);
        command.env("BROWSER", "/bin/true");
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let before = said.len();
            assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "no address was printed");
            if said[before..].starts_with("http") {
                break said[before..].trim_end().to_owned();
            }
        };
        let back = self.world.server.decide(&address, true);
        self.tokens.insert(parameter(&back, "code"));
        said += &visit(&back);
        stderr.read_to_string(&mut said).unwrap();
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0));
        let listed = self.world.run(&["list", "--json"]).succeeded().json();
        for token in listed["tokens"].as_array().unwrap() {
            self.plant_record(token["resource_server"].as_str().unwrap());
        }
        assert!(self.tokens.len() > 2, "a code, and tokens");
        self.look(&["login"], &said);
        self.look(&["login"], &ran.stdout);
    }

    /// Runs it; nothing of it may show a token. What it printed.
    fn silent(&mut self, arguments: &[&str], code: i32) -> String {
        let ran = self.say(arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.stderr);
        self.look(arguments, &ran.stdout);
        self.look(arguments, &ran.stderr);
        assert!(
            !ran.stderr.is_empty(),
            "{arguments:?} logged nothing, so nothing was proven"
        );
        ran.stdout
    }

    /// Runs what prints a token on standard output.
    fn printing(&mut self, arguments: &[&str]) {
        let ran = self.say(arguments).succeeded();
        self.plant();
        self.look(arguments, &ran.stderr);
        assert!(found(&self.tokens, &ran.stdout).is_some(), "{arguments:?} printed none");
    }

    fn look(&self, arguments: &[&str], text: &str) {
        assert!(!self.tokens.is_empty());
        // Not the text: it goes into a log.
        assert_eq!(found(&self.tokens, text), None, "{arguments:?} shows a token");
    }
}

fn parameter(address: &str, name: &str) -> String {
    let query = address.split_once('?').unwrap().1;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(found, _)| *found == name).expect(name).1.to_owned()
}

/// Under which spelling one of the tokens is in the text.
fn found(tokens: &BTreeSet<String>, text: &str) -> Option<&'static str> {
    let lower = text.to_lowercase();
    tokens
        .iter()
        .find_map(|token| {
            let token = token.to_lowercase();
            let hex: String = token.bytes().map(|byte| format!("{byte:02x}")).collect();
            let percent: String = token.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let some = token.replace('-', "%2d").replace('_', "%5f");
            let backwards: String = token.chars().rev().collect();
            let spelled = [
                ("as it is", token.clone()),
                ("in hexadecimal digits", hex),
                ("percent-encoded", percent),
                ("percent-encoded", some),
                ("backwards", backwards),
            ];
            let plain = spelled.into_iter().find(|(_, spelling)| lower.contains(spelling));
            plain.map(|(how, _)| how)
        })
        .or_else(|| {
            let coded = tokens.iter().flat_map(|token| base64(token.as_bytes()));
            coded
                .into_iter()
                .any(|coded| text.contains(&coded))
                .then_some("in base64")
        })
}

/// What is the same in each text that holds these bytes: at the three alignments, of both alphabets, without what depends on
/// neighbours.
fn base64(bytes: &[u8]) -> Vec<String> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let aligned = (0..3).map(|shift| {
        let shifted = [&vec![0; shift][..], bytes].concat();
        let coded: String = shifted
            .chunks_exact(3)
            .flat_map(|three| {
                let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
                [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift & 63) as usize] as char)
            })
            .collect();
        coded[4..].to_owned()
    });
    aligned
        .flat_map(|coded| [coded.replace('+', "-").replace('/', "_"), coded])
        .collect()
}

#[test]
fn s1_no_command_shows_a_token() {
    for scheme in in_files() {
        let world = World::empty(Cli::new(scheme), Default::default());
        world.log_in_expired(GROUPS_SCOPE);
        let mut planted = Planted::on(&world);
        planted.plant();
        for reading in [
            &["get", GROUPS][..],
            &["get", GROUPS, "--json"],
            &["list", "--long"],
            &["list", "--all-namespaces", "--json"],
            &["namespaces"],
        ] {
            planted.silent(reading, 0);
        }
        planted.printing(&["get", GROUPS, "--reveal"]);
        planted.silent(&["access-token", GROUPS, "--no-refresh"], 4);
        // A refresh that fails, one whose answer nobody understands, two whose answer is the request, one that works.
        for fault in [
            Fault::Status {
                status: 503,
                retry_after: None,
            },
            Fault::Garbage,
            Fault::Echo {
                status: 400,
                error: "invalid_request",
            },
            Fault::Echo { status: 500, error: "" },
        ] {
            world.server.script(Endpoint::Token, fault);
            let ran = planted.say(&["access-token", GROUPS, "--refresh"]);
            assert_ne!(ran.code, Some(0));
            planted.look(&["access-token"], &(ran.stdout + &ran.stderr));
            world.log_in_expired(GROUPS_SCOPE);
            planted.plant();
        }
        planted.printing(&["access-token", GROUPS]);
        planted.silent(&["exec", "--rs", GROUPS, "--", "true"], 0);
        let new = format!("traced+json:{}", world.cli.folder().join("moved").display());
        planted.silent(&["migrate", &planted.url.clone(), &new], 0);
        planted.silent(&["get", "rs"], 3);
        planted.silent(&["logout", GROUPS], 0);
        planted.silent(&["access-token", GROUPS], 3);
    }
}

#[cfg(unix)]
#[test]
fn s1_a_login_shows_neither_code_nor_token() {
    for scheme in in_files() {
        let world = World::empty(Cli::new(scheme), Config::default());
        let mut planted = Planted::on(&world);
        planted.log_in();
        planted.silent(&["whoami"], 0);
        planted.silent(&["groups"], 0);
        planted.silent(&["logout", "--all"], 0);
    }
}

/// With the log above the encryption, where tokens are in the clear, and below it.
#[cfg(feature = "encryption")]
#[test]
fn s1_encrypting_and_another_key_show_none() {
    for scheme in in_files() {
        let world = World::empty(Cli::encrypted(scheme), Config::default());
        world.log_in(GROUPS_SCOPE);
        let keys = world.cli.key_from.strip_prefix("file:").unwrap();
        let mut planted = Planted::on(&world);
        planted.plant();
        let below = world.cli.url.replace("encrypted+", "encrypted+traced+");
        for url in [planted.url.clone(), below] {
            planted.url = url;
            assert_eq!(planted.silent(&["decrypt"], 0), "decrypted: 1 token\n");
            assert_eq!(planted.silent(&["encrypt"], 0), "encrypted: 1 token\n");
            planted.silent(&["key", "add", keys], 0);
            assert_eq!(planted.silent(&["rotate-key"], 0), "sealed with the new key: 1 token\n");
            planted.silent(&["get", GROUPS], 0);
            planted.silent(&["doctor"], 0);
        }
        assert_eq!(planted.tokens, {
            let mut now = Planted::on(&world);
            now.plant();
            now.tokens
        });
    }
}

#[cfg(feature = "export")]
#[test]
fn s1_a_file_of_tokens_shows_none() {
    use age::secrecy::ExposeSecret as _;

    for scheme in in_files() {
        let world = World::empty(Cli::new(scheme), Config::default());
        world.log_in(GROUPS_SCOPE);
        let mut planted = Planted::on(&world);
        planted.plant();
        let path = |name: &str| world.cli.folder().join(name).display().to_string();
        let key = age::x25519::Identity::generate();
        std::fs::write(path("identity"), key.to_string().expose_secret()).unwrap();
        let (file, identity) = (path("tokens.age"), path("identity"));
        planted.silent(&["export", &file, "--recipient", &key.to_public().to_string()], 0);
        planted.silent(&["import", &file, "--identity", &identity], 0);
        planted.url = format!("traced+json:{}", path("imported"));
        planted.silent(&["import", &file, "--identity", &identity], 0);
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() - 20]).unwrap();
        planted.silent(&["import", &file, "--identity", &identity], 2);
        // Not encrypted at all: whoever reads it must not quote it.
        std::fs::write(&file, world.record(GROUPS).to_string()).unwrap();
        planted.silent(&["import", &file, "--identity", &identity], 2);
    }
}

#[test]
fn each_spelling_is_found() {
    let token = "at-0123456789abcdef0123456789abcdef".to_owned();
    let tokens = BTreeSet::from([token.clone()]);
    let hex: String = token.bytes().map(|byte| format!("{byte:02X}")).collect();
    let percent: String = token.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for text in [
        token.clone(),
        hex,
        percent,
        token.replace('-', "%2D"),
        token.chars().rev().collect(),
    ] {
        assert!(found(&tokens, &format!("x{text}y")).is_some(), "{text}");
    }
    // "Basic " of a client "c" with the token as its secret, and two more alignments.
    for coded in [
        "YzphdC0wMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==",
        "YXQtMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "eGF0LTAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVm",
    ] {
        assert_eq!(found(&tokens, coded), Some("in base64"), "{coded}");
    }
    assert_eq!(found(&tokens, "at-0123456789abcdef"), None);
}
