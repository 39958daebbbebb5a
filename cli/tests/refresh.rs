//! Commands that refresh, against a strict authorization server.
#![cfg(all(feature = "oauth", any(feature = "json", feature = "sqlite")))]

mod common;

#[cfg(unix)]
use std::{
    io::{BufRead, BufReader},
    sync::mpsc,
    time::Duration,
};

use common::{
    Cli, Ran, beside, in_files,
    world::{GROUPS, GROUPS_SCOPE, World, arrived, expired, on_each_storage},
};
use token_storage_auth_testing::auth_server::{AuthServer, Config, Endpoint, Fault, Gate};

/// What stands on standard output and standard error is checked by the caller.
fn token(ran: &Ran) -> &str {
    ran.stdout.trim_end_matches('\n')
}

#[test]
fn a_good_token_costs_no_request() {
    for scheme in in_files() {
        let world = World::new(scheme);
        let ran = world.run(&["access-token", GROUPS]).succeeded();
        assert!(world.server.is_active(token(&ran)));
        assert_eq!(world.server.requests().len(), 0, "not even discovery");
    }
}

#[test]
fn of_eight_processes_one_refreshes() {
    for scheme in in_files() {
        let world = World::expired(scheme);
        let children: Vec<_> = (0..8).map(|_| world.spawn(&["access-token", GROUPS])).collect();
        let ended = children.into_iter().map(|child| child.wait_with_output().unwrap());
        let ran: Vec<_> = ended.map(|output| Ran::of(output).succeeded()).collect();
        assert!(world.server.is_active(token(&ran[0])));
        assert!(ran.iter().all(|one| one.stdout == ran[0].stdout), "all print one token");
        assert_eq!(world.server.refresh_requests(), 1, "{scheme}");
        assert_eq!(world.server.reuse_detections(), 0, "{scheme}");
        assert_eq!(world.record(GROUPS)["access_token"], token(&ran[0]));
    }
}

#[test]
fn the_old_behaviour_is_no_refresh() {
    let world = World::expired(in_files()[0]);
    let ran = world.run(&["access-token", GROUPS, "--no-refresh"]).ended(4);
    assert_eq!(ran.says("(expired").stdout, "");
    assert_eq!(world.server.requests().len(), 0);
}

#[test]
fn valid_for_refreshes_a_token_that_is_good_for_less() {
    let world = World::new(in_files()[0]);
    let first = world.run(&["access-token", GROUPS, "--valid-for", "3000"]).succeeded();
    assert_eq!(world.server.refresh_requests(), 0);
    let mut config = Config::default();
    config.access_token_lifetime = Some(600);
    let short = World::empty(Cli::new(in_files()[0]), config);
    short.log_in(GROUPS_SCOPE);
    let ran = short.run(&["access-token", GROUPS, "--valid-for", "3000"]).ended(4);
    let ran = ran.says("ask for less");
    assert_eq!(
        ran.stdout, "",
        "a token that is not good for that long is not handed out"
    );
    assert_eq!(short.server.refresh_requests(), 1, "but a longer one was asked for");
    assert!(world.server.is_active(token(&first)));
}

#[test]
fn valid_for_ends_as_the_refresh_that_it_needs() {
    let refuse = Fault::Refuse {
        status: 400,
        error: "invalid_grant",
    };
    for (fault, code, part) in [(Fault::DropConnection, 7, "connection"), (refuse, 4, "log in again")] {
        let mut config = Config::default();
        config.access_token_lifetime = Some(600);
        let world = World::empty(Cli::new(in_files()[0]), config);
        world.log_in(GROUPS_SCOPE);
        world.server.script(Endpoint::Token, fault);
        let ran = world.run(&["access-token", GROUPS, "--valid-for", "3000"]).ended(code);
        assert!(!ran.stderr.contains("still good"), "the cause is said once: {ran:#?}");
        assert_eq!(ran.says(part).stdout, "");
    }
}

