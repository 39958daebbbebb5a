//! Which records a refresh touches.

use token_storage_core::{Precondition, TokenKey};

use super::World;
use crate::auth_server::Fault;

/// Whatever name the record and the answer carry.
pub(super) async fn a_record_may_have_any_name(world: &World<'_>) {
    let before = world.record().await;
    let alias = TokenKey::new(world.key.namespace(), "an alias");
    let expired = world.issued().with_expires_at(0);
    assert!(world.accepts(&alias, &expired).await);
    let got = world.refresher().await.access_token(&alias).await;
    let token = got.expect("K1: the name in the record is not compared with the key");
    let after = world
        .storage
        .get(&alias)
        .await
        .expect("the storage under test can read");
    let after = after.expect("L8: the record is still there").data;
    assert!(after.access_token == token, "L6: it is stored where it was asked for");
    assert_eq!(after.resource_server, expired.resource_server, "L8: the name stays");
    assert!(world.record().await == before, "K2: the record of that name is another");
    let _ = world.storage.remove(&alias, Precondition::Any).await;
}

/// A success, a failure and a refusal are of one record alone.
pub(super) async fn neighbours_are_left_alone(world: &World<'_>) {
    let (namespace, name) = (world.key.namespace(), world.key.resource_server());
    let neighbours = [
        TokenKey::new(namespace, "other.example.org"),
        TokenKey::new(format!("{namespace}-2"), name),
    ];
    for key in &neighbours {
        let expired = world.issued_for(key).with_expires_at(0);
        assert!(world.accepts(key, &expired).await);
    }
    let read = async |key| world.storage.get(key).await.expect("the storage under test can read");
    let before = [read(&neighbours[0]).await, read(&neighbours[1]).await];
    let got = world.ask().await;
    world.assert_current("L5", &got.expect("L5: a refresh")).await;
    world.log_in().await;
    world.script(Fault::Status {
        status: 503,
        retry_after: None,
    });
    assert!(world.ask().await.is_err(), "L7: a failure");
    world.log_in().await;
    world.server.revoke_everything();
    assert!(world.ask().await.is_err(), "L7: a refusal");
    let after = [read(&neighbours[0]).await, read(&neighbours[1]).await];
    assert!(after == before, "K2: the records of other keys");
    assert_eq!(world.requests(), 3, "L5: and their tokens were not sent");
    assert_nothing_beside(world, &neighbours[0]).await;
    for key in &neighbours {
        let _ = world.storage.remove(key, Precondition::Any).await;
    }
}

/// Nothing but the record and its neighbour is in the namespace, if that can be told.
async fn assert_nothing_beside(world: &World<'_>, neighbour: &TokenKey) {
    let Some(listing) = world.storage.enumerate() else {
        return;
    };
    let mut after = None;
    loop {
        let page = listing.list_keys(world.key.namespace(), after.as_ref()).await;
        let page = page.expect("the storage under test can list");
        let strange = page.items.iter().find(|key| **key != world.key && *key != neighbour);
        assert!(strange.is_none(), "K2: a refresh leaves the record {strange:?} behind");
        after = page.next;
        if after.is_none() {
            return;
        }
    }
}
