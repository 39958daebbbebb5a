//! L2, L5, L6: the holder is killed at every step of a refresh; a short-lived process comes after it.

use libtest_mimic::Trial;
use rustix::process::Signal;
use std::os::unix::process::ExitStatusExt as _;
use token_storage::manager::{ManagerErrorKind, ReauthReason, Step};
use token_storage_conformance::auth_server::{Endpoint, Fault, Gate};

use crate::{
    storages::Kind,
    worker::Answer,
    world::{LIFETIME, Worker, World, trial},
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

const STEPS: [(Step, Expected); 11] = [
    (Step::FlightStarted, Expected::Refreshes),
    (Step::LeaseAcquired, Expected::Refreshes),
    (Step::ReadAgain, Expected::Refreshes),
    (Step::ProvedWritable, Expected::Refreshes),
    (Step::IntentRecorded, Expected::Refreshes),
    (Step::BeforeSend, Expected::Refreshes),
    (Step::Answered, Expected::NamesTheLoss),
    (Step::BeforeStore, Expected::NamesTheLoss),
    (Step::Stored, Expected::FindsTheToken),
    (Step::IntentCleared, Expected::FindsTheToken),
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
        trials.push(trial(name, move || killed_in_flight(kind, expected)));
    }
    trials
}

async fn killed_at(kind: Kind, step: Step, expected: Expected) {
    let mut world = World::new(kind).await;
    world.now += LIFETIME;
    let mut job = world.job();
    job.signal_at = Some((format!("{step:?}"), "kill".into()));
    let mut holder = Worker::start(&job);
    holder.tell(world.now);
    assert_eq!(holder.answer(), None, "the holder dies at this step");
    assert_eq!(holder.wait().signal(), Some(Signal::KILL.as_raw()));
    check(&world, kind, &format!("{step:?}"), expected).await;
}

/// Killed while the request, or its answer, is on the wire.
async fn killed_in_flight(kind: Kind, expected: Expected) {
    let mut world = World::new(kind).await;
    world.now += LIFETIME;
    let gate = Gate::new();
    let fault = match expected {
        Expected::Refreshes => Fault::GateBefore(gate.clone()),
        _ => Fault::GateAfter(gate.clone()),
    };
    world.server.script(Endpoint::Token, fault);
    let mut holder = Worker::start(&world.job());
    holder.tell(world.now);
    gate.arrived().await;
    holder.signal(Signal::KILL);
    holder.wait();
    // The first request was never carried out, or its answer went nowhere.
    check_after(&world, kind, "in flight", expected, 1).await;
}

async fn check(world: &World, kind: Kind, step: &str, expected: Expected) {
    let before = world.server.refresh_requests();
    check_after(world, kind, step, expected, before).await;
}

async fn check_after(world: &World, kind: Kind, step: &str, expected: Expected, before: usize) {
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
    eprintln!(
        "killed on {} at {step}: the next process {expected:?}, {requests} further requests",
        kind.name()
    );
}
