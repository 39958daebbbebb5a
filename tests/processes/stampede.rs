//! L1 and L5: every process and task asks at the moment of expiry, and each expiry costs one request.

use std::time::Instant;

use libtest_mimic::Trial;
use token_storage_auth_testing::auth_server::Endpoint;

use crate::{
    storages::Kind,
    worker::{Answer, Job},
    world::{LIFETIME, Worker, World, trial},
};

pub(crate) fn is_soak() -> bool {
    std::env::var_os("TOKEN_STORAGE_SOAK").is_some()
}

/// Processes, tasks in each, expiries.
fn size() -> (usize, usize, usize) {
    if is_soak() { (32, 16, 200) } else { (4, 8, 10) }
}

pub(crate) fn trials(kind: Kind) -> Vec<Trial> {
    vec![
        trial(format!("stampede::l5::{}", kind.name()), move || run(kind)),
        trial(format!("stampede::lifetimes::{}", kind.name()), move || lifetimes(kind)),
        trial(format!("stampede::own::{}", kind.name()), move || own(kind)),
        trial(format!("stampede::l7::{}", kind.name()), move || refused(kind)),
    ]
}

/// Seconds, below and above what counts as nearly expired for a token of an hour.
const SHORT: [i64; 5] = [3, 30, 59, 60, 61];

/// L5: a token that is short-lived from its first second is no reason to ask again.
async fn lifetimes(kind: Kind) {
    for lifetime in SHORT {
        let mut world = World::with_lifetime(kind, lifetime).await;
        let mut job = world.job();
        job.tasks = 4;
        let mut workers: Vec<Worker> = (0..4).map(|_| Worker::start_unready(&job)).collect();
        workers.iter_mut().for_each(Worker::wait_until_ready);
        for expiry in 1..=3 {
            world.now += lifetime;
            workers.iter_mut().for_each(|worker| worker.tell(world.now));
            let answers: Vec<_> = workers.iter_mut().map(|worker| worker.answer().unwrap()).collect();
            let current = Answer::Token(world.stored_token().await);
            assert!(
                answers.iter().all(|answer| *answer == current),
                "{lifetime} s: {answers:?}"
            );
            assert_eq!(world.server.refresh_requests(), expiry, "{lifetime} s");
        }
        assert_eq!(world.server.reuse_detections(), 0, "{lifetime} s");
    }
}

/// L5 for a client's own token, which has no refresh token: from the first request on, when none is stored.
async fn own(kind: Kind) {
    for lifetime in [3, 30, 60] {
        let mut world = World::with_lifetime(kind, lifetime).await;
        world.forget().await;
        let job = Job {
            tasks: 4,
            own: true,
            ..world.job()
        };
        let mut workers: Vec<Worker> = (0..8).map(|_| Worker::start_unready(&job)).collect();
        workers.iter_mut().for_each(Worker::wait_until_ready);
        for expiry in 1..=3 {
            workers.iter_mut().for_each(|worker| worker.tell(world.now));
            let answers: Vec<_> = workers.iter_mut().map(|worker| worker.answer().unwrap()).collect();
            let current = Answer::Token(world.stored_token().await);
            assert!(
                answers.iter().all(|answer| *answer == current),
                "{lifetime} s: {answers:?}"
            );
            assert_eq!(world.server.count(Endpoint::Token), expiry, "{lifetime} s");
            world.now += lifetime;
        }
    }
}

/// L7: a server that refuses is asked once, by whichever of the processes, and not again by one that starts later.
async fn refused(kind: Kind) {
    let mut world = World::new(kind).await;
    world.now += LIFETIME;
    world.server.revoke_everything();
    let job = world.job();
    let mut workers: Vec<Worker> = (0..11).map(|_| Worker::start_unready(&job)).collect();
    workers.iter_mut().for_each(Worker::wait_until_ready);
    workers.iter_mut().for_each(|worker| worker.tell(world.now));
    let refused = Answer::Failed("ReauthRequired(Refused)".into());
    for worker in &mut workers {
        assert_eq!(worker.answer().unwrap(), refused);
    }
    world.now += LIFETIME;
    assert_eq!(world.ask_once(&job), refused);
    assert_eq!(world.server.refresh_requests(), 1);
}

async fn run(kind: Kind) {
    let (processes, tasks, expiries) = size();
    let mut world = World::new(kind).await;
    let mut job = world.job();
    job.tasks = tasks;
    let mut workers: Vec<Worker> = (0..processes).map(|_| Worker::start_unready(&job)).collect();
    workers.iter_mut().for_each(Worker::wait_until_ready);
    let started = Instant::now();
    let mut last = world.stored_token().await;
    for expiry in 1..=expiries {
        world.now += LIFETIME;
        workers.iter_mut().for_each(|worker| worker.tell(world.now));
        let answers: Vec<_> = workers.iter_mut().map(|worker| worker.answer().unwrap()).collect();
        let current = world.stored_token().await;
        assert_ne!(current, last, "expiry {expiry}");
        for answer in answers {
            assert_eq!(answer, Answer::Token(current.clone()), "expiry {expiry}");
        }
        assert!(world.server.is_active(&current));
        assert_eq!(world.server.refresh_requests(), expiry);
        last = current;
    }
    assert_eq!(world.server.reuse_detections(), 0);
    assert_eq!(world.server.live_refresh_tokens(), 1);
    eprintln!(
        "stampede on {}: {processes} processes x {tasks} tasks x {expiries} expiries: {} token requests, {} reuse \
         detections, 0 caller errors, {:.1} s",
        kind.name(),
        world.server.refresh_requests(),
        world.server.reuse_detections(),
        started.elapsed().as_secs_f64(),
    );
}
