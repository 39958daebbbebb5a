use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use token_storage_core::{Precondition, Revision, TokenKey, TokenStorageExt as _};
use tokio::{sync::Barrier, task::JoinSet};

use crate::{
    Case, Level,
    check::{Check, Stop, fail, ignore},
    cx::{Cx, Handle},
    data::plain,
    linear::{Call, Event, is_linearizable},
    rng::{Rng, soak},
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Hostile,
        "histories::calls_of_one_handle_are_linearizable",
        &["A1", "A4"],
        |cx| Box::pin(linearizable(cx, 1)),
    ),
    Case::new(
        Level::Hostile,
        "histories::calls_of_several_handles_are_linearizable",
        &["A3", "A4"],
        |cx| Box::pin(linearizable(cx, 3)),
    ),
];

const TASKS: usize = 4;
const CALLS: usize = 5;

async fn linearizable(cx: Cx, handles: usize) -> Check {
    let mut opened = Vec::new();
    for _ in 0..handles {
        opened.push(cx.open().await?);
    }
    if opened[0].describe().staleness.is_some() {
        return ignore("the storage declares that reads may be stale");
    }
    let mut rng = cx.rng();
    for round in 0..if soak() { 1000 } else { 8 } {
        cx.forget_history();
        let key = cx.key(&format!("rs{round}"));
        let events = record(&opened, &key, &mut rng).await?;
        if !is_linearizable(None, &events) {
            let mut shown: Vec<&Event> = events.iter().collect();
            shown.sort_by_key(|event| event.started);
            cx.note("by the start of each call (started, ended, call and answer):");
            for Event { started, ended, call } in shown {
                cx.note(format!("  {started:>3} {ended:>3} {}", cx.show_call(call)));
            }
            let got = format!("{} calls that fit into no order", events.len());
            return fail(
                "A4",
                "concurrent calls are as if one had followed another",
                got,
                "some order in which they fit",
            );
        }
    }
    Ok(())
}

/// Runs a few tasks on one key at the same time and notes what each was answered.
async fn record(handles: &[Handle], key: &TokenKey, rng: &mut Rng) -> Check<Vec<Event>> {
    let (clock, start) = (Arc::new(AtomicU64::new(0)), Arc::new(Barrier::new(TASKS)));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (storage, key, rng) = (
            Arc::clone(&handles[task % handles.len()]),
            key.clone(),
            Rng::new(rng.next()),
        );
        let (clock, start) = (Arc::clone(&clock), Arc::clone(&start));
        tasks.spawn(async move {
            start.wait().await;
            calls(&storage, &key, task, rng, &clock).await
        });
    }
    let mut events = Vec::new();
    while let Some(task) = tasks.join_next().await {
        events.extend(task.expect("a task does not panic")?);
    }
    Ok(events)
}

async fn calls(storage: &Handle, key: &TokenKey, task: usize, mut rng: Rng, clock: &AtomicU64) -> Check<Vec<Event>> {
    let mut known: Option<Revision> = None;
    let mut events = Vec::new();
    for number in 0..CALLS {
        let precondition = match (rng.below(4), known) {
            (0, _) => Precondition::Any,
            (_, Some(revision)) => Precondition::Unchanged(revision),
            (_, None) => Precondition::Absent,
        };
        let choice = rng.below(8);
        let started = clock.fetch_add(1, Ordering::SeqCst);
        let call = match choice {
            0..=2 => Call::Got(storage.get(key).await?.map(|stored| stored.revision)),
            3..=6 => {
                // Equal values among the tasks, now and then.
                let data = plain(&if rng.below(2) == 0 {
                    format!("{task}-{number}")
                } else {
                    "equal".to_owned()
                });
                answer(
                    precondition,
                    storage.store(key, &data, precondition).await,
                    Call::Stored,
                )?
            }
            _ => answer(precondition, storage.remove(key, precondition).await, Call::Removed)?,
        };
        let ended = clock.fetch_add(1, Ordering::SeqCst);
        known = match &call {
            Call::Got(current) | Call::Refused(_, current) => *current,
            Call::Stored(_, revision) => Some(*revision),
            Call::Removed(..) => None,
        };
        events.push(Event { started, ended, call });
    }
    Ok(events)
}

fn answer<T>(
    precondition: Precondition,
    result: token_storage_core::Result<T>,
    done: fn(Precondition, T) -> Call,
) -> Check<Call> {
    match result {
        Ok(value) => Ok(done(precondition, value)),
        Err(error) => match error.conflict() {
            Some(conflict) => Ok(Call::Refused(precondition, conflict.current)),
            None => Err(Stop::from(error)),
        },
    }
}
