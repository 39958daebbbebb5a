use token_storage_core::{
    Error, ErrorKind, Precondition, Result, Revision, StoredToken, TokenKey, TokenStorageExt as _, Write,
};

use crate::{
    Case, Level,
    check::{Check, absent, holds, refused, same, stored},
    cx::{Cx, Handle},
    data::{extra, full, plain},
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Core,
        "preconditions::absent_stores_only_what_is_not_there",
        &["A4"],
        |cx| Box::pin(absent_stores_only_what_is_not_there(cx)),
    ),
    Case::new(
        Level::Core,
        "preconditions::unchanged_stores_only_over_its_revision",
        &["A4"],
        |cx| Box::pin(unchanged_stores_only_over_its_revision(cx)),
    ),
    Case::new(
        Level::Core,
        "preconditions::unchanged_does_not_create",
        &["A4", "L10"],
        |cx| Box::pin(unchanged_does_not_create(cx)),
    ),
    Case::new(Level::Core, "preconditions::every_field_counts", &["A4"], |cx| {
        Box::pin(every_field_counts(cx))
    }),
    Case::new(Level::Core, "preconditions::equal_content_is_a_change", &["A4"], |cx| {
        Box::pin(equal_content_is_a_change(cx))
    }),
    Case::new(
        Level::Core,
        "preconditions::changed_and_changed_back_is_a_change",
        &["A4"],
        |cx| Box::pin(changed_and_changed_back_is_a_change(cx)),
    ),
    Case::new(
        Level::Core,
        "preconditions::a_conflict_says_what_is_there",
        &["A4"],
        |cx| Box::pin(a_conflict_says_what_is_there(cx)),
    ),
    Case::new(
        Level::Core,
        "preconditions::a_conflict_changes_nothing",
        &["A4"],
        |cx| Box::pin(a_conflict_changes_nothing(cx)),
    ),
    Case::new(Level::Core, "preconditions::a_conflict_is_certain", &["A5"], |cx| {
        Box::pin(a_conflict_is_certain(cx))
    }),
    Case::new(
        Level::Core,
        "preconditions::remove_keeps_to_its_revision",
        &["A4"],
        |cx| Box::pin(remove_keeps_to_its_revision(cx)),
    ),
    Case::new(
        Level::Core,
        "preconditions::remove_of_what_must_be_absent_conflicts",
        &["A4"],
        |cx| Box::pin(remove_of_what_must_be_absent_conflicts(cx)),
    ),
    Case::new(
        Level::Core,
        "preconditions::a_revision_belongs_to_its_key",
        &["A4"],
        |cx| Box::pin(a_revision_belongs_to_its_key(cx)),
    ),
    Case::new(
        Level::Core,
        "preconditions::a_strange_revision_is_a_conflict",
        &["A4"],
        |cx| Box::pin(a_strange_revision_is_a_conflict(cx)),
    ),
    Case::new(
        Level::Core,
        "preconditions::the_refused_writer_can_go_on",
        &["A4"],
        |cx| Box::pin(the_refused_writer_can_go_on(cx)),
    ),
];

/// A conflict that names the key and what is there.
fn conflict<T>(expectation: &str, got: Result<T>, key: &TokenKey, current: Option<Revision>) -> Check<Error> {
    let error = refused("A4", expectation, got, ErrorKind::Conflict)?;
    match error.conflict() {
        Some(conflict) => {
            same("A4", "the conflict names the key", &conflict.key, key)?;
            same("A4", "the conflict names what is there", &conflict.current, &current)?;
        }
        None => holds("A4", "the conflict has its facts", false)?,
    }
    Ok(error)
}

async fn revision(storage: &Handle, key: &TokenKey) -> Check<Option<Revision>> {
    Ok(storage.get(key).await?.map(|stored| stored.revision))
}

async fn absent_stores_only_what_is_not_there(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let first = storage.store(&key, &full("1"), Precondition::Absent).await?;
    let again = storage.store(&key, &full("2"), Precondition::Absent).await;
    conflict("a second store if absent", again, &key, Some(first))?;
    let equal = storage.store(&key, &full("1"), Precondition::Absent).await;
    conflict("a second store if absent, of equal content", equal, &key, Some(first))?;
    storage.remove(&key, Precondition::Any).await?;
    storage.store(&key, &full("3"), Precondition::Absent).await?;
    stored("A4", &storage.get(&key).await?, &full("3"))
}

