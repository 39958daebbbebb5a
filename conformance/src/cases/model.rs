//! Random sequences of operations against a model in memory. A sequence that fails is shrunk to a shortest one.

use std::collections::BTreeMap;

use proptest::{
    prelude::*,
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use token_storage_core::{ErrorKind, Precondition, Result, Revision, TokenData, TokenKey, TokenStorageExt as _, Write};

use super::enumeration::keys_of;
use crate::{
    Case, Level, Need,
    check::{Check, Stop, fail, same},
    cx::{Cx, Handle},
    data::{full, plain},
    rng::soak,
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Hostile,
        "model::random_sequences_do_what_the_model_does",
        &["A4", "A2", "K1", "K2", "K3", "K6"],
        |cx| Box::pin(random_sequences(cx, 1)),
    ),
    Case::new(
        Level::Hostile,
        "model::random_sequences_through_several_handles",
        &["A3", "A4", "A2", "A6"],
        |cx| Box::pin(random_sequences(cx, 3)),
    ),
];

const KEYS: usize = 4;
const VALUES: usize = 3;

#[derive(Clone, Copy, Debug)]
enum If {
    Any,
    Absent,
    /// The revision that the model has; `Absent` if it has none.
    Current,
    /// A revision of this key that was current once, or never was.
    Stale(usize),
}

#[derive(Clone, Debug)]
enum Op {
    Get(usize),
    Store(usize, usize, If),
    StoreAll(Vec<(usize, usize, If)>),
    Remove(usize, If),
}

fn condition() -> impl Strategy<Value = If> {
    prop_oneof![
        2 => Just(If::Any),
        1 => Just(If::Absent),
        3 => Just(If::Current),
        1 => (0..4usize).prop_map(If::Stale),
    ]
}

fn operation() -> impl Strategy<Value = Op> {
    let write = || (0..KEYS, 0..VALUES, condition());
    prop_oneof![
        2 => (0..KEYS).prop_map(Op::Get),
        4 => write().prop_map(|(key, value, condition)| Op::Store(key, value, condition)),
        2 => prop::collection::vec(write(), 0..4).prop_map(Op::StoreAll),
        2 => (0..KEYS, condition()).prop_map(|(key, condition)| Op::Remove(key, condition)),
    ]
}

/// Which handle does it, and what.
fn sequence(handles: usize) -> impl Strategy<Value = Vec<(usize, Op)>> {
    prop::collection::vec((0..handles, operation()), 1..20)
}

/// On a thread of its own: the trees of proptest cannot move between threads.
async fn random_sequences(cx: Cx, handles: usize) -> Check {
    let runtime = tokio::runtime::Handle::current();
    let sequences = tokio::task::spawn_blocking(move || runtime.block_on(sequences(cx, handles)));
    sequences
        .await
        .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

async fn sequences(cx: Cx, handles: usize) -> Check {
    let count = if soak() { 2000 } else { 10 };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &cx.rng().bytes32());
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut opened = Vec::new();
    for _ in 0..handles {
        opened.push(cx.open().await?);
    }
    for number in 0..count {
        cx.forget_history();
        let tree = sequence(handles).new_tree(&mut runner);
        let mut tree = tree.expect("the strategy makes a value");
        if let Err(stop) = run(&cx, &opened, number, 0, &tree.current()).await {
            return Err(shrink(&cx, &opened, number, &mut tree, stop).await);
        }
    }
    Ok(())
}

