//! What becomes of a call when network, service or configuration fail: told apart, and never a false "nothing happened"
//! (clauses A5 and L4). The table of faults is in docs/dynamodb.md; those that lose answers are in `lost_answers.rs`.

mod support;

use std::time::Duration;

use support::{
    data,
    hosts::{Hosts, facts},
    key,
};
use token_storage_core::{Error, ErrorKind, Precondition, TokenStorage, TokenStorageExt as _};
use token_storage_dynamodb::{Client, DynamoDbStorage};
use token_storage_dynamodb_testing::{ClientBuilder, Fault, emulator};

#[tokio::test]
async fn a_throttled_or_failing_attempt_is_retried() {
    for fault in [
        Fault::Refuse(400, "ProvisionedThroughputExceededException"),
        Fault::Refuse(400, "ThrottlingException"),
        Fault::Refuse(400, "RequestLimitExceeded"),
        Fault::Refuse(500, "InternalServerError"),
        Fault::Refuse(503, "ServiceUnavailable"),
        Fault::DropBefore,
    ] {
        let hosts = Hosts::new().await;
        hosts.faults.plan("PutItem", [fault.clone(), fault.clone()]);
        hosts.faults.plan("GetItem", [fault.clone()]);
        hosts.faults.plan("DeleteItem", [fault.clone()]);
        let revision = hosts.faulty_stores("1", Precondition::Absent).await;
        assert_eq!(
            hosts.faulty.get(&key("rs")).await.unwrap().unwrap().revision,
            revision,
            "{fault:?}"
        );
        assert!(
            hosts
                .faulty
                .remove(&key("rs"), Precondition::Unchanged(revision))
                .await
                .unwrap(),
            "{fault:?}"
        );
        hosts.all_faults_happened();
    }
}

#[tokio::test]
async fn a_final_throttle_is_busy_and_says_when_to_come_back() {
    let hosts = Hosts::new().await;
    hosts.faults.plan(
        "GetItem",
        vec![Fault::Refuse(400, "ProvisionedThroughputExceededException"); 5],
    );
    hosts
        .faults
        .plan("PutItem", vec![Fault::Refuse(400, "ThrottlingException"); 5]);
    let error = hosts.faulty.get(&key("rs")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.is_retryable() && error.retry_after().is_some());
    let stored = hosts.faulty.store(&key("rs"), &data("1"), Precondition::Absent).await;
    assert_eq!(
        facts(stored),
        (ErrorKind::Busy, true, false),
        "a throttled write certainly did not happen"
    );
    hosts.all_faults_happened();
    assert_eq!(hosts.token().await, None);
}

#[tokio::test]
async fn a_final_server_error_leaves_the_outcome_open() {
    let hosts = Hosts::new().await;
    hosts
        .faults
        .plan("PutItem", vec![Fault::Refuse(500, "InternalServerError"); 5]);
    let stored = hosts.faulty.store(&key("rs"), &data("1"), Precondition::Absent).await;
    assert_eq!(facts(stored), (ErrorKind::Unavailable, true, true));
    hosts.all_faults_happened();
}

#[tokio::test]
async fn contention_with_transactions_is_waited_out_and_then_busy() {
    let hosts = Hosts::new().await;
    hosts
        .faults
        .plan("PutItem", vec![Fault::Refuse(400, "TransactionConflictException"); 3]);
    hosts.faulty_stores("1", Precondition::Absent).await;
    hosts.all_faults_happened();

    let client = ClientBuilder::new(&emulator().await).faults(&hosts.faults).build();
    let impatient = DynamoDbStorage::builder(&hosts.table)
        .contention_timeout(Duration::ZERO)
        .with_client(client);
    hosts
        .faults
        .plan("PutItem", [Fault::Refuse(400, "TransactionConflictException")]);
    let stored = impatient.store(&key("rs2"), &data("1"), Precondition::Absent).await;
    assert_eq!(facts(stored), (ErrorKind::Busy, true, false));
}

