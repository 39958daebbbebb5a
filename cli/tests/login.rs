//! Logging in: in a pseudo-terminal where people are asked, with a browser that is this test.
#![cfg(all(feature = "oauth", unix))]

mod common;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    process::{Child, Command, Stdio},
    thread,
};

use common::{
    Cli, Ran,
    world::{GROUPS, GROUPS_CSV, GROUPS_SCOPE, World, arrived, on_each_storage, visit},
};
use rexpect::{
    process::{Signal, WaitStatus},
    session::{PtySession, spawn_command},
};
use token_storage_auth_testing::auth_server::{AuthServer, Config, Endpoint, Fault, Gate};

/// In milliseconds; longer than any step takes.
const PATIENCE: Option<u64> = Some(60_000);

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

fn in_terminal(mut command: Command) -> PtySession {
    command
        .stdin(Stdio::inherit())
        .stdout(Stdio::inherit())
        .stderr(Stdio::inherit());
    spawn_command(command, PATIENCE).unwrap()
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

#[test]
fn a_browser_logs_in_on_each_storage() {
    on_each_storage(|world| {
        let (ran, page) = log_in_with_browser(&world, with_browser(globus(&world, &["login"])), true);
        let ran = ran.succeeded();
        assert!(ran.stdout.contains("stored groups.api.globus.org"), "{ran:?}");
        assert!(page.contains("You are logged in"), "{page}");
        assert_stored(&world, GROUPS);
        assert_stored(&world, "auth.globus.org");
        let record = world.run(&["get", GROUPS, "--json"]).succeeded().json();
        assert_eq!(record["identity_id"], AuthServer::IDENTITY);
        let record = world.record(GROUPS);
        assert_eq!(record["token_storage_issuer"], world.server.url());
        assert_eq!(record["token_storage_client_id"], AuthServer::NATIVE_CLIENT);
    });
}

#[test]
fn a_pasted_code_logs_in_on_each_storage() {
    on_each_storage(|world| {
        let mut session = in_terminal(globus(&world, &["login", "--no-browser"]));
        session.exp_string("Please authenticate with Globus here:").unwrap();
        let address = announced(&mut session);
        assert!(parameter(&address, "prefill_named_grant").starts_with("token-storage"));
        assert_eq!(parameter(&address, "access_type"), "offline");
        session
            .exp_string("Enter the resulting Authorization Code here: ")
            .unwrap();
        let code = parameter(&world.server.decide(&address, true), "code");
        session.send_line(&format!("  {code}  ")).unwrap();
        let said = assert_ended(session, 0);
        assert!(said.contains("stored groups.api.globus.org"), "{said}");
        assert_stored(&world, GROUPS);
    });
}

#[test]
fn a_device_logs_in_on_each_storage() {
    on_each_storage(|world| {
        let mut session = in_terminal(elsewhere(&world, &["login", "--device", "--scope", "openid"]));
        let address = announced(&mut session);
        assert_eq!(address, format!("{}/device", world.server.url()));
        session.exp_string("Enter this code there: ").unwrap();
        let user_code = session.read_line().unwrap();
        session.exp_string("Waiting").unwrap();
        world.server.decide_device(user_code.trim(), true);
        assert_ended(session, 0);
        assert_stored(&world, "auth.globus.org");
    });
}

#[test]
fn results_as_json() {
    let world = new("sqlite");
    let (ran, _) = log_in_with_browser(&world, with_browser(globus(&world, &["login", "--json"])), true);
    let stored = ran.succeeded().json();
    let names: Vec<_> = stored["stored"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["resource_server"])
        .collect();
    assert_eq!(names, ["auth.globus.org", GROUPS]);
}

/// Most servers do not name resource servers.
fn nameless() -> World {
    let mut config = Config::default();
    config.name_resource_server = false;
    World::empty(Cli::new("json"), config)
}

#[test]
fn another_server_is_discovered_and_its_address_can_be_pasted() {
    let world = nameless();
    let url = world.server.url();
    let address = url.strip_prefix("http://").unwrap();
    for (arguments, stored) in [
        (&["login", "--no-browser", "--scope", "read write"][..], address),
        (
            &["login", "--no-browser", "--scope", "read", "--resource-server", "api"],
            "api",
        ),
        (
            &[
                "login",
                "--no-browser",
                "--scope",
                "read",
                "--redirect-uri",
                "http://localhost/back",
            ],
            address,
        ),
    ] {
        let mut session = in_terminal(elsewhere(&world, arguments));
        session.exp_string("Please log in here:").unwrap();
        let address = announced(&mut session);
        session.exp_string("Enter the resulting address here: ").unwrap();
        // The test server takes the address of a loopback port only by number.
        let address = address.replace("localhost", "127.0.0.1");
        if arguments.contains(&"http://localhost/back") {
            assert!(parameter(&address, "redirect_uri").ends_with("%2Fback"), "{address}");
            session.send_control('c').unwrap();
            continue;
        }
        session.send_line(&world.server.decide(&address, true)).unwrap();
        assert_ended(session, 0);
        assert_stored(&world, stored);
    }
}

#[test]
fn a_registered_port_and_path_are_used() {
    let world = new("json");
    let mut command = elsewhere(
        &world,
        &["login", "--scope", "openid", "--redirect-uri", "http://127.0.0.1/cb"],
    );
    command.env("BROWSER", "/bin/true");
    let (ran, page) = log_in_with_browser(&world, command, true);
    ran.succeeded();
    assert!(page.contains("You are logged in"));
}

#[test]
fn parameters_are_sent() {
    let world = new("json");
    let arguments = [
        "login",
        "--parameter",
        "prompt=login",
        "--parameter",
        "access_type=online",
    ];
    let (mut child, _stderr, address) = waiting(with_browser(globus(&world, &arguments)));
    assert_eq!(parameter(&address, "prompt"), "login");
    assert_eq!(parameter(&address, "access_type"), "online");
    child.kill().unwrap();
    child.wait().unwrap();
}

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
fn without_a_screen_the_code_is_asked_for() {
    let world = new("json");
    let mut session = in_terminal(globus(&world, &["login"]));
    session.exp_string("There is no browser here.").unwrap();
    session.exp_string("Code here: ").unwrap();

    let mut command = globus(&world, &["login"]);
    command.env("BROWSER", "/nonexistent/browser");
    let mut session = in_terminal(command);
    session.exp_string("No browser could be opened.").unwrap();
    let address = announced(&mut session);
    let code = parameter(&world.server.decide(&address, true), "code");
    session.send_line(&code).unwrap();
    assert_ended(session, 0);
    assert_stored(&world, GROUPS);
}

/// The server holds its answer to the code until the signal is there.
#[test]
fn interrupted_after_the_code_was_sent_it_stores_the_tokens_first() {
    let world = new("json");
    let gate = Gate::new();
    world.server.script(Endpoint::Token, Fault::GateAfter(gate.clone()));
    let mut session = in_terminal(globus(&world, &["login", "--no-browser"]));
    let address = announced(&mut session);
    session.exp_string("Code here: ").unwrap();
    let code = parameter(&world.server.decide(&address, true), "code");
    session.send_line(&code).unwrap();
    arrived(&gate);
    interrupted_at(&gate, session);
    assert_stored(&world, GROUPS);

    let world = new("json");
    let gate = Gate::new();
    world.server.script(Endpoint::Token, Fault::GateBefore(gate.clone()));
    let mut session = in_terminal(elsewhere(&world, &["login", "--device", "--scope", "openid"]));
    session.exp_string("Enter this code there: ").unwrap();
    let user_code = session.read_line().unwrap();
    // Asked before it is approved, answered after.
    arrived(&gate);
    world.server.decide_device(user_code.trim(), true);
    interrupted_at(&gate, session);
    assert_stored(&world, "auth.globus.org");

    let world = new("json");
    let gate = Gate::new();
    world.server.script(Endpoint::Token, Fault::GateAfter(gate.clone()));
    let mut session = in_terminal(with_browser(globus(&world, &["login"])));
    let (_, address) = session.exp_regex("http[^\r]+").unwrap();
    let back = world.server.decide(&address, true);
    let browser = std::thread::spawn(move || visit(&back));
    arrived(&gate);
    interrupted_at(&gate, session);
    assert!(browser.join().unwrap().contains("You are logged in"));
    assert_stored(&world, GROUPS);
}

/// The signal of Ctrl-C comes while a request is at the gate, and is what the command ends of.
fn interrupted_at(gate: &Gate, mut session: PtySession) {
    // Typed, it would take a while to become a signal.
    session.process_mut().signal(Signal::SIGINT).unwrap();
    gate.open();
    let (said, status) = rest(session);
    let interrupted = matches!(status, WaitStatus::Signaled(_, Signal::SIGINT, _));
    assert!(interrupted, "{status:?}: {said}");
    assert!(
        said.contains("interrupted: the login is on its way to the server"),
        "{said}"
    );
    assert!(
        said.contains("interrupted: what the server answered is stored"),
        "{said}"
    );
}

#[test]
fn interrupted_it_ends_at_once() {
    let world = new("json");
    let browser = with_browser(globus(&world, &["login"]));
    for (command, waits_at, waits_for) in [
        (
            globus(&world, &["login", "--no-browser"]),
            "Code here: ",
            "to be pasted",
        ),
        (browser, "again with --no-browser:", "the browser to come back"),
        (elsewhere(&world, &["login", "--device"]), "Waiting", "the other device"),
    ] {
        let mut session = in_terminal(command);
        session.exp_string(waits_at).unwrap();
        session.send_control('c').unwrap();
        let (told, status) = rest(session);
        assert!(
            matches!(status, WaitStatus::Signaled(_, Signal::SIGINT, _)),
            "{status:?}"
        );
        assert!(
            told.contains("interrupted while waiting for") && told.contains(waits_for),
            "{told}"
        );
        assert!(told.contains("nothing was stored"), "{told}");
    }
    assert_eq!(world.server.count(Endpoint::Token), 0);
    assert_nothing_stored(&world);
}

/// One process refreshes, and its answer is held; the other waits for it.
#[test]
fn interrupted_while_another_process_refreshes_it_says_so() {
    let world = World::expired("sqlite");
    let gate = Gate::new();
    world.server.script(Endpoint::Token, Fault::GateAfter(gate.clone()));
    let holder = world.spawn(&["access-token", GROUPS]);
    arrived(&gate);
    let mut session = in_terminal(world.command(&["access-token", GROUPS]));
    session.exp_string("waiting for another process").unwrap();
    session.send_control('c').unwrap();
    let (told, status) = rest(session);
    assert!(
        matches!(status, WaitStatus::Signaled(_, Signal::SIGINT, _)),
        "{status:?}"
    );
    assert!(
        told.contains("interrupted while waiting for another process") && told.contains("nothing was stored"),
        "{told}"
    );
    gate.open();
    Ran::of(holder.wait_with_output().unwrap()).succeeded();
    assert_eq!(world.server.refresh_requests(), 1, "the other one is not disturbed");
}

/// Whatever is said: prompts, notes, warnings, interruptions, errors.
#[test]
fn with_json_each_line_on_standard_error_is_json() {
    let world = new("json");
    let is_json = |said: &str| {
        for line in said.lines().filter(|line| !line.trim().is_empty()) {
            let value: Result<serde_json::Value, _> = serde_json::from_str(line.trim());
            assert!(value.is_ok_and(|value| value.is_object()), "{line:?} in {said}");
        }
    };
    // A file that is open to others is warned of.
    std::fs::write(world.cli.file(), "").unwrap();
    std::fs::set_permissions(world.cli.file(), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    for (command, waits_for) in [
        (with_browser(globus(&world, &["login", "--json"])), "the browser"),
        (globus(&world, &["login", "--json", "--no-browser"]), "pasted"),
        (elsewhere(&world, &["login", "--json", "--device"]), "the other device"),
    ] {
        let mut session = in_terminal(command);
        let prompt = match waits_for {
            "pasted" => "Authorization Code here",
            "the browser" => "http",
            _ => "Waiting until",
        };
        let (before, found) = session.exp_regex(&format!("{prompt}[^\r]*")).unwrap();
        session.send_control('c').unwrap();
        let (after, _) = rest(session);
        let said = format!("{before}{found}{after}").replace("^C", "");
        is_json(&said);
        assert!(
            said.contains("interrupted while waiting for") && said.contains(waits_for),
            "{said}"
        );
    }
    let gate = Gate::new();
    world.server.script(Endpoint::Token, Fault::GateAfter(gate.clone()));
    let (mut child, stderr, address) = waiting(with_browser(globus(&world, &["login", "--json"])));
    let back = world.server.decide(&address, true);
    let browser = std::thread::spawn(move || visit(&back));
    arrived(&gate);
    let mut kill = Command::new("kill");
    kill.args(["-INT", &child.id().to_string()]).status().unwrap();
    gate.open();
    browser.join().unwrap();
    child.wait().unwrap();
    let ran = ended(child, stderr);
    is_json(&ran.stderr);
    assert!(ran.stderr.contains("what the server answered is stored"), "{ran:?}");
    let failed = run(globus(&world, &["login", "--json", "--client-credentials"])).ended(2);
    is_json(&failed.stderr);
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

#[test]
fn a_device_login_sends_parameters_too() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = |path| format!("http://{}/{path}", listener.local_addr().unwrap());
    let (token, device) = (at("token"), at("device"));
    let world = new("json");
    let mut command = elsewhere(
        &world,
        &["login", "--device", "--parameter", "prompt=login", "--client-id", "c"],
    );
    command.env_remove("TOKEN_STORAGE_ISSUER").args([
        "--token-endpoint",
        &token,
        "--device-authorization-endpoint",
        &device,
    ]);
    let asked = thread::spawn(move || {
        let mut connection = listener.accept().unwrap().0;
        let mut asked = String::new();
        while !asked.contains("client_id=c") {
            let mut part = [0; 4096];
            let length = connection.read(&mut part).unwrap();
            assert_ne!(length, 0, "{asked}");
            asked += str::from_utf8(&part[..length]).unwrap();
        }
        let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 31\r\n\r\n{\"error\":\"unauthorized_client\"}";
        connection.write_all(answer).unwrap();
        asked
    });
    run(command).ended(2).says("unauthorized_client");
    assert!(asked.join().unwrap().contains("prompt=login"));
}
