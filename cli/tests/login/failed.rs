//! Logins that come to nothing, and leave nothing.

use token_storage_auth_testing::auth_server::Config;

use crate::{
    assert_ended, assert_nothing_stored,
    common::{
        Cli,
        world::{World, visit},
    },
    elsewhere, ended, globus, in_terminal, log_in_with_browser, new, run, waiting, with_browser,
};

#[test]
fn no_is_told_everywhere_and_nothing_is_stored() {
    let world = new("sqlite");
    let (ran, page) = log_in_with_browser(&world, with_browser(globus(&world, &["login"])), false);
    let said = ran.ended(1).says("was denied (access_denied)");
    said.says(&world.server.url());
    assert!(page.contains("You are not logged in"));

    let mut session = in_terminal(elsewhere(&world, &["login", "--device"]));
    session.exp_string("Enter this code there: ").unwrap();
    let user_code = session.read_line().unwrap();
    world.server.decide_device(user_code.trim(), false);
    let said = assert_ended(session, 1);
    assert!(said.contains("was denied (access_denied)"), "{said}");
    assert_nothing_stored(&world);
}

#[test]
fn a_wrong_code_is_refused() {
    let world = new("json");
    let mut session = in_terminal(globus(&world, &["login", "--no-browser"]));
    session.exp_string("Code here: ").unwrap();
    session.send_line("mistyped").unwrap();
    let said = assert_ended(session, 4);
    assert!(said.contains("does not take this code (invalid_grant"), "{said}");
    assert_nothing_stored(&world);
}

#[test]
fn an_input_that_ends_ends_the_login() {
    let world = new("json");
    run(globus(&world, &["login", "--no-browser"]))
        .ended(1)
        .says("the input ended");
    let mut session = in_terminal(globus(&world, &["login", "--no-browser"]));
    session.exp_string("Code here: ").unwrap();
    session.send_control('d').unwrap();
    assert_ended(session, 1);
    let mut session = in_terminal(globus(&world, &["login", "--no-browser"]));
    session.exp_string("Code here: ").unwrap();
    session.send_line("").unwrap();
    assert_ended(session, 1);
    assert_nothing_stored(&world);
}

#[test]
fn nobody_comes() {
    let world = new("json");
    let ran = run(with_browser(globus(&world, &["login", "--timeout", "0"])));
    ran.ended(1).says("nobody finished the login at");
    assert_nothing_stored(&world);
}

/// Tokens that nobody can store must not stay behind at the server.
#[test]
fn tokens_that_cannot_be_stored_are_revoked() {
    let mut cli = Cli::new("json");
    let folder = cli.folder().join("tokens");
    cli.url = format!("json:{}", folder.join("tokens.json").display());
    let world = World::empty(cli, Config::default());
    let (child, stderr, address) = waiting(with_browser(globus(&world, &["login"])));
    let target = world.server.decide(&address, true);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::write(&folder, "in the way").unwrap();
    let page = visit(&target);
    let ran = ended(child, stderr).quiet();
    assert!(ran.code != Some(0), "{ran:?}");
    ran.says("they were revoked");
    assert!(page.contains("You are not logged in"), "{page}");
    assert_eq!(world.server.live_refresh_tokens(), 0);
}

#[test]
fn what_makes_no_sense_is_a_matter_of_usage() {
    let world = new("json");
    for arguments in [
        &["login", "--device", "--no-browser"][..],
        &["login", "--device", "--redirect-uri", "http://127.0.0.1"],
        &["login", "--device"],
        &["login", "--parameter", "prompt"],
        &["login", "--parameter", "state=x"],
        &["login", "--redirect-uri", "http://127.0.0.1.example.org:x/"],
        &["login", "--redirect-uri", "no address"],
        &["login", "--timeout", "-1"],
        &["login", "--issuer", "http://auth.example.org"],
    ] {
        let ran = run(with_browser(globus(&world, arguments))).quiet();
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
    }
    assert_nothing_stored(&world);
}

#[test]
fn a_server_out_of_reach_is_told_so() {
    let world = new("json");
    let arguments = ["login", "--no-browser", "--issuer", "http://127.0.0.1:9"];
    run(globus(&world, &arguments)).ended(7).says("no connection");
}