#[test]
fn a_token_that_is_good_for_a_little_is_handed_out_with_a_warning() {
    let world = World::new("json");
    leave(&world, 600);
    world.server.script(Endpoint::Token, Fault::DropConnection);
    let ran = world.run(&["access-token", GROUPS, "--skew", "700"]).succeeded();
    let ran = ran.says("warning: this token is still good, but refreshing it failed: ");
    assert_eq!(token(&ran), world.record(GROUPS)["access_token"]);
}

/// It would end with the command, the refresh token spent and its successor lost.
#[cfg(unix)]
#[test]
fn what_was_sent_is_waited_for_though_the_token_is_still_good() {
    let print_it = ["--", "sh", "-c", "echo $TOKEN_STORAGE_ACCESS_TOKEN"];
    for (left, command) in [
        (40, vec!["access-token", GROUPS]),
        (600, vec!["access-token", GROUPS, "--valid-for", "3000"]),
        (40, [&["exec", "--resource-server", GROUPS], &print_it[..]].concat()),
    ] {
        let world = World::new("json");
        leave(&world, left);
        let gate = Gate::new();
        world.server.script(Endpoint::Token, Fault::GateAfter(gate.clone()));
        let running = Running::new(world.spawn(&command));
        arrived(&gate);
        running.goes_on_for_longer_than_a_good_token_is_waited_for();
        gate.open();
        let ran = running.end().succeeded();
        assert_eq!(token(&ran), world.record(GROUPS)["access_token"], "{command:?}");
        assert!(world.server.is_active(token(&ran)) && ran.stderr.is_empty(), "{ran:#?}");
        assert_eq!(world.server.refresh_requests(), 1);
    }
}

/// A good token is not held back by another process that refreshes it, unless it must be good for longer.
#[cfg(unix)]
#[test]
fn what_another_sends_is_waited_for_where_its_token_is_needed() {
    let world = World::new("json");
    leave(&world, 40);
    let old = world.record(GROUPS)["access_token"].as_str().unwrap().to_owned();
    let (other, gate) = refresh_held(&world);
    let needs_it = Running::new(world.spawn(&["access-token", GROUPS, "--valid-for", "3000"]));
    let ran = world.run(&["access-token", GROUPS]).succeeded();
    assert_eq!(token(&ran.says("warning: this token is still good")), old);
    needs_it.goes_on_for_longer_than_a_good_token_is_waited_for();
    gate.open();
    let other = Ran::of(other.wait_with_output().unwrap()).succeeded();
    assert_eq!(needs_it.end().succeeded().stdout, other.stdout);
    assert_eq!(
        (world.server.refresh_requests(), world.server.reuse_detections()),
        (1, 0)
    );
}

/// A command, and what tells how it ended.
#[cfg(unix)]
struct Running(mpsc::Receiver<std::process::Output>);

#[cfg(unix)]
impl Running {
    fn new(child: std::process::Child) -> Self {
        let (sender, ended) = mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
        Self(ended)
    }

    fn goes_on_for_longer_than_a_good_token_is_waited_for(&self) {
        let ended = self.0.recv_timeout(Duration::from_millis(1500));
        ended.expect_err("the server has not answered yet");
    }

    fn end(self) -> Ran {
        Ran::of(self.0.recv().unwrap())
    }
}

/// Takes from the stored token all of its hour but so many seconds.
fn leave(world: &World, seconds: i64) {
    let mut file: serde_json::Value = serde_json::from_slice(&std::fs::read(world.cli.file()).unwrap()).unwrap();
    let record = &mut file["data"]["DEFAULT"][GROUPS];
    record["expires_at_seconds"] = (record["expires_at_seconds"].as_i64().unwrap() - 3600 + seconds).into();
    std::fs::write(world.cli.file(), file.to_string()).unwrap();
}

