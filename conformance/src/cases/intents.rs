//! What a holder records before it redeems the refresh token.

use token_storage_core::{Intent, Precondition, Revision, StoredToken, TokenKey, TokenStorageExt as _};

use super::leases::{acquire, held};
use crate::{
    Case, Level,
    check::{Check, fail, holds, same},
    cx::{Cx, Handle, leases},
    data::full,
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Lease,
        "lease::an_intent_is_found_by_the_next_holder",
        &["L5", "L7"],
        |cx| Box::pin(an_intent_is_found_by_the_next_holder(cx)),
    ),
    Case::new(Level::Lease, "lease::a_cleared_intent_is_gone", &["L5"], |cx| {
        Box::pin(a_cleared_intent_is_gone(cx))
    }),
    Case::new(Level::Lease, "lease::a_look_shows_what_stands", &["L5", "L7"], |cx| {
        Box::pin(a_look_shows_what_stands(cx))
    }),
    Case::new(Level::Lease, "lease::an_intent_belongs_to_its_key", &["L7"], |cx| {
        Box::pin(an_intent_belongs_to_its_key(cx))
    }),
];

pub(crate) fn intent(revision: Revision) -> Intent {
    let data = full("1");
    Intent::new(&StoredToken { data, revision }, false, 1_700_000_000)
}

pub(super) fn same_intent(expectation: &str, got: Option<&Intent>, want: Option<&Intent>) -> Check {
    if got == want {
        return Ok(());
    }
    fail("L5", expectation, format!("{got:?}"), format!("{want:?}"))
}

async fn an_intent_is_found_by_the_next_holder(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let revision = one.store(&key, &full("1"), Precondition::Any).await?;
    let mut guard = acquire(&one, &key).await?;
    same_intent("a first holder finds none", guard.intent(), None)?;
    guard.record_intent(&intent(revision)).await?;
    guard.release().await?;
    let mut guard = acquire(&two, &key).await?;
    same_intent("the next holder finds it", guard.intent(), Some(&intent(revision)))?;
    let mut guarded = intent(revision);
    guarded.guarded = true;
    guard.record_intent(&guarded).await?;
    guard.release().await?;
    let guard = acquire(&one, &key).await?;
    same_intent("the one after finds what replaced it", guard.intent(), Some(&guarded))?;
    guard.release().await?;
    let mut guard = acquire(&two, &key).await?;
    same_intent("it stays until it is cleared", guard.intent(), Some(&guarded))?;
    guard.clear_intent().await?;
    guard.release().await?;
    Ok(())
}

async fn a_cleared_intent_is_gone(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let revision = one.store(&key, &full("1"), Precondition::Any).await?;
    let mut guard = acquire(&one, &key).await?;
    guard.record_intent(&intent(revision)).await?;
    guard.clear_intent().await?;
    guard.clear_intent().await?;
    // Nor does one that it had replaced come back.
    for guarded in [false, true] {
        let mut next = intent(revision);
        next.guarded = guarded;
        guard.record_intent(&next).await?;
        guard.release().await?;
        guard = acquire(&two, &key).await?;
    }
    guard.clear_intent().await?;
    guard.release().await?;
    for storage in [&two, &one] {
        let guard = acquire(storage, &key).await?;
        same_intent("a cleared intent is gone", guard.intent(), None)?;
        guard.release().await?;
    }
    Ok(())
}

async fn an_intent_belongs_to_its_key(cx: Cx) -> Check {
    let (storage, a, b) = (cx.open().await?, cx.key_in("a", "b:c"), cx.key_in("a:b", "c"));
    let mut guard = acquire(&storage, &a).await?;
    guard.record_intent(&intent(Revision::from_bytes(&[3; 32])?)).await?;
    let other = acquire(&storage, &b).await?;
    same_intent("another key's intent is not found", other.intent(), None)?;
    other.release().await?;
    guard.clear_intent().await?;
    guard.release().await?;
    Ok(())
}

/// Whoever looks, through any handle, sees what the holder sees, takes nothing and changes nothing. A storage may say that it
/// cannot tell, but then always.
async fn a_look_shows_what_stands(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    if leases(&two)?.look(&key).await?.is_none() {
        return Ok(());
    }
    let revision = one.store(&key, &full("1"), Precondition::Any).await?;
    let there = one.get(&key).await?;
    let (handles, recorded) = ([&one, &two], intent(revision));
    for round in 0..2 {
        stands("nobody has", &handles, &key, false, None).await?;
        let mut guard = acquire(&one, &key).await?;
        stands("somebody holds", &handles, &key, true, None).await?;
        guard.record_intent(&recorded).await?;
        let when = "somebody has recorded an intent with";
        stands(when, &handles, &key, true, Some(&recorded)).await?;
        held("L1", "a lease that was looked at", &two, &key).await?;
        let other = cx.key("another");
        stands("nobody has, beside one that is held,", &handles, &other, false, None).await?;
        if round == 1 {
            guard.renew().await?;
        }
        guard.release().await?;
        let (when, handles) = ("somebody left an intent with", [&one, &two, &cx.open().await?]);
        stands(when, &handles, &key, false, Some(&recorded)).await?;
        let mut guard = acquire(&two, &key).await?;
        same_intent("an intent that was looked at", guard.intent(), Some(&recorded))?;
        if round == 0 {
            // The next holder's is what stands then.
            let mut next = recorded.clone();
            next.guarded = true;
            guard.record_intent(&next).await?;
            stands("somebody has recorded anew with", &handles, &key, true, Some(&next)).await?;
        }
        guard.clear_intent().await?;
        guard.release().await?;
    }
    stands("nobody has any more", &handles, &key, false, None).await?;
    same(
        "L7",
        "the record whose lease was looked at",
        &one.get(&key).await?,
        &there,
    )
}

async fn stands(when: &str, handles: &[&Handle], key: &TokenKey, is_held: bool, want: Option<&Intent>) -> Check {
    for handle in handles {
        let view = leases(handle)?.look(key).await?;
        holds(
            "L5",
            &format!("a storage that can tell how leases stand tells it of one that {when}"),
            view.is_some(),
        )?;
        let view = view.unwrap_or_default();
        same(
            "L1",
            &format!("whether a lease is held that {when}"),
            &view.held,
            &is_held,
        )?;
        same_intent(
            &format!("the intent of a lease that {when}"),
            view.intent.as_ref(),
            want,
        )?;
    }
    Ok(())
}
