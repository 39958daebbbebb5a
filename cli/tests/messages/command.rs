//! What the command says: each case in lines for people and in JSON, which say the same.

use std::{
    io::{BufReader, Read as _, Write as _},
    process::{Command, Stdio},
};

use serde_json::Value;
use token_storage_auth_testing::auth_server::{AuthServer, Config, Endpoint, Fault};

use crate::{
    common::{
        CANARY, Cli, Ran,
        world::{GROUPS, World, expired},
    },
    rules::{By, Message},
    servers::{self, Tls},
};

pub(crate) fn messages() -> Vec<Message> {
    let mut all = connections();
    all.extend(refreshes());
    all.extend(endings());
    all.extend(services());
    all.extend(logins());
    all
}

/// Runs a command twice, in each way of speaking, on a world of its own, and gives what it said about the server last: its
/// error, or else its last warning or note.
fn told(when: &str, case: impl Fn() -> Case) -> Message {
    let [plain, json] = [false, true].map(|json| {
        let case = case();
        let (said, server) = (case.run(json), case.server.clone());
        (said, server)
    });
    let lines: Vec<&str> = plain
        .0
        .lines()
        .filter_map(|line| line.strip_prefix("token-storage: "))
        .collect();
    let text = lines.last().unwrap_or_else(|| panic!("{when}: {plain:?}"));
    let message = Message::new(By::Command, when, text.trim_start_matches("warning: "), &plain.1);
    let told: Vec<Value> = json
        .0
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{when}: no JSON: {line}")))
        .collect();
    let said = told
        .last()
        .and_then(|value| value.as_object()?.values().next()?["message"].as_str());
    let same = Message::new(
        By::Command,
        when,
        said.unwrap_or_else(|| panic!("{when}: {json:?}")),
        &json.1,
    );
    assert_eq!(message.text, same.text, "{when}: the same in both");
    message
}

/// Something to run, and the server that it is about.
struct Case {
    world: World,
    /// Kept, so that its port is.
    _other: Option<AuthServer>,
    server: String,
    arguments: Vec<String>,
    variables: Vec<(&'static str, String)>,
    /// What is pasted once the address to log in at is known.
    paste: Option<fn(&AuthServer, &str) -> String>,
}

impl Case {
    fn new(world: World, arguments: &[&str]) -> Self {
        Self {
            server: world.server.url(),
            world,
            _other: None,
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
            variables: Vec::new(),
            paste: None,
        }
    }

    /// A token that has expired, refreshed at this address.
    fn at(server: String, more: &[&str]) -> Self {
        let world = World::expired("json");
        let mut case = Self::new(
            world,
            &["access-token", GROUPS, "--client-id", "client", "--issuer", &server],
        );
        case.arguments.extend(more.iter().map(|&text| text.to_owned()));
        case.server = server;
        case
    }

    fn with_fault(self, endpoint: Endpoint, fault: Fault) -> Self {
        self.world.server.script_all(endpoint, Some(fault));
        self
    }

    fn pasting(mut self, paste: fn(&AuthServer, &str) -> String) -> Self {
        self.paste = Some(paste);
        self
    }

    fn run(&self, json: bool) -> String {
        let mut arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        arguments.extend(json.then_some("--json"));
        let mut command: Command = self.world.command(&arguments);
        command.env(crate::AUTHORITIES, servers::AUTHORITY);
        command.envs(self.variables.iter().map(|(name, value)| (*name, value)));
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        if let Some(paste) = self.paste {
            let address = address(&mut stderr, json);
            writeln!(child.stdin.take().unwrap(), "{}", paste(&self.world.server, &address)).unwrap();
        }
        stderr.read_to_string(&mut said).unwrap();
        let mut ran = Ran::of(child.wait_with_output().unwrap());
        ran.stderr = said;
        assert!(!self.world.server.shows_token(&ran.stderr), "{ran:?}");
        // The prompt stands before what comes next on the line.
        ran.stderr.replace("Code here: ", "\n").replace("address here: ", "\n")
    }
}

/// The address to log in at.
fn address(stderr: &mut impl std::io::BufRead, json: bool) -> String {
    loop {
        let mut line = String::new();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "no address");
        let text = match json {
            true => serde_json::from_str::<Value>(&line).unwrap()["note"]["message"]
                .as_str()
                .unwrap()
                .to_owned(),
            false => line,
        };
        if let Some(address) = text.lines().find(|line| line.starts_with("http")) {
            return address.to_owned();
        }
    }
}

