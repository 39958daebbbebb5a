//! The ways to log in: a browser, a pasted code, another device; and what they are told.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use token_storage_auth_testing::auth_server::{AuthServer, Config};

use crate::{
    announced, assert_ended, assert_stored,
    common::{
        Cli,
        world::{GROUPS, World, on_each_storage},
    },
    elsewhere, globus, in_terminal, log_in_with_browser, new, parameter, run, waiting, with_browser,
};

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
