use std::sync::Arc;

use token_storage_core::{Acquisition, Intent, LeaseGuard, Precondition};
use tokio::task::JoinSet;

use super::{RefreshCase, World, watched::Watched};
use crate::auth_server::Endpoint::Token;
use crate::auth_server::{Config, Fault, Gate};

/// Every case, in a fixed order. They need a storage with leases.
pub fn refresh_cases() -> &'static [RefreshCase] {
    const fn case(
        name: &'static str,
        clauses: &'static [&'static str],
        run: for<'a> fn(&'a World<'a>) -> super::Running<'a>,
    ) -> RefreshCase {
        RefreshCase {
            name,
            clauses,
            config: Config::default,
            run,
        }
    }
    const CASES: &[RefreshCase] = &[
        case("refresh::one_expiry_costs_one_request", &["L1", "L5"], |world| {
            Box::pin(one_expiry_costs_one_request(world))
        }),
        case("refresh::a_holder_is_waited_for", &["L1", "L5"], |world| {
            Box::pin(a_holder_is_waited_for(world))
        }),
        case("refresh::what_passes_changes_nothing", &["L7"], |world| {
            Box::pin(what_passes_changes_nothing(world))
        }),
        case("refresh::a_lost_answer_is_tried_for_once", &["L5"], |world| {
            Box::pin(a_lost_answer_is_tried_for_once(world))
        }),
        case("refresh::a_dead_holder_is_succeeded", &["L5"], |world| {
            Box::pin(a_dead_holder_is_succeeded(world))
        }),
        RefreshCase {
            config: without_rotation,
            ..case("refresh::a_partial_answer_loses_nothing", &["L8"], |world| {
                Box::pin(a_partial_answer_loses_nothing(world))
            })
        },
        case("refresh::another_login_meanwhile_is_kept", &["L8"], |world| {
            Box::pin(another_login_meanwhile_is_kept(world))
        }),
        case("refresh::a_logout_meanwhile_wins", &["L8", "L10"], |world| {
            Box::pin(a_logout_meanwhile_wins(world))
        }),
    ];
    CASES
}

fn without_rotation() -> Config {
    Config {
        rotate: false,
        ..Config::default()
    }
}

async fn one_expiry_costs_one_request(world: &World<'_>) {
    let processes = [
        world.refresher().await,
        world.refresher().await,
        world.refresher().await,
    ];
    for expiry in 1..=3 {
        world.expire().await;
        let mut calls = JoinSet::new();
        for process in processes.iter().cycle().take(18) {
            let (process, key) = (Arc::clone(process), world.key.clone());
            calls.spawn(async move { process.access_token(&key).await });
        }
        for got in calls.join_all().await {
            world
                .assert_current("L5", &got.expect("L5: every caller gets the new token"))
                .await;
        }
        assert_eq!(
            world.server.refresh_requests(),
            expiry,
            "L5: one request for each expiry"
        );
    }
    assert_eq!(world.server.reuse_detections(), 0, "L1");
}

async fn hold(world: &World<'_>) -> Box<dyn LeaseGuard> {
    let lease = world.storage.lease().expect("these cases need a storage with leases");
    match lease.try_acquire(&world.key).await.expect("the lease can be asked for") {
        Acquisition::Acquired(guard) => guard,
        Acquisition::Held { .. } => panic!("L1: nobody holds the lease"),
    }
}

async fn a_holder_is_waited_for(world: &World<'_>) {
    let guard = hold(world).await;
    let (watched, seen) = Watched::new(world.subject.open().await);
    let (waiter, key) = (world.subject.refresher(watched, &world.server), world.key.clone());
    let mut waiting = tokio::spawn(async move { waiter.access_token(&key).await });
    // The holder stores after the waiter saw the expired token: who only looks once is caught, however slow it is.
    tokio::select! {
        () = seen.notified() => {}
        ended = &mut waiting => panic!("L1: the waiter did not look at the storage: {ended:?}"),
    }
    let newer = world.issued();
    world.store(&newer).await;
    guard.release().await.expect("the lease can be released");
    let got = waiting
        .await
        .expect("it does not panic")
        .expect("L5: a waiter gets the holder's token");
    assert_eq!(got, newer.access_token, "L5");
    assert_eq!(world.server.refresh_requests(), 0, "L1: the waiter sends nothing");
}

