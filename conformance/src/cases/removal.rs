use token_storage_core::Precondition;
use token_storage_core::TokenStorageExt as _;

use crate::{
    Case, Level,
    check::{Check, absent, same, stored},
    cx::Cx,
    data::full,
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Core,
        "removal::says_whether_something_was_there",
        &["K3"],
        |cx| Box::pin(says_whether_something_was_there(cx)),
    ),
    Case::new(Level::Core, "removal::removed_records_are_gone", &["K3"], |cx| {
        Box::pin(removed_records_are_gone(cx))
    }),
    Case::new(Level::Core, "removal::other_records_stay", &["K3"], |cx| {
        Box::pin(other_records_stay(cx))
    }),
    Case::new(
        Level::Core,
        "removal::removed_records_do_not_come_back",
        &["K3", "A3"],
        |cx| Box::pin(removed_records_do_not_come_back(cx)),
    ),
    Case::new(
        Level::Core,
        "removal::a_removed_record_can_be_stored_again",
        &["K3"],
        |cx| Box::pin(a_removed_record_can_be_stored_again(cx)),
    ),
];

async fn says_whether_something_was_there(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let key = cx.key("rs");
    let expectation = "remove says whether something was there";
    same(
        "K3",
        expectation,
        &storage.remove(&key, Precondition::Any).await?,
        &false,
    )?;
    storage.store(&key, &full("1"), Precondition::Any).await?;
    same(
        "K3",
        expectation,
        &storage.remove(&key, Precondition::Any).await?,
        &true,
    )?;
    same(
        "K3",
        expectation,
        &storage.remove(&key, Precondition::Any).await?,
        &false,
    )?;
    same(
        "K3",
        expectation,
        &storage.remove(&key, Precondition::Absent).await?,
        &false,
    )
}

async fn removed_records_are_gone(cx: Cx) -> Check {
    let storage = cx.open().await?;
    storage.store(&cx.key("rs"), &full("1"), Precondition::Any).await?;
    storage.remove(&cx.key("rs"), Precondition::Any).await?;
    absent("K3", "a removed record", &storage.get(&cx.key("rs")).await?)?;
    absent(
        "K3",
        "a removed record, through another handle",
        &cx.open().await?.get(&cx.key("rs")).await?,
    )
}

async fn other_records_stay(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = [
        cx.key("a"),
        cx.key("ab"),
        cx.key("b"),
        cx.key_in("/2", "a"),
        cx.key_in("a", ""),
    ];
    for key in &keys {
        storage.store(key, &full("1"), Precondition::Any).await?;
    }
    let before = storage.get(&keys[1]).await?;
    storage.remove(&keys[0], Precondition::Any).await?;
    same(
        "K3",
        "the record beside the removed one",
        &storage.get(&keys[1]).await?,
        &before,
    )?;
    for key in &keys[1..] {
        stored("K3", &storage.get(key).await?, &full("1"))?;
    }
    Ok(())
}

async fn removed_records_do_not_come_back(cx: Cx) -> Check {
    let storage = cx.open().await?;
    storage.store(&cx.key("rs"), &full("1"), Precondition::Any).await?;
    storage.remove(&cx.key("rs"), Precondition::Any).await?;
    for tag in ["2", "3"] {
        storage.store(&cx.key("other"), &full(tag), Precondition::Any).await?;
        absent(
            "K3",
            "a removed record after other writes",
            &storage.get(&cx.key("rs")).await?,
        )?;
    }
    storage.remove(&cx.key("other"), Precondition::Any).await?;
    absent(
        "K3",
        "a removed record after another remove",
        &cx.open().await?.get(&cx.key("rs")).await?,
    )
}

async fn a_removed_record_can_be_stored_again(cx: Cx) -> Check {
    let storage = cx.open().await?;
    // An equal one, too: it is no request that came twice.
    for tag in ["1", "2", "2", "1"] {
        storage.store(&cx.key("rs"), &full(tag), Precondition::Absent).await?;
        stored("K3", &storage.get(&cx.key("rs")).await?, &full(tag))?;
        storage.remove(&cx.key("rs"), Precondition::Any).await?;
    }
    Ok(())
}