async fn unchanged_stores_only_over_its_revision(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let first = storage.store(&key, &full("1"), Precondition::Any).await?;
    let second = storage.store(&key, &full("2"), Precondition::Unchanged(first)).await?;
    stored("A4", &storage.get(&key).await?, &full("2"))?;
    let late = storage.store(&key, &full("3"), Precondition::Unchanged(first)).await;
    conflict("a store over an old revision", late, &key, Some(second))?;
    stored("A4", &storage.get(&key).await?, &full("2"))
}

async fn unchanged_does_not_create(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let first = storage.store(&key, &full("1"), Precondition::Any).await?;
    storage.remove(&key, Precondition::Any).await?;
    let late = storage.store(&key, &full("2"), Precondition::Unchanged(first)).await;
    conflict("a store over a removed record", late, &key, None)?;
    absent("A4", "a refused store", &storage.get(&key).await?)?;
    let remove = storage.remove(&key, Precondition::Unchanged(first)).await;
    conflict("a remove of a removed record by its revision", remove, &key, None).map(drop)
}

/// A change of any one field is seen, whatever a backend compares.
async fn every_field_counts(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let base = full("1");
    let mut variants = vec![base.clone(); 9];
    variants[0].resource_server += "x";
    variants[1].scope += "x";
    variants[2].access_token = "other".into();
    variants[3].refresh_token = Some("other".into());
    variants[4].refresh_token = None;
    variants[5].expires_at = Some(1_700_000_001);
    variants[6].token_type = None;
    variants[7].identity_id = Some("other".to_owned());
    variants[8].extra = extra(&[("id_token", "\"other\""), ("n", "1")]);
    for changed in variants {
        let first = storage.store(&key, &base, Precondition::Any).await?;
        let second = storage.store(&key, &changed, Precondition::Any).await?;
        let late = storage
            .store(&key, &plain("late"), Precondition::Unchanged(first))
            .await;
        conflict(
            "a store over a revision whose record has changed in one field",
            late,
            &key,
            Some(second),
        )?;
        stored("A4", &storage.get(&key).await?, &changed)?;
    }
    Ok(())
}

async fn equal_content_is_a_change(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let first = storage.store(&key, &full("1"), Precondition::Any).await?;
    let second = storage.store(&key, &full("1"), Precondition::Any).await?;
    let late = storage.store(&key, &full("1"), Precondition::Unchanged(first)).await;
    conflict(
        "a store over a revision that equal content replaced",
        late,
        &key,
        Some(second),
    )
    .map(drop)
}

async fn changed_and_changed_back_is_a_change(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let first = storage.store(&key, &full("1"), Precondition::Any).await?;
    storage.store(&key, &full("2"), Precondition::Any).await?;
    let third = storage.store(&key, &full("1"), Precondition::Any).await?;
    let late = storage.store(&key, &full("4"), Precondition::Unchanged(first)).await;
    conflict(
        "a store over a record that was changed and changed back",
        late,
        &key,
        Some(third),
    )?;
    storage.remove(&key, Precondition::Any).await?;
    let fourth = storage.store(&key, &full("1"), Precondition::Any).await?;
    let late = storage.remove(&key, Precondition::Unchanged(first)).await;
    conflict(
        "a remove of a record that was removed and stored again",
        late,
        &key,
        Some(fourth),
    )
    .map(drop)
}

async fn a_conflict_says_what_is_there(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let first = storage.store(&key, &full("1"), Precondition::Any).await?;
    let second = storage.store(&key, &full("2"), Precondition::Any).await?;
    let error = conflict(
        "a store over an old revision",
        storage.store(&key, &full("3"), Precondition::Unchanged(first)).await,
        &key,
        Some(second),
    )?;
    // What the conflict names can be built upon at once.
    let current = error.conflict().and_then(|conflict| conflict.current).unwrap_or(second);
    storage
        .store(&key, &full("3"), Precondition::Unchanged(current))
        .await?;
    stored("A4", &storage.get(&key).await?, &full("3"))
}

async fn a_conflict_changes_nothing(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let old = storage.store(&key, &full("0"), Precondition::Any).await?;
    storage.store(&key, &full("1"), Precondition::Any).await?;
    let before: Option<StoredToken> = storage.get(&key).await?;
    for precondition in [Precondition::Absent, Precondition::Unchanged(old)] {
        refused(
            "A4",
            "a store that must be refused",
            storage.store(&key, &full("2"), precondition).await,
            ErrorKind::Conflict,
        )?;
        refused(
            "A4",
            "a remove that must be refused",
            storage.remove(&key, precondition).await,
            ErrorKind::Conflict,
        )?;
        same(
            "A4",
            "what is there after a refusal",
            &storage.get(&key).await?,
            &before,
        )?;
        same(
            "A4",
            "what another handle sees",
            &cx.open().await?.get(&key).await?,
            &before,
        )?;
    }
    Ok(())
}

