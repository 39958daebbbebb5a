//! Ctrl-C, whenever it comes.

use rexpect::{
    process::{Signal, WaitStatus},
    session::PtySession,
};
use token_storage_auth_testing::auth_server::{Endpoint, Fault, Gate};

use crate::{
    announced, assert_nothing_stored, assert_stored,
    common::{
        Ran,
        world::{GROUPS, World, arrived, visit},
    },
    elsewhere, globus, in_terminal, new, parameter, rest, with_browser,
};

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
    // An answer that comes before it has heard of the signal is none that it waits for.
    session
        .exp_string("interrupted: the login is on its way to the server")
        .unwrap();
    gate.open();
    let (said, status) = rest(session);
    let interrupted = matches!(status, WaitStatus::Signaled(_, Signal::SIGINT, _));
    assert!(interrupted, "{status:?}: {said}");
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