#[tokio::test]
async fn slow_answers_time_out_and_leave_the_outcome_open() {
    let hosts = Hosts::with(|client| client.attempts(2)).await;
    let slow = || Fault::Unanswered;
    hosts.faults.plan("GetItem", [slow(), slow()]);
    assert_eq!(facts(hosts.faulty.get(&key("rs")).await).0, ErrorKind::Unavailable);
    // One slow answer: the repetition is refused by our own mark, and counts as the success it is.
    hosts.faults.plan("PutItem", [slow()]);
    hosts.faulty_stores("1", Precondition::Absent).await;
    // Only slow answers, and reading does not help either.
    hosts.faults.plan("PutItem", [slow(), slow()]);
    hosts.faults.plan("GetItem", [slow(), slow()]);
    let current = hosts.revision().await;
    let stored = hosts
        .faulty
        .store(&key("rs"), &data("2"), Precondition::Unchanged(current))
        .await;
    assert_eq!(facts(stored), (ErrorKind::Unavailable, true, true));
    assert_eq!(
        hosts.token().await.as_deref(),
        Some("2"),
        "it did happen, so claiming otherwise would have been false"
    );
    hosts.all_faults_happened();
}

#[tokio::test]
async fn credentials_and_permissions_are_told_from_outages() {
    let hosts = Hosts::new().await;
    for code in [
        "ExpiredTokenException",
        "UnrecognizedClientException",
        "AccessDeniedException",
        "InvalidSignatureException",
    ] {
        hosts.faults.plan("PutItem", [Fault::Refuse(400, code)]);
        let stored = hosts.faulty.store(&key("rs"), &data("1"), Precondition::Absent).await;
        assert_eq!(facts(stored), (ErrorKind::PermissionDenied, false, false), "{code}");
    }
    hosts
        .faults
        .plan("GetItem", [Fault::Refuse(400, "ExpiredTokenException")]);
    let error = hosts.faulty.get(&key("rs")).await.unwrap_err();
    assert!(error.to_string().contains("expired"), "{error}");
    hosts.all_faults_happened();
}

#[tokio::test]
async fn nobody_listening_is_unavailable_and_certainly_nothing_happened() {
    // A port that was just free.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let storage = DynamoDbStorage::from_client(ClientBuilder::new(&endpoint).build(), "tokens");
    let stored = storage.store(&key("rs"), &data("1"), Precondition::Absent).await;
    assert_eq!(facts(stored), (ErrorKind::Unavailable, true, false));
    let lease = storage.lease().unwrap().try_acquire(&key("rs")).await.map(|_| ());
    assert_eq!(
        facts(lease).0,
        ErrorKind::Unavailable,
        "L4: never taken for `held by another`"
    );
}

#[tokio::test]
async fn a_missing_table_and_one_with_another_schema_are_named() {
    let hosts = Hosts::new().await;
    let missing = DynamoDbStorage::from_client(hosts.client.clone(), support::unique("missing"));
    let other_schema = DynamoDbStorage::from_client(hosts.client.clone(), support::other_schema(&hosts.client).await);
    for (storage, advice) in [(missing, "create it"), (other_schema, "key schema")] {
        let calls: [Error; 4] = [
            storage.get(&key("rs")).await.unwrap_err(),
            storage
                .store(&key("rs"), &data("1"), Precondition::Absent)
                .await
                .unwrap_err(),
            storage.remove(&key("rs"), Precondition::Any).await.unwrap_err(),
            storage.lease().unwrap().try_acquire(&key("rs")).await.unwrap_err(),
        ];
        for error in calls {
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
            assert!(error.to_string().contains(advice), "{error}");
            assert!(!error.to_string().contains("token-storage create"), "{error}");
            let helps = (advice == "create it").then_some("create-table");
            assert_eq!(error.action(), helps, "{error}");
            assert!(!error.may_have_applied(), "{error}");
        }
    }
}

/// Nothing is sent without credentials, so nothing can have happened.
#[tokio::test]
async fn missing_credentials_are_named() {
    use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError, future};

    #[derive(Debug)]
    struct Missing;

    impl ProvideCredentials for Missing {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("nowhere")))
        }
    }

    let hosts = Hosts::new().await;
    let config = hosts.client.config().to_builder();
    let failing = Client::from_conf(config.credentials_provider(Missing).build());
    let without = aws_sdk_dynamodb::Config::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::v2026_01_12())
        .region(aws_sdk_dynamodb::config::Region::new("eu-central-1"))
        .endpoint_url(emulator().await)
        .http_client(hosts.client.config().http_client().unwrap())
        .build();
    for client in [failing, Client::from_conf(without)] {
        let storage = DynamoDbStorage::from_client(client, &hosts.table);
        let stored = storage.store(&key("rs"), &data("1"), Precondition::Absent).await;
        assert_eq!(facts(stored), (ErrorKind::PermissionDenied, false, false));
    }
}
