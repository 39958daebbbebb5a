use std::{sync::Arc, time::Duration};

use token_storage_core::{
    Acquisition, ErrorKind, LeaseGuard, LeaseKind, Precondition, Revision, TokenKey, TokenStorageExt as _,
};
use tokio::{sync::Barrier, task::JoinSet};

use super::intents::intent;
use crate::{
    Case, Level, Need,
    check::{Check, Show as _, Stop, absent, fail, holds, same, stored},
    cx::{Cx, Handle, leases},
    data::full,
};

pub(super) const CASES: &[Case] = &[
    Case::new(Level::Lease, "lease::one_holder_at_a_time", &["L1"], |cx| {
        Box::pin(one_holder_at_a_time(cx))
    }),
    Case::new(Level::Lease, "lease::of_racing_tasks_one_gets_it", &["L1"], |cx| {
        Box::pin(of_racing_tasks_one_gets_it(cx))
    }),
    Case::new(Level::Lease, "lease::each_key_has_its_own", &["L1", "K5"], |cx| {
        Box::pin(each_key_has_its_own(cx))
    }),
    Case::new(Level::Lease, "lease::a_released_lease_is_free", &["L2"], |cx| {
        Box::pin(a_released_lease_is_free(cx))
    }),
    Case::new(Level::Lease, "lease::a_dropped_lease_is_free_at_once", &["L2"], |cx| {
        Box::pin(a_dropped_lease_is_free_at_once(cx))
    })
    .needs(&[Need::ProcessLease]),
    Case::new(Level::Lease, "lease::failed_tries_free_nothing", &["L1"], |cx| {
        Box::pin(failed_tries_free_nothing(cx))
    }),
    Case::new(Level::Lease, "lease::held_is_an_answer_and_no_error", &["L4"], |cx| {
        Box::pin(held_is_an_answer_and_no_error(cx))
    }),
    Case::new(
        Level::Lease,
        "lease::it_outlives_the_handle_it_came_from",
        &["L1"],
        |cx| Box::pin(it_outlives_the_handle_it_came_from(cx)),
    ),
    Case::new(Level::Lease, "lease::the_kind_shows_in_what_remains", &["L2"], |cx| {
        Box::pin(the_kind_shows_in_what_remains(cx))
    }),
    Case::new(Level::Lease, "lease::a_holder_can_renew", &["L2"], |cx| {
        Box::pin(a_holder_can_renew(cx))
    }),
    Case::new(Level::Lease, "lease::it_changes_no_record", &["L7"], |cx| {
        Box::pin(it_changes_no_record(cx))
    }),
    Case::new(Level::Lease, "lease::it_works_without_a_record", &["L1", "K1"], |cx| {
        Box::pin(it_works_without_a_record(cx))
    }),
    Case::new(
        Level::Lease,
        "lease::a_held_lease_does_not_stop_writers",
        &["L1"],
        |cx| Box::pin(a_held_lease_does_not_stop_writers(cx)),
    ),
    Case::new(
        Level::Lease,
        "lease::odd_keys_have_leases_of_their_own",
        &["L1", "K4"],
        |cx| Box::pin(odd_keys_have_leases_of_their_own(cx)),
    ),
];

/// A guard against hangs only.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) type Guard = Box<dyn LeaseGuard>;

pub(super) async fn acquire(storage: &Handle, key: &TokenKey) -> Check<Guard> {
    match leases(storage)?.try_acquire(key).await? {
        Acquisition::Acquired(guard) => Ok(guard),
        Acquisition::Held { .. } => {
            let what = format!("the free lease of {} is acquired", key.show());
            fail("L1", &what, "Held", "Acquired")
        }
    }
}

pub(super) async fn held(clause: &str, expectation: &str, storage: &Handle, key: &TokenKey) -> Check {
    match leases(storage)?.try_acquire(key).await? {
        Acquisition::Held { .. } => Ok(()),
        Acquisition::Acquired(_) => fail(clause, &format!("{expectation}: {}", key.show()), "Acquired", "Held"),
    }
}

/// The same for a timed lease that this guard holds. Kept waiting, its holder may have lost it meanwhile: what is left of it
/// is asked after the answer, when nothing that was left before counts any more.
pub(super) async fn held_by(guard: &Guard, clause: &str, expectation: &str, storage: &Handle, key: &TokenKey) -> Check {
    match held(clause, expectation, storage, key).await {
        Err(Stop::Failed(_)) if guard.remaining() == Some(Duration::ZERO) => Err(Stop::Stalled),
        other => other,
    }
}

