//! L6: a caller that goes away at any of its await points cancels nothing, and loses nothing.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use token_storage::{
    TokenStorage,
    manager::{Logout, ManagerErrorKind},
};
use token_storage_auth_testing::auth_server::{Config, Endpoint, Fault, Gate};

use crate::{
    faulty::Faulty,
    storages::{self, Place},
    support::{World, assert_current, key},
};

/// Polls a future this often and drops it then; `None` if it was not done by then.
struct DropAfter<F>(Option<Pin<Box<F>>>, usize);

impl<F: Future> Future for DropAfter<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(left) = self.1.checked_sub(1) else {
            self.0 = None;
            return Poll::Ready(None);
        };
        self.1 = left;
        let polled = self.0.as_mut().expect("polled until it is dropped").as_mut().poll(cx);
        if polled.is_pending() && left == 0 {
            self.0 = None;
            return Poll::Ready(None);
        }
        polled.map(Some)
    }
}

fn drop_after<F: Future>(future: F, polls: usize) -> DropAfter<F> {
    DropAfter(Some(Box::pin(future)), polls)
}

/// More than any of the calls has await points; it ends when the call is done before it is dropped.
const MOST_POLLS: usize = 200;

#[tokio::test]
async fn l6_access_token_dropped_at_every_await_point() {
    for place in storages::all().await {
        access_token_dropped(&place).await;
    }
}

async fn access_token_dropped(place: &Place) {
    let world = World::with(place.open(), Config::default()).await;
    let manager = world.manager();
    for polls in 0..MOST_POLLS {
        world.expire();
        let before = world.server.refresh_requests();
        let done = drop_after(manager.access_token(&key()), polls).await;
        let token = manager.access_token(&key()).await.unwrap();
        assert_current(&world, &token).await;
        assert_eq!(
            world.server.refresh_requests(),
            before + 1,
            "{} dropped after {polls} polls",
            place.name
        );
        assert_eq!(world.server.reuse_detections(), 0);
        if done.is_some() {
            assert!(polls > 1, "the refresh is not done in a single poll");
            eprintln!(
                "{}: dropped at {polls} await points, {} expiries, {} requests, 0 lost rotations",
                place.name,
                polls + 1,
                world.server.refresh_requests()
            );
            return;
        }
    }
    panic!("the call has too many await points for this test");
}

#[tokio::test]
async fn l6_rejected_dropped_at_every_await_point() {
    for place in storages::all().await {
        rejected_dropped(&place).await;
    }
}

async fn rejected_dropped(place: &Place) {
    for polls in 0..MOST_POLLS {
        let world = World::with(place.open(), Config::default()).await;
        let manager = world.manager();
        let first = manager.access_token(&key()).await.unwrap();
        let done = drop_after(manager.rejected(&key(), &first), polls).await;
        let token = manager.rejected(&key(), &first).await.unwrap();
        assert_ne!(token, first);
        assert_current(&world, &token).await;
        assert_eq!(
            (world.server.refresh_requests(), world.server.reuse_detections()),
            (1, 0)
        );
        if done.is_some() {
            return;
        }
    }
    panic!("the call has too many await points for this test");
}

#[tokio::test]
async fn l10_logout_dropped_at_every_await_point_can_be_repeated() {
    for place in storages::all().await {
        logout_dropped(&place).await;
    }
}

async fn logout_dropped(place: &Place) {
    for polls in 0..MOST_POLLS {
        let world = World::with(place.open(), Config::default()).await;
        let manager = world.manager();
        let done = drop_after(manager.logout(&key(), Logout::Revoke), polls).await;
        manager.logout(&key(), Logout::Revoke).await.unwrap();
        assert_eq!(world.storage.get(&key()).await.unwrap(), None);
        assert_eq!(world.server.live_refresh_tokens(), 0);
        if done.is_some() {
            return;
        }
    }
    panic!("the call has too many await points for this test");
}

/// The record may be gone already when the call is dropped: what was in memory goes with it.
#[tokio::test]
async fn l10_a_dropped_logout_leaves_nothing_in_memory() {
    for polls in 0..MOST_POLLS {
        let world = World::with(Faulty::default(), Config::default()).await;
        let manager = world.builder().trust(Duration::from_secs(1_000_000)).build().unwrap();
        manager.access_token(&key()).await.unwrap();
        let done = drop_after(manager.logout(&key(), Logout::RemoveOnly), polls).await;
        if world.storage.get(&key()).await.unwrap().is_none() {
            let error = manager.access_token(&key()).await.unwrap_err();
            assert!(error.needs_login(), "dropped after {polls} polls");
        }
        if done.is_some() {
            return;
        }
    }
    panic!("the call has too many await points for this test");
}

/// A program that ends in good order waits for what it has started.
#[tokio::test]
async fn l6_finish_waits_for_the_refresh_that_nobody_waits_for() {
    let world = World::new().await;
    let manager = world.manager();
    manager.finish().await;
    world.expire();
    let gate = Gate::new();
    world.server.script(Endpoint::Token, Fault::GateBefore(gate.clone()));
    assert!(drop_after(manager.access_token(&key()), 1).await.is_none());
    gate.arrived().await;
    let finishing = tokio::spawn({
        let manager = manager.clone();
        async move { manager.finish().await }
    });
    tokio::task::yield_now().await;
    assert!(!finishing.is_finished());
    gate.open();
    finishing.await.unwrap();
    assert!(world.server.is_active(world.stored().await.access_token.expose()));
    assert_eq!(world.server.refresh_requests(), 1);
}

/// The runtime that a refresh runs on ends in the middle of it: as if the process had died.
#[test]
fn a_runtime_that_ends_leaves_the_outcome_to_the_next_one() {
    let outer = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let world = outer.block_on(World::new());
    let manager = world.manager();
    world.expire();
    let gate = Gate::new();
    let fault = Fault::GateBefore(gate.clone());
    world.server.script(Endpoint::Token, fault);
    let short = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let first = manager.clone();
    short.spawn(async move { first.access_token(&key()).await });
    outer.block_on(gate.arrived());
    let second = manager.clone();
    let waiting = outer.spawn(async move { second.access_token(&key()).await });
    // Let the second caller join the refresh before its runtime is gone.
    outer.block_on(tokio::task::yield_now());
    short.shutdown_background();
    let error = outer.block_on(waiting).unwrap().unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::Interrupted);
    let token = outer.block_on(manager.access_token(&key())).unwrap();
    outer.block_on(assert_current(&world, &token));
    assert_eq!(world.server.reuse_detections(), 0);
}
