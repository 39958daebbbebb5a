//! Inserts, updates, batches and removes: many storages have code of its own for each.

use token_storage_core::{Error, ErrorKind, Precondition, Revision, TokenData, TokenKey, TokenStorageExt as _, Write};

use crate::{
    Case, Level,
    check::{Check, fail, refused, same, stored},
    cx::{Cx, Handle},
    data::{extra, full},
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Core,
        "records::each_way_of_writing_replaces_the_whole_record",
        &["K1", "K2", "A2"],
        |cx| Box::pin(each_way_of_writing_replaces_the_whole_record(cx)),
    ),
    Case::new(
        Level::Core,
        "batches::each_precondition_counts_wherever_it_stands",
        &["A2", "A4"],
        |cx| Box::pin(each_precondition_counts_wherever_it_stands(cx)),
    ),
    Case::new(
        Level::Core,
        "removal::each_precondition_is_answered_as_it_is",
        &["A4", "K3"],
        |cx| Box::pin(each_precondition_is_answered_as_it_is(cx)),
    ),
    Case::new(
        Level::Core,
        "removal::an_equal_record_of_another_key_stays",
        &["K2", "K3"],
        |cx| Box::pin(an_equal_record_of_another_key_stays(cx)),
    ),
];

/// No two have anything in common but their shape: long, short, and with nothing that may be left out.
fn unlike() -> [TokenData; 3] {
    let long = TokenData::new(
        "a-long-name.example",
        "one two three four",
        "a-long-access-token-0123456789",
    )
    .with_refresh_token("a-long-refresh-token-0123456789")
    .with_expires_at(1_800_000_000)
    .with_token_type("DPoP-with-a-long-name")
    .with_identity_id("a-long-identity-0123456789")
    .with_extra(extra(&[("id_token", "\"long\""), ("list", "[1,2,3]"), ("n", "12345")]));
    let short = TokenData::new("b", "s", "t")
        .with_refresh_token("r")
        .with_expires_at(7)
        .with_token_type("T")
        .with_identity_id("i")
        .with_extra(extra(&[("x", "0")]));
    [long, short, TokenData::new("c", "", "u")]
}

/// How a record takes the place of another.
#[derive(Clone, Copy, Debug)]
enum Way {
    Store,
    Update,
    /// After a remove.
    Insert,
    Batch,
    BatchUpdate,
    BatchInsert,
}

const WAYS: [Way; 6] = [
    Way::Store,
    Way::Update,
    Way::Insert,
    Way::Batch,
    Way::BatchUpdate,
    Way::BatchInsert,
];

impl Way {
    async fn write(self, storage: &Handle, keys: &[TokenKey; 2], old: Revision, data: &TokenData) -> Check {
        let (key, beside) = (&keys[0], full("beside"));
        if matches!(self, Self::Insert | Self::BatchInsert) {
            storage.remove(key, Precondition::Unchanged(old)).await?;
        }
        let precondition = match self {
            Self::Store | Self::Batch => Precondition::Any,
            Self::Update | Self::BatchUpdate => Precondition::Unchanged(old),
            Self::Insert | Self::BatchInsert => Precondition::Absent,
        };
        let write = Write::new(key, data, precondition);
        let other = Write::new(&keys[1], &beside, Precondition::Any);
        match self {
            Self::Store | Self::Update | Self::Insert => drop(storage.store(key, data, precondition).await?),
            Self::Batch | Self::BatchUpdate | Self::BatchInsert => drop(storage.store_all(&[other, write]).await?),
        }
        Ok(())
    }
}

async fn each_way_of_writing_replaces_the_whole_record(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = [cx.key("rs"), cx.key("beside")];
    let records = unlike();
    for way in WAYS {
        for (old, new) in [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2)] {
            let there = storage.store(&keys[0], &records[old], Precondition::Any).await?;
            way.write(&storage, &keys, there, &records[new]).await?;
            let got = storage.get(&keys[0]).await?;
            if got.as_ref().is_none_or(|got| got.data != records[new]) {
                cx.note(format!(
                    "written last: {way:?}, over a record that had nothing in common with it"
                ));
            }
            stored("K2", &got, &records[new])?;
        }
    }
    Ok(())
}

