//! A token that is no bearer token is neither sent nor handed out as one.
#![cfg(all(feature = "oauth", feature = "json", feature = "sqlite"))]

mod common;

use common::{
    Cli,
    world::{GROUPS, GROUPS_SCOPE, World},
};
use serde_json::json;
use token_storage_auth_testing::auth_server::{Config, Endpoint, Fault};

/// Logged in with tokens of this type, as a server answers that binds them to a key.
fn world(token_type: &str) -> World {
    let world = World::empty(Cli::new("sqlite"), Config::default());
    for scope in [GROUPS_SCOPE, "openid"] {
        let mut response = world.issue(scope);
        response["token_type"] = token_type.into();
        world.store(&response.to_string());
    }
    world
}

const NOT_BEARER: &str = "not a bearer token";

#[test]
fn it_is_not_handed_out_alone() {
    for token_type in ["DPoP", "mac", "N_A", "pop"] {
        let world = world(token_type);
        for line in [
            &["access-token", GROUPS][..],
            &["access-token", GROUPS, "--no-refresh"],
            &["exec", "--rs", GROUPS, "--", "printenv"],
            &["exec", "--rs", GROUPS, "--no-refresh", "--", "printenv"],
        ] {
            let ran = world.run(line).ended(1).quiet().says(NOT_BEARER);
            assert_eq!(ran.stdout, "", "{line:?}");
        }
        for line in [
            &["access-token", GROUPS, "--json"][..],
            &["access-token", GROUPS, "--json", "--no-refresh"],
            &["get", GROUPS, "--reveal", "--json"],
        ] {
            let told = world.run(line).succeeded().json();
            assert_eq!(told["token_type"], token_type, "{line:?}");
            assert!(world.server.is_active(told["access_token"].as_str().unwrap()));
        }
        let shell = world.run(&["get", GROUPS, "--reveal", "--format", "env"]).succeeded();
        assert!(
            shell
                .stdout
                .contains(&format!("TOKEN_STORAGE_TOKEN_TYPE='{token_type}'\n")),
            "{shell:?}"
        );
    }
}

#[test]
fn it_is_not_sent() {
    let world = world("DPoP");
    world.run(&["groups"]).ended(1).quiet().says(NOT_BEARER);
    world.run(&["whoami"]).ended(1).quiet().says(NOT_BEARER);
    for endpoint in [Endpoint::Groups, Endpoint::UserInfo] {
        assert_eq!(world.server.count(endpoint), 0, "{endpoint:?}");
    }
}

/// The type is that of the last answer.
#[test]
fn a_refresh_may_change_the_type() {
    let world = World::expired("json");
    world
        .server
        .script(Endpoint::Token, Fault::Member("token_type", r#""DPoP""#));
    world.run(&["access-token", GROUPS]).ended(1).quiet().says(NOT_BEARER);
    assert_eq!(world.record(GROUPS)["token_type"], "DPoP", "it is stored all the same");
    let token = world.run(&["access-token", GROUPS, "--refresh"]).succeeded();
    assert!(world.server.is_active(token.stdout.trim()));
}

#[test]
fn whatever_means_bearer_is_one() {
    for token_type in [json!("bearer"), json!("BEARER"), json!("bot"), json!(null)] {
        let world = World::empty(Cli::new("json"), Config::default());
        let mut response = world.issue(GROUPS_SCOPE);
        response["token_type"] = token_type;
        world.store(&response.to_string());
        world.run(&["access-token", GROUPS]).succeeded();
        world.run(&["groups"]).succeeded();
    }
}
