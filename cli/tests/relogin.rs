//! Logging in where something is stored already, and asking for another token than the stored one.
#![cfg(all(feature = "oauth", feature = "json", unix))]

mod common;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Command, Stdio},
};

use common::{
    Cli, Ran,
    world::{GROUPS, GROUPS_SCOPE, World, expired},
};
use token_storage_auth_testing::auth_server::{AuthServer, Config, Endpoint};

fn nameless() -> World {
    let mut config = Config::default();
    config.name_resource_server = false;
    World::empty(Cli::new("json"), config)
}

/// Logs in by the address that the browser ends at.
fn log_in_with(mut command: Command, server: &AuthServer) -> (String, Ran) {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("http") {
        line.clear();
        if stderr.read_line(&mut line).unwrap() == 0 {
            return (String::new(), Ran::of(child.wait_with_output().unwrap()));
        }
    }
    let address = line.trim_end().to_owned();
    let target = server.decide(&address, true);
    writeln!(child.stdin.take().unwrap(), "{target}").unwrap();
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    let mut ran = Ran::of(child.wait_with_output().unwrap());
    ran.stderr = said;
    (address, ran)
}

fn log_in(world: &World, arguments: &[&str]) -> (String, Ran) {
    log_in_with(
        world.command(&[&["login", "--no-browser"], arguments].concat()),
        &world.server,
    )
}

/// As written into the record: the options and variables name nothing.
fn bare(world: &World, arguments: &[&str]) -> Command {
    let mut command = world.command(arguments);
    command
        .env("TOKEN_STORAGE_ISSUER", "")
        .env("TOKEN_STORAGE_CLIENT_ID", "");
    command
}

fn run(mut command: Command) -> Ran {
    Ran::of(command.output().unwrap())
}

#[test]
fn a_record_says_how_to_log_in_again() {
    let world = nameless();
    let (_, ran) = log_in(&world, &["--scope", "read write", "--resource-server", "my api"]);
    ran.succeeded();
    world.server.revoke_everything();
    let ran = run(bare(&world, &["access-token", "my api", "--refresh"]))
        .ended(4)
        .quiet();
    // The advice is the whole command.
    ran.says("`token-storage login --again 'my api'`");
    let (address, ran) = log_in_with(
        bare(&world, &["login", "--again", "my api", "--no-browser"]),
        &world.server,
    );
    ran.succeeded().quiet();
    assert!(address.starts_with(&world.server.url()), "{address}");
    assert!(address.contains("scope=read+write"), "{address}");
    run(bare(&world, &["access-token", "my api", "--refresh"])).succeeded();
    run(bare(&world, &["login", "--again", "nowhere"])).ended(3).quiet();
}

#[test]
fn issuers_on_one_host_have_names_of_their_own() {
    let (one, other) = (nameless(), nameless());
    let address = |world: &World| world.server.url().trim_start_matches("http://").to_owned();
    for world in [&one, &other] {
        let mut command = world.command(&["login", "--no-browser", "--scope", "read"]);
        command.env("TOKEN_STORAGE_URL", &one.cli.url);
        log_in_with(command, &world.server).1.succeeded();
    }
    let listed = one.run(&["list"]).succeeded().stdout;
    let mut names: Vec<&str> = listed.lines().collect();
    names.sort_unstable();
    let mut want = [address(&one), address(&other)];
    want.sort_unstable();
    assert_eq!(names, want);
}

#[test]
fn a_record_of_another_server_is_not_replaced_unasked() {
    let (one, other) = (nameless(), nameless());
    let name = ["--scope", "read", "--resource-server", "api"];
    log_in(&one, &name).1.succeeded();
    let before = one.record("api");
    let command = |more: &[&str]| {
        let mut command = other.command(&[&["login", "--no-browser"], &name[..], more].concat());
        command.env("TOKEN_STORAGE_URL", &one.cli.url);
        command
    };
    let ran = run(command(&[])).ended(2).quiet();
    ran.says(&one.server.url()).says("--replace");
    assert_eq!(other.server.count(Endpoint::Token), 0, "nobody was asked to log in");
    assert_eq!(one.record("api"), before);
    log_in_with(command(&["--replace"]), &other.server)
        .1
        .succeeded()
        .says("not revoked");
    assert_ne!(one.record("api"), before);
}

#[test]
fn what_a_login_replaces_is_revoked_or_said_not_to_be() {
    for (more, live) in [(&[][..], 2), (&["--revoke-replaced"], 1)] {
        let world = nameless();
        let arguments = [&["--scope", "read", "--resource-server", "api"], more].concat();
        let first = log_in(&world, &arguments).1.succeeded();
        assert!(!first.stderr.contains("replaced"), "{first:?}");
        let second = log_in(&world, &arguments).1.succeeded();
        assert_eq!(second.stderr.contains("not revoked"), more.is_empty(), "{second:?}");
        assert_eq!(world.server.live_refresh_tokens(), live, "{more:?}");
    }
}

