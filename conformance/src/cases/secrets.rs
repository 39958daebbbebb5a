use token_storage_core::{Acquisition, Error, Precondition, Result, Revision, TokenData, Write};

use crate::{
    Case, Level, Need,
    check::{Check, fail},
    cx::{Cx, leases},
    data::extra,
};

pub(super) const CASES: &[Case] = &[
    Case::new(Level::Core, "secrets::debug_of_a_storage_shows_none", &["S1"], |cx| {
        Box::pin(debug_of_a_storage_shows_none(cx))
    }),
    Case::new(Level::Core, "secrets::debug_of_a_record_shows_none", &["S1"], |cx| {
        Box::pin(debug_of_a_record_shows_none(cx))
    }),
    Case::new(Level::Core, "secrets::conflicts_show_none", &["S1"], |cx| {
        Box::pin(conflicts_show_none(cx))
    }),
    Case::new(Level::Core, "secrets::refused_sizes_show_none", &["S1"], |cx| {
        Box::pin(refused_sizes_show_none(cx))
    }),
    Case::new(Level::Core, "secrets::refused_batches_show_none", &["S1"], |cx| {
        Box::pin(refused_batches_show_none(cx))
    }),
    Case::new(Level::Lease, "secrets::a_lease_shows_none", &["S1"], |cx| {
        Box::pin(a_lease_shows_none(cx))
    })
    .needs(&[Need::Lease]),
];

/// What must never be seen. It is in every field that is secret.
pub(crate) const CANARY: &str = "canary7f3a";

pub(crate) fn canaries() -> TokenData {
    TokenData::new("rs", "scope", format!("{CANARY}-access"))
        .with_refresh_token(format!("{CANARY}-refresh"))
        .with_extra(extra(&[
            ("id_token", &format!("\"{CANARY}-id\"")),
            ("n", &format!("[\"{CANARY}\"]")),
        ]))
}

pub(crate) fn clean(what: &str, text: &str) -> Check {
    match text.find(CANARY) {
        None => Ok(()),
        // Not quoted as a whole: what is printed here is printed into logs.
        Some(at) => fail(
            "S1",
            "no token is shown",
            format!("{what} shows one, at byte {at}"),
            "no token",
        ),
    }
}

/// Everything that a program might print of an error, its sources included.
pub(crate) fn clean_error(what: &str, error: &Error) -> Check {
    clean(what, &format!("{error} {error:?} {error:#?} {}", error.message()))?;
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        clean(what, &format!("{inner} {inner:?} {inner:#?}"))?;
        source = inner.source();
    }
    Ok(())
}

fn clean_refusal<T>(what: &str, result: Result<T>) -> Check {
    match result {
        Err(error) => clean_error(what, &error),
        Ok(_) => fail("S1", "the call is refused", "Ok", "an error to look at"),
    }
}

async fn debug_of_a_storage_shows_none(cx: Cx) -> Check {
    let storage = cx.open_raw().await?;
    cx.touch(&cx.key("rs"));
    storage.store(&cx.key("rs"), &canaries(), Precondition::None).await?;
    storage.get(&cx.key("rs")).await?;
    clean("Debug of the storage", &format!("{storage:?} {storage:#?}"))?;
    clean("Debug of its description", &format!("{:?}", storage.describe()))
}

async fn debug_of_a_record_shows_none(cx: Cx) -> Check {
    let storage = cx.open().await?;
    storage.store(&cx.key("rs"), &canaries(), Precondition::None).await?;
    let stored = storage.get(&cx.key("rs")).await?;
    clean("Debug of a record", &format!("{stored:?} {stored:#?}"))
}

async fn conflicts_show_none(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    storage.store(&key, &canaries(), Precondition::None).await?;
    let strange = Precondition::Unchanged(Revision::from_bytes(&[1; 32])?);
    for precondition in [Precondition::Absent, strange] {
        clean_refusal("a refused store", storage.store(&key, &canaries(), precondition).await)?;
        clean_refusal("a refused remove", storage.remove(&key, precondition).await)?;
    }
    Ok(())
}

async fn refused_sizes_show_none(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let limit = storage.describe().limits.record_bytes;
    if limit > super::limits::MOST {
        return crate::check::ignore("the declared record size is too large to be probed");
    }
    let large = TokenData::new("rs", "s", format!("{CANARY}{}", "x".repeat(limit)));
    clean_refusal(
        "a record over the limit",
        storage.store(&cx.key("rs"), &large, Precondition::None).await,
    )
}

async fn refused_batches_show_none(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let (a, b, data) = (cx.key("a"), cx.key("b"), canaries());
    storage.store(&a, &data, Precondition::None).await?;
    let conflict = [
        Write::new(&b, &data, Precondition::None),
        Write::new(&a, &data, Precondition::Absent),
    ];
    clean_refusal("a refused batch", storage.store_all(&conflict).await)?;
    let double = [
        Write::new(&b, &data, Precondition::None),
        Write::new(&b, &data, Precondition::None),
    ];
    clean_refusal("a batch with one key twice", storage.store_all(&double).await)
}

async fn a_lease_shows_none(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    storage.store(&key, &canaries(), Precondition::None).await?;
    let acquired = leases(&storage)?.try_acquire(&key).await?;
    clean("Debug of a lease", &format!("{acquired:?} {acquired:#?}"))?;
    if let Acquisition::Acquired(guard) = acquired {
        guard.release().await?;
    }
    Ok(())
}
