use token_storage_core::{ErrorKind, Precondition, TokenStorageExt as _, Write};

use super::preconditions::certain;
use crate::{
    Case, Level,
    check::{Check, absent, fail, holds, refused, same, stored},
    cx::Cx,
    data::{full, plain},
};

pub(super) const CASES: &[Case] = &[
    Case::new(Level::Core, "batches::all_are_stored", &["A2"], |cx| {
        Box::pin(all_are_stored(cx))
    }),
    Case::new(Level::Core, "batches::revisions_come_in_order", &["A2"], |cx| {
        Box::pin(revisions_come_in_order(cx))
    }),
    Case::new(Level::Core, "batches::an_empty_batch_succeeds", &["A2"], |cx| {
        Box::pin(an_empty_batch_succeeds(cx))
    }),
    Case::new(Level::Core, "batches::one_refusal_refuses_all", &["A2", "A5"], |cx| {
        Box::pin(one_refusal_refuses_all(cx))
    }),
    Case::new(Level::Core, "batches::the_refused_key_is_named", &["A2"], |cx| {
        Box::pin(the_refused_key_is_named(cx))
    }),
    Case::new(
        Level::Core,
        "batches::preconditions_hold_each_for_its_own_record",
        &["A2", "A4"],
        |cx| Box::pin(preconditions_hold_each_for_its_own_record(cx)),
    ),
    Case::new(
        Level::Core,
        "batches::two_records_of_one_key_are_invalid",
        &["A2"],
        |cx| Box::pin(two_records_of_one_key_are_invalid(cx)),
    ),
    Case::new(Level::Core, "batches::namespaces_may_be_mixed", &["A2", "K6"], |cx| {
        Box::pin(namespaces_may_be_mixed(cx))
    }),
    Case::new(Level::Core, "batches::other_records_stay", &["A2", "K2"], |cx| {
        Box::pin(other_records_stay(cx))
    }),
    Case::new(
        Level::Core,
        "batches::one_too_large_record_refuses_all",
        &["A2", "K7"],
        |cx| Box::pin(one_too_large_record_refuses_all(cx)),
    ),
    Case::new(
        Level::Hostile,
        "batches::as_many_records_as_declared",
        &["A2", "K7"],
        |cx| Box::pin(as_many_records_as_declared(cx)),
    ),
    Case::new(
        Level::Hostile,
        "batches::more_records_than_declared_are_too_large",
        &["K7"],
        |cx| Box::pin(more_records_than_declared_are_too_large(cx)),
    ),
    Case::new(
        Level::Hostile,
        "batches::more_bytes_than_declared_are_too_large",
        &["K7"],
        |cx| Box::pin(more_bytes_than_declared_are_too_large(cx)),
    ),
];

async fn all_are_stored(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let batch: Vec<_> = (0..5)
        .map(|i| (cx.key(&format!("rs{i}")), full(&i.to_string())))
        .collect();
    let writes: Vec<_> = batch
        .iter()
        .map(|(key, data)| Write::new(key, data, Precondition::Absent))
        .collect();
    let revisions = storage.store_all(&writes).await?;
    same("A2", "one revision for each record", &revisions.len(), &5)?;
    let other = cx.open().await?;
    for (key, data) in &batch {
        stored("A2", &storage.get(key).await?, data)?;
        stored("A2", &other.get(key).await?, data)?;
    }
    Ok(())
}

async fn revisions_come_in_order(cx: Cx) -> Check {
    let storage = cx.open().await?;
    // Neither sorted nor reversed, so that a backend that sorts its batch is seen.
    let keys = ["m", "z", "a", "k"].map(|rs| cx.key(rs));
    let data = full("same");
    let writes = keys.each_ref().map(|key| Write::new(key, &data, Precondition::Any));
    let revisions = storage.store_all(&writes).await?;
    for (key, revision) in keys.iter().zip(&revisions) {
        let read = storage.get(key).await?.map(|stored| stored.revision);
        same(
            "A2",
            "the revisions are in the order of the batch",
            &read,
            &Some(*revision),
        )?;
    }
    let distinct = (0..4).all(|i| !revisions[..i].contains(&revisions[i]));
    holds("K2", "each record of a batch has a revision of its own", distinct)
}

async fn an_empty_batch_succeeds(cx: Cx) -> Check {
    let revisions = cx.open().await?.store_all(&[]).await?;
    same("A2", "an empty batch has no revisions", &revisions.len(), &0)
}