fn connections() -> Vec<Message> {
    let https = |address: std::net::SocketAddr| format!("https://{address}");
    let mut all = vec![
        told("nobody listens there", || {
            Case::at(format!("http://{}", servers::refusing()), &[])
        }),
        told("nobody knows the name", || {
            Case::at(format!("https://{}", servers::unknown_host()), &[])
        }),
        told("plain HTTP at an https address", || {
            Case::at(https(servers::saying(200, "")), &[])
        }),
        told("no answer in time", || {
            Case::at(format!("http://{}", servers::silent()), &["--timeout", "1"])
        }),
        told("there is no discovery document", || {
            Case::at(format!("http://{}", servers::saying(404, "")), &[])
        }),
        told("an address without encryption", || {
            let mut case = Case::at("http://auth.example.org".to_owned(), &[]);
            case.server = "auth.example.org".to_owned();
            case
        }),
    ];
    for (when, tls) in [
        ("a certificate for another name", Tls::WrongName),
        ("an expired certificate", Tls::Expired),
        ("a certificate of an unknown authority", Tls::Stranger),
    ] {
        all.push(told(when, || Case::at(https(servers::secured(tls)), &[])));
    }
    let mut texts: Vec<&str> = all.iter().map(|message| message.text.as_str()).collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), all.len(), "they are told apart: {all:#?}");
    all
}

fn says(status: u16, body: &'static str) -> Fault {
    Fault::Answer {
        status,
        content_type: "application/json",
        body,
    }
}

fn fails() -> Fault {
    Fault::Status {
        status: 503,
        retry_after: None,
    }
}

