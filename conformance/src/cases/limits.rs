use token_storage_core::{ErrorKind, Limits, Precondition, TokenData, TokenStorageExt as _};

use crate::{
    Case, Level,
    check::{Check, absent, ignore, refused, same, stored},
    cx::Cx,
    data::{extra, full, plain},
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Core,
        "limits::a_record_of_half_the_declared_size_fits",
        &["K7", "K1"],
        |cx| Box::pin(a_record_of_half_the_declared_size_fits(cx)),
    ),
    Case::new(Level::Core, "limits::a_larger_record_is_too_large", &["K7"], |cx| {
        Box::pin(a_larger_record_is_too_large(cx))
    }),
    Case::new(Level::Core, "limits::the_old_record_stays", &["K7"], |cx| {
        Box::pin(the_old_record_stays(cx))
    }),
    Case::new(Level::Hostile, "limits::every_field_counts", &["K7"], |cx| {
        Box::pin(every_field_counts(cx))
    }),
    Case::new(
        Level::Hostile,
        "limits::sizes_around_the_limit_are_stored_or_refused",
        &["K7", "K1"],
        |cx| Box::pin(sizes_around_the_limit_are_stored_or_refused(cx)),
    ),
];

/// Larger records are not probed: the suite would test memory, not the storage.
pub(super) const MOST: usize = 16 * 1024 * 1024;

fn probed(limits: Limits) -> Check<usize> {
    match limits.record_bytes {
        bytes if bytes > MOST => ignore("the declared record size is too large to be probed"),
        bytes => Ok(bytes),
    }
}

async fn a_record_of_half_the_declared_size_fits(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let half = storage.describe().limits.record_bytes.min(MOST) / 2;
    let data = plain(&"x".repeat(half - 512));
    storage.store(&cx.key("rs"), &data, Precondition::Any).await?;
    stored("K7", &storage.get(&cx.key("rs")).await?, &data)?;
    stored("K7", &cx.open().await?.get(&cx.key("rs")).await?, &data)
}

async fn a_larger_record_is_too_large(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let data = plain(&"x".repeat(probed(storage.describe().limits)? + 1));
    let result = storage.store(&cx.key("rs"), &data, Precondition::Any).await;
    refused("K7", "a record over the declared size", result, ErrorKind::TooLarge)?;
    absent("K7", "a refused record", &storage.get(&cx.key("rs")).await?)
}

async fn the_old_record_stays(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let large = plain(&"x".repeat(probed(storage.describe().limits)? + 1));
    let key = cx.key("rs");
    let revision = storage.store(&key, &full("old"), Precondition::Any).await?;
    let before = storage.get(&key).await?;
    for precondition in [Precondition::Any, Precondition::Unchanged(revision)] {
        let result = storage.store(&key, &large, precondition).await;
        let error = refused("K7", "a record over the declared size", result, ErrorKind::TooLarge)?;
        same(
            "A5",
            "nothing was written, and the error is sure of it",
            &error.may_have_applied(),
            &false,
        )?;
        same("K7", "the old record", &storage.get(&key).await?, &before)?;
    }
    Ok(())
}

async fn every_field_counts(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let long = "x".repeat(probed(storage.describe().limits)? + 1);
    let text = format!("\"{long}\"");
    let fields = [
        TokenData::new(long.as_str(), "s", "a"),
        TokenData::new("rs", long.as_str(), "a"),
        TokenData::new("rs", "s", long.as_str()),
        plain("1").with_refresh_token(long.as_str()),
        plain("1").with_token_type(long.as_str()),
        plain("1").with_identity_id(long.as_str()),
        plain("1").with_extra(extra(&[("a", &text)])),
        plain("1").with_extra(extra(&[(&long, "1")])),
    ];
    for data in &fields {
        let result = storage.store(&cx.key("rs"), data, Precondition::Any).await;
        refused(
            "K7",
            "a record with one field over the declared size",
            result,
            ErrorKind::TooLarge,
        )?;
    }
    absent("K7", "a refused record", &storage.get(&cx.key("rs")).await?)
}

/// Where exactly the limit lies is the backend's own way of counting; that no record is cut is not.
async fn sizes_around_the_limit_are_stored_or_refused(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let limit = probed(storage.describe().limits)?;
    let mut before = None;
    for missing in [2048, 512, 256, 200, 150, 100, 50, 1, 0] {
        let data = plain(&"x".repeat(limit.saturating_sub(missing)));
        match storage.store(&cx.key("rs"), &data, Precondition::Any).await {
            Ok(_) => {
                stored("K1", &storage.get(&cx.key("rs")).await?, &data)?;
                before = storage.get(&cx.key("rs")).await?;
            }
            Err(error) => {
                refused::<()>(
                    "K7",
                    "a record about the declared size",
                    Err(error),
                    ErrorKind::TooLarge,
                )?;
                same("K7", "the old record", &storage.get(&cx.key("rs")).await?, &before)?;
            }
        }
    }
    Ok(())
}
