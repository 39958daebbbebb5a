use token_storage_core::{Intent, Precondition, Revision, TokenStorageExt as _};

use super::{
    intents::intent,
    leases::{PATIENCE, acquire, held, held_by, wait_for},
    timed_leases::ttl,
};
use crate::{
    Case, Level, Need,
    check::{Check, fail, same},
    cx::{Cx, get_settled, leases},
    data::{counted, full},
    rng::soak,
    worker::{Reply, Request, Worker},
};

const PROCESS: &[Need] = &[Need::ProcessLease, Need::Processes];
const TIMED: &[Need] = &[Need::TimedLease, Need::Processes];
const ANY: &[Need] = &[Need::Lease, Need::Processes];

pub(super) const CASES: &[Case] = &[
    Case::new(Level::Lease, "lease::one_holder_among_processes", &["L1"], |cx| {
        Box::pin(one_holder_among_processes(cx))
    })
    .needs(ANY),
    Case::new(Level::Lease, "lease::of_racing_processes_one_gets_it", &["L1"], |cx| {
        Box::pin(of_racing_processes_one_gets_it(cx))
    })
    .needs(ANY),
    Case::new(
        Level::Lease,
        "lease::work_of_its_holders_does_not_overlap",
        &["L1", "D2"],
        |cx| Box::pin(work_of_its_holders_does_not_overlap(cx)),
    )
    .needs(ANY),
    Case::new(Level::Lease, "lease::a_killed_holder_frees_it", &["L2"], |cx| {
        Box::pin(a_killed_holder_frees_it(cx))
    })
    .needs(PROCESS),
    Case::new(Level::Lease, "lease::a_stopped_holder_keeps_it", &["L2"], |cx| {
        Box::pin(a_stopped_holder_keeps_it(cx))
    })
    .needs(PROCESS),
    Case::new(
        Level::Lease,
        "lease::the_intent_of_a_killed_holder_is_found",
        &["L5", "L7"],
        |cx| Box::pin(the_intent_of_a_killed_holder_is_found(cx)),
    )
    .needs(ANY),
    Case::new(
        Level::Lease,
        "lease::a_killed_holder_of_a_timed_one_is_succeeded",
        &["L2"],
        |cx| Box::pin(a_killed_holder_of_a_timed_one_is_succeeded(cx)),
    )
    .needs(TIMED),
    Case::new(
        Level::Lease,
        "lease::a_holder_that_was_stopped_too_long_has_lost_it",
        &["L2", "L3"],
        |cx| Box::pin(a_holder_that_was_stopped_too_long_has_lost_it(cx)),
    )
    .needs(TIMED),
];

async fn holding(cx: &Cx) -> Check<Worker> {
    let mut worker = Worker::start(cx)?;
    let key = cx.key("rs");
    match worker.done(cx, "L1", Request::Acquire { key: (&key).into() }).await? {
        Reply::Acquired { .. } => Ok(worker),
        reply => fail(
            "L1",
            "a free lease is acquired by another process",
            format!("{reply:?}"),
            "Acquired",
        ),
    }
}

async fn one_holder_among_processes(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let mut worker = holding(&cx).await?;
    let seen = leases(&storage)?.look(&key).await?;
    held("L1", "a lease that another process holds", &storage, &key).await?;
    if seen.is_some_and(|seen| !seen.held) {
        let what = "a look at a lease that another process holds";
        return fail("L7", what, "nobody holds it", "somebody does, or nobody can tell");
    }
    worker.done(&cx, "L2", Request::Release).await?;
    let guard = acquire(&storage, &key).await?;
    let reply = worker.done(&cx, "L1", Request::Acquire { key: (&key).into() }).await?;
    if !matches!(reply, Reply::Held) {
        return fail(
            "L1",
            "a held lease, tried by another process",
            format!("{reply:?}"),
            "Held",
        );
    }
    guard.release().await?;
    worker.finish().await
}

async fn of_racing_processes_one_gets_it(cx: Cx) -> Check {
    let key = cx.key("rs");
    let mut workers = Vec::new();
    for _ in 0..4 {
        let mut worker = Worker::start(&cx)?;
        worker.done(&cx, "D5", Request::Open).await?;
        workers.push(worker);
    }
    for _ in 0..5 {
        for worker in &mut workers {
            worker.send(&Request::Acquire { key: (&key).into() }).await?;
        }
        let mut holders = Vec::new();
        for (index, worker) in workers.iter_mut().enumerate() {
            match worker.receive().await? {
                Reply::Acquired { .. } => holders.push(index),
                Reply::Held => {}
                reply => return fail("L4", "a try is acquired or held", format!("{reply:?}"), "either"),
            }
        }
        same(
            "L1",
            "of racing processes exactly one gets the lease",
            &holders.len(),
            &1,
        )?;
        workers[holders[0]].done(&cx, "L2", Request::Release).await?;
    }
    Ok(())
}