#[test]
fn another_token_is_had_on_demand() {
    let world = World::new("json");
    let token = |arguments: &[&str]| world.run(arguments).succeeded().stdout.trim().to_owned();
    let first = token(&["access-token", GROUPS]);
    let second = token(&["access-token", GROUPS, "--refresh"]);
    assert_ne!(first, second);
    let rejected = world.cli.folder().join("rejected");
    // One that has been replaced since is not refreshed again.
    std::fs::write(&rejected, format!("{first}\n")).unwrap();
    assert_eq!(token(&["access-token", GROUPS, "--rejected", "rejected"]), second);
    assert_eq!(world.server.refresh_requests(), 1);
    std::fs::write(&rejected, &second).unwrap();
    let third = token(&["access-token", GROUPS, "--rejected", "rejected"]);
    assert!(third != second && third != first);
    let shown = [
        "exec",
        "--rs",
        GROUPS,
        "--refresh",
        "--",
        "printenv",
        "TOKEN_STORAGE_ACCESS_TOKEN",
    ];
    assert_ne!(token(&shown), third);
    assert_eq!(
        (world.server.refresh_requests(), world.server.reuse_detections()),
        (3, 0)
    );
    world
        .run(&["access-token", GROUPS, "--refresh", "--no-refresh"])
        .ended(2);
    std::fs::write(&rejected, "two words").unwrap();
    world
        .run(&["access-token", GROUPS, "--rejected", "rejected"])
        .ended(2)
        .says("not one token");
}

#[test]
fn waiting_ends_when_it_was_said_to() {
    let world = World::empty(Cli::new("json"), Config::default());
    for way in ["--no-browser", "--device"] {
        let mut command = world.command(&["login", way, "--scope", GROUPS_SCOPE, "--timeout", "1"]);
        // Nobody types anything.
        let child = command.stdin(Stdio::piped()).spawn().unwrap();
        let ran = {
            let mut child = child;
            let _stdin = child.stdin.take();
            Ran::of(child.wait_with_output().unwrap())
        };
        ran.ended(1).quiet().says("1 s");
    }
    assert_eq!(world.server.live_refresh_tokens(), 0);
}

#[test]
fn a_child_does_not_learn_the_secret_of_the_client() {
    let world = World::new("json");
    let mut command = world.command(&["exec", "--rs", GROUPS, "--", "printenv"]);
    command.env("TOKEN_STORAGE_CLIENT_SECRET", "canary");
    let ran = run(command).succeeded();
    assert!(ran.stdout.contains("TOKEN_STORAGE_ACCESS_TOKEN="), "{ran:?}");
    assert!(!ran.stdout.contains("canary"), "{ran:?}");
    // Nor does a browser.
    let browser = world.cli.folder().join("browser");
    std::fs::write(&browser, "#!/bin/sh\nprintenv > \"$HOME/environment\"\n").unwrap();
    std::fs::set_permissions(&browser, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let mut command = world.command(&["login", "--timeout", "1"]);
    command
        .env("BROWSER", &browser)
        .env("TOKEN_STORAGE_CLIENT_SECRET", "canary");
    run(command).ended(1);
    let environment = std::fs::read_to_string(world.cli.folder().join("environment")).unwrap();
    assert!(
        environment.contains("PATH=") && !environment.contains("canary"),
        "{environment}"
    );
}

/// What is remembered of a record that does not say whose it is: then the login has to say it, and then it works.
#[test]
fn a_refusal_of_a_record_without_a_server_leads_to_a_login_that_works() {
    const NAME: &str = "api.example.org";
    let world = nameless();
    let mut response = expired(world.issue("read"));
    response["resource_server"] = NAME.into();
    world.store(&response.to_string());
    world.server.revoke_everything();
    world.run(&["access-token", NAME]).ended(4);
    for line in [&["get", NAME][..], &["get", NAME, "--json"], &["doctor"]] {
        let told = run(bare(&world, line)).succeeded().stdout;
        assert!(told.contains("the refresh token is refused"), "{told}");
        assert!(
            told.contains("login --again") && told.contains("--issuer URL --client-id ID`"),
            "{told}"
        );
        let named = world.run(line).succeeded().stdout;
        assert!(
            !named.contains("--issuer"),
            "what is in the environment need not be said: {named}"
        );
    }
    let url = world.server.url();
    let login = [
        "login",
        "--again",
        NAME,
        "--no-browser",
        "--issuer",
        &url,
        "--client-id",
        AuthServer::NATIVE_CLIENT,
    ];
    let (_, ran) = log_in_with(bare(&world, &login), &world.server);
    ran.succeeded();
    let told = run(bare(&world, &["get", NAME])).succeeded().stdout;
    assert!(!told.contains("refused"), "{told}");
}

/// Behind `--` stand the words of another command.
#[test]
fn how_failures_are_told_is_not_for_another_command_to_say() {
    let world = World::new("json");
    let line = ["exec", "--", "no-such-command", "--json"];
    let told = world.run(&line).ended(127).stderr;
    assert!(told.starts_with("token-storage: "), "{told}");
    let told = world.run(&[&["--json"][..], &line].concat()).ended(127).stderr;
    assert!(told.starts_with("{\"error\":"), "{told}");
}
