//! What a revision is: compared as a whole, and never the same for two states.

use token_storage_core::{ErrorKind, Precondition, Revision, TokenKey, TokenStorageExt as _, Write};

use crate::{
    Case, Level,
    check::{Check, fail, refused, same, stored},
    cx::{Cx, Handle},
    data::{full, plain},
    rng::soak,
};

pub(super) const CASES: &[Case] = &[
    Case::new(Level::Core, "revisions::have_eight_bytes_or_more", &["A4"], |cx| {
        Box::pin(have_eight_bytes_or_more(cx))
    }),
    Case::new(Level::Core, "revisions::are_compared_as_a_whole", &["A4"], |cx| {
        Box::pin(are_compared_as_a_whole(cx))
    }),
    Case::new(
        Level::Core,
        "revisions::are_compared_as_a_whole_in_batches",
        &["A4", "A2"],
        |cx| Box::pin(are_compared_as_a_whole_in_batches(cx)),
    ),
    Case::new(
        Level::Hostile,
        "revisions::of_one_key_never_repeat",
        &["A4", "K2"],
        |cx| Box::pin(of_one_key_never_repeat(cx)),
    ),
    Case::new(
        Level::Hostile,
        "revisions::of_removed_records_never_repeat",
        &["A4", "K2"],
        |cx| Box::pin(of_removed_records_never_repeat(cx)),
    ),
    Case::new(
        Level::Hostile,
        "revisions::of_batches_never_repeat",
        &["A4", "A2", "K2"],
        |cx| Box::pin(of_batches_never_repeat(cx)),
    ),
    Case::new(
        Level::Core,
        "revisions::stay_while_other_records_change",
        &["A4", "K2"],
        |cx| Box::pin(stay_while_other_records_change(cx)),
    ),
];

/// Shorter ones are taken for one another by chance, or come back when a counter starts again.
const SHORTEST: usize = 8;

async fn have_eight_bytes_or_more(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let data = full("1");
    let stored = storage.store(&key, &data, Precondition::Any).await?;
    let batch = storage.store_all(&[Write::new(&key, &data, Precondition::Any)]).await?;
    for revision in [stored, batch[0]] {
        let bytes = revision.as_bytes().len();
        if bytes < SHORTEST {
            let got = format!("a revision of {bytes} bytes");
            return fail(
                "A4",
                "a revision is not short",
                got,
                format!("at least {SHORTEST} bytes"),
            );
        }
    }
    Ok(())
}

/// Others that have something in common with it: a beginning, an end, a length, letters but for their case.
fn akin(revision: Revision) -> Check<Vec<Revision>> {
    let bytes = revision.as_bytes();
    let mut others: Vec<Vec<u8>> = Vec::new();
    for position in 0..bytes.len() {
        let mut other = bytes.to_vec();
        other[position] ^= 0x01;
        others.push(other);
    }
    for kept in [1, 4, 8, 16, bytes.len() / 2, bytes.len().saturating_sub(1)] {
        if kept < bytes.len() {
            others.push(bytes[..kept].to_vec());
            others.push(bytes[bytes.len() - kept..].to_vec());
        }
    }
    for more in [&[0][..], b" ", b"0", b"x"] {
        others.push([bytes, more].concat());
        others.push([more, bytes].concat());
    }
    others.push(bytes.iter().rev().copied().collect());
    others.push(bytes.iter().map(|byte| byte ^ 0x20).collect());
    others.push(bytes.to_ascii_uppercase());
    others.push(bytes.to_ascii_lowercase());
    others.retain(|other| other != bytes && other.len() <= Revision::MAX_LEN);
    let revisions: Result<_, _> = others.iter().map(|bytes| Revision::from_bytes(bytes)).collect();
    Ok(revisions?)
}

async fn are_compared_as_a_whole(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let revision = storage.store(&key, &full("1"), Precondition::Any).await?;
    for other in akin(revision)? {
        let what = "a store with a revision that is only like the one that is there";
        let got = storage.store(&key, &full("2"), Precondition::Unchanged(other)).await;
        refused("A4", what, got, ErrorKind::Conflict)?;
        let what = "a remove with a revision that is only like the one that is there";
        let got = storage.remove(&key, Precondition::Unchanged(other)).await;
        refused("A4", what, got, ErrorKind::Conflict)?;
    }
    same(
        "A4",
        "the revision after the refusals",
        &storage.get(&key).await?.map(|stored| stored.revision),
        &Some(revision),
    )
}

