//! Clients that prove who they are, tokens of their own, and the APIs that tokens are for.
#![cfg(all(feature = "oauth", feature = "json", feature = "sqlite", unix))]

mod common;

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};

use common::{
    Cli, Ran,
    world::{World, arrived},
};
use serde_json::{Value, json};
use token_storage_auth_testing::auth_server::{AuthServer, Config, Endpoint, Fault, Gate, LoggedRequest, profile};

const API: &str = "api.example.org";
const RESOURCES: [&str; 4] = ["--resource", "https://a.example/", "--resource", "https://b.example/"];
const AUDIENCE: [&str; 2] = ["--audience", "the api"];

/// [`AuthServer::SERVICE_KEY`] as JWK.
fn jwk() -> Value {
    json!({
        "kty": "EC",
        "crv": "P-256",
        "kid": AuthServer::SERVICE_KEY_ID,
        "use": "sig",
        "x": "EhjJmGbeuVgPekd871DMFgM2XCNku3IMtWXmOSgZTKw",
        "y": "UyFtLnG7iUCMJ_eGzAUyH1ZOhxHQ9ZuUhyJJxbx5qSo",
        "d": "e_4C5MScOKR7I5yb42EmFisE9j2FW0s92udfxI91xFo",
    })
}

/// How a client proves itself: what the server insists on, its secret, and options.
struct Way {
    client: profile::Client,
    secret: &'static str,
    options: &'static [&'static str],
}