async fn a_conflict_is_certain(cx: Cx) -> Check {
    let (storage, key, data) = (cx.open().await?, cx.key("rs"), full("2"));
    storage.store(&key, &full("1"), Precondition::Any).await?;
    let gone = storage.store(&cx.key("gone"), &data, Precondition::Any).await?;
    storage.remove(&cx.key("gone"), Precondition::Any).await?;
    let (new, unchanged) = (cx.key("gone"), Precondition::Unchanged(gone));
    let batch = [Write::new(&key, &data, Precondition::Absent)];
    let refusals = [
        storage.store(&new, &data, unchanged).await.map(drop),
        storage.remove(&new, unchanged).await.map(drop),
        storage.store(&key, &data, Precondition::Absent).await.map(drop),
        storage.store_all(&batch).await.map(drop),
        storage.remove(&key, Precondition::Absent).await.map(drop),
    ];
    for refusal in refusals {
        certain(&refused(
            "A4",
            "a write that must be refused",
            refusal,
            ErrorKind::Conflict,
        )?)?;
    }
    Ok(())
}

/// Whether a conflict says that nothing was done, and that trying again is no use.
pub(super) fn certain(conflict: &Error) -> Check {
    let what = "a conflict does not say that the write may have happened";
    holds("A5", what, !conflict.may_have_applied())?;
    holds(
        "A5",
        "a conflict is not to be tried again as it is",
        !conflict.is_retryable(),
    )
}

async fn remove_keeps_to_its_revision(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let first = storage.store(&key, &full("1"), Precondition::Any).await?;
    let second = storage.store(&key, &full("2"), Precondition::Any).await?;
    let late = storage.remove(&key, Precondition::Unchanged(first)).await;
    conflict("a remove of an old revision", late, &key, Some(second))?;
    stored("A4", &storage.get(&key).await?, &full("2"))?;
    let removed = storage.remove(&key, Precondition::Unchanged(second)).await?;
    same("A4", "a remove of the current revision", &removed, &true)?;
    same("A4", "what is there", &revision(&storage, &key).await?, &None)
}

async fn remove_of_what_must_be_absent_conflicts(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let first = storage.store(&key, &full("1"), Precondition::Any).await?;
    let refused = storage.remove(&key, Precondition::Absent).await;
    conflict("a remove of what must be absent", refused, &key, Some(first))?;
    stored("A4", &storage.get(&key).await?, &full("1"))
}

async fn a_revision_belongs_to_its_key(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let (a, b) = (cx.key("a"), cx.key("b"));
    let of_a = storage.store(&a, &full("1"), Precondition::Any).await?;
    let of_b = storage.store(&b, &full("1"), Precondition::Any).await?;
    let wrong = storage.store(&b, &full("2"), Precondition::Unchanged(of_a)).await;
    conflict("a store with another record's revision", wrong, &b, Some(of_b))?;
    let wrong = storage.remove(&b, Precondition::Unchanged(of_a)).await;
    conflict("a remove with another record's revision", wrong, &b, Some(of_b))?;
    let data = full("2");
    let batch = [Write::new(&b, &data, Precondition::Unchanged(of_a))];
    let wrong = storage.store_all(&batch).await;
    conflict("a batch with another record's revision", wrong, &b, Some(of_b)).map(drop)
}

async fn a_strange_revision_is_a_conflict(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let first = storage.store(&key, &full("1"), Precondition::Any).await?;
    for bytes in [&[][..], &[0], &[0xff; 32], &[7; Revision::MAX_LEN]] {
        let strange = Revision::from_bytes(bytes)?;
        let refused = storage.store(&key, &full("2"), Precondition::Unchanged(strange)).await;
        conflict("a store with a revision that never was", refused, &key, Some(first))?;
        let refused = storage.remove(&key, Precondition::Unchanged(strange)).await;
        conflict("a remove with a revision that never was", refused, &key, Some(first))?;
    }
    Ok(())
}

async fn the_refused_writer_can_go_on(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    storage.store(&key, &full("1"), Precondition::Any).await?;
    let refused_store = storage.store(&key, &full("2"), Precondition::Absent).await;
    refused("A4", "a second store if absent", refused_store, ErrorKind::Conflict)?;
    storage.store(&key, &full("3"), Precondition::Any).await?;
    stored("A4", &storage.get(&key).await?, &full("3"))
}
