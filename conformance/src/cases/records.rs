use token_storage_core::{Precondition, TokenData, TokenStorageExt as _};

use super::fields::texts;
use crate::{
    Case, Level,
    check::{Check, absent, holds, same, stored},
    cx::{Cx, Handle},
    data::{JSON_VALUES, ODD, extra, full, plain},
};

pub(super) const CASES: &[Case] = &[
    Case::new(Level::Core, "records::absent_is_none", &["K1"], |cx| {
        Box::pin(absent_is_none(cx))
    }),
    Case::new(Level::Core, "records::every_field_round_trips", &["K1"], |cx| {
        Box::pin(every_field_round_trips(cx))
    }),
    Case::new(
        Level::Core,
        "records::odd_text_round_trips_in_every_field",
        &["K1"],
        |cx| Box::pin(odd_text_round_trips_in_every_field(cx)),
    ),
    Case::new(Level::Core, "records::empty_texts_stay_empty", &["K1", "K8"], |cx| {
        Box::pin(empty_texts_stay_empty(cx))
    }),
    Case::new(Level::Core, "records::extra_values_are_verbatim", &["K1"], |cx| {
        Box::pin(extra_values_are_verbatim(cx))
    }),
    Case::new(Level::Core, "records::extra_names_are_exact", &["K1"], |cx| {
        Box::pin(extra_names_are_exact(cx))
    }),
    Case::new(
        Level::Core,
        "records::the_resource_server_of_the_record_is_not_the_keys",
        &["K1"],
        |cx| Box::pin(the_resource_server_of_the_record_is_not_the_keys(cx)),
    ),
    Case::new(
        Level::Core,
        "records::the_revision_read_is_the_one_written",
        &["K1", "A4"],
        |cx| Box::pin(the_revision_read_is_the_one_written(cx)),
    ),
    Case::new(
        Level::Core,
        "records::reading_does_not_change_the_revision",
        &["A4"],
        |cx| Box::pin(reading_does_not_change_the_revision(cx)),
    ),
    Case::new(
        Level::Core,
        "records::a_store_replaces_the_whole_record",
        &["K2"],
        |cx| Box::pin(a_store_replaces_the_whole_record(cx)),
    ),
    Case::new(
        Level::Core,
        "records::a_store_keeps_no_extra_of_before",
        &["K2"],
        |cx| Box::pin(a_store_keeps_no_extra_of_before(cx)),
    ),
    Case::new(Level::Core, "records::a_store_touches_no_other_record", &["K2"], |cx| {
        Box::pin(a_store_touches_no_other_record(cx))
    }),
    Case::new(
        Level::Core,
        "records::equal_content_has_a_new_revision",
        &["K2"],
        |cx| Box::pin(equal_content_has_a_new_revision(cx)),
    ),
    Case::new(
        Level::Core,
        "records::a_record_changed_back_has_a_new_revision",
        &["K2", "A4"],
        |cx| Box::pin(a_record_changed_back_has_a_new_revision(cx)),
    ),
    Case::new(Level::Core, "records::optional_fields_stay_absent", &["K8"], |cx| {
        Box::pin(optional_fields_stay_absent(cx))
    }),
    Case::new(
        Level::Core,
        "records::each_optional_field_alone_round_trips",
        &["K8"],
        |cx| Box::pin(each_optional_field_alone_round_trips(cx)),
    ),
    Case::new(Level::Core, "records::any_expiry_round_trips", &["K8"], |cx| {
        Box::pin(any_expiry_round_trips(cx))
    }),
    Case::new(Level::Core, "records::unknown_expiry_is_not_zero", &["K8"], |cx| {
        Box::pin(unknown_expiry_is_not_zero(cx))
    }),
    Case::new(Level::Core, "records::expired_records_stay", &["K8"], |cx| {
        Box::pin(expired_records_stay(cx))
    }),
    Case::new(Level::Core, "records::reserved_members_never_show", &["K1"], |cx| {
        Box::pin(reserved_members_never_show(cx))
    }),
    Case::new(
        Level::Core,
        "records::proving_writable_changes_nothing",
        &["L6", "L7"],
        |cx| Box::pin(proving_writable_changes_nothing(cx)),
    ),
];

async fn absent_is_none(cx: Cx) -> Check {
    let storage = cx.open().await?;
    absent("K1", "nothing was stored", &storage.get(&cx.key("rs")).await?)?;
    storage.store(&cx.key("other"), &full("1"), Precondition::Any).await?;
    absent(
        "K1",
        "nothing was stored under this key",
        &storage.get(&cx.key("rs")).await?,
    )
}

async fn round_trip(cx: &Cx, name: &str, data: &TokenData) -> Check {
    let storage = cx.open().await?;
    storage.store(&cx.key(name), data, Precondition::Any).await?;
    stored("K1", &storage.get(&cx.key(name)).await?, data)?;
    // Past whatever the writing handle remembers.
    stored("K1", &cx.open().await?.get(&cx.key(name)).await?, data)
}

