//! L2, L5, L6: the holder is killed at every step of a refresh; a short-lived process comes after it.

use libtest_mimic::Trial;
use rustix::process::Signal;
use std::os::unix::process::ExitStatusExt as _;
use token_storage::{
    Precondition,
    manager::{ManagerErrorKind, ReauthReason, Step},
};
use token_storage_auth_testing::auth_server::{Endpoint, Fault, Gate};

use crate::{
    stampede::is_soak,
    storages::Kind,
    table,
    worker::Answer,
    world::{self, LIFETIME, Worker, World, trial},
};

/// What the next process finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// Nothing was sent: it refreshes, the only request there is.
    Refreshes,
    /// The result was stored: it gets that, without a request.
    FindsTheToken,
    /// The token was spent and its successor lost with the process: one guarded try, its refusal named.
    NamesTheLoss,
}

const STEPS: [(Step, Expected); 10] = [
    (Step::FlightStarted, Expected::Refreshes),
    (Step::LeaseAcquired, Expected::Refreshes),
    (Step::ReadAgain, Expected::Refreshes),
    (Step::ProvedWritable, Expected::Refreshes),
    (Step::IntentRecorded, Expected::Refreshes),
    (Step::BeforeSend, Expected::Refreshes),
    (Step::Answered, Expected::NamesTheLoss),
    (Step::BeforeStore, Expected::NamesTheLoss),
    (Step::Stored, Expected::FindsTheToken),
    (Step::Released, Expected::FindsTheToken),
];

pub(crate) fn trials(kind: Kind) -> Vec<Trial> {
    let mut trials: Vec<Trial> = STEPS
        .into_iter()
        .map(|(step, expected)| {
            let name = format!("crash::l5::{}::{step:?}", kind.name());
            trial(name, move || killed_at(kind, step, expected))
        })
        .collect();
    for (when, expected) in [
        ("RequestOnItsWay", Expected::Refreshes),
        ("AnswerOnItsWay", Expected::NamesTheLoss),
    ] {
        let name = format!("crash::l5::{}::{when}", kind.name());
        trials.push(trial(name, move || killed_in_flight(kind, when, expected)));
    }
    for (step, revokes) in [(Step::ConflictRead, false), (Step::BeforeRevoke, true)] {
        let name = format!("crash::l10::{}::{step:?}", kind.name());
        trials.push(trial(name, move || killed_after_a_logout(kind, step, revokes)));
    }
    let name = format!("crash::l5::{}::every_await_point", kind.name());
    trials.push(trial(name, move || killed_at_every_await_point(kind)));
    trials
}

async fn killed_at(kind: Kind, step: Step, expected: Expected) {
    let mut world = World::new(kind).await;
    world.now += LIFETIME;
    let mut job = world.doomed_job();
    job.signal_at = Some((format!("{step:?}"), "kill".into()));
    let mut holder = Worker::start(&job);
    holder.tell(world.now);
    assert_eq!(holder.answer(), None, "the holder dies at this step");
    assert_eq!(holder.wait().signal(), Some(Signal::KILL.as_raw()));
    check(&world, kind, step, expected).await;
}

/// Killed while the request, or its answer, is on the wire.
async fn killed_in_flight(kind: Kind, when: &'static str, expected: Expected) {
    let mut world = World::new(kind).await;
    world.now += LIFETIME;
    let gate = Gate::new();
    let fault = match expected {
        Expected::Refreshes => Fault::GateBefore(gate.clone()),
        _ => Fault::GateAfter(gate.clone()),
    };
    world.server.script(Endpoint::Token, fault);
    let mut holder = Worker::start(&world.doomed_job());
    holder.tell(world.now);
    gate.arrived().await;
    holder.signal(Signal::KILL);
    holder.wait();
    // The first request was never carried out, or its answer went nowhere.
    check_after(&world, kind, (20, when), expected, 1).await;
}

async fn check(world: &World, kind: Kind, step: Step, expected: Expected) {
    let before = world.server.refresh_requests();
    let order = Step::ALL.iter().position(|other| *other == step).unwrap();
    check_after(world, kind, (order, &format!("{step:?}")), expected, before).await;
}

