//! Tokens of several authorization servers in one storage: none goes to a server that did not issue it.
#![cfg(all(feature = "oauth", feature = "json"))]

mod common;

use std::process::Command;

use common::{
    Cli, Ran,
    world::{GROUPS, World, expired},
};
use serde_json::{Value, json};
use token_storage_auth_testing::auth_server::{AuthServer, Config};

const API: &str = "api.example.org";

/// The server of the record, and another one that must never be asked anything.
struct Two {
    own: World,
    other: AuthServer,
}

impl Two {
    /// Logged in at the one, and the access token has expired; the record has these members more.
    fn new(members: &Value) -> Self {
        let own = World::empty(Cli::new("json"), Config::default());
        let two = Self {
            own,
            other: AuthServer::start_with(Config::default()),
        };
        two.store(API, members);
        two
    }

    /// Whose record says where it came from.
    fn marked() -> Self {
        let two = Self::new(&json!({}));
        two.store(API, &two.mark());
        two
    }

    fn mark(&self) -> Value {
        json!({
            "token_storage_issuer": self.own.server.url(),
            "token_storage_client_id": AuthServer::NATIVE_CLIENT,
        })
    }

    fn store(&self, resource_server: &str, members: &Value) {
        let mut response = expired(self.own.issue("read"));
        response["resource_server"] = resource_server.into();
        for (name, value) in members.as_object().unwrap() {
            response[name] = value.clone();
        }
        self.own.cli.store(&response.to_string());
    }

    /// Names no server; the other one is taken for Globus.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.own.cli.command(arguments);
        command.env("GLOBUS_SDK_SERVICE_URL_AUTH", self.other.url());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    #[track_caller]
    fn nobody_was_asked(&self) {
        assert_eq!(self.other.requests().len(), 0, "the other server");
        assert_eq!(self.own.server.requests().len(), 0, "the record's own server");
    }
}

#[test]
fn the_record_names_the_server() {
    let two = Two::marked();
    let ran = two.run(&["access-token", API]).succeeded();
    assert!(two.own.server.is_active(ran.stdout.trim_end()));
    two.store(API, &two.mark());
    two.run(&["exec", "--", "true"]).succeeded();
    assert_eq!(two.own.server.refresh_requests(), 2);
    let refreshed = two.own.record(API);
    two.run(&["logout", "--all"]).succeeded();
    assert!(!two.own.server.is_active(refreshed["access_token"].as_str().unwrap()));
    assert_eq!(two.other.requests().len(), 0);
}

#[test]
fn what_a_refresh_answers_does_not_move_the_record() {
    let two = Two::marked();
    two.run(&["access-token", API]).succeeded();
    let record = two.own.record(API);
    assert_eq!(record["token_storage_issuer"], two.own.server.url());
    assert_eq!(record["token_storage_client_id"], AuthServer::NATIVE_CLIENT);
}

#[test]
fn an_option_that_names_another_server_is_refused() {
    let two = Two::marked();
    let (url, endpoint) = (two.other.url(), two.other.token_url());
    for option in [["--issuer", &url], ["--token-endpoint", &endpoint]] {
        for command in [&["access-token", API][..], &["logout", API], &["logout", "--all"]] {
            let ran = two.run(&[command, &option].concat()).ended(2).quiet();
            ran.says("nothing was sent").says(&two.own.server.url());
        }
    }
    let client = ["access-token", API, "--client-id", "another"];
    two.run(&client).ended(2).says("another client");
    two.nobody_was_asked();
    two.run(&["logout", API, "--local-only"]).succeeded();
}

#[test]
fn a_record_without_a_server_goes_nowhere_by_itself() {
    let two = Two::new(&json!({}));
    for command in [&["access-token", API][..], &["exec", "--", "true"], &["logout", API]] {
        two.run(command).ended(2).quiet().says("--issuer");
    }
    two.nobody_was_asked();
    let url = two.own.server.url();
    let named = ["--issuer", &url, "--client-id", AuthServer::NATIVE_CLIENT];
    two.run(&[&["access-token", API][..], &named].concat()).succeeded();
    two.run(&["logout", API]).succeeded();
    assert_eq!(two.other.requests().len(), 0, "it was remembered");
}

#[test]
fn a_good_token_needs_no_server() {
    let two = Two::new(&json!({"expires_at_seconds": 99_999_999_999_u64}));
    two.run(&["access-token", API]).succeeded();
    two.nobody_was_asked();
}

/// As the Python SDK leaves them: no server is named, but the resource server or the scope is one of Globus.
#[test]
fn records_of_globus_go_to_globus() {
    for (resource_server, scope) in [
        ("transfer.api.globus.org", "read"),
        (
            "1b5e8b4e-6f0d-4c3a-9d35-0a3b0f8f6f0f",
            "urn:globus:auth:scope:x:manage_collections",
        ),
    ] {
        let two = Two::new(&json!({}));
        two.store(resource_server, &json!({"scope": scope}));
        two.run(&["access-token", resource_server]).ended(4);
        assert_eq!(two.other.refresh_requests(), 1, "{resource_server}");
    }
}

/// Somebody else could write the record: nothing goes over the network in the clear, and no secret that is not in it.
#[test]
fn an_edited_record_gains_nothing() {
    for member in ["token_storage_issuer", "token_storage_token_endpoint"] {
        let two = Two::new(&json!({ member: "http://auth.example.org/t", "token_storage_client_id": "c" }));
        two.run(&["access-token", API]).ended(2).quiet().says("https");
    }
    let odd = Two::new(&json!({"token_storage_issuer": 7}));
    odd.run(&["access-token", API])
        .ended(5)
        .quiet()
        .says("token_storage_issuer");
    odd.nobody_was_asked();

    let two = Two::marked();
    let mut command = two.command(&["access-token", API]);
    command.env("TOKEN_STORAGE_CLIENT_SECRET", "canary");
    Ran::of(command.output().unwrap()).ended(2).says("secret");
    two.nobody_was_asked();
}

/// Globus is not asked for groups with somebody else's login, nor somebody else with that of Globus.
#[test]
fn groups_use_the_server_of_their_record() {
    let two = Two::new(&json!({}));
    two.store(GROUPS, &two.mark());
    let mut command = two.command(&["groups"]);
    command.env("GLOBUS_SDK_SERVICE_URL_GROUPS", two.own.server.url());
    let _ = command.output().unwrap();
    assert_eq!(two.own.server.refresh_requests(), 1);
    assert_eq!(two.other.requests().len(), 0);
}