#[test]
fn what_cannot_be_refreshed_has_an_exit_code_each() {
    let unhappy = |status| Fault::Status {
        status,
        retry_after: None,
    };
    let refuse = |error| Fault::Refuse { status: 400, error };
    for (fault, code, part) in [
        (unhappy(503), 7, "try again later"),
        (unhappy(429), 7, "overloaded"),
        (Fault::DropConnection, 7, "connection"),
        (Fault::Garbage, 7, "cannot be read"),
        (refuse("invalid_client"), 2, "check --client-id"),
        (
            refuse("invalid_grant"),
            4,
            "`token-storage login --again groups.api.globus.org`",
        ),
    ] {
        let world = World::expired(in_files()[0]);
        let before = world.record(GROUPS);
        world.server.script(Endpoint::Token, fault);
        let ran = world.run(&["access-token", GROUPS, "--json"]).ended(code).says(part);
        let error: serde_json::Value = serde_json::from_str(&ran.stderr).expect("one JSON error");
        let kinds = [(7, "unreachable"), (2, "usage"), (4, "expired")];
        assert!(kinds.contains(&(code, error["error"]["kind"].as_str().unwrap())));
        assert_eq!(ran.stdout, "");
        assert_eq!(world.record(GROUPS), before, "the stored token is as it was");
    }
}

/// The refresh token is spent on it, so that it is the only one there is.
#[test]
fn a_token_in_an_odd_answer_is_printed_and_stored() {
    type Change = fn(&str) -> Vec<u8>;
    for body in [
        (|text| format!(")]}}'\n{text}").into()) as Change,
        |text| format!("<br />\n<b>Notice</b>: a[1] in t.php<br />\n{text}").into(),
        |text| {
            format!("\u{feff}{text}")
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect()
        },
    ] {
        let world = World::expired(in_files()[0]);
        world
            .server
            .script(Endpoint::Token, Fault::Encoded { body, headers: &[] });
        let ran = world.run(&["access-token", GROUPS]).succeeded();
        assert!(world.server.is_active(token(&ran)));
        assert_eq!(world.record(GROUPS)["access_token"], token(&ran));
        assert_eq!(world.server.refresh_requests(), 1);
    }
}

#[test]
fn a_record_without_refresh_token_says_log_in() {
    let world = World::expired(in_files()[0]);
    let mut response = expired(world.issue(GROUPS_SCOPE));
    response.as_object_mut().unwrap().remove("refresh_token");
    world.store(&response.to_string());
    let ran = world.run(&["access-token", GROUPS]).ended(4);
    ran.says("(expired")
        .says("`token-storage login --again groups.api.globus.org`");
    world.run(&["access-token", "nowhere"]).ended(3).says("no token for");
    assert_eq!(world.server.requests().len(), 0);
}

#[test]
fn the_server_is_named_by_options_too() {
    let world = World::expired(in_files()[0]);
    let url = world.server.token_url();
    let arguments = ["access-token", GROUPS, "--token-endpoint", &url];
    let ran = world.run(&arguments).succeeded();
    assert!(world.server.is_active(token(&ran)));
    assert_eq!(world.server.requests().len(), 1, "no discovery");

    let mut command = world
        .cli
        .command(&["access-token", GROUPS, "--issuer", &world.server.url()]);
    world.log_in_expired(GROUPS_SCOPE);
    Ran::of(command.output().unwrap()).ended(2).says("--client-id");
    command.args(["--client-id", AuthServer::NATIVE_CLIENT]);
    Ran::of(command.output().unwrap()).succeeded();
}

/// Without an option it is Globus, at the address that the SDK's variable names.
#[test]
fn globus_is_the_default() {
    let world = World::expired(in_files()[0]);
    let mut command = world.cli.command(&["access-token", GROUPS]);
    command.env("GLOBUS_SDK_SERVICE_URL_AUTH", world.server.url() + "/");
    Ran::of(command.output().unwrap()).ended(4).says("refuses");
    let asked = &world.server.requests()[0];
    assert_eq!(asked.params["client_id"], "61338d24-54d5-408f-a10d-66c06b59f6d2");
    command.env("GLOBUS_SDK_SERVICE_URL_AUTH", "http://auth.example.org");
    Ran::of(command.output().unwrap()).ended(2).says("https");
    command.env("GLOBUS_SDK_SERVICE_URL_AUTH", "");
    command.env("GLOBUS_SDK_ENVIRONMENT", "moon");
    Ran::of(command.output().unwrap()).ended(2).says("preview");
}