async fn what_passes_changes_nothing(world: &World<'_>) {
    let status = |status| Fault::Status {
        status,
        retry_after: None,
    };
    let faults = [
        status(429),
        status(500),
        status(503),
        status(408),
        Fault::DropConnection,
    ];
    for fault in faults {
        let before = world.record().await;
        world.server.script(Token, fault.clone());
        let got = world.refresher().await.access_token(&world.key).await;
        assert!(got.is_err(), "L7: {fault:?} is a failure");
        assert!(world.record().await == before, "L7: the record after {fault:?}");
    }
    let got = world.refresher().await.access_token(&world.key).await;
    world
        .assert_current("L7", &got.expect("L7: nothing was given up"))
        .await;
    assert_eq!(world.server.reuse_detections(), 0, "L5");
}

async fn a_lost_answer_is_tried_for_once(world: &World<'_>) {
    world.server.script(Token, Fault::DropAnswer);
    for _ in 0..4 {
        let got = world.refresher().await.access_token(&world.key).await;
        assert!(got.is_err(), "L5: the token is lost");
    }
    assert_eq!(
        world.server.refresh_requests(),
        2,
        "L5: exactly one guarded try, by one process"
    );
}

async fn a_dead_holder_is_succeeded(world: &World<'_>) {
    let mut guard = hold(world).await;
    let intent = Intent::new(&world.record().await, false, 0);
    guard.record_intent(&intent).await.expect("an intent can be recorded");
    guard.release().await.expect("the lease can be released");
    let got = world.refresher().await.access_token(&world.key).await;
    world
        .assert_current("L5", &got.expect("L5: the token was never sent"))
        .await;
    assert_eq!(world.server.refresh_requests(), 1, "L5");
    assert!(hold(world).await.intent().is_none(), "L5: the outcome is known");
}

async fn a_partial_answer_loses_nothing(world: &World<'_>) {
    // An endpoint may add members of its own, such as which server answered. After a whole answer they are there.
    let got = world.refresher().await.access_token(&world.key).await;
    world.assert_current("L8", &got.expect("L8: a whole answer")).await;
    let mut data = world.record().await.data;
    data.extra.insert("note", "[1, 2]").expect("a legal member");
    data.expires_at = Some(0);
    world.store(&data).await;
    world
        .server
        .script(Token, Fault::Omit(&["refresh_token", "scope", "token_type"]));
    let got = world.refresher().await.access_token(&world.key).await;
    world
        .assert_current("L8", &got.expect("L8: a partial answer is an answer"))
        .await;
    let after = world.record().await.data;
    assert!(after.refresh_token == data.refresh_token, "L8: the refresh token stays");
    assert_eq!(after.scope, data.scope, "L8: the scope stays");
    assert_eq!(after.identity_id, data.identity_id, "L8: the identity stays");
    assert!(after.extra == data.extra, "L8: unknown members stay");
}

/// A refresh whose answer is held until `meanwhile` is done.
async fn refreshed_while<F: Future<Output = ()>>(
    world: &World<'_>,
    meanwhile: impl FnOnce() -> F,
) -> Result<token_storage_core::Secret, String> {
    let gate = Gate::new();
    world.server.script(Token, Fault::GateAfter(gate.clone()));
    let (refresher, key) = (world.refresher().await, world.key.clone());
    let refreshing = tokio::spawn(async move { refresher.access_token(&key).await });
    gate.arrived().await;
    meanwhile().await;
    gate.open();
    refreshing.await.expect("it does not panic")
}

async fn another_login_meanwhile_is_kept(world: &World<'_>) {
    let newer = world.issued();
    let got = refreshed_while(world, || world.store(&newer)).await;
    assert_eq!(
        got.expect("L8: there is a good token"),
        newer.access_token,
        "L8: the newer one counts"
    );
    world.assert_current("L8", &newer.access_token).await;
    assert_eq!(world.server.live_refresh_tokens(), 1, "L8: ours is revoked");
}

async fn a_logout_meanwhile_wins(world: &World<'_>) {
    let log_out = || async {
        let removed = world.storage.remove(&world.key, Precondition::None).await;
        assert!(removed.expect("the storage under test can remove"));
    };
    let got = refreshed_while(world, log_out).await;
    assert!(got.is_err(), "L10: whoever logged out is logged out");
    assert!(world.stored().await.is_none(), "L10: the record stays absent");
    assert_eq!(
        world.server.live_refresh_tokens(),
        0,
        "L10: the fresh tokens are revoked"
    );
}
