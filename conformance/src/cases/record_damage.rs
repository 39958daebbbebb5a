//! Records that are damaged one by one, wherever a storage keeps them.

use token_storage_core::{ErrorKind, Precondition, Revision, TokenStorageExt as _, Write};

use super::{outlines::outlines_of, powerless, secrets::clean_error};
use crate::{
    Case, Level, Need,
    canary::ACCESS,
    check::{Check, Show as _, absent, fail, refused, same, stored},
    cx::{Cx, Handle, listing},
    data::full,
};

const NEEDS: &[Need] = &[Need::DamagedRecords];

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Durable,
        "damage::a_damaged_record_is_corrupt_and_not_absent",
        &["D3", "K1"],
        |cx| Box::pin(a_damaged_record_is_corrupt_and_not_absent(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Durable,
        "damage::a_damaged_record_hides_no_other",
        &["D3", "C5"],
        |cx| Box::pin(a_damaged_record_hides_no_other(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Durable,
        "damage::a_damaged_record_has_no_revision_to_compare",
        &["D3", "A4"],
        |cx| Box::pin(a_damaged_record_has_no_revision_to_compare(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Durable,
        "damage::a_damaged_record_can_be_replaced",
        &["D3"],
        |cx| Box::pin(a_damaged_record_can_be_replaced(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Durable,
        "damage::errors_of_damaged_records_show_no_token",
        &["S1", "D3"],
        |cx| Box::pin(errors_of_damaged_records_show_no_token(cx)),
    )
    .needs(NEEDS),
];

/// What disks, half-done writes and other programs leave. None of it is a record.
fn damages() -> Vec<Vec<u8>> {
    vec![
        Vec::new(),
        b"\0\0\0\0\0\0\0\0".to_vec(),
        b"{".to_vec(),
        b"{\"access_token\": \"acc".to_vec(),
        b"neither text nor a record \xff\xfe".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"{\"scope\": \"no token in it\"}".to_vec(),
    ]
}

async fn a_damaged_record_is_corrupt_and_not_absent(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    for damage in damages() {
        storage.store(&key, &full("1"), Precondition::Any).await?;
        powerless::damage(&cx, &key, &damage, &full("1")).await?;
        for handle in [&storage, &cx.open().await?] {
            for _ in 0..2 {
                let got = handle.get(&key).await;
                let got = got.map(|there| there.map_or("no record".to_owned(), |there| there.data.show()));
                if let Ok(got) = got {
                    return fail("D3", "damage is never \"no tokens\"", got, "Corrupt");
                }
                refused("D3", "a damaged record", got, ErrorKind::Corrupt)?;
            }
        }
    }
    Ok(())
}

async fn a_damaged_record_hides_no_other(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let [a, bad, z] = ["a", "bad", "z"].map(|name| cx.key(name));
    for damage in damages() {
        for key in [&a, &bad, &z] {
            storage.store(key, &full("1"), Precondition::Any).await?;
        }
        powerless::damage(&cx, &bad, &damage, &full("1")).await?;
        for handle in [&storage, &cx.open().await?] {
            for key in [&a, &z] {
                stored("D3", &handle.get(key).await?, &full("1"))?;
            }
            if cx.declares(Need::Enumeration) {
                let mut listed = listing(handle)?.list_keys(cx.namespace(), None).await?.items;
                listed.sort();
                same(
                    "D3",
                    "the keys, that of a damaged record included",
                    &listed,
                    &vec![a.clone(), bad.clone(), z.clone()],
                )?;
                let shown = outlines_of(handle, cx.namespace()).await?;
                let damaged: Vec<bool> = shown.values().map(|told| told == "Corrupt").collect();
                same(
                    "D3",
                    "what is shown of them: that it is damaged, of that one",
                    &damaged,
                    &vec![false, true, false],
                )?;
            }
        }
        storage.store(&a, &full("2"), Precondition::Any).await?;
        stored("D3", &storage.get(&a).await?, &full("2"))?;
    }
    Ok(())
}

async fn a_damaged_record_has_no_revision_to_compare(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    for damage in damages() {
        let revision = storage.store(&key, &full("1"), Precondition::Any).await?;
        powerless::damage(&cx, &key, &damage, &full("1")).await?;
        for condition in [Precondition::Absent, Precondition::Unchanged(revision)] {
            corrupt(&storage, &key, condition).await?;
        }
    }
    Ok(())
}

async fn corrupt(storage: &Handle, key: &token_storage_core::TokenKey, condition: Precondition) -> Check {
    let data = full("2");
    let batch = [Write::new(key, &data, condition)];
    let tried: [(&str, token_storage_core::Result<Option<Revision>>); 3] = [
        (
            "a conditional store",
            storage.store(key, &data, condition).await.map(Some),
        ),
        ("a conditional batch", storage.store_all(&batch).await.map(|_| None)),
        (
            "a conditional remove",
            storage.remove(key, condition).await.map(|_| None),
        ),
    ];
    for (what, answer) in tried {
        refused(
            "D3",
            &format!("{what} over a damaged record"),
            answer,
            ErrorKind::Corrupt,
        )?;
    }
    Ok(())
}

/// That is how a person logs in again.
async fn a_damaged_record_can_be_replaced(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    for (round, damage) in damages().into_iter().enumerate() {
        storage.store(&key, &full("1"), Precondition::Any).await?;
        powerless::damage(&cx, &key, &damage, &full("1")).await?;
        let storage = if round % 2 == 0 {
            Handle::clone(&storage)
        } else {
            cx.open().await?
        };
        let new = full(&format!("new-{round}"));
        storage.store(&key, &new, Precondition::Any).await?;
        stored("D3", &storage.get(&key).await?, &new)?;
        powerless::damage(&cx, &key, &damage, &new).await?;
        same(
            "K3",
            "a damaged record was there",
            &storage.remove(&key, Precondition::Any).await?,
            &true,
        )?;
        absent("K3", "a damaged record that was removed", &storage.get(&key).await?)?;
    }
    Ok(())
}

async fn errors_of_damaged_records_show_no_token(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    for damage in [
        format!("{{\"access_token\": \"{ACCESS}"),
        format!("{{\"access_token\": {ACCESS}}}"),
        format!("{{\"access_token\": [\"{ACCESS}\"], \"{ACCESS}\": 1}}"),
        ACCESS.to_owned(),
    ] {
        storage.store(&key, &full("1"), Precondition::Any).await?;
        powerless::damage(&cx, &key, damage.as_bytes(), &full("1")).await?;
        let errors = [
            storage.get(&key).await.err(),
            storage.store(&key, &full("2"), Precondition::Absent).await.err(),
            storage.remove(&key, Precondition::Absent).await.err(),
        ];
        for error in errors.into_iter().flatten() {
            clean_error("the error of a damaged record", &error)?;
        }
    }
    Ok(())
}