#[test]
fn a_client_secret_comes_from_a_variable_or_a_file() {
    let world = World::empty(Cli::new(in_files()[0]), Config::default());
    let log_in = || {
        let response = world.server.issue(AuthServer::SERVICE_CLIENT, GROUPS_SCOPE);
        world.store(&expired(serde_json::from_str(&response).unwrap()).to_string());
    };
    let service = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env("TOKEN_STORAGE_CLIENT_ID", AuthServer::SERVICE_CLIENT);
        command
    };
    let ended = |command: &mut std::process::Command, code| Ran::of(command.output().unwrap()).ended(code);

    log_in();
    ended(&mut service(&["access-token", GROUPS]), 2).says("rejects this client");
    let mut by_variable = service(&["access-token", GROUPS]);
    by_variable.env("TOKEN_STORAGE_CLIENT_SECRET", AuthServer::SERVICE_SECRET);
    ended(&mut by_variable, 0);
    assert!(world.server.requests().last().unwrap().basic);

    let file = world.cli.folder().join("secret");
    let by_file = ["access-token", GROUPS, "--client-secret-file", "secret"];
    ended(&mut service(&by_file), 2).says("cannot be read");
    for (text, part) in [("\n", "is empty"), ("canary\ncanary\n", "more than one line")] {
        std::fs::write(&file, text).unwrap();
        ended(&mut service(&by_file), 2).says(part);
    }
    std::fs::write(&file, format!("{}\r\n", AuthServer::SERVICE_SECRET)).unwrap();
    log_in();
    ended(&mut service(&by_file), 0);
    log_in();
    ended(service(&by_file).args(["--client-secret-in", "form"]), 0);
    assert!(!world.server.requests().last().unwrap().basic);
}

/// Pressing Ctrl-C while the server has spent the old refresh token and its answer is under way.
#[cfg(unix)]
#[test]
fn a_signal_waits_until_the_new_token_is_stored() {
    use std::os::unix::process::ExitStatusExt as _;

    for (name, number) in [("-INT", 2), ("-TERM", 15), ("-HUP", 1)] {
        let world = World::expired(in_files()[0]);
        let (mut child, gate) = refresh_held(&world);
        let mut said = BufReader::new(child.stderr.take().unwrap());
        signal(name, &child);
        // An answer that comes before it has heard of the signal is none that it waits for.
        until_said(&mut said, "interrupted: waiting until the server has answered");
        gate.open();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.signal(), Some(number));
        assert!(output.stdout.is_empty());
        world.run(&["access-token", GROUPS]).succeeded();
        assert_eq!(world.server.refresh_requests(), 1, "the new token was stored");
    }
}

#[cfg(unix)]
#[test]
fn a_second_signal_is_obeyed_at_once() {
    use std::os::unix::process::ExitStatusExt as _;

    let world = World::expired(in_files()[0]);
    let (mut child, gate) = refresh_held(&world);
    while child.try_wait().unwrap().is_none() {
        // The answer is held all the while, so only a signal can end it.
        signal("-INT", &child);
        std::thread::yield_now();
    }
    assert_eq!(child.wait().unwrap().signal(), Some(2));
    gate.open();
}

/// Who started the command with a signal ignored, as nohup does, meant it.
#[cfg(target_os = "linux")]
#[test]
fn an_ignored_signal_stays_ignored() {
    let world = World::expired(in_files()[0]);
    let gate = Gate::new();
    world.server.script(Endpoint::Token, Fault::GateAfter(gate.clone()));
    let script = format!("trap '' HUP; exec \"$0\" access-token {GROUPS}");
    let mut shell = beside("sh", &world.command(&[]));
    shell
        .args(["-c", &script, env!("CARGO_BIN_EXE_token-storage")])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let child = shell.spawn().unwrap();
    arrived(&gate);
    signal("-HUP", &child);
    signal("-HUP", &child);
    gate.open();
    let ran = Ran::of(child.wait_with_output().unwrap()).succeeded();
    assert!(world.server.is_active(token(&ran)));
}

/// Reads lines up to one with this in it.
#[cfg(unix)]
fn until_said(said: &mut impl BufRead, start: &str) {
    let line = said.lines().map(Result::unwrap).find(|line| line.contains(start));
    assert!(line.is_some(), "it ended without a word of that");
}