async fn every_field_round_trips(cx: Cx) -> Check {
    round_trip(&cx, "rs", &full("1")).await
}

async fn odd_text_round_trips_in_every_field(cx: Cx) -> Check {
    let all = ODD.concat();
    round_trip(&cx, "one", &texts(&all)).await?;
    // Each alone, at the ends of a field, where trimming would show.
    let storage = cx.open().await?;
    for odd in ODD.iter().step_by(if crate::rng::soak() { 1 } else { 3 }) {
        storage.store(&cx.key("each"), &texts(odd), Precondition::Any).await?;
        stored("K1", &storage.get(&cx.key("each")).await?, &texts(odd))?;
    }
    Ok(())
}

async fn empty_texts_stay_empty(cx: Cx) -> Check {
    round_trip(&cx, "rs", &texts("")).await
}

async fn extra_values_are_verbatim(cx: Cx) -> Check {
    let names: Vec<String> = (0..JSON_VALUES.len()).map(|i| format!("member{i}")).collect();
    let members: Vec<(&str, &str)> = names
        .iter()
        .map(String::as_str)
        .zip(JSON_VALUES.iter().copied())
        .collect();
    round_trip(&cx, "rs", &plain("1").with_extra(extra(&members))).await
}

async fn extra_names_are_exact(cx: Cx) -> Check {
    let names = ODD
        .iter()
        .chain(&["", "ACCESS_TOKEN", "expires_at", "token_storage.mark", "expires_in"]);
    let members: Vec<(&str, &str)> = names
        .filter(|name| !name.starts_with("token-storage."))
        .map(|name| (*name, "\"x\""))
        .collect();
    round_trip(&cx, "rs", &plain("1").with_extra(extra(&members))).await
}

async fn the_resource_server_of_the_record_is_not_the_keys(cx: Cx) -> Check {
    let mut data = full("1");
    data.resource_server = "quite another".to_owned();
    round_trip(&cx, "rs", &data).await
}

async fn the_revision_read_is_the_one_written(cx: Cx) -> Check {
    let storage = cx.open().await?;
    for tag in ["1", "2"] {
        let written = storage.store(&cx.key("rs"), &full(tag), Precondition::Any).await?;
        for handle in [&storage, &cx.open().await?] {
            let read = handle.get(&cx.key("rs")).await?.map(|stored| stored.revision);
            same(
                "K1",
                "get returns the revision that store returned",
                &read,
                &Some(written),
            )?;
        }
    }
    Ok(())
}

async fn reading_does_not_change_the_revision(cx: Cx) -> Check {
    let storage = cx.open().await?;
    storage.store(&cx.key("rs"), &full("1"), Precondition::Any).await?;
    let first = storage.get(&cx.key("rs")).await?;
    storage.store(&cx.key("other"), &full("2"), Precondition::Any).await?;
    let second = storage.get(&cx.key("rs")).await?;
    same("K1", "an unchanged record keeps its revision", &second, &first)
}

async fn a_store_replaces_the_whole_record(cx: Cx) -> Check {
    let storage = cx.open().await?;
    storage.store(&cx.key("rs"), &full("1"), Precondition::Any).await?;
    storage.store(&cx.key("rs"), &plain("2"), Precondition::Any).await?;
    stored("K2", &storage.get(&cx.key("rs")).await?, &plain("2"))?;
    // And every field anew: an update is not a refresh's answer, which may lack some.
    storage.store(&cx.key("rs"), &full("3"), Precondition::Any).await?;
    storage.store(&cx.key("rs"), &full("4"), Precondition::Any).await?;
    stored("K2", &storage.get(&cx.key("rs")).await?, &full("4"))
}

async fn a_store_keeps_no_extra_of_before(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let before = plain("1").with_extra(extra(&[("a", "1"), ("b", "2")]));
    let after = plain("1").with_extra(extra(&[("b", "3"), ("c", "4")]));
    storage.store(&cx.key("rs"), &before, Precondition::Any).await?;
    storage.store(&cx.key("rs"), &after, Precondition::Any).await?;
    stored("K2", &storage.get(&cx.key("rs")).await?, &after)
}

async fn a_store_touches_no_other_record(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = [cx.key("a"), cx.key("b"), cx.key_in("/2", "a")];
    for (tag, key) in ["1", "2", "3"].iter().zip(&keys) {
        storage.store(key, &full(tag), Precondition::Any).await?;
    }
    let before = (storage.get(&keys[1]).await?, storage.get(&keys[2]).await?);
    storage.store(&keys[0], &plain("4"), Precondition::Any).await?;
    same(
        "K2",
        "another record of the namespace",
        &storage.get(&keys[1]).await?,
        &before.0,
    )?;
    same(
        "K2",
        "a record of another namespace",
        &storage.get(&keys[2]).await?,
        &before.1,
    )?;
    stored("K2", &storage.get(&keys[1]).await?, &full("2"))
}