/// The failure of the shortest sequence that still fails, its history alone in the record.
async fn shrink<T>(cx: &Cx, handles: &[Handle], number: usize, tree: &mut T, mut found: Stop) -> Stop
where
    T: ValueTree<Value = Vec<(usize, Op)>>,
{
    if !matches!(found, Stop::Failed(_)) {
        return found;
    }
    let mut shortest = tree.current();
    let mut attempt = 0;
    let mut more = tree.simplify();
    while more && attempt < 200 {
        attempt += 1;
        match run(cx, handles, number, attempt, &tree.current()).await {
            Err(stop @ Stop::Failed(_)) => {
                (found, shortest) = (stop, tree.current());
                more = tree.simplify();
            }
            _ => more = tree.complicate(),
        }
    }
    cx.forget_history();
    cx.note(format!("the shortest sequence of {} operations:", shortest.len()));
    match run(cx, handles, number, attempt + 1, &shortest).await {
        Err(stop) => stop,
        // It does not fail each time; the history then shows a run that went well.
        Ok(()) => {
            cx.note("which went well when it was run once more");
            found
        }
    }
}

#[derive(Default)]
struct Model {
    records: BTreeMap<usize, (Revision, TokenData)>,
    past: BTreeMap<usize, Vec<Revision>>,
}

impl Model {
    fn current(&self, key: usize) -> Option<Revision> {
        self.records.get(&key).map(|(revision, _)| *revision)
    }

    fn precondition(&self, key: usize, condition: If) -> Precondition {
        match condition {
            If::Any => Precondition::Any,
            If::Absent => Precondition::Absent,
            If::Current => self.current(key).map_or(Precondition::Absent, Precondition::Unchanged),
            If::Stale(index) => {
                let past = self.past.get(&key).and_then(|past| past.get(index));
                let never = || Revision::from_bytes(&[9; 32]).expect("a revision may have 32 bytes");
                Precondition::Unchanged(past.copied().unwrap_or_else(never))
            }
        }
    }

    fn put(&mut self, key: usize, revision: Revision, data: TokenData) {
        self.records.insert(key, (revision, data));
        self.past.entry(key).or_default().push(revision);
    }
}

fn value(index: usize) -> TokenData {
    match index {
        0 => plain("0"),
        index => full(&index.to_string()),
    }
}

/// Each run has namespaces of its own; two of the keys are in a second one, with the same resource servers.
fn keys(cx: &Cx, number: usize, attempt: usize) -> Vec<TokenKey> {
    (0..KEYS)
        .map(|index| {
            cx.key_in(
                &format!("/{number}/{attempt}/{}", index / 2),
                &format!("rs{}", index % 2),
            )
        })
        .collect()
}

async fn run(cx: &Cx, handles: &[Handle], number: usize, attempt: usize, sequence: &[(usize, Op)]) -> Check {
    let keys = keys(cx, number, attempt);
    let mut model = Model::default();
    for (handle, op) in sequence {
        step(&handles[*handle], &keys, &mut model, op).await?;
    }
    for handle in handles {
        for index in 0..KEYS {
            step(handle, &keys, &mut model, &Op::Get(index)).await?;
        }
        if cx.declares(Need::Enumeration) {
            list(handle, &keys, &model).await?;
        }
    }
    Ok(())
}

async fn list(handle: &Handle, keys: &[TokenKey], model: &Model) -> Check {
    for first in [0, 2] {
        let mut listed = keys_of(handle, keys[first].namespace()).await?;
        listed.sort();
        let want: Vec<TokenKey> = model
            .records
            .keys()
            .filter(|index| *index / 2 == first / 2)
            .map(|index| keys[*index].clone())
            .collect();
        same("C5", "the listing is the model's", &listed, &want)?;
    }
    Ok(())
}

