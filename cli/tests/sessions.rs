//! What people do while they are logged in: using tokens, asking who they are, logging out. On every storage.
#![cfg(all(feature = "oauth", feature = "json"))]

mod common;

use std::process::{Child, Stdio};

use common::{
    Cli, Ran,
    world::{GROUPS, GROUPS_CSV, GROUPS_SCOPE, World, arrived, expired, on_each_storage},
};
use serde_json::{Value, json};
use token_storage_auth_testing::auth_server::{AuthServer, Config, Endpoint, Fault, Gate};

fn status(status: u16) -> Fault {
    Fault::Status {
        status,
        retry_after: None,
    }
}

#[test]
fn groups_are_rfc_4180_on_every_storage() {
    on_each_storage(|world| {
        world.run(&["groups"]).ended(3).says("`token-storage login`");
        world.log_in_expired(GROUPS_SCOPE);
        assert_eq!(world.run(&["groups"]).succeeded().stdout, GROUPS_CSV);
        assert_eq!(world.server.refresh_requests(), 1, "the token was refreshed");
        let groups = world.run(&["groups", "--json"]).succeeded().json();
        assert_eq!(groups["groups"][0]["roles"], json!(["admin", "member"]));
        assert_eq!(groups["groups"][1]["name"], "Línea\nnueva");
        assert_eq!(groups["groups"][1]["enforce_session"], true);
        assert_eq!(world.server.refresh_requests(), 1, "and the new one was stored");
        assert_eq!(world.server.reuse_detections(), 0);
    });
}

#[test]
fn a_401_is_answered_with_one_refresh() {
    let world = World::new("json");
    world.server.expire_access_tokens();
    assert_eq!(world.run(&["groups"]).succeeded().stdout, GROUPS_CSV);
    assert_eq!(world.server.refresh_requests(), 1);
    world.server.script_all(Endpoint::Groups, Some(status(401)));
    world
        .run(&["groups"])
        .ended(4)
        .quiet()
        .says("`token-storage login --again groups.api.globus.org`");
    assert_eq!(world.server.refresh_requests(), 2, "no third try");
}

#[test]
fn what_the_groups_service_answers_has_an_exit_code() {
    let world = World::new("json");
    for (fault, code, part) in [
        (status(503), 7, "try again later"),
        (status(302), 1, "status 302"),
        (Fault::Garbage, 7, "cannot be read"),
        (Fault::DropConnection, 7, "no answer"),
    ] {
        world.server.script(Endpoint::Groups, fault);
        let ran = world.run(&["groups"]).ended(code).says(part);
        assert_eq!(ran.stdout, "");
    }
    let poor = World::empty(Cli::new("json"), Config::default());
    poor.log_in("urn:globus:auth:scope:groups.api.globus.org:other");
    poor.run(&["groups"]).ended(1).says("--scope");
    assert_eq!(poor.server.refresh_requests(), 0, "a refresh does not widen a scope");
}

#[test]
fn whoami_asks_the_server_or_the_record() {
    on_each_storage(|world| {
        for nobody_named_it in [&["whoami"][..], &["--quoted", "whoami"]] {
            let ran = world.run(nobody_named_it).ended(3);
            ran.says("auth.globus.org: there is no token")
                .says("token-storage login");
        }
        world.log_in_expired(&format!("openid {GROUPS_SCOPE}"));
        let line = format!("ada@example.org\tAda Example\t{}\n", AuthServer::IDENTITY);
        assert_eq!(world.run(&["whoami"]).succeeded().stdout, line);
        assert_eq!(
            world.run(&["whoami", "--json"]).succeeded().json()["sub"],
            AuthServer::IDENTITY
        );
        world.run(&["whoami", "--offline"]).ended(3).says("openid");
        world.run(&["whoami", GROUPS]).ended(3).says("openid");

        let mut response = world.issue("profile");
        response["identity_id"] = "me\n".into();
        world.store(&response.to_string());
        let offline = world.run(&["whoami", "--offline"]).succeeded();
        assert_eq!(offline.stdout, "\"me\\u000a\"\n", "nothing forges a line");
        assert_eq!(world.run(&["whoami"]).succeeded().stdout, offline.stdout);
    });
}