/// Renews a timed lease that has to be its holder's still, unless the machine kept it waiting until it ran out.
pub(super) async fn renew(guard: &mut Guard) -> Check {
    match guard.renew().await {
        Err(error) if error.kind() == ErrorKind::LeaseLost && guard.remaining() == Some(Duration::ZERO) => {
            Err(Stop::Stalled)
        }
        other => other.map_err(Into::into),
    }
}

/// Tries again until the lease is had. The limit guards against a hang; how fast it goes is not measured.
pub(super) async fn wait_for(storage: &Handle, key: &TokenKey, limit: Duration) -> Check<Guard> {
    let started = tokio::time::Instant::now();
    while started.elapsed() < limit {
        match leases(storage)?.try_acquire(key).await? {
            Acquisition::Acquired(guard) => return Ok(guard),
            Acquisition::Held { retry_after } => {
                tokio::time::sleep(retry_after.clamp(Duration::from_millis(1), Duration::from_millis(200))).await;
            }
        }
    }
    fail(
        "L2",
        &format!("the lease of {}, whose holder is gone, becomes free", key.show()),
        format!("Held for {} s", limit.as_secs()),
        "Acquired",
    )
}

async fn one_holder_at_a_time(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    for _ in 0..3 {
        let guard = acquire(&one, &key).await?;
        held("L1", "a held lease, tried on the same handle", &one, &key).await?;
        held("L1", "a held lease, tried on another handle", &two, &key).await?;
        guard.release().await?;
        acquire(&two, &key).await?.release().await?;
    }
    Ok(())
}

async fn of_racing_tasks_one_gets_it(cx: Cx) -> Check {
    let (handles, key) = ([cx.open().await?, cx.open().await?], cx.key("rs"));
    for _ in 0..5 {
        let start = Arc::new(Barrier::new(8));
        let mut racers = JoinSet::new();
        for index in 0..8 {
            let (storage, key, start) = (Arc::clone(&handles[index % 2]), key.clone(), Arc::clone(&start));
            racers.spawn(async move {
                start.wait().await;
                let lease = leases(&storage)?;
                Check::Ok(lease.try_acquire(&key).await?)
            });
        }
        let mut guards = Vec::new();
        while let Some(racer) = racers.join_next().await {
            if let Acquisition::Acquired(guard) = racer.expect("a racer does not panic")? {
                guards.push(guard);
            }
        }
        same("L1", "of racing tasks exactly one gets the lease", &guards.len(), &1)?;
        for guard in guards {
            guard.release().await?;
        }
    }
    Ok(())
}

async fn each_key_has_its_own(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = [
        cx.key("rs"),
        cx.key("RS"),
        cx.key("rs "),
        cx.key_in("a", "b:c"),
        cx.key_in("a:b", "c"),
        cx.key_in("a/b", "c"),
    ];
    let mut guards = Vec::new();
    for key in &keys {
        guards.push(acquire(&storage, key).await?);
    }
    for guard in guards {
        guard.release().await?;
    }
    Ok(())
}

async fn a_released_lease_is_free(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    for _ in 0..5 {
        acquire(&one, &key).await?.release().await?;
        acquire(&two, &key).await?.release().await?;
    }
    Ok(())
}

async fn a_dropped_lease_is_free_at_once(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    for _ in 0..3 {
        drop(acquire(&one, &key).await?);
        drop(acquire(&two, &key).await?);
    }
    Ok(())
}

async fn failed_tries_free_nothing(cx: Cx) -> Check {
    let (one, two, three, key) = (cx.open().await?, cx.open().await?, cx.open().await?, cx.key("rs"));
    let guard = acquire(&one, &key).await?;
    for _ in 0..3 {
        held("L1", "a second try", &two, &key).await?;
        held("L1", "a third try", &three, &key).await?;
    }
    drop(two);
    held("L1", "after a handle that failed to get it is gone", &three, &key).await?;
    guard.release().await?;
    Ok(())
}