const fn way(client: profile::Client, secret: &'static str, options: &'static [&'static str]) -> Way {
    Way {
        client,
        secret,
        options,
    }
}

const WAYS: [Way; 7] = [
    way(
        profile::Client::Basic,
        AuthServer::SERVICE_SECRET,
        &["--client-secret-file", "secret"],
    ),
    way(
        profile::Client::Post,
        AuthServer::SERVICE_SECRET,
        &["--client-secret-file", "secret", "--client-secret-in", "form"],
    ),
    way(
        profile::Client::SecretJwt,
        AuthServer::SERVICE_SECRET,
        &["--client-secret-file", "secret", "--client-secret-in", "jwt"],
    ),
    way(profile::Client::Basic, "", &["--client-secret-empty"]),
    way(
        profile::Client::Post,
        "",
        &["--client-secret-empty", "--client-secret-in", "form"],
    ),
    way(profile::Client::KeyJwt, "canary", &["--client-key-file", "key.pem"]),
    way(profile::Client::KeyJwt, "canary", &["--client-key", "key.jwk"]),
];

/// A server that names no resource server, and the client's secret and key in files.
fn world(scheme: &str, way: &Way) -> World {
    let mut config = Config::default();
    config.name_resource_server = false;
    config.profile.client = Some(way.client);
    config.service_secret = way.secret.to_owned();
    let world = World::empty(Cli::new(scheme), config);
    let write = |name: &str, text: &str| std::fs::write(world.cli.folder().join(name), text).unwrap();
    write("secret", AuthServer::SERVICE_SECRET);
    write("key.pem", AuthServer::SERVICE_KEY);
    write("key.jwk", &jwk().to_string());
    world
}

fn command(world: &World, arguments: &[&str]) -> Command {
    let mut command = world.command(arguments);
    command.env("TOKEN_STORAGE_CLIENT_ID", AuthServer::SERVICE_CLIENT);
    command
}

fn run(world: &World, arguments: &[&str]) -> Ran {
    Ran::of(command(world, arguments).output().unwrap())
}

fn of_client(request: &LoggedRequest) -> bool {
    request.endpoint == Endpoint::Token && request.grant_type() == Some("client_credentials")
}

fn own_requests(world: &World) -> Vec<LoggedRequest> {
    world.server.requests().into_iter().filter(of_client).collect()
}

/// The record as it was an hour ago.
fn expire(world: &World) {
    let mut record = world.record(API);
    record["expires_at_seconds"] = 1000.into();
    world.store(&record.to_string());
}

fn assert_named(request: &LoggedRequest) {
    let targets: Vec<_> = request
        .targets
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let want = [
        ("resource", "https://a.example/"),
        ("resource", "https://b.example/"),
        ("audience", "the api"),
    ];
    assert_eq!(targets, want, "{request:?}");
}

const OWN: [&str; 6] = [
    "login",
    "--client-credentials",
    "--scope",
    "read",
    "--resource-server",
    API,
];

/// An answer that comes later than that is not waited for; without the option it would be.
#[test]
fn a_login_waits_for_a_server_no_longer_than_it_may() {
    for endpoint in [Endpoint::Token, Endpoint::OpenIdConfiguration] {
        let world = world("json", &WAYS[0]);
        let late = Fault::Delay(std::time::Duration::from_secs(30));
        world.server.script(endpoint, late);
        let ran = run(&world, &[&OWN[..], WAYS[0].options, &["--timeout", "1"]].concat());
        // Two clocks of the same length: that of the command, that of the request.
        let told = ran.ended(7).stderr;
        assert!(told.contains(&world.server.url()), "{told}");
        assert!(
            told.contains("no answer from") || told.contains("did not answer in time"),
            "{told}"
        );
    }
}

#[test]
fn a_client_has_a_token_of_its_own_that_all_processes_renew_once() {
    for (nth, way) in WAYS.iter().enumerate() {
        let world = world(["sqlite", "json"][nth % 2], way);
        let with = |arguments: &[&'static str]| -> Vec<&'static str> { [arguments, way.options].concat() };
        let ran = run(&world, &[&with(&OWN)[..], &RESOURCES, &AUDIENCE].concat());
        let ran = ran.succeeded().quiet();
        assert_eq!(ran.stderr, "", "a client needs no refresh token");
        let first = run(&world, &with(&["access-token", API])).succeeded().stdout;
        assert!(world.server.is_active(first.trim()));
        assert_eq!(own_requests(&world).len(), 1, "a good token costs no request");

        expire(&world);
        let gate = Gate::new();
        world.server.script(Endpoint::Token, Fault::GateAfter(gate.clone()));
        let line = with(&["access-token", API]);
        let children: Vec<_> = (0..8).map(|_| command(&world, &line).spawn().unwrap()).collect();
        arrived(&gate);
        gate.open();
        let ended = children.into_iter().map(|child| child.wait_with_output().unwrap());
        let tokens: BTreeSet<_> = ended.map(|output| Ran::of(output).succeeded().stdout).collect();
        assert_eq!(tokens.len(), 1, "all get the same");
        let requests = own_requests(&world);
        assert_eq!(requests.len(), 2, "one request for the expiry");
        requests.iter().for_each(assert_named);

        let shown = run(&world, &["get", API, "--json"]).succeeded().quiet().json();
        assert_eq!(shown["token_storage_grant"], "client_credentials");
        assert_eq!(shown["token_storage_client_auth"], way.client.method());
        assert_eq!(shown["token_storage_parameters"][2], json!(["audience", "the api"]));
        let shown = run(&world, &["get", API]).succeeded().quiet().stdout;
        assert!(
            shown.contains("the client itself") && shown.contains("https://b.example/"),
            "{shown}"
        );
        let who = run(&world, &with(&["whoami", API])).succeeded();
        assert_eq!(who.stdout.trim(), AuthServer::SERVICE_CLIENT);
        expire(&world);
        let child = [&with(&["exec"])[..], &["--", "printenv", "TOKEN_STORAGE_ACCESS_TOKEN"]].concat();
        let token = run(&world, &child).succeeded().stdout;
        assert!(world.server.is_active(token.trim()) && !tokens.contains(&token));
    }
}

/// Where the secret goes, the scope and the APIs are in the record; only what proves the client is not.
#[test]
fn again_is_as_before() {
    for way in &WAYS {
        let world = world("json", way);
        let login = [&OWN[..], way.options, &RESOURCES, &AUDIENCE].concat();
        run(&world, &login).succeeded();
        let file_alone = match way.options {
            [file, name, "--client-secret-in", _] => &[*file, *name][..],
            ["--client-secret-empty", ..] => &["--client-secret-empty"],
            other => other,
        };
        let again = [&["login", "--again", API][..], file_alone].concat();
        run(&world, &again).succeeded().quiet();
        let requests = own_requests(&world);
        assert_eq!(requests.len(), 2);
        requests.iter().for_each(assert_named);
        assert_eq!(requests[1].params["scope"], "read");
        let other = [&again[..], &["--audience", "another", "--scope", "write"]].concat();
        run(&world, &other).succeeded();
        let last = own_requests(&world).pop().unwrap();
        assert_eq!(last.params["scope"], "write");
        let audiences: Vec<_> = last.targets.iter().filter(|(name, _)| name == "audience").collect();
        assert_eq!(audiences, [&("audience".to_owned(), "another".to_owned())]);
        assert_eq!(last.targets.len(), 3, "the resources are as before");
        expire(&world);
        run(&world, &[&["access-token", API][..], file_alone].concat()).succeeded();
    }
}

#[test]
fn the_variables_say_it_too() {
    let key = [("TOKEN_STORAGE_CLIENT_KEY", AuthServer::SERVICE_KEY)];
    let named = [key[0], ("TOKEN_STORAGE_CLIENT_KEY_ID", AuthServer::SERVICE_KEY_ID)];
    let file = [("TOKEN_STORAGE_CLIENT_KEY_FILE", "key.pem")];
    let empty = [("TOKEN_STORAGE_CLIENT_SECRET_EMPTY", "true")];
    let jwt = [
        ("TOKEN_STORAGE_CLIENT_SECRET", AuthServer::SERVICE_SECRET),
        ("TOKEN_STORAGE_CLIENT_SECRET_IN", "jwt"),
    ];
    for (way, variables) in [
        (&WAYS[5], &key[..]),
        (&WAYS[5], &named),
        (&WAYS[5], &file),
        (&WAYS[3], &empty),
        (&WAYS[2], &jwt),
    ] {
        let world = world("json", way);
        let mut command = command(&world, &OWN);
        Ran::of(command.envs(variables.iter().copied()).output().unwrap())
            .succeeded()
            .quiet();
    }
}

#[test]
fn a_key_can_be_known_by_its_certificate() {
    let mut config = Config::default();
    config.name_resource_server = false;
    config.profile.client = Some(profile::Client::KeyJwt);
    config.profile.by_certificate = true;
    let mut world = world("json", &WAYS[5]);
    world.server = AuthServer::start_with(config);
    let write = |name: &str, text: &str| std::fs::write(world.cli.folder().join(name), text).unwrap();
    write("certificate.pem", AuthServer::SERVICE_CERTIFICATE);
    let login = [&OWN[..], WAYS[5].options].concat();
    run(&world, &login).ended(2).says("rejects this client");
    let by_certificate = |name| run(&world, &[&login[..], &["--client-certificate-file", name]].concat());
    by_certificate("key.pem").ended(2).says("no certificate in PEM");
    by_certificate("nowhere").ended(2).says("cannot be read");
    by_certificate("certificate.pem").succeeded().quiet();
    expire(&world);
    let again = ["access-token", API, "--client-certificate-file", "certificate.pem"];
    run(&world, &[&again[..], WAYS[5].options].concat()).succeeded();
    assert_eq!(own_requests(&world).len(), 3);
}

#[test]
fn a_strange_audience_can_be_named() {
    let way = &WAYS[5];
    let mut config = Config::default();
    config.name_resource_server = false;
    config.issuer_as_audience = true;
    let mut world = world("json", way);
    world.server = AuthServer::start_with(config);
    let url = world.server.url();
    let login = [&OWN[..], way.options].concat();
    run(&world, &login).ended(2).says("rejects this client");
    run(&world, &[&login[..], &["--client-assertion-audience", &url]].concat()).succeeded();
}

#[test]
fn what_cannot_prove_the_client_is_a_matter_of_the_command_line() {
    let world = world("json", &WAYS[5]);
    let write = |name: &str, text: &str| std::fs::write(world.cli.folder().join(name), text).unwrap();
    write("odd", "canary");
    write("odd.jwk", r#"{"kty":"EC","crv":"P-521","d":"canary"}"#);
    for (options, said) in [
        (&[][..], "--client-key-file"),
        (&["--client-key-file", "nowhere"], "cannot be read"),
        (&["--client-key-file", "odd"], "no private key in PEM"),
        (&["--client-key-file", "odd.jwk"], "private JWK"),
        (
            &["--client-key-file", "key.pem", "--client-key-algorithm", "RS256"],
            "ES256",
        ),
        (
            &["--client-key-file", "key.pem", "--client-secret-file", "secret"],
            "both a secret and a key",
        ),
        (
            &["--client-key-file", "key.pem", "--client-key-id", "another"],
            "rejects this client",
        ),
        (
            &["--client-secret-file", "secret", "--client-secret-empty"],
            "--client-secret-empty",
        ),
    ] {
        run(&world, &[&OWN[..], options].concat()).ended(2).quiet().says(said);
    }
    write("empty", "");
    let empty = ["access-token", API, "--client-secret-file", "empty"];
    run(&world, &OWN).ended(2);
    run(&world, &[&OWN[..], &empty[2..]].concat())
        .ended(2)
        .says("--client-secret-empty");
}

/// Without its secret or key nothing is sent for it: a server may count failures.
#[test]
fn a_record_says_how_its_client_proves_itself() {
    for (way, said) in [(&WAYS[1], "--client-secret-file"), (&WAYS[5], "--client-key-file")] {
        let world = world("json", way);
        run(&world, &[&OWN[..], way.options].concat()).succeeded();
        run(&world, &["access-token", API]).succeeded();
        expire(&world);
        let before = world.server.requests().len();
        for line in [
            &["access-token", API][..],
            &["logout", API],
            &["login", "--again", API],
            &["exec", "--", "true"],
        ] {
            run(&world, line).ended(2).quiet().says(way.client.method()).says(said);
        }
        assert_eq!(world.server.requests().len(), before, "nothing was sent");
        // Nor to a server that only the record names.
        let mut elsewhere = command(&world, &[&["access-token", API][..], way.options].concat());
        elsewhere.env("TOKEN_STORAGE_ISSUER", "");
        Ran::of(elsewhere.output().unwrap()).ended(2).says("--issuer");
        assert_eq!(world.server.requests().len(), before);
        run(&world, &[&["logout", API][..], way.options].concat()).succeeded();
    }
}

/// Sent at the start, with the code, and with each refresh.
#[test]
fn a_person_logs_in_for_certain_apis() {
    let way = &WAYS[6];
    let world = world("sqlite", way);
    let login = ["login", "--no-browser", "--scope", "read", "--resource-server", API];
    log_in(&world, &[&login[..], way.options, &RESOURCES, &AUDIENCE].concat());
    run(&world, &[&["access-token", API, "--refresh"][..], way.options].concat()).succeeded();
    log_in(
        &world,
        &[&["login", "--again", API, "--no-browser"][..], way.options].concat(),
    );
    run(&world, &[&["access-token", API, "--refresh"][..], way.options].concat()).succeeded();
    let requests = world.server.requests();
    let token_requests: Vec<_> = requests
        .iter()
        .filter(|request| request.endpoint == Endpoint::Token)
        .collect();
    let grants: Vec<_> = token_requests
        .iter()
        .map(|request| request.grant_type().unwrap())
        .collect();
    let one = ["authorization_code", "refresh_token"];
    assert_eq!(grants, [one, one].concat());
    token_requests.into_iter().for_each(assert_named);
    let odd = [&login[..], &["--resource", "no address"]].concat();
    run(&world, &[&odd[..], way.options].concat()).ended(2).says("RFC 8707");
}

/// Visits the address that is printed, which names the APIs, and pastes where the browser ends.
fn log_in(world: &World, arguments: &[&str]) {
    let mut child = command(world, arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("http") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "no address was printed");
    }
    let address = line.trim_end();
    for part in [
        "resource=https%3A%2F%2Fa.example%2F",
        "resource=https%3A%2F%2Fb",
        "audience=the+api",
    ] {
        assert!(address.contains(part), "{address}");
    }
    let target = world.server.decide(address, true);
    writeln!(child.stdin.take().unwrap(), "{target}").unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(0), "{said}");
}

#[test]
fn a_child_learns_neither_secret_nor_key_nor_where_they_are() {
    let world = world("json", &WAYS[0]);
    run(&world, &[&OWN[..], WAYS[0].options].concat()).succeeded();
    let browser = world.cli.folder().join("browser");
    std::fs::write(&browser, "#!/bin/sh\nprintenv > \"$HOME/environment\"\n").unwrap();
    std::fs::set_permissions(&browser, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    for (variable, value) in [
        ("TOKEN_STORAGE_CLIENT_SECRET", AuthServer::SERVICE_SECRET),
        ("TOKEN_STORAGE_CLIENT_SECRET_FILE", "secret"),
        ("TOKEN_STORAGE_CLIENT_KEY", AuthServer::SERVICE_KEY),
        ("TOKEN_STORAGE_CLIENT_KEY_FILE", "key.pem"),
    ] {
        let mut child = command(&world, &["exec", "--", "printenv"]);
        let ran = Ran::of(child.env(variable, value).output().unwrap()).succeeded();
        assert!(ran.stdout.contains("TOKEN_STORAGE_ACCESS_TOKEN=") && !ran.stdout.contains(&format!("{variable}=")));
        let mut login = command(&world, &["login", "--timeout", "1"]);
        Ran::of(login.env("BROWSER", &browser).env(variable, value).output().unwrap()).ended(1);
        let environment = std::fs::read_to_string(world.cli.folder().join("environment")).unwrap();
        assert!(
            environment.contains("PATH=") && !environment.contains(&format!("{variable}=")),
            "{environment}"
        );
    }
}