fn refreshes() -> Vec<Message> {
    let mut all = Vec::new();
    for (when, fault) in [
        (
            "the refresh token is refused, with a reason",
            says(
                400,
                r#"{"error":"invalid_grant","error_description":"The session has ended."}"#,
            ),
        ),
        (
            "the token or the request is refused",
            says(400, r#"{"error":"invalid_request"}"#),
        ),
        ("the client is refused", says(401, r#"{"error":"invalid_client"}"#)),
        (
            "an error that nobody knows",
            says(400, r#"{"error":"computer_says_no"}"#),
        ),
        ("the server fails", fails()),
        ("a success that cannot be read", Fault::Garbage),
        ("the connection breaks", Fault::DropConnection),
        (
            "the request is repeated in the answer",
            Fault::Echo {
                status: 400,
                error: "invalid_grant",
            },
        ),
    ] {
        all.push(told(when, || {
            Case::new(World::expired("json"), &["access-token", GROUPS]).with_fault(Endpoint::Token, fault.clone())
        }));
    }
    all.push(told("it was refused to another process before", || {
        let world = World::expired("json");
        world.server.revoke_everything();
        world.run(&["access-token", GROUPS]).ended(4);
        Case::new(world, &["access-token", GROUPS])
    }));
    all.push(told("the token is still good for a little", || {
        let world = World::empty(Cli::new("json"), Config::default());
        let mut response = expired(world.issue(crate::common::world::GROUPS_SCOPE));
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        response["expires_at_seconds"] = (now.as_secs() + 50).into();
        world.store(&response.to_string());
        Case::new(world, &["access-token", GROUPS]).with_fault(Endpoint::Token, fails())
    }));
    all.push(told("the answer is odd", || {
        Case::new(World::expired("json"), &["access-token", GROUPS])
            .with_fault(Endpoint::Token, Fault::Member("expires_in", "-5"))
    }));
    all.push(told("the options name another server", || {
        let world = World::empty(Cli::new("json"), Config::default());
        let mut response = expired(world.issue(crate::common::world::GROUPS_SCOPE));
        response["token_storage_issuer"] = world.server.url().into();
        world.store(&response.to_string());
        Case::new(
            world,
            &["access-token", GROUPS, "--issuer", "https://elsewhere.example"],
        )
    }));
    all
}

fn endings() -> Vec<Message> {
    vec![
        told("revocation fails", || {
            Case::new(World::new("json"), &["logout", GROUPS]).with_fault(Endpoint::Revoke, fails())
        }),
        told("no revocation endpoint is known", || {
            let world = World::new("json");
            let (issuer, endpoint) = (world.server.url(), world.server.token_url());
            Case::new(
                world,
                &["logout", GROUPS, "--issuer", &issuer, "--token-endpoint", &endpoint],
            )
        }),
    ]
}

fn services() -> Vec<Message> {
    let mut all = Vec::new();
    for (when, fault) in [
        ("a service refuses the token", says(401, "")),
        ("a service refuses the scopes", says(403, "")),
        ("a service fails", fails()),
        ("a service cannot be understood", says(404, "")),
        ("a service does not answer", Fault::DropConnection),
    ] {
        all.push(told(when, || {
            Case::new(World::new("json"), &["groups"]).with_fault(Endpoint::Groups, fault.clone())
        }));
    }
    all.push(told("nobody says who somebody is", || {
        let world = World::empty(Cli::new("json"), Config::default());
        world.log_in("openid");
        let (issuer, endpoint) = (world.server.url(), world.server.token_url());
        Case::new(world, &["whoami", "--issuer", &issuer, "--token-endpoint", &endpoint])
    }));
    all
}

fn logins() -> Vec<Message> {
    const PASTE: [&str; 4] = ["login", "--no-browser", "--scope", "openid"];
    let nobody = || World::empty(Cli::new("json"), Config::default());
    let pasted = |paste| Case::new(nobody(), &PASTE).pasting(paste);
    let mut all = vec![
        told("the address to log in at is pasted", || {
            pasted(|_, address| address.to_owned())
        }),
        told("the answer of another login is pasted", || {
            pasted(|_, _| format!("http://127.0.0.1/?code={CANARY}&state=x"))
        }),
        told("a wrong code is pasted", || pasted(|_, _| CANARY.to_owned())),
        told("the person says no", || {
            pasted(|server, address| server.decide(address, false))
        }),
        told("scopes were not granted", || {
            pasted(|server, address| server.decide(address, true))
                .with_fault(Endpoint::Token, Fault::Member("scope", r#""email""#))
        }),
        told("there is no refresh token", || {
            pasted(|server, address| server.decide(address, true))
                .with_fault(Endpoint::Token, Fault::Omit(&["refresh_token"]))
        }),
        told("a server has no device flow", || {
            let world = nobody();
            let (issuer, endpoint) = (world.server.url(), world.server.token_url());
            Case::new(
                world,
                &["login", "--device", "--issuer", &issuer, "--token-endpoint", &endpoint],
            )
        }),
        told("another server's record is in the way", || {
            let world = nobody();
            let mut response = expired(world.issue("read"));
            response["resource_server"] = "api".into();
            response["token_storage_issuer"] = "https://elsewhere.example".into();
            world.store(&response.to_string());
            Case::new(world, &["login", "--device", "--resource-server", "api"])
        }),
    ];
    for (when, fault) in [
        (
            "the person says no, on another device",
            says(400, r#"{"error":"access_denied"}"#),
        ),
        (
            "nobody says anything, on another device",
            says(400, r#"{"error":"expired_token"}"#),
        ),
    ] {
        all.push(told(when, || {
            let mut config = Config::default();
            config.device_interval = 1;
            let world = World::empty(Cli::new("json"), config);
            Case::new(world, &["login", "--device"]).with_fault(Endpoint::Token, fault.clone())
        }));
    }
    all
}
