//! Leases: dropped with an intent, beside records that come and go, many at once, of keys that are much alike; and those
//! bound to the process, held for a while.

use std::time::Duration;

use token_storage_core::{
    Acquisition, Intent, LeaseGuard, Precondition, Revision, StoredToken, TokenKey, TokenStorageExt as _, Write,
};
use tokio::time::Instant;

use super::{
    folds::collated,
    intents::{intent, same_intent},
    leases::{Guard, PATIENCE, acquire, held, wait_for},
    long_keys::differing_once,
};
use crate::{
    Case, Level, Need,
    check::{Check, absent, fail, same, stored},
    cx::{Cx, Handle, leases, settle},
    data::full,
    rng::soak,
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Lease,
        "lease::an_intent_outlives_a_dropped_lease",
        &["L5", "L2"],
        |cx| Box::pin(an_intent_outlives_a_dropped_lease(cx)),
    )
    .needs(&[Need::ProcessLease]),
    Case::new(
        Level::Lease,
        "lease::it_stays_while_its_record_comes_and_goes",
        &["L1", "L10", "K3"],
        |cx| Box::pin(it_stays_while_its_record_comes_and_goes(cx)),
    ),
    Case::new(
        Level::Lease,
        "lease::it_stays_while_its_record_is_in_a_batch",
        &["L1"],
        |cx| Box::pin(it_stays_while_its_record_is_in_a_batch(cx)),
    ),
    Case::new(
        Level::Lease,
        "lease::an_intent_stays_while_its_record_comes_and_goes",
        &["L5", "L7"],
        |cx| Box::pin(an_intent_stays_while_its_record_comes_and_goes(cx)),
    ),
    Case::new(Level::Lease, "lease::many_can_be_held", &["L1"], |cx| {
        Box::pin(many_can_be_held(cx))
    })
    .needs(&[Need::ProcessLease]),
    Case::new(
        Level::Lease,
        "lease::keys_that_are_alike_have_leases_of_their_own",
        &["L1", "K4", "K5"],
        |cx| Box::pin(keys_that_are_alike_have_leases_of_their_own(cx)),
    ),
    Case::new(
        Level::Lease,
        "lease::keys_that_are_alike_have_intents_of_their_own",
        &["L7", "K4", "K5"],
        |cx| Box::pin(keys_that_are_alike_have_intents_of_their_own(cx)),
    ),
    Case::new(Level::Lease, "lease::any_intent_round_trips", &["L5"], |cx| {
        Box::pin(any_intent_round_trips(cx))
    }),
    Case::new(
        Level::Lease,
        "lease::one_of_a_process_does_not_run_out",
        &["L2", "L1"],
        |cx| Box::pin(one_of_a_process_does_not_run_out(cx)),
    )
    .needs(&[Need::ProcessLease]),
    Case::new(Level::Lease, "lease::a_try_does_not_wait", &["L4", "L2"], |cx| {
        Box::pin(a_try_does_not_wait(cx))
    }),
];

async fn an_intent_outlives_a_dropped_lease(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let revision = one.store(&key, &full("1"), Precondition::Any).await?;
    for round in 0..3 {
        let mut guard = acquire(&one, &key).await?;
        guard.record_intent(&intent(revision)).await?;
        // In another task, as one whose future is gone.
        tokio::spawn(async move { drop(guard) })
            .await
            .expect("dropping does not panic");
        let handle = if round % 2 == 0 { &two } else { &one };
        let mut guard = acquire(handle, &key).await?;
        same_intent("the intent of a dropped lease", guard.intent(), Some(&intent(revision)))?;
        guard.clear_intent().await?;
        drop(guard);
        let guard = acquire(&two, &key).await?;
        same_intent("a cleared intent, after the lease was dropped", guard.intent(), None)?;
        guard.release().await?;
    }
    Ok(())
}

async fn it_stays_while_its_record_comes_and_goes(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let mut guard = acquire(&one, &key).await?;
    for tag in ["1", "2"] {
        for handle in [&one, &two] {
            let revision = handle.store(&key, &full(tag), Precondition::Absent).await?;
            held("L1", "a lease whose record was stored", &two, &key).await?;
            guard.renew().await?;
            handle.prove_writable(&key).await?;
            settle(&two).await;
            let there = two.get(&key).await?;
            stored("L7", &there, &full(tag))?;
            same(
                "L7",
                "the revision of the record",
                &there.map(|stored| stored.revision),
                &Some(revision),
            )?;
            let removed = handle.remove(&key, Precondition::Unchanged(revision)).await?;
            same("K3", "the record of a held lease can be removed", &removed, &true)?;
            held("L1", "a lease whose record was removed", &two, &key).await?;
            handle.prove_writable(&key).await?;
            settle(&two).await;
            absent(
                "L10",
                "a removed record, after its holder went on",
                &two.get(&key).await?,
            )?;
        }
    }
    guard.release().await?;
    absent("L10", "a removed record, after the release", &two.get(&key).await?)?;
    acquire(&two, &key).await?.release().await.map_err(Into::into)
}

