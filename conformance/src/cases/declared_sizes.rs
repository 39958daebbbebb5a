//! What a declared size must hold, in whatever form, and what it must not.

use token_storage_core::{ErrorKind, Precondition, TokenData, TokenKey, TokenStorageExt as _, Write};

use super::{
    fields::{half, in_all_fields, in_each_field, round_trips, size},
    limits::MOST,
};
use crate::{
    Case, Level,
    check::{Check, absent, ignore, refused, stored},
    cx::Cx,
    data::{extra, full, plain},
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Hostile,
        "limits::half_the_declared_size_fits_in_any_form",
        &["K7", "K1"],
        |cx| Box::pin(half_the_declared_size_fits_in_any_form(cx)),
    ),
    Case::new(Level::Hostile, "limits::the_sum_of_all_fields_counts", &["K7"], |cx| {
        Box::pin(the_sum_of_all_fields_counts(cx))
    }),
    Case::new(
        Level::Hostile,
        "limits::a_batch_of_half_the_declared_size_fits",
        &["K7", "A2"],
        |cx| Box::pin(a_batch_of_half_the_declared_size_fits(cx)),
    ),
];

/// The largest records of a form, made of so many pieces, that are counted as half of the declared size.
fn of_half(half: usize, piece: usize, make: impl Fn(usize) -> TokenData) -> TokenData {
    let mut count = half / piece;
    loop {
        let data = make(count);
        let size = size(&data);
        if size <= half || count == 0 {
            return data;
        }
        count = (count * half / size).saturating_sub(8);
    }
}

async fn half_the_declared_size_fits_in_any_form(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let half = half(&storage);
    // A text that grows in JSON, one of wide characters, and one of each field.
    for text in ["\"", "\u{1}", "\u{1f600}", "\u{e9}"] {
        let data = of_half(half, text.len(), |count| plain(&text.repeat(count)));
        round_trips(&storage, &key, &data).await?;
    }
    for field in 0..7 {
        let data = of_half(half, 1, |count| in_each_field(&"x".repeat(count)).swap_remove(field));
        round_trips(&storage, &key, &data).await?;
    }
    // Shared out among all fields; in one name; in many members.
    round_trips(
        &storage,
        &key,
        &of_half(half, 7, |count| in_all_fields(&"x".repeat(count))),
    )
    .await?;
    let name = of_half(half, 1, |count| {
        plain("1").with_extra(extra(&[(&"n".repeat(count.max(1)), "1")]))
    });
    round_trips(&storage, &key, &name).await?;
    let members = of_half(half, 40, |count| {
        let names: Vec<String> = (0..count).map(|i| format!("member-of-a-record-{i:07}")).collect();
        plain("1").with_extra(extra(
            &names.iter().map(|name| (name.as_str(), "1234567")).collect::<Vec<_>>(),
        ))
    });
    round_trips(&storage, &key, &members).await
}

/// Each field would fit; all of them do not.
async fn the_sum_of_all_fields_counts(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let limit = storage.describe().limits.record_bytes;
    if limit > MOST {
        return ignore("the declared record size is too large to be probed");
    }
    storage.store(&key, &full("old"), Precondition::Any).await?;
    let before = storage.get(&key).await?;
    let part = "x".repeat(limit / 6);
    let names: Vec<String> = (0..limit / 32).map(|i| format!("{i:020}")).collect();
    let members: Vec<(&str, &str)> = names
        .iter()
        .map(|name| (name.as_str(), "\"0123456789012345\""))
        .collect();
    let quoted = format!("\"{part}\"");
    let in_members: Vec<(&str, &str)> = ["a", "b", "c", "d", "e", "f", "g"]
        .map(|name| (name, quoted.as_str()))
        .to_vec();
    for data in [
        in_all_fields(&part),
        plain("1").with_extra(extra(&members)),
        plain("1").with_extra(extra(&in_members)),
        plain(&"x".repeat(limit / 2)).with_refresh_token("x".repeat(limit / 2 + 1)),
        plain("1")
            .with_identity_id("x".repeat(limit / 2))
            .with_extra(extra(&[("id_token", &format!("\"{}\"", "x".repeat(limit / 2 + 1)))])),
    ] {
        for precondition in [Precondition::Any, Precondition::Absent] {
            let result = storage.store(&key, &data, precondition).await;
            let what = "a record whose fields are together over the declared size";
            refused("K7", what, result, ErrorKind::TooLarge)?;
        }
        crate::check::same("K7", "the old record", &storage.get(&key).await?, &before)?;
    }
    Ok(())
}

async fn a_batch_of_half_the_declared_size_fits(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let limits = storage.describe().limits;
    let half = limits.batch_bytes / 2;
    if limits.batch_bytes > 2 * MOST {
        return ignore("the declared batch size is too large to be probed");
    }
    // Few large records, and as many as are allowed.
    for count in [
        half.div_ceil(half_of(limits.record_bytes)),
        limits.batch_records.min(1000),
    ] {
        let each = (half / count).min(half_of(limits.record_bytes));
        let data = of_half(each, 1, |bytes| plain(&"x".repeat(bytes)));
        let keys: Vec<TokenKey> = (0..count.min(limits.batch_records))
            .map(|i| cx.key(&format!("rs{count}-{i}")))
            .collect();
        let writes: Vec<Write<'_>> = keys
            .iter()
            .map(|key| Write::new(key, &data, Precondition::Absent))
            .collect();
        storage.store_all(&writes).await?;
        for key in [&keys[0], &keys[keys.len() / 2], &keys[keys.len() - 1]] {
            stored("K7", &storage.get(key).await?, &data)?;
        }
        for key in &keys {
            cx.touch(key);
        }
    }
    absent(
        "K7",
        "a record that was in no batch",
        &storage.get(&cx.key("other")).await?,
    )
}

fn half_of(record_bytes: usize) -> usize {
    record_bytes.min(MOST) / 2
}
