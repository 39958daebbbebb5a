//! Logging in: in a pseudo-terminal where people are asked, with a browser that is this test.
#![cfg(all(feature = "oauth", unix))]

#[path = "../common/mod.rs"]
mod common;

mod afterwards;
mod failed;
mod interrupted;
mod json;
mod ways;

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command},
};

use common::{
    Cli, Ran,
    terminal::in_terminal,
    world::{GROUPS, World, visit},
};
use rexpect::{process::WaitStatus, session::PtySession};
use token_storage_auth_testing::auth_server::Config;

/// Nobody has logged in yet.
fn new(scheme: &str) -> World {
    World::empty(Cli::new(scheme), Config::default())
}

/// The server is any other than Globus, and tells its addresses. There is no screen, and no browser on it.
fn elsewhere(world: &World, arguments: &[&str]) -> Command {
    let mut command = world.command(arguments);
    command.env("PATH", world.cli.folder());
    for variable in ["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME", "BROWSER"] {
        command.env_remove(variable);
    }
    command
}

/// The server is taken for Globus.
fn globus(world: &World, arguments: &[&str]) -> Command {
    let mut command = elsewhere(world, arguments);
    command
        .env("TOKEN_STORAGE_ISSUER", "")
        .env("GLOBUS_SDK_SERVICE_URL_AUTH", world.server.url());
    command
}

/// A browser starts, and does nothing by itself.
fn with_browser(mut command: Command) -> Command {
    command.env("BROWSER", "/bin/true");
    command
}

fn run(mut command: Command) -> Ran {
    Ran::of(command.output().unwrap())
}

fn assert_stored(world: &World, resource_server: &str) {
    let record = world.record(resource_server);
    assert!(world.server.is_active(record["access_token"].as_str().unwrap()));
    assert!(world.server.is_active(record["refresh_token"].as_str().unwrap()));
}

fn assert_nothing_stored(world: &World) {
    for resource_server in [GROUPS, "auth.globus.org"] {
        world.run(&["get", resource_server]).ended(3);
    }
    assert_eq!(world.server.live_refresh_tokens(), 0);
}

/// The command while it waits for the browser, and the address that it wants opened.
fn waiting(mut command: Command) -> (Child, BufReader<std::process::ChildStderr>, String) {
    let mut child = command.spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    // With --json it is in a note.
    let in_note = r#"{"note":{"message":"http"#;
    while !line.starts_with("http") && !line.starts_with(in_note) {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "no address was printed");
    }
    let address = &line[line.find("http").unwrap()..];
    let address = address.trim_end().trim_end_matches("\"}}").to_owned();
    (child, stderr, address)
}

fn ended(child: Child, mut stderr: BufReader<std::process::ChildStderr>) -> Ran {
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    let mut ran = Ran::of(child.wait_with_output().unwrap());
    ran.stderr = said;
    ran
}

fn log_in_with_browser(world: &World, command: Command, approve: bool) -> (Ran, String) {
    let (child, stderr, address) = waiting(command);
    let page = visit(&world.server.decide(&address, approve));
    (ended(child, stderr).quiet(), page)
}

/// The address between the two lines.
fn announced(session: &mut PtySession) -> String {
    session.exp_regex("-{10,}\r\n").unwrap();
    let (before, _) = session.exp_regex("\r\n-{10,}\r\n").unwrap();
    before
}

/// What is said until the end, and how it ended.
fn rest(mut session: PtySession) -> (String, WaitStatus) {
    let said = session.exp_eof().unwrap();
    (said, session.process().wait().unwrap())
}

#[track_caller]
fn assert_ended(session: PtySession, with: i32) -> String {
    let (said, status) = rest(session);
    assert!(
        matches!(status, WaitStatus::Exited(_, code) if code == with),
        "{status:?}: {said}"
    );
    said
}

fn parameter(address: &str, name: &str) -> String {
    let query = address.split_once('?').unwrap().1;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(found, _)| *found == name).expect(name).1.to_owned()
}