async fn check_after(world: &World, kind: Kind, (order, at): (usize, &str), expected: Expected, before: usize) {
    let answer = world.ask_once(&world.job());
    let requests = world.server.refresh_requests() - before;
    let lost = ManagerErrorKind::ReauthRequired(ReauthReason::UnknownOutcome);
    match expected {
        Expected::Refreshes | Expected::FindsTheToken => {
            assert_eq!(answer, Answer::Token(world.stored_token().await));
            assert!(world.server.is_active(&world.stored_token().await));
            assert_eq!(requests, usize::from(expected == Expected::Refreshes));
            assert_eq!(world.server.reuse_detections(), 0);
        }
        Expected::NamesTheLoss => {
            assert_eq!(answer, Answer::Failed(format!("{lost:?}")));
            assert_eq!(
                (requests, world.server.reuse_detections()),
                (1, 1),
                "exactly one guarded try"
            );
            let again = world.ask_once(&world.job());
            assert_eq!(again, answer, "and none by the next process");
            assert_eq!(world.server.refresh_requests() - before, 1);
        }
    }
    let what = match expected {
        Expected::Refreshes => "the next process refreshes",
        Expected::FindsTheToken => "the next process finds the token",
        Expected::NamesTheLoss => "the loss is named after one try",
    };
    table::note("killed", order, at, kind, what);
}

/// Somebody logs out while the answer is on its way, and the holder dies before, or while, it revokes what it got.
async fn killed_after_a_logout(kind: Kind, step: Step, revokes: bool) {
    let mut world = World::new(kind).await;
    world.now += LIFETIME;
    let gate = Gate::new();
    world.server.script(Endpoint::Token, Fault::GateAfter(gate.clone()));
    let mut job = world.doomed_job();
    job.signal_at = Some((format!("{step:?}"), "kill".into()));
    let mut holder = Worker::start(&job);
    holder.tell(world.now);
    gate.arrived().await;
    // What a logout does: it revokes the family, and then removes the record.
    world.server.revoke_everything();
    world.storage.remove(&world::key(), Precondition::Any).await.unwrap();
    gate.open();
    assert_eq!(holder.answer(), None, "the holder dies at this step");
    let none = ManagerErrorKind::ReauthRequired(ReauthReason::NoToken);
    assert_eq!(world.ask_once(&world.job()), Answer::Failed(format!("{none:?}")));
    assert_eq!(world.storage.get(&world::key()).await.unwrap(), None);
    assert_eq!(world.server.live_refresh_tokens(), 0);
    assert_eq!(world.server.count(Endpoint::Revoke), 0, "it did not come to that");
    let order = if revokes { 31 } else { 30 };
    table::note("killed", order, &format!("{step:?}"), kind, "logged out");
}

/// Wherever the holder dies, the next process refreshes, finds the token, or names the loss; nothing is lost silently.
async fn killed_at_every_await_point(kind: Kind) {
    let (mut refreshed, mut found, mut named) = (0, 0, 0);
    let mut poll = 0;
    loop {
        let mut world = World::new(kind).await;
        world.now += LIFETIME;
        let mut job = world.doomed_job();
        job.kill_at_poll = Some(poll);
        let mut holder = Worker::start(&job);
        holder.tell(world.now);
        if let Some(answer) = holder.answer() {
            assert_eq!(answer, Answer::Token(world.stored_token().await));
            break;
        }
        holder.wait();
        match next(&world).await {
            Expected::Refreshes => refreshed += 1,
            Expected::FindsTheToken => found += 1,
            Expected::NamesTheLoss => named += 1,
        }
        // A takeover takes a second each time, so the long form looks at them all, and the usual one at some.
        poll += if kind.is_timed() && !is_soak() { 3 } else { 1 };
    }
    assert!(refreshed > 0 && poll > 2, "it was killed at {poll} await points");
    let outcome = format!("{refreshed} refresh, {found} find it, {named} name the loss");
    table::note("killed", 40, "every await point", kind, outcome);
}

/// What the next process does. The request of the dead one may still be on its way when it starts.
async fn next(world: &World) -> Expected {
    let before = world.stored_token().await;
    let answer = world.ask_once(&world.job());
    let after = world.stored_token().await;
    if let Answer::Failed(kind) = &answer {
        let lost = ManagerErrorKind::ReauthRequired(ReauthReason::UnknownOutcome);
        assert_eq!(*kind, format!("{lost:?}"), "a loss has a name");
        assert!(world.server.reuse_detections() > 0, "and the server was asked");
        return Expected::NamesTheLoss;
    }
    assert_eq!(answer, Answer::Token(after.clone()));
    if before == after {
        Expected::FindsTheToken
    } else {
        Expected::Refreshes
    }
}
