//! What a login is for: the commands that come after it.

use token_storage_auth_testing::auth_server::{Endpoint, Fault};

use crate::{
    announced, assert_ended,
    common::world::{GROUPS, GROUPS_CSV, GROUPS_SCOPE, on_each_storage},
    elsewhere, globus, in_terminal, log_in_with_browser, new, parameter, run, with_browser,
};

/// The seed of it all: whoever asks for groups first is asked who they are.
#[test]
fn groups_log_in_when_there_are_no_tokens() {
    on_each_storage(|world| {
        let mut session = in_terminal(globus(&world, &["groups", "--no-browser"]));
        session.exp_string("no token is stored").unwrap();
        let address = announced(&mut session);
        session.exp_string("Code here: ").unwrap();
        let code = parameter(&world.server.decide(&address, true), "code");
        session.send_line(&code).unwrap();
        let said = assert_ended(session, 0);
        assert!(said.contains("ID,Name,Type,Session Enforcement,Roles"), "{said}");
        // Again, and without a terminal: from what is stored.
        assert_eq!(run(globus(&world, &["groups"])).succeeded().stdout, GROUPS_CSV);
    });
}

#[test]
fn groups_ask_nobody_where_nobody_is() {
    let world = new("json");
    run(globus(&world, &["groups"])).ended(3).says("token-storage login");
}

/// The login has asked for the server's addresses; nobody does so again.
#[test]
fn a_record_is_enough_to_refresh_and_to_log_out() {
    on_each_storage(|world| {
        let command = with_browser(elsewhere(&world, &["login", "--scope", GROUPS_SCOPE]));
        log_in_with_browser(&world, command, true).0.succeeded();
        let gone = Fault::Status {
            status: 503,
            retry_after: None,
        };
        for document in [Endpoint::OpenIdConfiguration, Endpoint::Metadata] {
            world.server.script_all(document, Some(gone.clone()));
        }
        world.run(&["access-token", GROUPS, "--refresh"]).succeeded();
        let mut unnamed = world.command(&["access-token", GROUPS, "--refresh"]);
        unnamed
            .env_remove("TOKEN_STORAGE_ISSUER")
            .env_remove("TOKEN_STORAGE_CLIENT_ID");
        run(unnamed).succeeded();
        world.run(&["logout", GROUPS]).succeeded();
        assert_eq!(world.server.live_refresh_tokens(), 0);
        assert_eq!(world.server.refresh_requests(), 2);
        assert_eq!(world.server.count(Endpoint::OpenIdConfiguration), 1);
        assert_eq!(world.server.count(Endpoint::Metadata), 0);
    });
}

/// As Slack wraps its users' tokens; the record keeps where they are.
#[test]
fn a_token_is_found_where_the_path_leads() {
    let world = new("json");
    let answer = |body| Fault::Answer {
        status: 200,
        content_type: "application/json",
        body,
    };
    let arguments = ["login", "--token-path", "authed_user", "--resource-server", "slack"];
    let first = r#"{"access_token":"bot","authed_user":{"access_token":"mine","refresh_token":"rt","expires_in":900}}"#;
    world.server.script(Endpoint::Token, answer(first));
    log_in_with_browser(&world, with_browser(elsewhere(&world, &arguments)), true)
        .0
        .succeeded();
    assert_eq!(world.record("slack")["access_token"], "mine");
    assert_eq!(world.record("slack")["token_storage_token_path"], "authed_user");
    let second = r#"{"access_token":"bot","authed_user":{"access_token":"mine-again","expires_in":900}}"#;
    world.server.script(Endpoint::Token, answer(second));
    world.run(&["access-token", "slack", "--refresh"]).succeeded();
    assert_eq!(world.record("slack")["access_token"], "mine-again");
    world
        .run(&["access-token", "slack", "--token-path", "a..b"])
        .ended(2)
        .says("a path to the token");
}

/// The path is a matter of the command line, so whoever gives it does not wait for a pause to end.
#[test]
fn where_the_path_is_missing_the_option_is_named() {
    let world = new("json");
    let wrapped = || {
        world.server.script(
            Endpoint::Token,
            Fault::Answer {
                status: 200,
                content_type: "application/json",
                body: r#"{"ok":true,"authed_user":{"access_token":"mine","refresh_token":"rt","expires_in":900}}"#,
            },
        );
    };
    let login = ["login", "--scope", GROUPS_SCOPE];
    wrapped();
    log_in_with_browser(&world, with_browser(elsewhere(&world, &login)), true)
        .0
        .ended(2)
        .says("`authed_user`; say so with --token-path");
    log_in_with_browser(&world, with_browser(elsewhere(&world, &login)), true)
        .0
        .succeeded();
    let refresh = ["access-token", GROUPS, "--refresh"];
    wrapped();
    world.run(&refresh).says("`authed_user`; say so with --token-path");
    wrapped();
    let there = world.run(&[&refresh[..], &["--token-path", "authed_user"]].concat());
    assert_eq!(there.succeeded().stdout, "mine\n");
}
