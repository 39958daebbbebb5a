//! What becomes of a write whose answer was lost (clause A5): never a false conflict, never a false "nothing happened",
//! never a lost record.

mod support;

use std::sync::Arc;

use support::{
    data,
    hosts::{Hosts, facts, store_of},
    key,
};
use token_storage_core::{ErrorKind, Precondition, Result, TokenKey, TokenStorage, TokenStorageExt as _, Write};
use token_storage_dynamodb_testing::Fault;
use tokio::sync::Notify;

#[tokio::test]
async fn a5_a_lost_answer_is_a_success_and_no_conflict() {
    for fault in [Fault::DropAfter, Fault::ErrorAfter] {
        let hosts = Hosts::new().await;
        hosts.faults.plan("PutItem", [fault.clone()]);
        let first = hosts.faulty_stores("1", Precondition::Absent).await;
        hosts.faults.plan("PutItem", [fault.clone()]);
        let second = hosts.faulty_stores("2", Precondition::Unchanged(first)).await;
        hosts.faults.plan("PutItem", [fault.clone()]);
        let third = hosts.faulty_stores("3", Precondition::Any).await;
        assert_ne!(second, third);
        assert_eq!(hosts.revision().await, third, "{fault:?}");
        hosts.all_faults_happened();
    }
}

/// All answers are lost, the last one included: a read finds the mark.
#[tokio::test]
async fn a5_a_lost_last_answer_is_resolved_by_reading() {
    let hosts = Hosts::with(|client| client.attempts(1)).await;
    hosts.faults.plan("PutItem", [Fault::DropAfter]);
    let revision = hosts.faulty_stores("1", Precondition::Absent).await;
    assert_eq!(hosts.revision().await, revision);
    hosts.all_faults_happened();
}

/// Ours happened, its answer was lost, and another host has written on top before the SDK's repetition is refused.
#[tokio::test]
async fn a5_a_success_that_was_replaced_meanwhile_is_a_success() {
    let hosts = Hosts::new().await;
    let first = hosts.other_stores("1", Precondition::Absent).await;
    let overtaken = Fault::drop_after_then(store_of(&hosts.other, "other", Precondition::Any));
    hosts.faults.plan("PutItem", [overtaken]);
    hosts.faulty_stores("2", Precondition::Unchanged(first)).await;
    assert_eq!(
        hosts.token().await.as_deref(),
        Some("other"),
        "the newer one is not undone"
    );
    hosts.all_faults_happened();
}

/// As above, but what is there no longer tells: the outcome is unknown, and nobody claims a conflict.
#[tokio::test]
async fn a5_an_outcome_that_cannot_be_told_is_unknown() {
    for precondition in ["none", "unchanged", "absent"] {
        let hosts = Hosts::new().await;
        let precondition = match precondition {
            "absent" => Precondition::Absent,
            other => {
                let first = hosts.other_stores("1", Precondition::Absent).await;
                if other == "none" {
                    Precondition::Any
                } else {
                    Precondition::Unchanged(first)
                }
            }
        };
        let other = hosts.other.clone();
        let removed_and_stored = Fault::drop_after_then(move || {
            let other = other.clone();
            async move {
                other.remove(&key("rs"), Precondition::Any).await.unwrap();
                store_of(&other, "other", Precondition::Absent)().await;
            }
        });
        hosts.faults.plan("PutItem", [removed_and_stored]);
        let stored = hosts.faulty.store(&key("rs"), &data("2"), precondition).await;
        assert_eq!(facts(stored), (ErrorKind::Unavailable, true, true), "{precondition:?}");
        assert_eq!(hosts.token().await.as_deref(), Some("other"));
        hosts.all_faults_happened();
    }
}

/// The first attempt was lost, another host won the race: the repetition's refusal is a plain conflict.
#[tokio::test]
async fn a5_a_lost_race_after_a_lost_attempt_is_a_conflict() {
    let hosts = Hosts::new().await;
    let first = hosts.other_stores("1", Precondition::Absent).await;
    let overtaken = Fault::pass_after(store_of(&hosts.other, "other", Precondition::Any));
    hosts.faults.plan("PutItem", [Fault::DropBefore, overtaken]);
    let stored = hosts
        .faulty
        .store(&key("rs"), &data("2"), Precondition::Unchanged(first))
        .await;
    let error = stored.unwrap_err();
    let current = hosts.revision().await;
    assert_eq!(error.conflict().unwrap().current, Some(current));
    assert!(!error.may_have_applied());
    hosts.all_faults_happened();
}

/// An attempt that arrives after another host's later write does nothing.
#[tokio::test]
async fn a5_a_late_duplicate_never_undoes_a_newer_write() {
    for precondition in ["none", "unchanged"] {
        let hosts = Hosts::new().await;
        let first = hosts.other_stores("1", Precondition::Absent).await;
        let (deliver, delivered) = (Arc::new(Notify::new()), hosts.recorder.clone());
        let gate = deliver.clone();
        let late = Fault::late(move || {
            let gate = gate.clone();
            async move { gate.notified().await }
        });
        hosts.faults.plan("PutItem", [late]);
        let precondition = if precondition == "none" {
            Precondition::Any
        } else {
            Precondition::Unchanged(first)
        };
        hosts.faulty_stores("2", precondition).await;
        let newest = hosts.other_stores("newest", Precondition::Any).await;
        assert_eq!(delivered.actions()["PutItem"], 2, "the late attempt and its repetition");

        deliver.notify_one();
        hosts.faults.late_arrival().await;
        assert_eq!(hosts.revision().await, newest);
        hosts.all_faults_happened();
    }
}

