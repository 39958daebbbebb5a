//! S1: whatever the command is asked to do, at the finest level of its log, no token is in what it says, in no spelling.
#![cfg(all(feature = "oauth", any(feature = "json", feature = "sqlite")))]

mod common;

use std::collections::BTreeSet;

use common::{
    Cli, Ran, in_files,
    world::{GROUPS, GROUPS_SCOPE, World},
};
use serde_json::Value;
use token_storage_auth_testing::auth_server::{Endpoint, Fault};

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
        let record = self.world.record(GROUPS);
        for member in ["access_token", "refresh_token", "id_token"] {
            if let Some(Value::String(token)) = record.get(member) {
                self.tokens.insert(token.clone());
            }
        }
    }

    fn say(&self, arguments: &[&str]) -> Ran {
        let mut command = self.world.command(&[&["--storage", &*self.url], arguments].concat());
        command.env("TOKEN_STORAGE_LOG", "trace");
        Ran::of(command.output().unwrap())
    }

    /// Runs it; nothing of it may show a token.
    fn silent(&mut self, arguments: &[&str], code: i32) {
        let ran = self.say(arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.stderr);
        self.look(arguments, &ran.stdout);
        self.look(arguments, &ran.stderr);
        assert!(
            !ran.stderr.is_empty(),
            "{arguments:?} logged nothing, so nothing was proven"
        );
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
