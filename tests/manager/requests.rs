//! What handing out, refreshing and waiting cost on DynamoDB: the table in docs/dynamodb.md, held to what is sent.

use std::{collections::BTreeMap, time::Duration};

use token_storage::{
    Acquisition, Precondition, TokenStorage as _, TokenStorageExt as _,
    dynamodb::{DynamoDbStorage, TableOptions},
};
use token_storage_auth_testing::auth_server::Config;
use token_storage_dynamodb_testing::{ClientBuilder, Fault, Faults, Recorder, emulator};

use crate::support::{LIFETIME, World, key};

const DOCS: &str = include_str!("../../docs/dynamodb.md");

struct Costs {
    world: World<DynamoDbStorage>,
    recorder: Recorder,
    faults: Faults,
}

impl Costs {
    async fn of(table: &str) -> Self {
        let (recorder, faults) = (Recorder::default(), Faults::new());
        let client = ClientBuilder::new(&emulator().await)
            .recorder(&recorder)
            .faults(&faults)
            .build();
        let table = format!("tokens-{table}-{}", std::process::id());
        let storage = DynamoDbStorage::from_client(client, table);
        storage.create_table(&TableOptions::default(), |_| {}).await.unwrap();
        let world = World::with(storage, Config::default()).await;
        recorder.clear();
        Self {
            world,
            recorder,
            faults,
        }
    }

    /// Holds the row of the table to what was sent since the last time.
    fn are(&self, row: &str) {
        let sent = self.recorder.actions();
        self.recorder.clear();
        assert_eq!(
            documented(row),
            [told(&sent), read_units(&sent), write_units(&sent)],
            "{row}"
        );
    }
}

/// Requests, read units and write units of a row.
fn documented(row: &str) -> [String; 3] {
    let (_, table) = DOCS.split_once("<!-- costs -->").expect("the table is marked");
    let begins = format!("| {row} | ");
    let line = table.lines().find_map(|line| line.strip_prefix(&begins));
    let cells: Vec<_> = line.expect(row).trim_end_matches(" |").split(" | ").collect();
    cells
        .iter()
        .map(|cell| (*cell).to_owned())
        .collect::<Vec<_>>()
        .try_into()
        .expect("three cells")
}

fn told(sent: &BTreeMap<String, usize>) -> String {
    let parts: Vec<_> = sent.iter().map(|(action, times)| format!("{times} {action}")).collect();
    match parts.is_empty() {
        true => "none".to_owned(),
        false => parts.join(", "),
    }
}

fn times(sent: &BTreeMap<String, usize>, action: &str) -> usize {
    sent.get(action).copied().unwrap_or_default()
}

/// Of a record of up to 4 KB, read consistently.
fn read_units(sent: &BTreeMap<String, usize>) -> String {
    times(sent, "GetItem").to_string()
}

/// Of a record of up to 1 KB; the transaction writes two items, each at twice the price.
fn write_units(sent: &BTreeMap<String, usize>) -> String {
    let single = ["PutItem", "UpdateItem", "DeleteItem"].map(|action| times(sent, action));
    (single.iter().sum::<usize>() + 4 * times(sent, "TransactWriteItems")).to_string()
}

#[tokio::test]
async fn what_is_handed_out_and_refreshed_costs_what_the_page_says() {
    let costs = Costs::of("costs").await;
    let manager = costs.world.manager();
    manager.access_token(&key()).await.unwrap();
    costs.are("a token that is good");
    manager.access_token(&key()).await.unwrap();
    costs.are("the same, within `trust`");
    costs.world.expire();
    manager.access_token(&key()).await.unwrap();
    costs.are("a refresh");
    // Only what was seen before its window began is refreshed ahead.
    costs.world.clock.advance(10);
    manager.access_token(&key()).await.unwrap();
    costs.are("a token that is good");
    costs.world.clock.advance(LIFETIME - 160);
    manager.access_token(&key()).await.unwrap();
    manager.finish().await;
    costs.are("a token that is good, and a refresh ahead of its expiry");
    assert_eq!(costs.world.server.refresh_requests(), 2);
}

#[tokio::test]
async fn without_transactions_a_refresh_costs_what_the_page_says() {
    let costs = Costs::of("single").await;
    let manager = costs.world.manager();
    costs
        .faults
        .plan("TransactWriteItems", [Fault::Refuse(400, "UnknownOperationException")]);
    for first in [true, false] {
        costs.world.expire();
        manager.access_token(&key()).await.unwrap();
        match first {
            // The one that finds it out.
            true => costs.recorder.clear(),
            false => costs.are("a refresh at an endpoint without transactions"),
        }
    }
    assert_eq!(costs.world.server.reuse_detections(), 0);
}

#[tokio::test]
async fn a_wait_costs_what_the_page_says() {
    let costs = Costs::of("wait").await;
    let Acquisition::Acquired(holder) = costs.world.storage.lease().unwrap().try_acquire(&key()).await.unwrap() else {
        panic!("nobody else holds it");
    };
    costs.world.expire();
    costs.recorder.clear();
    let manager = costs
        .world
        .builder()
        .lease_wait(Duration::from_secs(60))
        .build()
        .unwrap();
    let waits = tokio::spawn(async move { manager.access_token(&key()).await });
    // It has looked twice at least.
    while times(&costs.recorder.actions(), "GetItem") < 5 {
        tokio::task::yield_now().await;
    }
    let stored = costs.world.storage.get(&key()).await.unwrap().unwrap();
    let mut data = stored.data;
    data.access_token = "another holder's".into();
    data.expires_at = data.expires_at.map(|expires_at| expires_at + 2 * LIFETIME);
    let unchanged = Precondition::Unchanged(stored.revision);
    costs.world.storage.store(&key(), &data, unchanged).await.unwrap();
    let token = waits.await.unwrap().unwrap();
    assert_eq!(token.expose(), "another holder's");
    let sent = costs.recorder.actions();
    // One is the store above.
    assert_eq!(
        (times(&sent, "TransactWriteItems"), times(&sent, "PutItem")),
        (1, 1),
        "{sent:?}"
    );
    assert_eq!(
        documented("a wait begins"),
        ["1 GetItem, 1 TransactWriteItems", "1", "4"]
    );
    assert_eq!(documented("each further look of a wait"), ["2 GetItem", "2", "0"]);
    assert_eq!(sent.len(), 3, "{sent:?}");
    holder.release().await.unwrap();
}