#[tokio::test]
async fn a5_a_lost_removal_is_told_from_a_lost_race() {
    // Without precondition, what is gone is removed.
    let hosts = Hosts::new().await;
    hosts.other_stores("1", Precondition::Absent).await;
    hosts.faults.plan("DeleteItem", [Fault::DropAfter]);
    assert!(hosts.faulty.remove(&key("rs"), Precondition::Any).await.unwrap());
    assert_eq!(hosts.token().await, None);

    // With one, somebody else may have done it.
    let revision = hosts.other_stores("2", Precondition::Absent).await;
    hosts.faults.plan("DeleteItem", [Fault::DropAfter]);
    let removed = hosts.faulty.remove(&key("rs"), Precondition::Unchanged(revision)).await;
    assert_eq!(facts(removed), (ErrorKind::Unavailable, true, true));

    // Removed and created anew: the newer record stays.
    hosts.other_stores("3", Precondition::Absent).await;
    let created_anew = Fault::drop_after_then(store_of(&hosts.other, "newer", Precondition::Absent));
    hosts.faults.plan("DeleteItem", [created_anew]);
    assert!(hosts.faulty.remove(&key("rs"), Precondition::Any).await.unwrap());
    assert_eq!(hosts.token().await.as_deref(), Some("newer"));
    hosts.all_faults_happened();
}

#[tokio::test]
async fn a5_a_lost_last_answer_of_a_removal() {
    let hosts = Hosts::with(|client| client.attempts(1)).await;
    let revision = hosts.other_stores("1", Precondition::Absent).await;
    hosts.faults.plan("DeleteItem", [Fault::DropBefore]);
    let removed = hosts.faulty.remove(&key("rs"), Precondition::Any).await;
    assert_eq!(
        facts(removed),
        (ErrorKind::Unavailable, true, true),
        "it may still arrive"
    );
    hosts.faults.plan("DeleteItem", [Fault::DropAfter]);
    let removed = hosts.faulty.remove(&key("rs"), Precondition::Unchanged(revision)).await;
    assert_eq!(facts(removed), (ErrorKind::Unavailable, true, true));
    hosts.other_stores("2", Precondition::Absent).await;
    hosts.faults.plan("DeleteItem", [Fault::DropAfter]);
    assert!(hosts.faulty.remove(&key("rs"), Precondition::Any).await.unwrap());
    hosts.all_faults_happened();
}

#[tokio::test]
async fn a5_a_batch_whose_answer_was_lost() {
    let keys: Vec<TokenKey> = (0..3).map(|i| key(&format!("rs{i}"))).collect();
    let record = data("1");
    let batch = || -> Vec<Write<'_>> {
        keys.iter()
            .map(|key| Write::new(key, &record, Precondition::Absent))
            .collect()
    };
    for (attempts, fault) in [(5, Fault::DropAfter), (5, Fault::ErrorAfter), (1, Fault::DropAfter)] {
        let hosts = Hosts::with(|client| client.attempts(attempts)).await;
        hosts.faults.plan("TransactWriteItems", [fault.clone()]);
        let revisions = hosts.faulty.store_all(&batch()).await.unwrap();
        assert_eq!(
            hosts.other.get(&keys[2]).await.unwrap().unwrap().revision,
            revisions[2],
            "{fault:?}"
        );
        hosts.all_faults_happened();
    }
    let hosts = Hosts::with(|client| client.attempts(1)).await;
    hosts.faults.plan("TransactWriteItems", [Fault::DropBefore]);
    assert_eq!(
        facts(hosts.faulty.store_all(&batch()).await),
        (ErrorKind::Unavailable, true, true)
    );
    hosts
        .faults
        .plan("TransactWriteItems", [Fault::Refuse(400, "ThrottlingException")]);
    assert_eq!(
        facts(hosts.faulty.store_all(&batch()).await),
        (ErrorKind::Busy, true, false)
    );
    assert!(hosts.other.get(&keys[0]).await.unwrap().is_none());
}

/// The first attempt is lost, another host is faster, so that ours never happens, and then it is denied.
async fn overtaken_then_denied(operation: &'static str) -> Hosts {
    let hosts = Hosts::new().await;
    hosts.other_stores("1", Precondition::Any).await;
    let overtaken = Fault::pass_after(store_of(&hosts.other, "other", Precondition::Any));
    let denied = Fault::Refuse(400, "AccessDeniedException");
    hosts.faults.plan(operation, [Fault::DropBefore, overtaken, denied]);
    hosts
}

/// What fails after it does not make the outcome unknown again.
async fn is_known_not_to_have_happened<T: std::fmt::Debug>(hosts: &Hosts, ours: Result<T>) {
    assert_eq!(facts(ours), (ErrorKind::PermissionDenied, false, false));
    assert_eq!(hosts.token().await.as_deref(), Some("other"));
    hosts.all_faults_happened();
}

#[tokio::test]
async fn a5_what_is_known_not_to_have_happened_stays_known() {
    let hosts = overtaken_then_denied("PutItem").await;
    let stored = hosts.faulty.store(&key("rs"), &data("2"), Precondition::Any).await;
    is_known_not_to_have_happened(&hosts, stored).await;
    let hosts = overtaken_then_denied("DeleteItem").await;
    let removed = hosts.faulty.remove(&key("rs"), Precondition::Any).await;
    is_known_not_to_have_happened(&hosts, removed).await;
}

#[tokio::test]
async fn a5_a_batch_that_is_known_not_to_have_happened() {
    let hosts = overtaken_then_denied("TransactWriteItems").await;
    let (ours, keys) = (data("2"), [key("rs"), key("second")]);
    let batch = [&keys[0], &keys[1]].map(|key| Write::new(key, &ours, Precondition::Any));
    let stored = hosts.faulty.store_all(&batch).await;
    is_known_not_to_have_happened(&hosts, stored).await;
}