async fn one_refusal_refuses_all(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = ["a", "b", "c"].map(|rs| cx.key(rs));
    let gone = storage.store(&keys[1], &full("gone"), Precondition::Any).await?;
    storage.remove(&keys[1], Precondition::Any).await?;
    storage.store(&keys[0], &full("old"), Precondition::Any).await?;
    let before = storage.get(&keys[0]).await?;
    let data = full("new");
    // One that is not there any more is none to be unchanged.
    let of_nothing = [
        Write::new(&keys[0], &data, Precondition::Any),
        Write::new(&keys[1], &data, Precondition::Unchanged(gone)),
    ];
    let refusal = storage.store_all(&of_nothing).await;
    certain(&refused(
        "A2",
        "a batch with one refused record",
        refusal,
        ErrorKind::Conflict,
    )?)?;
    same(
        "A2",
        "a record of a refused batch",
        &storage.get(&keys[0]).await?,
        &before,
    )?;
    absent("A2", "the refused record", &storage.get(&keys[1]).await?)?;
    // The refused record first, in the middle and last: what was checked before it must not be written either.
    for order in [[0, 1, 2], [1, 0, 2], [1, 2, 0]] {
        let writes = order.map(|i| Write::new(&keys[i], &data, Precondition::Absent));
        refused(
            "A2",
            "a batch with one refused record",
            storage.store_all(&writes).await,
            ErrorKind::Conflict,
        )?;
        for handle in [&storage, &cx.open().await?] {
            same("A2", "the refused record", &handle.get(&keys[0]).await?, &before)?;
            absent("A2", "a record of a refused batch", &handle.get(&keys[1]).await?)?;
            absent("A2", "a record of a refused batch", &handle.get(&keys[2]).await?)?;
        }
    }
    Ok(())
}

async fn the_refused_key_is_named(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = ["a", "b", "c", "d"].map(|rs| cx.key(rs));
    let first = storage.store(&keys[1], &full("1"), Precondition::Any).await?;
    let current = storage.store(&keys[1], &full("2"), Precondition::Any).await?;
    let data = full("new");
    let writes = [
        Write::new(&keys[0], &data, Precondition::Absent),
        Write::new(&keys[1], &data, Precondition::Unchanged(first)),
        Write::new(&keys[2], &data, Precondition::Unchanged(first)),
        Write::new(&keys[3], &data, Precondition::Any),
    ];
    let error = refused("A2", "a batch", storage.store_all(&writes).await, ErrorKind::Conflict)?;
    let Some(conflict) = error.conflict() else {
        return fail(
            "A2",
            "a refusal names the key",
            "no facts of the conflict",
            "the key and what is there",
        );
    };
    same("A2", "the first refused key is named", &conflict.key, &keys[1])?;
    same("A4", "what is there is named", &conflict.current, &Some(current))
}

async fn preconditions_hold_each_for_its_own_record(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = ["new", "old", "any"].map(|rs| cx.key(rs));
    let old = storage.store(&keys[1], &full("1"), Precondition::Any).await?;
    let data = full("2");
    let writes = [
        Write::new(&keys[0], &data, Precondition::Absent),
        Write::new(&keys[1], &data, Precondition::Unchanged(old)),
        Write::new(&keys[2], &data, Precondition::Any),
    ];
    storage.store_all(&writes).await?;
    for key in &keys {
        stored("A2", &storage.get(key).await?, &data)?;
    }
    refused(
        "A2",
        "the same batch again",
        storage.store_all(&writes).await,
        ErrorKind::Conflict,
    )
    .map(drop)
}

async fn two_records_of_one_key_are_invalid(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let (a, b) = (cx.key("a"), cx.key("b"));
    let (one, two) = (full("1"), full("2"));
    let writes = [
        Write::new(&a, &one, Precondition::Any),
        Write::new(&b, &one, Precondition::Any),
        Write::new(&a, &two, Precondition::Any),
    ];
    refused(
        "A2",
        "two records of one key",
        storage.store_all(&writes).await,
        ErrorKind::InvalidInput,
    )?;
    absent("A2", "a record of a refused batch", &storage.get(&a).await?)?;
    absent("A2", "a record of a refused batch", &storage.get(&b).await?)
}

async fn namespaces_may_be_mixed(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let (a, b) = (cx.key_in("/a", "rs"), cx.key_in("/b", "rs"));
    let (one, two) = (full("1"), full("2"));
    let writes = [
        Write::new(&a, &one, Precondition::Absent),
        Write::new(&b, &two, Precondition::Absent),
    ];
    storage.store_all(&writes).await?;
    stored("K6", &storage.get(&a).await?, &one)?;
    stored("K6", &storage.get(&b).await?, &two)
}