#[test]
fn an_odd_userinfo_is_a_failure() {
    let world = World::new("json");
    world.log_in("openid");
    for fault in [Fault::Garbage, Fault::Omit(&["sub"]), Fault::Member("sub", "7")] {
        world.server.script(Endpoint::UserInfo, fault);
        world.run(&["whoami"]).ended(7).quiet().says("cannot be read");
    }
    world.server.script(Endpoint::UserInfo, status(500));
    world.run(&["whoami"]).ended(7).quiet();
}

#[cfg(unix)]
#[test]
fn exec_ends_as_its_command() {
    use std::os::unix::process::ExitStatusExt as _;

    let world = World::expired("json");
    let sh = |script: &str| world.run(&["exec", "--rs", GROUPS, "--", "sh", "-c", script]);
    assert_eq!(sh("exit 0").code, Some(0));
    assert_eq!(sh("exit 77").code, Some(77));
    let mut killed = world.command(&["exec", "--rs", GROUPS, "--", "sh", "-c", "kill -TERM $$"]);
    assert_eq!(killed.status().unwrap().signal(), Some(15));
    world.run(&["exec", "--rs", GROUPS, "--", "no-such-command"]).ended(127);
    world.run(&["exec", "--rs", GROUPS, "--", "/"]).ended(126);
    world.run(&["exec", "--rs", "nowhere", "--", "true"]).ended(3);
    world.run(&["exec", "--rs", GROUPS]).ended(2).says("COMMAND");
    world
        .run(&["exec", "--rs", GROUPS, "--env", "A=B", "--", "true"])
        .ended(2);
    assert_eq!(world.server.refresh_requests(), 1);
}

#[cfg(unix)]
#[test]
fn exec_gives_the_token_in_the_variable() {
    let world = World::new("json");
    let token = world.run(&["access-token", GROUPS]).succeeded().stdout;
    let print = |name: &str| format!("printf '%s\\n' \"${name}\"");
    let exec = |arguments: &[&str], name: &str| {
        let script = print(name);
        let command = ["--", "sh", "-c", &script];
        world
            .run(&[&["exec"][..], arguments, &command].concat())
            .succeeded()
            .stdout
    };
    assert_eq!(exec(&["--rs", GROUPS], "TOKEN_STORAGE_ACCESS_TOKEN"), token);
    assert_eq!(
        exec(&["--env", "MINE"], "MINE"),
        token,
        "the only one need not be named"
    );
    world.log_in("openid");
    world.run(&["exec", "--", "true"]).ended(2).says("--resource-server");
    world.run(&["exec", "--namespace", "other", "--", "true"]).ended(3);
    let forged = r#"{"access_token":"canary\nX: y","resource_server":"forged"}"#;
    world.store(forged);
    world
        .run(&["exec", "--rs", "forged", "--", "true"])
        .ended(5)
        .says("line break");
}