/// The refusal of a record, and that it is told as it is.
fn told(result: Result<(), Error>, what: &str, key: &TokenKey, current: Option<Revision>) -> Check {
    let error = refused("A4", what, result, ErrorKind::Conflict)?;
    let Some(conflict) = error.conflict() else {
        return fail("A4", what, "a conflict without its facts", "its key, and what is there");
    };
    same("A2", &format!("the key that is named of {what}"), &conflict.key, key)?;
    same("A4", &format!("what is there, of {what}"), &conflict.current, &current)
}

/// One record of a batch may not be written, the others may: of one record, of the first, one in the middle, the last.
async fn each_precondition_counts_wherever_it_stands(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = ["a", "b", "c"].map(|name| cx.key(name));
    let (old, new) = (full("old"), full("new"));
    let stale = storage.store(&keys[0], &old, Precondition::Any).await?;
    for count in 1..=keys.len() {
        for place in 0..count {
            for case in [
                "an outdated revision",
                "what must be absent",
                "a revision of what is gone",
            ] {
                let mut revisions = Vec::new();
                for key in &keys {
                    revisions.push(storage.store(key, &old, Precondition::Any).await?);
                }
                let precondition = match case {
                    "what must be absent" => Precondition::Absent,
                    _ => Precondition::Unchanged(stale),
                };
                let gone = case == "a revision of what is gone";
                if gone {
                    storage.remove(&keys[place], Precondition::Any).await?;
                }
                let mut writes: Vec<_> = keys[..count]
                    .iter()
                    .map(|key| Write::new(key, &new, Precondition::Any))
                    .collect();
                writes[place].precondition = precondition;
                let what = format!("a batch of {count} with {case} at place {}", place + 1);
                let current = (!gone).then_some(revisions[place]);
                let result = storage.store_all(&writes).await.map(drop);
                told(result, &what, &keys[place], current)?;
                for (number, key) in keys.iter().enumerate().filter(|(number, _)| !gone || *number != place) {
                    let there = storage.get(key).await?.map(|there| there.revision);
                    let what = format!("record {} after {what}", number + 1);
                    same("A2", &what, &there, &Some(revisions[number]))?;
                }
            }
        }
    }
    Ok(())
}

async fn each_precondition_is_answered_as_it_is(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let nothing = storage.remove(&key, Precondition::Absent).await?;
    same("A4", "a remove of what must be absent, and is", &nothing, &false)?;
    let first = storage.store(&key, &full("1"), Precondition::Any).await?;
    let now = storage.store(&key, &full("2"), Precondition::Any).await?;
    let removed = async |precondition| storage.remove(&key, precondition).await.map(drop);
    let old = Precondition::Unchanged(first);
    told(removed(old).await, "a remove of an outdated revision", &key, Some(now))?;
    let absent = removed(Precondition::Absent).await;
    told(absent, "a remove of what must be absent, and is not", &key, Some(now))?;
    removed(Precondition::Unchanged(now)).await?;
    for revision in [first, now] {
        let gone = removed(Precondition::Unchanged(revision)).await;
        told(gone, "a remove of a revision of what is gone", &key, None)?;
    }
    Ok(())
}

/// Whoever keeps equal content once has to know who refers to it.
async fn an_equal_record_of_another_key_stays(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = [cx.key("a"), cx.key("b"), cx.key_in("/2", "a")];
    let (equal, other) = (full("equal"), full("other"));
    for key in &keys {
        storage.store(key, &equal, Precondition::Any).await?;
    }
    storage.store(&keys[0], &other, Precondition::Any).await?;
    for key in &keys[1..] {
        stored("K2", &storage.get(key).await?, &equal)?;
    }
    storage.store(&keys[0], &equal, Precondition::Any).await?;
    storage.remove(&keys[0], Precondition::Any).await?;
    for key in &keys[1..] {
        stored("K3", &storage.get(key).await?, &equal)?;
    }
    let batch = keys.each_ref().map(|key| Write::new(key, &equal, Precondition::Any));
    storage.store_all(&batch).await?;
    storage.remove(&keys[1], Precondition::Any).await?;
    for key in [&keys[0], &keys[2]] {
        stored("K3", &storage.get(key).await?, &equal)?;
    }
    Ok(())
}