async fn held_is_an_answer_and_no_error(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let guard = acquire(&storage, &key).await?;
    match leases(&storage)?.try_acquire(&key).await? {
        Acquisition::Held { retry_after } => {
            holds(
                "L4",
                "the pause before another try is shorter than a minute",
                retry_after < Duration::from_secs(60),
            )?;
        }
        Acquisition::Acquired(_) => return fail("L1", "a held lease", "Acquired", "Held"),
    }
    guard.release().await?;
    Ok(())
}

async fn it_outlives_the_handle_it_came_from(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let guard = acquire(&one, &key).await?;
    drop(one);
    held("L1", "after the handle that got it is gone", &two, &key).await?;
    guard.release().await?;
    acquire(&two, &key).await?.release().await?;
    Ok(())
}

async fn the_kind_shows_in_what_remains(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let guard = acquire(&storage, &key).await?;
    let fits = match (storage.describe().lease, guard.remaining()) {
        (Some(LeaseKind::Timed { ttl }), Some(remaining)) => remaining <= ttl && !remaining.is_zero(),
        (Some(LeaseKind::Process), None) => true,
        _ => false,
    };
    holds(
        "L2",
        "what remains fits the kind: at most the time to live, or no limit",
        fits,
    )?;
    guard.release().await?;
    Ok(())
}

async fn a_holder_can_renew(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let mut guard = acquire(&one, &key).await?;
    guard.renew().await?;
    held("L2", "a renewed lease", &two, &key).await?;
    guard.renew().await?;
    guard.release().await?;
    acquire(&two, &key).await?.release().await?;
    Ok(())
}

async fn it_changes_no_record(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let revision = storage.store(&key, &full("1"), Precondition::Any).await?;
    let before = storage.get(&key).await?;
    let mut guard = acquire(&storage, &key).await?;
    same("L7", "the record of a held lease", &storage.get(&key).await?, &before)?;
    guard.record_intent(&intent(revision)).await?;
    same("L7", "the record after an intent", &storage.get(&key).await?, &before)?;
    guard.clear_intent().await?;
    guard.renew().await?;
    guard.release().await?;
    same(
        "L7",
        "the record after the release",
        &cx.open().await?.get(&key).await?,
        &before,
    )?;
    // And what was read before can be built upon.
    storage
        .store(&key, &full("2"), Precondition::Unchanged(revision))
        .await?;
    Ok(())
}

async fn it_works_without_a_record(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    // Nor was there ever anything in this place.
    if let Some(view) = leases(&storage)?.look(&key).await? {
        let nothing = !view.held && view.intent.is_none();
        holds("L2", "a lease that nobody ever had is free, without an intent", nothing)?;
    }
    let mut guard = acquire(&storage, &key).await?;
    guard.record_intent(&intent(Revision::from_bytes(&[3; 32])?)).await?;
    absent("K1", "a lease is no record", &storage.get(&key).await?)?;
    guard.clear_intent().await?;
    guard.release().await?;
    absent("K1", "a lease is no record", &cx.open().await?.get(&key).await?)?;
    storage.store(&key, &full("1"), Precondition::Absent).await?;
    let removed = storage.remove(&key, Precondition::Any).await?;
    same("K3", "the record beside a lease", &removed, &true)
}

async fn a_held_lease_does_not_stop_writers(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let guard = acquire(&one, &key).await?;
    one.store(&key, &full("1"), Precondition::Any).await?;
    two.store(&key, &full("2"), Precondition::Any).await?;
    two.store(&cx.key("other"), &full("3"), Precondition::Any).await?;
    stored("L1", &one.get(&key).await?, &full("2"))?;
    held("L1", "a lease after others wrote", &two, &key).await?;
    guard.release().await?;
    Ok(())
}

async fn odd_keys_have_leases_of_their_own(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let limits = storage.describe().limits;
    let long = "x".repeat(limits.resource_server_bytes.min(64 * 1024));
    let odd = [
        "",
        " ",
        "\0",
        "..",
        "../../x",
        "/",
        "a\nb",
        "\u{1f600}",
        "CON",
        long.as_str(),
    ];
    let mut guards = Vec::new();
    for odd in odd {
        guards.push(acquire(&storage, &cx.key(odd)).await?);
    }
    for odd in odd {
        held("L1", "the lease of an odd key", &storage, &cx.key(odd)).await?;
    }
    for guard in guards {
        guard.release().await?;
    }
    Ok(())
}
