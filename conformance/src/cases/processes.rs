use std::time::Duration;

use token_storage_core::{Precondition, Revision, TokenKey, TokenStorageExt as _};
use tokio::time::Instant;

use super::secrets::clean;
use crate::{
    Case, Level, Need,
    check::{Check, Show as _, fail, same, stored},
    cx::{Cx, get_settled},
    data::{access, full},
    rng::soak,
    worker::{Reply, Request, Start, Worker},
};

/// What cases of several processes need.
pub(super) const NEEDS: &[Need] = &[Need::Processes];

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Shared,
        "processes::each_sees_what_the_other_stores",
        &["A3"],
        |cx| Box::pin(each_sees_what_the_other_stores(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Shared,
        "processes::of_racing_processes_one_wins",
        &["A4"],
        |cx| Box::pin(of_racing_processes_one_wins(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Shared,
        "processes::writers_of_different_keys_lose_nothing",
        &["A6", "D6"],
        |cx| Box::pin(writers_of_different_keys_lose_nothing(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Shared,
        "processes::a_new_place_can_be_opened_by_all_at_once",
        &["D5"],
        |cx| Box::pin(a_new_place_can_be_opened_by_all_at_once(cx)),
    )
    .needs(NEEDS),
    Case::new(Level::Shared, "secrets::logs_show_none", &["S1"], |cx| {
        Box::pin(logs_show_none(cx))
    })
    .needs(NEEDS),
];

pub(super) async fn start(cx: &Cx, count: usize) -> Check<Vec<Worker>> {
    let mut workers = Vec::new();
    for _ in 0..count {
        workers.push(Worker::start(cx)?);
    }
    for worker in &mut workers {
        worker.done(cx, "D5", Request::Open).await?;
    }
    Ok(workers)
}

async fn each_sees_what_the_other_stores(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let mut worker = start(&cx, 1).await?.remove(0);
    for round in 0..5 {
        // Twice each: what a process has read, it may remember until it writes itself.
        for mine in [format!("mine-{round}-1"), format!("mine-{round}-2")] {
            storage.store(&key, &full(&mine), Precondition::Any).await?;
            it_sees(&cx, &mut worker, &key, &mine).await?;
        }
        for its in [format!("its-{round}-1"), format!("its-{round}-2")] {
            let there = storage.get(&key).await?;
            let condition = there.map_or(Precondition::Absent, |stored| Precondition::Unchanged(stored.revision));
            worker
                .done(&cx, "A4", Request::store(&key, its.clone(), condition))
                .await?;
            let want = full(&its);
            let seen = get_settled(&storage, &key, |got| got.as_ref().is_some_and(|got| got.data == want)).await?;
            stored("A3", &seen, &want)?;
        }
    }
    worker.finish().await
}

/// A staleness that the storage declares is waited for.
async fn it_sees(cx: &Cx, worker: &mut Worker, key: &TokenKey, tag: &str) -> Check {
    let staleness = cx.open().await?.describe().staleness.unwrap_or_default();
    let (want, deadline) = (Some(access(tag)), Instant::now() + staleness);
    loop {
        let started = Instant::now();
        match worker.done(cx, "A3", Request::Get { key: key.into() }).await? {
            Reply::Got { access_token } if access_token == want || started >= deadline => {
                return same("A3", "what another process reads", &access_token, &want);
            }
            Reply::Got { .. } => tokio::time::sleep(Duration::from_millis(5)).await,
            reply => return fail("A3", "another process reads", format!("{reply:?}"), "the record"),
        }
    }
}

async fn of_racing_processes_one_wins(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let mut workers = start(&cx, 5).await?;
    for round in 0..if soak() { 100 } else { 6 } {
        let base = storage.store(&key, &full("base"), Precondition::Any).await?;
        // Equal values in every other round.
        let tag = |index| {
            if round % 2 == 0 {
                format!("{round}")
            } else {
                format!("{round}-{index}")
            }
        };
        for (index, worker) in workers.iter_mut().enumerate() {
            worker
                .send(&Request::store(&key, tag(index), Precondition::Unchanged(base)))
                .await?;
        }
        let mut won = Vec::new();
        for worker in &mut workers {
            match worker.receive().await? {
                Reply::Stored { revision } => won.push(Revision::from_bytes(&revision)?),
                Reply::Failed { kind, .. } if kind == "Conflict" => {}
                reply => {
                    return fail(
                        "A4",
                        "a racing process wins or gets a conflict",
                        format!("{reply:?}"),
                        "either",
                    );
                }
            }
        }
        same("A4", "of racing processes exactly one wins", &won.len(), &1)?;
        let there = get_settled(&storage, &key, |got| {
            got.as_ref().is_some_and(|got| got.revision == won[0])
        })
        .await?;
        same(
            "A4",
            "what is there is the winner's",
            &there.map(|stored| stored.revision),
            &Some(won[0]),
        )?;
    }
    Ok(())
}

async fn writers_of_different_keys_lose_nothing(cx: Cx) -> Check {
    let (processes, each) = if soak() { (16, 200) } else { (4, 12) };
    let mut workers = start(&cx, processes).await?;
    for (index, worker) in workers.iter_mut().enumerate() {
        let request = Request::StoreMany {
            namespace: cx.namespace().to_owned(),
            prefix: format!("{index}-"),
            count: each,
        };
        worker.send(&request).await?;
    }
    for (index, number) in (0..processes).flat_map(|index| (0..each).map(move |number| (index, number))) {
        cx.touch(&cx.key(&format!("{index}-{number}")));
    }
    for worker in &mut workers {
        if let Reply::Failed { kind, message } = worker.receive().await? {
            return fail("D6", "contention waits", format!("{kind}: {message}"), "Ok");
        }
    }
    let storage = cx.open_raw().await?;
    for index in 0..processes {
        for number in 0..each {
            let key = cx.key(&format!("{index}-{number}"));
            let there = storage.get(&key).await?;
            if there.is_none() {
                let got = format!(
                    "{} is gone, which process {} of {processes} was told is stored",
                    key.show(),
                    index + 1
                );
                return fail(
                    "A6",
                    "processes that write at once lose nothing of each other",
                    got,
                    TOGETHER,
                );
            }
            stored("A6", &there, &full(&number.to_string()))?;
        }
    }
    Ok(())
}

/// What is wanted of processes, and what those have mostly missed that do not keep to it.
pub(super) const TOGETHER: &str = "all of them: to read, change and write is one step, under a lock that only one has; \
                                   a lock file that is deleted, by its holder or by somebody else, lets in two";

async fn a_new_place_can_be_opened_by_all_at_once(cx: Cx) -> Check {
    let count = if soak() { 64 } else { 8 };
    let mut workers = Vec::new();
    for _ in 0..count {
        workers.push(Worker::start(&cx)?);
    }
    for worker in &mut workers {
        worker.done(&cx, "D5", Request::Ready).await?;
    }
    // They open and write at the same time, the very first of all.
    for (index, worker) in workers.iter_mut().enumerate() {
        let key = cx.key(&format!("rs{index}"));
        cx.touch(&key);
        worker
            .send(&Request::store(&key, index.to_string(), Precondition::Absent))
            .await?;
    }
    for worker in &mut workers {
        match worker.receive().await? {
            Reply::Stored { .. } => {}
            reply => {
                return fail(
                    "D5",
                    "opening a new place at once works in all",
                    format!("{reply:?}"),
                    "Ok",
                );
            }
        }
    }
    let storage = cx.open().await?;
    for index in 0..count {
        stored(
            "D5",
            &storage.get(&cx.key(&format!("rs{index}"))).await?,
            &full(&index.to_string()),
        )?;
    }
    Ok(())
}

async fn logs_show_none(cx: Cx) -> Check {
    let mut worker = Worker::start_as(&cx, Start::Watched)?;
    let key = cx.key("rs");
    cx.touch(&key);
    let reply = worker.done(&cx, "S1", Request::LogCanaries { key: (&key).into() });
    let leak = match reply.await? {
        Reply::Logged { leak, .. } => leak,
        reply => {
            let what = "a worker answers what was logged";
            return fail("S1", what, format!("{reply:?}"), "what was logged");
        }
    };
    if let Some(place) = leak {
        let what = "no token is in a log record of any level";
        return fail("S1", what, format!("one in {place}"), "none");
    }
    clean("standard error of a process", &worker.finish_watched().await?)
}