async fn step(handle: &Handle, keys: &[TokenKey], model: &mut Model, op: &Op) -> Check {
    match op {
        Op::Get(key) => {
            crate::cx::settle(handle).await;
            let got = handle.get(&keys[*key]).await?;
            let want = model.records.get(key);
            let (data, revision) = (got.as_ref().map(|got| got.data.clone()), got.map(|got| got.revision));
            same(
                "K1",
                "the record is the model's",
                &data,
                &want.map(|(_, data)| data.clone()),
            )?;
            same(
                "A4",
                "the revision is the model's",
                &revision.is_some(),
                &want.is_some(),
            )?;
            same(
                "K2",
                "the revision is that of the last write",
                &revision,
                &want.map(|(revision, _)| *revision),
            )
        }
        Op::Store(key, index, condition) => {
            let precondition = model.precondition(*key, *condition);
            let result = handle.store(&keys[*key], &value(*index), precondition).await;
            let refused = !precondition.holds(model.current(*key));
            if let Some(revision) = agree(result, refused.then_some(*key), keys, model)? {
                new_revision(model, *key, revision)?;
                model.put(*key, revision, value(*index));
            }
            Ok(())
        }
        Op::StoreAll(writes) => batch(handle, keys, model, writes).await,
        Op::Remove(key, condition) => {
            let precondition = model.precondition(*key, *condition);
            let result = handle.remove(&keys[*key], precondition).await;
            let refused = !precondition.holds(model.current(*key));
            if let Some(removed) = agree(result, refused.then_some(*key), keys, model)? {
                let was_there = model.records.remove(key).is_some();
                same("K3", "remove says whether something was there", &removed, &was_there)?;
            }
            Ok(())
        }
    }
}

async fn batch(handle: &Handle, keys: &[TokenKey], model: &mut Model, writes: &[(usize, usize, If)]) -> Check {
    let batch: Vec<(usize, TokenData, Precondition)> = writes
        .iter()
        .map(|(key, index, condition)| (*key, value(*index), model.precondition(*key, *condition)))
        .collect();
    let writes: Vec<Write<'_>> = batch
        .iter()
        .map(|(key, data, condition)| Write::new(&keys[*key], data, *condition))
        .collect();
    let result = handle.store_all(&writes).await;
    let twice = (0..batch.len()).any(|i| batch[..i].iter().any(|(key, ..)| *key == batch[i].0));
    if twice {
        return crate::check::refused("A2", "two records of one key", result, ErrorKind::InvalidInput).map(drop);
    }
    let refused = batch
        .iter()
        .find(|(key, _, condition)| !condition.holds(model.current(*key)))
        .map(|(key, ..)| *key);
    if let Some(revisions) = agree(result, refused, keys, model)? {
        same("A2", "one revision for each record", &revisions.len(), &batch.len())?;
        for ((key, data, _), revision) in batch.into_iter().zip(revisions) {
            new_revision(model, key, revision)?;
            model.put(key, revision, data);
        }
    }
    Ok(())
}

fn new_revision(model: &Model, key: usize, revision: Revision) -> Check {
    let seen = model.past.get(&key).is_some_and(|past| past.contains(&revision));
    crate::check::holds("K2", "a write has a revision that was never there before", !seen)
}

/// The model says which key is refused, if any; the storage must say the same. `None`: refused, as it should be.
fn agree<T>(result: Result<T>, refused: Option<usize>, keys: &[TokenKey], model: &Model) -> Check<Option<T>> {
    match (result, refused) {
        (Ok(value), None) => Ok(Some(value)),
        (Ok(_), Some(key)) => {
            let want = format!("a conflict for {}", crate::check::Show::show(&keys[key]));
            fail("A4", "a precondition that does not hold refuses the write", "Ok", want)
        }
        (Err(error), Some(key)) if error.kind() == ErrorKind::Conflict => {
            let facts = error.conflict();
            let named = facts.map(|conflict| conflict.key.clone());
            same("A4", "the conflict names the key", &named, &Some(keys[key].clone()))?;
            let current = facts.and_then(|conflict| conflict.current);
            same("A4", "the conflict names what is there", &current, &model.current(key))?;
            Ok(None)
        }
        (Err(error), None) if error.kind() == ErrorKind::Conflict => fail(
            "A4",
            "a precondition that holds lets the write pass",
            error.to_string(),
            "Ok",
        ),
        (Err(error), _) => Err(error.into()),
    }
}