/// A refresh whose answer the server holds.
#[cfg(unix)]
fn refresh_held(world: &World) -> (std::process::Child, Gate) {
    let gate = Gate::new();
    world.server.script(Endpoint::Token, Fault::GateAfter(gate.clone()));
    let child = world.spawn(&["access-token", GROUPS]);
    arrived(&gate);
    (child, gate)
}

/// The child may have ended since.
#[cfg(unix)]
fn signal(name: &str, child: &std::process::Child) {
    let mut kill = std::process::Command::new("kill");
    kill.args([name, &child.id().to_string()])
        .stderr(std::process::Stdio::null());
    kill.status().unwrap();
}

/// Many at once, again and again: each expiry costs one request, however short the tokens live.
#[test]
fn a_stampede_costs_one_request_an_expiry() {
    for (lifetime, scheme) in [3, 30, 59].into_iter().zip(in_files().iter().cycle()) {
        let mut config = Config::default();
        config.access_token_lifetime = Some(lifetime);
        let world = World::empty(Cli::new(scheme), config);
        world.log_in_expired(GROUPS_SCOPE);
        let gate = Gate::new();
        world.server.script(Endpoint::Token, Fault::GateAfter(gate.clone()));
        let start = std::time::Instant::now();
        let children: Vec<_> = (0..16).map(|_| world.spawn(&["access-token", GROUPS])).collect();
        arrived(&gate);
        gate.open();
        let ended = children.into_iter().map(|child| child.wait_with_output().unwrap());
        let ran: Vec<_> = ended.map(|output| Ran::of(output).succeeded()).collect();
        let tokens: std::collections::BTreeSet<_> = ran.iter().map(|ran| token(ran).to_owned()).collect();
        let requests = world.server.refresh_requests();
        assert_eq!(tokens.len(), requests, "a request for each token, at {lifetime} s");
        // However slow the machine: no more than what expired meanwhile, a quarter of its lifetime early.
        let expiries = start.elapsed().as_secs() / (lifetime * 3 / 4 - 1);
        assert!(requests as u64 <= 1 + expiries, "{requests} requests at {lifetime} s");
        assert_eq!(world.server.reuse_detections(), 0);
    }
}

/// A refusal is remembered for all of them, and told by the commands that only look.
#[test]
fn a_stampede_at_a_server_that_refuses_is_one_request() {
    on_each_storage(|world| {
        world.log_in_expired(GROUPS_SCOPE);
        world.run(&["get", GROUPS, "--json"]).succeeded();
        world.server.revoke_everything();
        let children: Vec<_> = (0..12).map(|_| world.spawn(&["access-token", GROUPS])).collect();
        for child in children {
            Ran::of(child.wait_with_output().unwrap())
                .ended(4)
                .says("log in again with");
        }
        world
            .run(&["access-token", GROUPS])
            .ended(4)
            .says("the refresh token is refused");
        assert_eq!(world.server.refresh_requests(), 1, "{}", world.cli.url);

        let told = world.run(&["get", GROUPS, "--json"]).succeeded().quiet().json();
        assert_eq!(
            (&told["refresh"]["state"], &told["refresh"]["needs_login"]),
            (&"failed".into(), &true.into())
        );
        assert!(
            told["refresh"]["message"]
                .as_str()
                .unwrap()
                .contains("`token-storage login --again"),
            "{told}"
        );
        assert!(
            world.record(GROUPS).get("refresh").is_none(),
            "it is no part of the record"
        );
        let shown = world.run(&["get", GROUPS]).succeeded().quiet().stdout;
        assert!(shown.contains("the refresh token is refused"), "{shown}");
        let found = world.run(&["doctor", GROUPS]).succeeded().quiet().stdout;
        assert!(found.contains("the refresh token is refused"), "{found}");
        let found = world.run(&["doctor"]).succeeded().quiet().stdout;
        let listed = !world.cli.url.starts_with("dynamodb:");
        assert_eq!(found.contains("the refresh token is refused"), listed, "{found}");
        assert_eq!(found.contains("was not looked at"), !listed, "{found}");
        assert_eq!(world.server.refresh_requests(), 1, "looking asks nobody");

        world.log_in(GROUPS_SCOPE);
        let told = world.run(&["get", GROUPS, "--json"]).succeeded().json();
        assert!(told.get("refresh").is_none(), "{told}");
        let found = world.run(&["doctor", GROUPS]).succeeded().stdout;
        assert!(!found.contains("refreshing:"), "{found}");
    });
}

