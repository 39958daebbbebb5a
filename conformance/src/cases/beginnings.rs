//! Steps of a refresh that are taken together: what comes before the request, and what comes after it.

use token_storage_core::{
    Acquisition, Begin, Intent, LeaseGuard, Precondition, Revision, TokenKey, TokenStorageExt as _,
};

use super::{
    intents::{intent, same_intent},
    leases::{acquire, held},
};
use crate::{
    Case, Level,
    check::{Check, fail, same},
    cx::{Cx, Handle, leases},
    data::full,
};

pub(super) const CASES: &[Case] = &[
    Case::new(Level::Lease, "lease::what_is_begun_is_recorded", &["L6"], |cx| {
        Box::pin(what_is_begun_is_recorded(cx))
    }),
    Case::new(
        Level::Lease,
        "lease::nothing_is_begun_over_what_has_moved_on",
        &["L6"],
        |cx| Box::pin(nothing_is_begun_over_what_has_moved_on(cx)),
    ),
    Case::new(Level::Lease, "lease::finishing_clears_and_frees", &["L6"], |cx| {
        Box::pin(finishing_clears_and_frees(cx))
    }),
];

/// A lease that nobody holds, and whether it was begun with.
async fn begin(
    storage: &Handle,
    key: &TokenKey,
    revision: Revision,
    intent: Option<&Intent>,
) -> Check<(Box<dyn LeaseGuard>, bool)> {
    match leases(storage)?.try_begin(key, revision, intent).await? {
        Begin::Begun(guard) => Ok((guard, true)),
        Begin::Tried(Acquisition::Acquired(guard)) => Ok((guard, false)),
        Begin::Tried(Acquisition::Held { .. }) => fail("L1", "a free lease is begun with", "Held", "Begun or Acquired"),
    }
}

/// The lease alone is an answer at any time.
async fn what_is_begun_is_recorded(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let revision = one.store(&key, &full("1"), Precondition::Any).await?;
    let there = one.get(&key).await?;
    for wanted in [Some(intent(revision)), None] {
        let (guard, begun) = begin(&one, &key, revision, wanted.as_ref()).await?;
        same_intent("who begins finds no predecessor's intent", guard.intent(), None)?;
        held("L1", "a lease that was begun with", &two, &key).await?;
        same(
            "L6",
            "the record of a lease that was begun with",
            &two.get(&key).await?,
            &there,
        )?;
        guard.release().await?;
        let mut next = acquire(&two, &key).await?;
        let wanted = wanted.filter(|_| begun);
        same_intent(
            "what was begun with is found by the next holder",
            next.intent(),
            wanted.as_ref(),
        )?;
        next.clear_intent().await?;
        next.release().await?;
    }
    Ok(())
}

async fn nothing_is_begun_over_what_has_moved_on(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let old = one.store(&key, &full("1"), Precondition::Any).await?;
    let new = two.store(&key, &full("2"), Precondition::Unchanged(old)).await?;
    not_begun("a record that was stored anew", &one, &key, old, None).await?;
    two.remove(&key, Precondition::Any).await?;
    not_begun("a record that was removed", &one, &key, new, None).await?;

    let revision = two.store(&key, &full("3"), Precondition::Absent).await?;
    let mut guard = acquire(&two, &key).await?;
    let mut left = intent(revision);
    left.guarded = true;
    guard.record_intent(&left).await?;
    guard.release().await?;
    not_begun(
        "a record with a predecessor's intent",
        &one,
        &key,
        revision,
        Some(&left),
    )
    .await?;

    let mut guard = acquire(&two, &key).await?;
    guard.clear_intent().await?;
    let tried = leases(&one)?.try_begin(&key, revision, Some(&intent(revision))).await?;
    if !matches!(tried, Begin::Tried(Acquisition::Held { .. })) {
        return fail(
            "L1",
            "a lease that another holds is not begun with",
            format!("{tried:?}"),
            "Held",
        );
    }
    guard.release().await?;
    let guard = acquire(&one, &key).await?;
    same_intent("who only waited has recorded nothing", guard.intent(), None)?;
    guard.release().await?;
    Ok(())
}

/// The lease of a free key is acquired, and no more; what is found with it stays.
async fn not_begun(what: &str, storage: &Handle, key: &TokenKey, revision: Revision, left: Option<&Intent>) -> Check {
    let (guard, begun) = begin(storage, key, revision, Some(&intent(revision))).await?;
    same("L6", &format!("whether a refresh is begun over {what}"), &begun, &false)?;
    same_intent(
        &format!("who takes the lease of {what} finds what was left"),
        guard.intent(),
        left,
    )?;
    guard.release().await?;
    let guard = acquire(storage, key).await?;
    same_intent(&format!("nothing is recorded over {what}"), guard.intent(), left)?;
    guard.release().await?;
    Ok(())
}

async fn finishing_clears_and_frees(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let revision = one.store(&key, &full("1"), Precondition::Any).await?;
    let mut guard = acquire(&one, &key).await?;
    guard.record_intent(&intent(revision)).await?;
    guard.finish().await?;
    let guard = acquire(&two, &key).await?;
    same_intent("what was finished leaves no intent", guard.intent(), None)?;
    guard.finish().await?;
    let (guard, _) = begin(&one, &key, revision, Some(&intent(revision))).await?;
    guard.finish().await?;
    let guard = acquire(&two, &key).await?;
    same_intent("what was begun and finished leaves no intent", guard.intent(), None)?;
    guard.release().await?;
    Ok(())
}