async fn other_records_stay(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let (a, b, other) = (cx.key("a"), cx.key("b"), cx.key("other"));
    storage.store(&other, &full("1"), Precondition::Any).await?;
    let before = storage.get(&other).await?;
    let data = plain("2");
    let writes = [
        Write::new(&a, &data, Precondition::Any),
        Write::new(&b, &data, Precondition::Any),
    ];
    storage.store_all(&writes).await?;
    same(
        "A2",
        "a record that is not in the batch",
        &storage.get(&other).await?,
        &before,
    )
}

async fn one_too_large_record_refuses_all(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let limits = storage.describe().limits;
    if limits.record_bytes > super::limits::MOST {
        return crate::check::ignore("the declared record size is too large to be probed");
    }
    let (a, b) = (cx.key("a"), cx.key("b"));
    let (small, large) = (full("1"), plain(&"x".repeat(limits.record_bytes)));
    let writes = [
        Write::new(&a, &small, Precondition::Any),
        Write::new(&b, &large, Precondition::Any),
    ];
    refused(
        "K7",
        "a batch with a too large record",
        storage.store_all(&writes).await,
        ErrorKind::TooLarge,
    )?;
    absent("A2", "a record of a refused batch", &storage.get(&a).await?)?;
    absent("A2", "a record of a refused batch", &storage.get(&b).await?)
}

/// More records than this are not probed.
const MOST_RECORDS: usize = 5000;

async fn as_many_records_as_declared(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let count = storage.describe().limits.batch_records.min(MOST_RECORDS);
    let keys: Vec<_> = (0..count).map(|i| cx.key(&format!("rs{i}"))).collect();
    let data = plain("1");
    let writes: Vec<_> = keys
        .iter()
        .map(|key| Write::new(key, &data, Precondition::Absent))
        .collect();
    let revisions = storage.store_all(&writes).await?;
    same("A2", "one revision for each record", &revisions.len(), &count)?;
    for index in [0, 24, 25, 99, 100, count / 2, count - 1] {
        if let Some(key) = keys.get(index) {
            stored("A2", &storage.get(key).await?, &data)?;
        }
    }
    // All of them: a batch that was cut in pieces may have lost one.
    let again = storage.store_all(&writes).await;
    refused("A2", "the same batch again", again, ErrorKind::Conflict)?;
    let conditional: Vec<_> = keys
        .iter()
        .zip(&revisions)
        .map(|(key, revision)| Write::new(key, &data, Precondition::Unchanged(*revision)))
        .collect();
    storage.store_all(&conditional).await?;
    Ok(())
}

async fn more_records_than_declared_are_too_large(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let count = storage.describe().limits.batch_records;
    if count > MOST_RECORDS {
        return crate::check::ignore("the declared number of records is too large to be probed");
    }
    let keys: Vec<_> = (0..=count).map(|i| cx.key(&format!("rs{i}"))).collect();
    let data = plain("1");
    let writes: Vec<_> = keys
        .iter()
        .map(|key| Write::new(key, &data, Precondition::Any))
        .collect();
    let result = storage.store_all(&writes).await;
    refused(
        "K7",
        "a batch of more records than declared",
        result,
        ErrorKind::TooLarge,
    )?;
    absent("K7", "a record of a refused batch", &storage.get(&keys[0]).await?)?;
    absent("K7", "a record of a refused batch", &storage.get(&keys[count]).await?)
}

async fn more_bytes_than_declared_are_too_large(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let limits = storage.describe().limits;
    let half = limits.record_bytes / 2;
    let count = limits.batch_bytes / half + 2;
    if limits.batch_bytes > 4 * super::limits::MOST || count > limits.batch_records {
        return crate::check::ignore("the declared batch size cannot be passed with records that are allowed");
    }
    let keys: Vec<_> = (0..count).map(|i| cx.key(&format!("rs{i}"))).collect();
    let data = plain(&"x".repeat(half));
    let writes: Vec<_> = keys
        .iter()
        .map(|key| Write::new(key, &data, Precondition::Any))
        .collect();
    let result = storage.store_all(&writes).await;
    refused("K7", "a batch of more bytes than declared", result, ErrorKind::TooLarge)?;
    absent("K7", "a record of a refused batch", &storage.get(&keys[0]).await?)
}
