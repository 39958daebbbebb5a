//! L2 and L3: the holder is stopped for longer than a timed lease lasts, and then goes on.

use libtest_mimic::Trial;
use rustix::process::Signal;
use token_storage::manager::{ManagerErrorKind, ReauthReason, Step};

use crate::{
    storages::Kind,
    table,
    worker::Answer,
    world::{LIFETIME, Worker, World, trial},
};

const BEFORE_SENDING: [Step; 4] = [
    Step::LeaseAcquired,
    Step::ProvedWritable,
    Step::IntentRecorded,
    Step::BeforeSend,
];
const AFTER_SENDING: [Step; 2] = [Step::Answered, Step::BeforeStore];

pub(crate) fn trials(kind: Kind) -> Vec<Trial> {
    let steps = BEFORE_SENDING.into_iter().map(|step| (step, false));
    let steps = steps.chain(AFTER_SENDING.into_iter().map(|step| (step, true)));
    steps
        .map(|(step, sent)| {
            let name = format!("stopped::l3::{}::{step:?}", kind.name());
            trial(name, move || run(kind, step, sent))
        })
        .collect()
}

async fn run(kind: Kind, step: Step, sent: bool) {
    let mut world = World::new(kind).await;
    world.now += LIFETIME;
    let mut job = world.doomed_job();
    job.signal_at = Some((format!("{step:?}"), "stop".into()));
    let mut holder = Worker::start(&job);
    holder.tell(world.now);
    holder.wait_until_stopped();
    let outcome = if kind.is_timed() {
        taken_over(&world, &mut holder, sent).await;
        match sent {
            true => "taken over, the loss is named",
            false => "taken over, the stopped one sends nothing",
        }
    } else {
        kept(&world, &mut holder).await;
        "others Busy, then it goes on"
    };
    let order = Step::ALL.iter().position(|other| *other == step).unwrap();
    table::note("stopped", order, &format!("{step:?}"), kind, outcome);
}

/// A lease bound to the process stays with it: others are busy, and get the token when it goes on.
async fn kept(world: &World, holder: &mut Worker) {
    let mut impatient = world.job();
    impatient.lease_wait_ms = Some(50);
    let busy = Answer::Failed(format!("{:?}", ManagerErrorKind::Busy));
    assert_eq!(world.ask_once(&impatient), busy);
    holder.signal(Signal::CONT);
    let got = holder.answer().unwrap();
    assert_eq!(got, Answer::Token(world.stored_token().await));
    assert_eq!(world.ask_once(&impatient), got);
    assert_eq!(
        (world.server.refresh_requests(), world.server.reuse_detections()),
        (1, 0)
    );
}

/// A timed lease is taken over, by a process that lives for one question.
async fn taken_over(world: &World, holder: &mut Worker, sent: bool) {
    let successor = world.ask_once(&world.job());
    if sent {
        // The holder's request has spent the token, so the guarded try is refused, and that is named.
        let lost = ManagerErrorKind::ReauthRequired(ReauthReason::UnknownOutcome);
        assert_eq!(successor, Answer::Failed(format!("{lost:?}")));
        holder.signal(Signal::CONT);
        // It stores what it has: nobody stored anything meanwhile.
        assert_eq!(holder.answer().unwrap(), Answer::Token(world.stored_token().await));
        return;
    }
    let stored = world.stored_token().await;
    assert_eq!(successor, Answer::Token(stored.clone()));
    holder.signal(Signal::CONT);
    assert_eq!(
        holder.answer().unwrap(),
        Answer::Token(stored),
        "it finds that it lost its lease, and sends nothing"
    );
    assert_eq!(world.server.refresh_requests(), 1);
    assert_eq!(world.server.reuse_detections(), 0);
}