/// No process shows the token among its arguments, before or after the command took over.
#[cfg(target_os = "linux")]
#[test]
fn exec_shows_the_token_to_nobody() {
    use std::io::{BufRead as _, BufReader};

    let world = World::new("json");
    let token = world.run(&["access-token", GROUPS]).succeeded().stdout;
    let mut command = world.command(&["exec", "--rs", GROUPS, "--", "sh", "-c", "echo ready; read -r line"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "ready\n");
    let read = |name: &str| String::from_utf8(std::fs::read(format!("/proc/{}/{name}", child.id())).unwrap()).unwrap();
    let (arguments, environment) = (read("cmdline"), read("environ"));
    assert!(arguments.starts_with("sh\0-c\0"), "it is the command's own process");
    assert!(!arguments.contains(token.trim_end()));
    assert!(environment.contains(token.trim_end()), "or this test would see nothing");
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn logout_revokes_then_removes() {
    on_each_storage(|world| {
        world.log_in(GROUPS_SCOPE);
        let record = world.record(GROUPS);
        let ran = world.run(&["logout", GROUPS]).succeeded();
        assert_eq!(ran.stdout, format!("logged out {GROUPS}\n"));
        for name in ["access_token", "refresh_token"] {
            assert!(!world.server.is_active(record[name].as_str().unwrap()), "{name}");
        }
        world.run(&["get", GROUPS]).ended(3);
        world.run(&["logout", GROUPS]).ended(3).says("no token for");
    });
}

#[test]
fn what_cannot_be_revoked_stays() {
    let world = World::new("json");
    let record = world.record(GROUPS);
    for (fault, code) in [
        (status(503), 7),
        (Fault::DropConnection, 7),
        (
            Fault::Refuse {
                status: 400,
                error: "invalid_client",
            },
            2,
        ),
    ] {
        world.server.script_all(Endpoint::Revoke, Some(fault));
        world.run(&["logout", GROUPS]).ended(code).says("--local-only");
        assert_eq!(world.record(GROUPS), record);
    }
    world.server.script_all(Endpoint::Revoke, None);
    let token_endpoint = world.server.token_url();
    let blind = ["logout", GROUPS, "--token-endpoint", &token_endpoint];
    world.run(&blind).ended(2).says("no address where tokens are revoked");
    world.run(&["logout", GROUPS, "--local-only"]).succeeded();
    world.run(&["get", GROUPS]).ended(3);
    world.log_in("openid");
    let damaged = std::fs::read_to_string(world.cli.file())
        .unwrap()
        .replace("\"scope\"", "\"soup\"");
    std::fs::write(world.cli.file(), damaged).unwrap();
    let ran = world
        .run(&["logout", "auth.globus.org"])
        .ended(5)
        .says("cannot log out of");
    ran.says("--local-only");
    world.run(&["logout", "auth.globus.org", "--local-only"]).succeeded();
    assert!(world.server.is_active(record["refresh_token"].as_str().unwrap()));
}

#[test]
fn logout_of_everything() {
    on_each_storage(|world| {
        world.log_in(&format!("openid {GROUPS_SCOPE}"));
        if world.run(&["info", "--json"]).succeeded().json()["enumerates"] == false {
            let ran = world.run(&["logout", "--all"]).ended(2).says("cannot list");
            assert_eq!(ran.says("logout RESOURCE_SERVER").stdout, "");
            world.record(GROUPS);
            return;
        }
        world.run(&["logout"]).ended(2);
        world.run(&["logout", GROUPS, "--all"]).ended(2);
        let ran = world.run(&["logout", "--all", "--json"]).succeeded().json();
        let names: Vec<_> = ran["logged_out"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| &key["resource_server"])
            .collect();
        assert_eq!(names, ["auth.globus.org", GROUPS]);
        assert_eq!(world.server.live_refresh_tokens(), 0);
        world.run(&["logout", "--all"]).succeeded().says("no tokens");
    });
}

#[test]
fn logout_of_everything_goes_on_after_a_failure() {
    let world = World::new("json");
    world.log_in("openid");
    for _attempt in 0..3 {
        world.server.script(Endpoint::Revoke, status(503));
    }
    let ran = world.run(&["logout", "--all"]).ended(7).says("auth.globus.org");
    assert_eq!(ran.stdout, format!("logged out {GROUPS}\n"));
    assert_eq!(world.run(&["list"]).succeeded().stdout, "auth.globus.org\n");
}

/// A refresh and a logout at once, by their own processes.
struct Race {
    world: World,
    /// What was logged in with.
    first: Value,
}

impl Race {
    fn new(scheme: &str) -> Self {
        let world = World::expired(scheme);
        let first = world.record(GROUPS);
        Self { world, first }
    }

    /// Whoever was first: the record is gone, and so is every token that anybody has seen.
    fn ended(&self, refresh: Child, logout: Child) {
        let [refresh, logout] = [refresh, logout].map(|child| Ran::of(child.wait_with_output().unwrap()));
        logout.succeeded();
        self.world.run(&["get", GROUPS]).ended(3);
        let server = &self.world.server;
        assert!(!server.is_active(self.first["refresh_token"].as_str().unwrap()));
        assert_eq!(server.live_refresh_tokens(), 0, "{refresh:?}");
        if refresh.code == Some(0) {
            assert!(!server.is_active(refresh.stdout.trim_end()), "handed out, then revoked");
        } else {
            assert!(matches!(refresh.code, Some(3 | 4)), "{refresh:?}");
            assert!(refresh.stdout.is_empty());
        }
        assert_eq!(server.reuse_detections(), 0);
    }

    fn refresh(&self) -> Child {
        self.world.spawn(&["access-token", GROUPS])
    }

    fn logout(&self) -> Child {
        self.world.spawn(&["logout", GROUPS])
    }
}

/// A whole logout while the refresh is held at the server: before it counts, and after.
#[test]
fn a_logout_within_a_refresh_wins() {
    for held in [Fault::GateBefore, Fault::GateAfter] {
        let race = Race::new("json");
        let gate = Gate::new();
        race.world.server.script(Endpoint::Token, held(gate.clone()));
        let refresh = race.refresh();
        arrived(&gate);
        let mut logout = race.logout();
        assert!(logout.wait().unwrap().success());
        gate.open();
        race.ended(refresh, logout);
    }
}

/// A whole refresh while the logout is held between revoking and removing.
#[test]
fn a_refresh_within_a_logout_loses() {
    for held in [Fault::GateBefore, Fault::GateAfter] {
        let race = Race::new("json");
        let gate = Gate::new();
        race.world.server.script(Endpoint::Revoke, held(gate.clone()));
        let logout = race.logout();
        arrived(&gate);
        let mut refresh = race.refresh();
        assert!(refresh.wait().unwrap().success());
        gate.open();
        race.ended(refresh, logout);
    }
}

/// However they fall; TOKEN_STORAGE_SOAK=1 tries more often.
#[test]
fn a_racing_logout_always_wins() {
    let rounds = if std::env::var_os("TOKEN_STORAGE_SOAK").is_some() {
        300
    } else {
        15
    };
    for round in 0..rounds {
        for scheme in [
            "json",
            #[cfg(feature = "sqlite")]
            "sqlite",
        ] {
            let race = Race::new(scheme);
            let (refresh, logout) = if round % 2 == 0 {
                (race.refresh(), race.logout())
            } else {
                let logout = race.logout();
                (race.refresh(), logout)
            };
            race.ended(refresh, logout);
        }
    }
}

/// Whatever goes wrong, nothing secret is told: `ended` and `quiet` look at both outputs.
#[test]
fn no_failure_shows_a_token() {
    let faults = [
        status(500),
        status(401),
        Fault::Garbage,
        Fault::TruncateAnswer,
        Fault::DropAnswer,
        Fault::Refuse {
            status: 400,
            error: "invalid_grant",
        },
    ];
    for fault in faults {
        for (endpoint, command) in [
            (Endpoint::OpenIdConfiguration, &["groups"][..]),
            (Endpoint::Token, &["groups"]),
            (Endpoint::Token, &["exec", "--rs", GROUPS, "--", "true"]),
            (Endpoint::UserInfo, &["whoami"]),
            (Endpoint::Groups, &["groups"]),
            (Endpoint::Revoke, &["logout", GROUPS]),
        ] {
            let world = World::empty(Cli::new("json"), Config::default());
            world.store(&expired(world.issue(&format!("openid {GROUPS_SCOPE}"))).to_string());
            world.server.script_all(endpoint, Some(fault.clone()));
            for command in [command.to_vec(), [&["--json"], command].concat()] {
                let ran = world.run(&command);
                let code = ran.code.unwrap();
                ran.ended(code).quiet();
            }
        }
    }
}