async fn are_compared_as_a_whole_in_batches(cx: Cx) -> Check {
    let (storage, key, new) = (cx.open().await?, cx.key("rs"), cx.key("new"));
    let (old, data) = (full("1"), full("2"));
    let revision = storage.store(&key, &old, Precondition::Any).await?;
    for other in akin(revision)? {
        let writes = [
            Write::new(&new, &data, Precondition::Absent),
            Write::new(&key, &data, Precondition::Unchanged(other)),
        ];
        let what = "a batch with a revision that is only like the one that is there";
        refused("A4", what, storage.store_all(&writes).await, ErrorKind::Conflict)?;
    }
    stored("A4", &storage.get(&key).await?, &old)?;
    same("A2", "a record of a refused batch", &storage.get(&new).await?, &None)
}

fn new_one(seen: &mut Vec<Revision>, revision: Revision) -> Check {
    if let Some(write) = seen.iter().position(|known| *known == revision) {
        let got = format!("write {} has the revision of write {}", seen.len() + 1, write + 1);
        return fail("A4", "no two states have one revision", got, "another one");
    }
    seen.push(revision);
    Ok(())
}

/// One more write than a counter of one byte counts; in the long profile, of two.
fn writes() -> usize {
    if soak() { 65_540 } else { 260 }
}

async fn of_one_key_never_repeat(cx: Cx) -> Check {
    let (storage, key) = (cx.open_raw().await?, cx.key("rs"));
    cx.touch(&key);
    let data = plain("1");
    let mut seen = Vec::new();
    for _ in 0..writes() {
        new_one(&mut seen, storage.store(&key, &data, Precondition::Any).await?)?;
    }
    first_is_refused(&storage, &key, &seen).await
}

async fn first_is_refused(storage: &Handle, key: &TokenKey, seen: &[Revision]) -> Check {
    for old in seen.iter().take(seen.len() - 1) {
        let got = storage.remove(key, Precondition::Unchanged(*old)).await;
        refused("A4", "a remove with a revision of long ago", got, ErrorKind::Conflict)?;
    }
    Ok(())
}

async fn of_removed_records_never_repeat(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let mut seen = Vec::new();
    for round in 0..24 {
        // Of equal content and of another; by both ways to write; after one write and after two.
        let data = full(&(round % 2).to_string());
        let revision = match round % 3 {
            0 => storage.store(&key, &data, Precondition::Absent).await?,
            _ => {
                storage
                    .store_all(&[Write::new(&key, &data, Precondition::Absent)])
                    .await?[0]
            }
        };
        new_one(&mut seen, revision)?;
        if round % 4 > 1 {
            new_one(&mut seen, storage.store(&key, &data, Precondition::Any).await?)?;
        }
        storage.remove(&key, Precondition::Any).await?;
    }
    Ok(())
}

/// So many states that random numbers of two bytes meet.
async fn of_batches_never_repeat(cx: Cx) -> Check {
    let storage = cx.open_raw().await?;
    let count = storage.describe().limits.batch_records.min(500);
    let keys: Vec<TokenKey> = (0..count).map(|i| cx.key(&format!("rs{i}"))).collect();
    keys.iter().for_each(|key| cx.touch(key));
    let data = plain("1");
    let writes: Vec<Write<'_>> = keys
        .iter()
        .map(|key| Write::new(key, &data, Precondition::Any))
        .collect();
    let mut seen = Vec::new();
    for _ in 0..4 {
        for revision in storage.store_all(&writes).await? {
            new_one(&mut seen, revision)?;
        }
    }
    let first = Write::new(&keys[count - 1], &data, Precondition::Unchanged(seen[count - 1]));
    let got = storage.store_all(&[first]).await;
    refused("A4", "a batch with a revision of before", got, ErrorKind::Conflict).map(drop)
}

async fn stay_while_other_records_change(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let revision = storage.store(&key, &full("1"), Precondition::Any).await?;
    let data = full("2");
    let neighbours = [cx.key("rs2"), cx.key("r"), cx.key("RS"), cx.key_in("/2", "rs")];
    for neighbour in &neighbours {
        storage.store(neighbour, &data, Precondition::Absent).await?;
        storage
            .store_all(&[Write::new(neighbour, &data, Precondition::Any)])
            .await?;
        storage.remove(neighbour, Precondition::Any).await?;
        let there = cx.open().await?.get(&key).await?.map(|stored| stored.revision);
        same("K2", "the revision of another record", &there, &Some(revision))?;
    }
    storage.store(&key, &data, Precondition::Unchanged(revision)).await?;
    Ok(())
}