async fn equal_content_has_a_new_revision(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let revision = storage.store(&cx.key("rs"), &full("1"), Precondition::Any).await?;
        holds(
            "K2",
            "storing identical content has a new revision",
            !seen.contains(&revision),
        )?;
        seen.push(revision);
    }
    // Two keys with the same content are two states as well.
    let other = storage.store(&cx.key("other"), &full("1"), Precondition::Any).await?;
    holds("K2", "another write has another revision", !seen.contains(&other))
}

async fn a_record_changed_back_has_a_new_revision(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let first = storage.store(&cx.key("rs"), &full("1"), Precondition::Any).await?;
    storage.store(&cx.key("rs"), &full("2"), Precondition::Any).await?;
    let third = storage.store(&cx.key("rs"), &full("1"), Precondition::Any).await?;
    holds(
        "K2",
        "a record that was changed and changed back has a new revision",
        first != third,
    )?;
    storage.remove(&cx.key("rs"), Precondition::Any).await?;
    let fourth = storage.store(&cx.key("rs"), &full("1"), Precondition::Any).await?;
    holds(
        "K2",
        "a record that was removed and stored again has a new revision",
        ![first, third].contains(&fourth),
    )
}

async fn optional_fields_stay_absent(cx: Cx) -> Check {
    round_trip(&cx, "rs", &plain("1")).await
}

async fn each_optional_field_alone_round_trips(cx: Cx) -> Check {
    let each = [
        plain("1").with_refresh_token("r"),
        plain("1").with_expires_at(5),
        plain("1").with_token_type("t"),
        plain("1").with_identity_id("i"),
        plain("1").with_extra(extra(&[("refresh_tokens", "null")])),
    ];
    for data in &each {
        round_trip(&cx, "rs", data).await?;
    }
    Ok(())
}

async fn any_expiry_round_trips(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let wide = [
        i64::MIN,
        i64::MIN + 1,
        -1,
        0,
        1,
        1 << 31,
        (1 << 53) + 1,
        i64::MAX - 1,
        i64::MAX,
    ];
    for expires_at in wide {
        let data = plain("1").with_expires_at(expires_at);
        storage.store(&cx.key("rs"), &data, Precondition::Any).await?;
        stored("K8", &storage.get(&cx.key("rs")).await?, &data)?;
    }
    Ok(())
}

async fn unknown_expiry_is_not_zero(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let (unknown, zero) = (plain("1"), plain("1").with_expires_at(0));
    for data in [&unknown, &zero, &unknown, &zero] {
        storage.store(&cx.key("rs"), data, Precondition::Any).await?;
        stored("K8", &storage.get(&cx.key("rs")).await?, data)?;
    }
    Ok(())
}

async fn expired_records_stay(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let data = full("1").with_expires_at(1);
    storage.store(&cx.key("rs"), &data, Precondition::Any).await?;
    stored("K8", &storage.get(&cx.key("rs")).await?, &data)?;
    stored("K8", &cx.open().await?.get(&cx.key("rs")).await?, &data)?;
    same(
        "K8",
        "an expired record is there",
        &storage.remove(&cx.key("rs"), Precondition::Any).await?,
        &true,
    )
}

async fn reserved_members_never_show(cx: Cx) -> Check {
    let storage = cx.open().await?;
    storage.store(&cx.key("rs"), &plain("1"), Precondition::Any).await?;
    let read = storage.get(&cx.key("rs")).await?;
    let names: Vec<String> = read
        .iter()
        .flat_map(|stored| stored.data.extra.iter())
        .map(|(name, _)| name.to_owned())
        .collect();
    same("K1", "no reserved member shows in extra", &names, &Vec::new())
}

async fn proving_writable_changes_nothing(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let revision = storage.store(&key, &full("1"), Precondition::Any).await?;
    let before = storage.get(&key).await?;
    storage.prove_writable(&key).await?;
    storage.prove_writable(&key).await?;
    same("L7", "the record after the proof", &storage.get(&key).await?, &before)?;
    same(
        "L7",
        "the record, through another handle",
        &cx.open().await?.get(&key).await?,
        &before,
    )?;
    let stored_now = storage.store(&key, &full("2"), Precondition::Unchanged(revision)).await;
    holds("L6", "what was proven writable is written", stored_now.is_ok())?;
    // A proof for a record that is not there must not create one.
    for other in ["other", "", " ", "a/b\0", &"x".repeat(longest(&storage))].map(|name| cx.key(name)) {
        storage.prove_writable(&other).await?;
        absent("L7", "a proof creates no record", &storage.get(&other).await?)?;
        storage.store(&other, &full("1"), Precondition::Absent).await?;
        storage.prove_writable(&other).await?;
    }
    Ok(())
}

/// A length that every database has a name for.
fn longest(storage: &Handle) -> usize {
    storage.describe().limits.resource_server_bytes.min(1000)
}