async fn it_stays_while_its_record_is_in_a_batch(cx: Cx) -> Check {
    let (one, two, key, other) = (cx.open().await?, cx.open().await?, cx.key("rs"), cx.key("other"));
    let guard = acquire(&one, &key).await?;
    for (handle, tag) in [(&one, "1"), (&two, "2")] {
        let data = full(tag);
        let batch = [&other, &key].map(|key| Write::new(key, &data, Precondition::Any));
        handle.store_all(&batch).await?;
        held("L1", "a lease whose record was stored in a batch", &two, &key).await?;
    }
    guard.release().await.map_err(Into::into)
}

async fn an_intent_stays_while_its_record_comes_and_goes(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let revision = one.store(&key, &full("1"), Precondition::Any).await?;
    let mut guard = acquire(&one, &key).await?;
    guard.record_intent(&intent(revision)).await?;
    two.store(&key, &full("2"), Precondition::Any).await?;
    guard.release().await?;
    let guard = acquire(&two, &key).await?;
    same_intent(
        "the intent, after the record was replaced",
        guard.intent(),
        Some(&intent(revision)),
    )?;
    two.remove(&key, Precondition::Any).await?;
    guard.release().await?;
    let mut guard = acquire(&one, &key).await?;
    same_intent(
        "the intent, after the record was removed",
        guard.intent(),
        Some(&intent(revision)),
    )?;
    guard.clear_intent().await?;
    absent(
        "L10",
        "a removed record, after the intent was cleared",
        &two.get(&key).await?,
    )?;
    guard.release().await?;
    two.store(&key, &full("3"), Precondition::Absent).await?;
    let guard = acquire(&two, &key).await?;
    same_intent("a cleared intent, after the record came again", guard.intent(), None)?;
    guard.release().await?;
    Ok(())
}

async fn take_all(storage: &Handle, keys: &[TokenKey]) -> Check<Vec<Guard>> {
    let mut guards = Vec::new();
    for key in keys {
        guards.push(acquire(storage, key).await?);
    }
    Ok(guards)
}

async fn release_all(guards: Vec<Guard>) -> Check {
    for guard in guards {
        guard.release().await?;
    }
    Ok(())
}

/// More than pools, and than processors.
async fn many_can_be_held(cx: Cx) -> Check {
    let (one, two) = (cx.open().await?, cx.open().await?);
    let keys: Vec<TokenKey> = (0..130)
        .map(|i| cx.key_in(&format!("/{}", i % 2), &format!("rs{i}")))
        .collect();
    let mut guards = take_all(&one, &keys).await?;
    for key in keys.iter().step_by(16) {
        held("L1", "one of many leases", &two, key).await?;
    }
    // Giving one back frees that one alone.
    for _ in 0..3 {
        let last = guards.len() - 1;
        guards.pop().expect("there are many").release().await?;
        acquire(&two, &keys[last]).await?.release().await?;
        held("L1", "another of many leases", &two, &keys[last - 1]).await?;
    }
    release_all(guards).await
}

/// In few groups, so that not too many are held at a time.
fn alike(cx: &Cx, storage: &Handle) -> Vec<Vec<TokenKey>> {
    let limits = storage.describe().limits;
    let mut texts: Vec<String> = collated().into_iter().map(str::to_owned).collect();
    texts.extend(["HgPsv2I", "xobkHWm", "Aa", "BB", "Ab", "BA", "bdb", "cbc"].map(str::to_owned));
    texts.extend([254, 255, 256, 257].map(|length| "x".repeat(length)));
    texts.extend(differing_once("", limits.resource_server_bytes.min(1024)));
    texts.sort();
    texts.dedup();
    texts.retain(|text| text.len() <= limits.resource_server_bytes);
    let keys: Vec<TokenKey> = texts
        .iter()
        .map(|text| cx.key(text))
        .chain([
            cx.key_in("/a", "b"),
            cx.key_in("/a/b", ""),
            cx.key_in("", "/a/b"),
            cx.key_in("/A", "b"),
        ])
        .collect();
    keys.chunks(100).map(<[TokenKey]>::to_vec).collect()
}

async fn keys_that_are_alike_have_leases_of_their_own(cx: Cx) -> Check {
    let storage = cx.open().await?;
    for keys in alike(&cx, &storage) {
        let guards = take_all(&storage, &keys).await?;
        release_all(guards).await?;
    }
    Ok(())
}

async fn keys_that_are_alike_have_intents_of_their_own(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let recorded = |index: usize| -> Check<Intent> { Ok(intent(Revision::from_bytes(&(index as u64).to_be_bytes())?)) };
    let keys = alike(&cx, &storage).concat();
    for (index, key) in keys.iter().enumerate() {
        let mut guard = acquire(&storage, key).await?;
        same_intent("the intent of a key that had none", guard.intent(), None)?;
        guard.record_intent(&recorded(index)?).await?;
        guard.release().await?;
    }
    for (index, key) in keys.iter().enumerate() {
        let mut guard = acquire(&storage, key).await?;
        same_intent("the intent of this key", guard.intent(), Some(&recorded(index)?))?;
        guard.clear_intent().await?;
        guard.release().await?;
    }
    Ok(())
}