/// A pause is for everybody, and its length is told.
#[test]
fn a_stampede_at_a_server_that_wants_a_pause_is_one_request() {
    on_each_storage(|world| {
        world.log_in_expired(GROUPS_SCOPE);
        let pause = Fault::Status {
            status: 429,
            retry_after: Some(500),
        };
        world.server.script(Endpoint::Token, pause);
        let children: Vec<_> = (0..12).map(|_| world.spawn(&["access-token", GROUPS])).collect();
        for child in children {
            Ran::of(child.wait_with_output().unwrap()).ended(7);
        }
        assert_eq!(world.server.refresh_requests(), 1, "{}", world.cli.url);
        let told = world.run(&["get", GROUPS, "--json"]).succeeded().json();
        assert_eq!(
            (&told["refresh"]["state"], &told["refresh"]["needs_login"]),
            (&"failed".into(), &false.into())
        );
        let left = told["refresh"]["retry_after_seconds"].as_u64().unwrap();
        assert!((1..=501).contains(&left), "{left}");
    });
}

/// Whoever looks while somebody is at it is told so, takes no lease, and keeps nobody from anything.
#[test]
fn a_refresh_that_is_under_way_is_told() {
    on_each_storage(|world| {
        world.log_in_expired(GROUPS_SCOPE);
        let gate = Gate::new();
        world.server.script(Endpoint::Token, Fault::GateAfter(gate.clone()));
        let child = world.spawn(&["access-token", GROUPS]);
        arrived(&gate);
        let told = world.run(&["get", GROUPS, "--json"]).succeeded().quiet().json();
        assert_eq!(told["refresh"]["state"], "under_way", "{}: {told}", world.cli.url);
        gate.open();
        Ran::of(child.wait_with_output().unwrap()).succeeded();
        let told = world.run(&["get", GROUPS, "--json"]).succeeded().quiet().json();
        assert!(told.get("refresh").is_none(), "{told}");
    });
}

/// The refresh token was spent, the answer lost, and the server does not repeat it; the access token has not expired.
#[cfg(feature = "json")]
#[test]
fn a_token_that_is_probably_dead_is_told_from_a_good_one() {
    let world = World::new("json");
    let ran = world.run(&["access-token", GROUPS, "--json"]).succeeded();
    assert_eq!(ran.json()["doubtful"], false);
    // A quarter of its lifetime is left, so the skew decides.
    leave(&world, 600);
    let old = world.record(GROUPS)["access_token"].clone();

    let gate = Gate::new();
    world.server.script(Endpoint::Token, Fault::GateAfter(gate.clone()));
    let mut child = world.spawn(&["access-token", GROUPS, "--refresh"]);
    arrived(&gate);
    child.kill().unwrap();
    child.wait().unwrap();
    let told = world.run(&["get", GROUPS, "--json"]).succeeded().json();
    assert_eq!(told["refresh"]["state"], "interrupted");
    world.server.revoke_everything();
    gate.open();
    world.run(&["access-token", GROUPS, "--refresh"]).ended(4);

    // Where a good token is there, nobody waits for long, not even for the memory of a refusal.
    let until = |arguments: &[&str], is_told: &dyn Fn(&Ran) -> bool| {
        let line = [&["access-token", GROUPS, "--skew", "100000"], arguments].concat();
        let mut tries = (0..100).map(|_| world.run(&line));
        tries.find(is_told).expect("told at last")
    };
    let ran = until(&["--json"], &|ran| ran.json()["doubtful"] == true).succeeded();
    assert_eq!(ran.says("probably dead").json()["access_token"], old);
    let ran = until(&["--refuse-doubtful"], &|ran| ran.code == Some(4)).says("log in again with");
    assert_eq!(ran.stdout, "");
    assert_eq!(world.server.refresh_requests(), 2);
}