/// Some release the lease while others try to get it: a lock file that is deleted on release is caught here.
async fn work_of_its_holders_does_not_overlap(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let (processes, count) = (4, if soak() { 200 } else { 15 });
    let mut workers = Vec::new();
    for _ in 0..processes {
        let mut worker = Worker::start(&cx)?;
        worker.done(&cx, "D5", Request::Open).await?;
        workers.push(worker);
    }
    cx.touch(&key);
    for worker in &mut workers {
        let key = (&key).into();
        worker.send(&Request::CountUnderLease { key, count }).await?;
    }
    for worker in &mut workers {
        match worker.receive().await? {
            Reply::Done => {}
            reply => return fail("L1", "holders take turns", format!("{reply:?}"), "Done"),
        }
    }
    let want = processes * count;
    let seen = get_settled(&storage, &key, |got| {
        got.as_ref().is_some_and(|got| counted(&got.data) == want)
    });
    let steps = seen.await?.map_or(0, |stored| counted(&stored.data));
    if steps != want {
        let got = format!("{steps} of {want}: holders overlap");
        let want = "all steps; a lock file that is deleted, by its holder or by somebody else, lets in two";
        return fail("L1", "steps counted by holders in turn", got, want);
    }
    Ok(())
}

async fn a_killed_holder_frees_it(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    for _ in 0..3 {
        let worker = holding(&cx).await?;
        held("L1", "a lease that another process holds", &storage, &key).await?;
        worker.kill().await?;
        // The system may take a moment to release what a dead process held.
        wait_for(&storage, &key, PATIENCE).await?.release().await?;
    }
    Ok(())
}

async fn a_stopped_holder_keeps_it(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let mut worker = holding(&cx).await?;
    worker.stop().await?;
    // For longer than others would wait for a sign of life.
    let stopped = std::time::Instant::now();
    while stopped.elapsed() < std::time::Duration::from_secs(2) {
        held("L2", "a lease whose holder is stopped", &storage, &key).await?;
        held("L2", "a lease whose holder is stopped", &cx.open().await?, &key).await?;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    worker.go_on()?;
    worker.done(&cx, "L2", Request::Release).await?;
    acquire(&storage, &key).await?.release().await?;
    Ok(())
}

async fn the_intent_of_a_killed_holder_is_found(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let revision = storage.store(&key, &full("1"), Precondition::Any).await?;
    let before = storage.get(&key).await?;
    let mut worker = holding(&cx).await?;
    let request = Request::RecordIntent {
        revision: revision.as_bytes().to_vec(),
    };
    worker.done(&cx, "L7", request).await?;
    worker.kill().await?;
    // Asked by a process that never had this lease.
    let seen = leases(&storage)?.look(&key).await?;
    if seen.is_some_and(|seen| seen.intent.is_none()) {
        let what = "the intent of a killed holder, asked for by another process";
        return fail("L7", what, "there is none", "there is one, or nobody can tell");
    }
    let limit = storage.describe().lease.map_or(PATIENCE, |kind| match kind {
        token_storage_core::LeaseKind::Timed { ttl } => ttl + PATIENCE,
        _ => PATIENCE,
    });
    let mut guard = wait_for(&storage, &key, limit).await?;
    let want: Intent = intent(revision);
    if guard.intent() != Some(&want) {
        let got = format!("{:?}", guard.intent());
        return fail(
            "L5",
            "the successor finds the intent of a killed holder",
            got,
            format!("{want:?}"),
        );
    }
    same("L7", "the record", &storage.get(&key).await?, &before)?;
    guard.clear_intent().await?;
    guard.release().await?;
    Ok(())
}

async fn a_killed_holder_of_a_timed_one_is_succeeded(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let ttl = ttl(&storage)?;
    holding(&cx).await?.kill().await?;
    wait_for(&storage, &key, ttl + PATIENCE).await?.release().await?;
    Ok(())
}

async fn a_holder_that_was_stopped_too_long_has_lost_it(cx: Cx) -> Check {
    let (storage, other, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let ttl = ttl(&storage)?;
    let mut worker = holding(&cx).await?;
    worker.stop().await?;
    let guard = wait_for(&storage, &key, ttl + PATIENCE).await?;
    worker.go_on()?;
    let revision = Revision::from_bytes(&[3; 32])?.as_bytes().to_vec();
    for request in [Request::Renew, Request::RecordIntent { revision }] {
        match worker.call(&cx, request).await? {
            Reply::Failed { kind, .. } if kind == "LeaseLost" => {}
            reply => {
                return fail(
                    "L3",
                    "the old holder's lease is lost",
                    format!("{reply:?}"),
                    "LeaseLost",
                );
            }
        }
    }
    worker.done(&cx, "L2", Request::Release).await?;
    held_by(&guard, "L2", "after a release by the old holder", &other, &key).await?;
    guard.release().await?;
    worker.finish().await
}