async fn any_intent_round_trips(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let all: Vec<u8> = (0..=255).collect();
    let revisions = [
        &all[..64],
        &all[192..],
        &[0; 8],
        &[0xff; 64],
        b"\0\n\r\"'\\ \t",
        &[0xc3, 0x28, 0xa0, 0xa1, 1, 2, 3, 4],
    ];
    for (index, bytes) in revisions.into_iter().enumerate() {
        let stored = StoredToken {
            data: full(&index.to_string()),
            revision: Revision::from_bytes(bytes)?,
        };
        let recorded_at = [0, -1, i64::MIN, i64::MAX, 1 << 40, 1_700_000_000][index];
        let recorded = Intent::new(&stored, index % 2 == 1, recorded_at);
        let mut guard = acquire(&one, &key).await?;
        guard.record_intent(&recorded).await?;
        guard.release().await?;
        let guard = acquire(&two, &key).await?;
        same_intent("an intent is as it was recorded", guard.intent(), Some(&recorded))?;
        guard.release().await?;
    }
    let mut guard = acquire(&one, &key).await?;
    guard.clear_intent().await?;
    guard.release().await?;
    Ok(())
}

/// Longer than a lease lives that is timed for the sake of safety: for one holder that goes on, and for one that does
/// nothing at all.
async fn one_of_a_process_does_not_run_out(cx: Cx) -> Check {
    let (one, two, busy, idle) = (cx.open().await?, cx.open().await?, cx.key("busy"), cx.key("idle"));
    let mut working = acquire(&one, &busy).await?;
    let mut resting = acquire(&one, &idle).await?;
    let watched = Duration::from_secs(if soak() { 70 } else { 4 });
    let started = Instant::now();
    let mut round = 0;
    while started.elapsed() < watched {
        round += 1;
        one.store(&busy, &full(&round.to_string()), Precondition::Any).await?;
        held("L2", "a lease of a holder that works", &two, &busy).await?;
        held("L2", "a lease of a holder that rests", &two, &idle).await?;
        held("L2", "a lease of a holder that rests", &cx.open().await?, &idle).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for guard in [&mut working, &mut resting] {
        never_runs_out(&**guard)?;
        guard.record_intent(&intent(Revision::from_bytes(&[3; 32])?)).await?;
        guard.clear_intent().await?;
    }
    working.release().await?;
    resting.release().await?;
    Ok(())
}

fn never_runs_out(guard: &dyn LeaseGuard) -> Check {
    same(
        "L2",
        "what remains of a lease of a process",
        &guard.remaining().is_none(),
        &true,
    )
}

/// Waiting, with its limit, is the token manager's. Nothing is measured: the holder gives the lease back only after the
/// answer, and while a try waits, another handle takes and returns a free lease over and over. A machine may be slow at
/// times, for both; a storage that waits does so each time.
async fn a_try_does_not_wait(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let beside = (cx.open_raw().await?, cx.key("free"));
    for _ in 0..TRIES {
        let guard = wait_for(&one, &key, PATIENCE).await?;
        let (tried, rounds) = try_beside(&two, &key, &beside).await?;
        if let (Acquisition::Acquired(_), true) = (&tried, guard.remaining() != Some(Duration::ZERO)) {
            return fail("L1", "a held lease", "Acquired", "Held");
        }
        guard.release().await?;
        if rounds < ROUNDS {
            return Ok(());
        }
        if let Acquisition::Acquired(guard) = tried {
            guard.release().await?;
        }
    }
    let got = format!("each of {TRIES} tries took longer than taking a free one {ROUNDS} times");
    fail("L4", "trying for a held lease returns at once", got, "no wait")
}

const TRIES: usize = 4;

/// A try that is answered takes about one of them.
const ROUNDS: usize = 50;

/// Tries for a lease, and counts how often a free one was taken and returned meanwhile, up to a limit. Both are driven by
/// one task, lest one of them starve.
async fn try_beside(storage: &Handle, key: &TokenKey, beside: &(Handle, TokenKey)) -> Check<(Acquisition, usize)> {
    let lease = leases(storage)?;
    let mut trying = lease.try_acquire(key);
    for rounds in 0..ROUNDS {
        let mut round = Box::pin(take_and_return(&beside.0, &beside.1));
        tokio::select! {
            biased;
            answer = &mut trying => {
                // One that is dropped half-way might keep it.
                round.await?;
                return Ok((answer?, rounds));
            }
            done = &mut round => done?,
        }
    }
    match tokio::time::timeout(PATIENCE, trying).await {
        Ok(answer) => Ok((answer?, ROUNDS)),
        Err(_) => {
            let got = format!("no answer for {} s, while it is held", PATIENCE.as_secs());
            fail("L4", "trying for a held lease returns at once", got, "Held")
        }
    }
}

async fn take_and_return(storage: &Handle, key: &TokenKey) -> Check {
    wait_for(storage, key, PATIENCE).await?.release().await?;
    // What waits for a time goes by a clock of the runtime's.
    tokio::task::yield_now().await;
    Ok(())
}
