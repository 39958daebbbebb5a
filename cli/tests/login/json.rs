//! With `--json`.

use std::{io::BufRead as _, process::Command};

use token_storage_auth_testing::auth_server::{Endpoint, Fault, Gate};

use crate::{
    common::world::{GROUPS, arrived, visit},
    elsewhere, ended, globus, in_terminal, log_in_with_browser, new, rest, run, waiting, with_browser,
};

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
    let (mut child, mut stderr, address) = waiting(with_browser(globus(&world, &["login", "--json"])));
    let back = world.server.decide(&address, true);
    let browser = std::thread::spawn(move || visit(&back));
    arrived(&gate);
    let mut kill = Command::new("kill");
    kill.args(["-INT", &child.id().to_string()]).status().unwrap();
    // An answer that comes before it has heard of the signal is none that it waits for.
    let mut noted = String::new();
    while !noted.contains("interrupted: the login is on its way") {
        noted.clear();
        assert_ne!(stderr.read_line(&mut noted).unwrap(), 0, "the signal was not noted");
        is_json(&noted);
    }
    gate.open();
    browser.join().unwrap();
    child.wait().unwrap();
    let ran = ended(child, stderr);
    is_json(&ran.stderr);
    assert!(ran.stderr.contains("what the server answered is stored"), "{ran:?}");
    let failed = run(globus(&world, &["login", "--json", "--client-credentials"])).ended(2);
    is_json(&failed.stderr);
}
