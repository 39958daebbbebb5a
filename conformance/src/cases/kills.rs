use std::{collections::BTreeSet, time::Duration};

use token_storage_core::{Precondition, TokenKey, TokenStorageExt as _};

use crate::{
    Case, Level, Need,
    cases::enumeration::keys_of,
    check::{Check, fail, of_one_batch, same, stored},
    cx::{Cx, Handle},
    data::{full, plain},
    rng::{Rng, soak},
    worker::{Reply, Request, Worker},
};

const NEEDS: &[Need] = &[Need::Durable, Need::Processes];

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Durable,
        "kills::an_acknowledged_record_survives",
        &["D1", "A1"],
        |cx| Box::pin(an_acknowledged_record_survives(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Durable,
        "kills::all_acknowledged_records_survive",
        &["D1", "A6", "C5"],
        |cx| Box::pin(all_acknowledged_records_survive(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Durable,
        "kills::a_killed_writer_blocks_nobody",
        &["D6", "D1"],
        |cx| Box::pin(a_killed_writer_blocks_nobody(cx)),
    )
    .needs(NEEDS),
    Case::new(Level::Durable, "kills::a_batch_is_whole", &["A2", "D1"], |cx| {
        Box::pin(a_batch_is_whole(cx))
    })
    .needs(NEEDS),
    Case::new(Level::Durable, "kills::nothing_is_left_behind", &["D2"], |cx| {
        Box::pin(nothing_is_left_behind(cx))
    })
    .needs(&[Need::Durable, Need::Processes, Need::Files]),
];

/// After an acknowledgement, when to stop or kill a writer: anywhere in the next write or two, not always at its
/// beginning.
pub(super) fn moment(rng: &mut Rng) -> Duration {
    Duration::from_micros(rng.below(20_000) as u64)
}

fn rounds() -> usize {
    if soak() { 200 } else { 6 }
}

/// Lets a worker store until it has acknowledged some writes, kills it, and returns the number of the last write that
/// it acknowledged.
async fn flood_and_kill(cx: &Cx, distinct: bool, rng: &mut Rng) -> Check<usize> {
    let mut worker = Worker::start(cx)?;
    let flood = Request::Flood {
        namespace: cx.namespace().to_owned(),
        distinct,
    };
    worker.send(&flood).await?;
    let mut last = 0;
    for _ in 0..=rng.below(7) {
        last = acknowledged(worker.receive().await?)?;
    }
    tokio::time::sleep(moment(rng)).await;
    for reply in worker.kill().await? {
        if let Reply::Acknowledged { number } = reply {
            last = last.max(number);
        }
    }
    cx.note(format!("killed after write {last} was acknowledged"));
    Ok(last)
}

async fn an_acknowledged_record_survives(cx: Cx) -> Check {
    let key = cx.key("flood");
    cx.touch(&key);
    let mut rng = cx.rng();
    for _ in 0..rounds() {
        let last = flood_and_kill(&cx, false, &mut rng).await?;
        let storage = cx.open().await?;
        let there = storage.get(&key).await?;
        // The write after the last acknowledged one may have happened too.
        let whole = [full(&last.to_string()), full(&(last + 1).to_string())];
        if !there.as_ref().is_some_and(|there| whole.contains(&there.data)) {
            stored("D1", &there, &whole[0])?;
        }
    }
    Ok(())
}

async fn all_acknowledged_records_survive(cx: Cx) -> Check {
    let mut rng = cx.rng();
    let mut highest = 0;
    for _ in 0..rounds() {
        let last = flood_and_kill(&cx, true, &mut rng).await?;
        let storage = cx.open().await?;
        for number in 0..=last {
            let key = cx.key(&format!("flood{number}"));
            cx.touch(&key);
            stored("D1", &storage.get(&key).await?, &full(&number.to_string()))?;
        }
        cx.touch(&cx.key(&format!("flood{}", last + 1)));
        highest = highest.max(last + 1);
        is_listed_as_read(&cx, &storage, highest).await?;
    }
    Ok(())
}

/// A kill must not come between a record and its place in a listing, where there is one.
async fn is_listed_as_read(cx: &Cx, storage: &Handle, highest: usize) -> Check {
    if storage.enumerate().is_none() {
        return Ok(());
    }
    let mut there = Vec::new();
    for number in 0..=highest {
        let key = cx.key(&format!("flood{number}"));
        if storage.get(&key).await?.is_some() {
            there.push(key);
        }
    }
    let mut listed = keys_of(storage, cx.namespace()).await?;
    listed.sort();
    there.sort();
    same(
        "C5",
        "after a kill, what can be read is listed, and nothing else",
        &listed,
        &there,
    )
}

/// A batch in whose middle its writer was killed is there as a whole, or not at all; one that was acknowledged is there.
async fn a_batch_is_whole(cx: Cx) -> Check {
    let mut rng = cx.rng();
    let keys: Vec<TokenKey> = (0..12).map(|index| cx.key(&format!("batch{index}"))).collect();
    keys.iter().for_each(|key| cx.touch(key));
    for _ in 0..rounds() {
        let mut worker = Worker::start(&cx)?;
        let request = Request::FloodBatches {
            keys: keys.iter().map(Into::into).collect(),
        };
        worker.send(&request).await?;
        let mut last = 0;
        for _ in 0..=rng.below(5) {
            last = acknowledged(worker.receive().await?)?;
        }
        tokio::time::sleep(moment(&mut rng)).await;
        for reply in worker.kill().await? {
            last = last.max(acknowledged(reply)?);
        }
        cx.note(format!("killed after batch {last} was acknowledged"));
        let storage = cx.open().await?;
        let mut there = Vec::new();
        for key in &keys {
            there.push(storage.get(key).await?.map(|stored| stored.data));
        }
        of_one_batch("A2", "the records of a batch whose writer was killed", &keys, &there)?;
        // The batch after the last acknowledged one may have happened too.
        let whole = [last, last + 1].map(|number| full(&number.to_string()));
        if !there[0].as_ref().is_some_and(|there| whole.contains(there)) {
            same(
                "D1",
                "the batch that was acknowledged last",
                &there[0],
                &Some(whole[0].clone()),
            )?;
        }
    }
    Ok(())
}

fn acknowledged(reply: Reply) -> Check<usize> {
    match reply {
        Reply::Acknowledged { number } => Ok(number),
        reply => fail("D1", "a worker stores", format!("{reply:?}"), "acknowledged writes"),
    }
}

async fn a_killed_writer_blocks_nobody(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("mine"));
    let mut rng = cx.rng();
    for round in 0..rounds() {
        flood_and_kill(&cx, false, &mut rng).await?;
        write_and_read(&storage, &cx, round).await?;
        let fresh = cx.open().await?;
        write_and_read(&fresh, &cx, round).await?;
    }
    cx.touch(&cx.key("flood"));
    same(
        "K3",
        "the record is there in the end",
        &storage.remove(&key, Precondition::Any).await?,
        &true,
    )
}

async fn write_and_read(storage: &Handle, cx: &Cx, round: usize) -> Check {
    let data = plain(&round.to_string());
    storage.store(&cx.key("mine"), &data, Precondition::Any).await?;
    stored("D6", &storage.get(&cx.key("mine")).await?, &data)
}

/// Names of files in the storage's directory, without those that hold a part of the data.
pub(super) fn names(cx: &Cx) -> Check<Vec<String>> {
    let file = cx.file()?;
    let companions = cx.place().companions();
    let Some(directory) = file.parent() else {
        return fail(
            "D2",
            "the file is in a directory",
            file.display().to_string(),
            "a path with a directory",
        );
    };
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if !companions.contains(&entry.path()) {
            names.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names.into_iter().collect())
}

async fn nothing_is_left_behind(cx: Cx) -> Check {
    let storage = cx.open().await?;
    write_and_read(&storage, &cx, 0).await?;
    let before = names(&cx)?;
    let mut rng = cx.rng();
    for round in 0..rounds() {
        flood_and_kill(&cx, false, &mut rng).await?;
        // Whatever a killed writer leaves, the next writer takes away.
        write_and_read(&storage, &cx, round).await?;
        same(
            "D2",
            "files beside the storage after a kill and another write",
            &names(&cx)?,
            &before,
        )?;
    }
    cx.touch(&cx.key("flood"));
    Ok(())
}
