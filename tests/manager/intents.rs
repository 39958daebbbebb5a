//! L5: what a holder's death leaves behind, and what the next one makes of it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use token_storage::{
    Acquisition, MemoryStorage, Precondition, TokenData, TokenStorage, TokenStorageExt as _,
    backend::{Intent, RefreshFailureKind},
    manager::{Event, ManagerErrorKind, ReauthReason, Step, TokenManager},
};
use token_storage_auth_testing::auth_server::{Endpoint, Fault};

use crate::support::{LIFETIME, World, assert_current, key};

const UNKNOWN: ManagerErrorKind = ManagerErrorKind::ReauthRequired(ReauthReason::UnknownOutcome);
const REFUSED: ManagerErrorKind = ManagerErrorKind::ReauthRequired(ReauthReason::Refused);

pub(crate) async fn leave_intent<S: TokenStorage + Clone + 'static>(world: &World<S>, guarded: bool) {
    let stored = world.storage.get(&key()).await.unwrap().unwrap();
    leave(world, &Intent::new(&stored, guarded, 0)).await;
}

async fn leave<S: TokenStorage + Clone + 'static>(world: &World<S>, intent: &Intent) {
    let lease = world.storage.lease().unwrap();
    let Acquisition::Acquired(mut guard) = lease.try_acquire(&key()).await.unwrap() else {
        panic!("nobody holds the lease");
    };
    guard.record_intent(intent).await.unwrap();
    guard.release().await.unwrap();
}

async fn intent_left(world: &World) -> Option<Intent> {
    let lease = world.storage.lease().unwrap();
    let Acquisition::Acquired(guard) = lease.try_acquire(&key()).await.unwrap() else {
        panic!("nobody holds the lease");
    };
    guard.intent().cloned()
}

#[tokio::test]
async fn l5_after_a_death_one_guarded_try_is_made_and_may_succeed() {
    for torn in [false, true] {
        let world = World::new().await;
        if torn {
            leave(&world, &Intent::unreadable()).await;
        } else {
            leave_intent(&world, false).await;
        }
        world.expire();
        let token = world.manager().access_token(&key()).await.unwrap();
        assert_current(&world, &token).await;
        assert!(world.saw(|event| matches!(event, Event::UnknownOutcome(_))));
        assert_eq!(intent_left(&world).await, None);
    }
}

#[tokio::test]
async fn l5_the_refusal_of_the_guarded_try_names_the_unknown_outcome_and_nobody_tries_again() {
    let world = World::new().await;
    leave_intent(&world, false).await;
    world.expire();
    world.server.revoke_everything();
    let unknown = ManagerErrorKind::ReauthRequired(ReauthReason::UnknownOutcome);
    for _ in 0..3 {
        // Each manager is a process of its own.
        let error = world.manager().access_token(&key()).await.unwrap_err();
        assert_eq!(error.kind(), unknown);
        assert!(error.to_string().contains("without an answer"));
    }
    assert_eq!(world.server.refresh_requests(), 1);
    world.log_in().await;
    world.manager().access_token(&key()).await.unwrap();
}

#[tokio::test]
async fn l5_a_guarded_try_that_died_too_is_not_repeated() {
    let world = World::new().await;
    leave_intent(&world, true).await;
    world.expire();
    let error = world.manager().access_token(&key()).await.unwrap_err();
    assert_eq!(
        error.kind(),
        ManagerErrorKind::ReauthRequired(ReauthReason::UnknownOutcome)
    );
    assert_eq!(world.server.refresh_requests(), 0);
}

#[tokio::test]
async fn a_lost_answer_is_an_unknown_outcome_too() {
    let world = World::new().await;
    let manager = world.manager();
    world.expire();
    world.server.script(Endpoint::Token, Fault::DropAnswer);
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::Transient);
    assert!(error.server().unwrap().may_have_been_done());
    world.clock.advance(60);
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(
        error.kind(),
        ManagerErrorKind::ReauthRequired(ReauthReason::UnknownOutcome)
    );
    assert_eq!(world.server.reuse_detections(), 1, "nothing else could have told");
}

#[tokio::test]
async fn l5_a_live_process_that_fails_twice_may_still_succeed() {
    let world = World::new().await;
    let manager = world.manager();
    world.expire();
    for _ in 0..3 {
        world.server.script(Endpoint::Token, Fault::DropConnection);
        let error = manager.access_token(&key()).await.unwrap_err();
        assert_eq!(error.kind(), ManagerErrorKind::Transient);
        world.clock.advance(60);
    }
    let token = manager.access_token(&key()).await.unwrap();
    assert_current(&world, &token).await;
}

/// Another program changes the record, and knows nothing of leases.
async fn edit<S: TokenStorage + Clone + 'static>(world: &World<S>, change: impl FnOnce(&mut TokenData)) {
    let mut data = world.stored().await;
    change(&mut data);
    world.storage.store(&key(), &data, Precondition::Any).await.unwrap();
}

fn widen(data: &mut TokenData) {
    data.scope.push_str(" another");
}

#[tokio::test]
async fn l5_an_edit_after_a_death_does_not_hide_the_unknown_outcome() {
    for guarded in [false, true] {
        let world = World::new().await;
        leave_intent(&world, guarded).await;
        edit(&world, widen).await;
        world.expire();
        world.server.revoke_everything();
        for _ in 0..3 {
            let error = world.manager().access_token(&key()).await.unwrap_err();
            assert_eq!(error.kind(), UNKNOWN);
        }
        assert_eq!(
            world.server.refresh_requests(),
            1,
            "one guarded try for the edited record"
        );
        assert!(world.saw(|event| matches!(event, Event::UnknownOutcome(_))));
    }
}

#[tokio::test]
async fn l5_the_try_after_an_edit_may_succeed() {
    let world = World::new().await;
    leave_intent(&world, true).await;
    edit(&world, widen).await;
    world.expire();
    let token = world.manager().access_token(&key()).await.unwrap();
    assert_current(&world, &token).await;
    assert_eq!(intent_left(&world).await, None);
}

#[tokio::test]
async fn l5_an_intent_for_tokens_that_were_replaced_is_moot() {
    let edits: [fn(&mut TokenData); 2] = [
        |data| data.refresh_token = Some("of another login".into()),
        // A server that keeps the refresh token has answered to somebody.
        |data| data.access_token = "refreshed elsewhere".into(),
    ];
    for change in edits {
        let world = World::new().await;
        leave_intent(&world, true).await;
        edit(&world, change).await;
        world.expire();
        world.server.revoke_everything();
        let error = world.manager().access_token(&key()).await.unwrap_err();
        assert_eq!(error.kind(), REFUSED);
        assert!(!world.saw(|event| matches!(event, Event::UnknownOutcome(_))));
        let left = intent_left(&world).await.unwrap();
        assert_eq!(left.failure().unwrap().kind, RefreshFailureKind::Refused);
    }
}

/// Lets another program change the record at the first time that a refresh comes to this step.
fn edited_at(world: &Arc<World>, at: Step, change: fn(&mut TokenData)) -> TokenManager<MemoryStorage> {
    let (editor, done) = (Arc::clone(world), AtomicBool::new(false));
    let hook = move |step| {
        let editor = (step == at && !done.swap(true, Ordering::SeqCst)).then(|| Arc::clone(&editor));
        async move {
            if let Some(editor) = editor {
                edit(&editor, change).await;
            }
        }
    };
    world.builder().on_step(hook).build().unwrap()
}

#[tokio::test]
async fn l5_an_edit_that_makes_the_record_look_good_does_not_end_the_unknown_outcome() {
    let world = Arc::new(World::new().await);
    leave_intent(&world, false).await;
    world.expire();
    let longer = |data: &mut TokenData| data.expires_at = data.expires_at.map(|at| at + LIFETIME);
    let manager = edited_at(&world, Step::LeaseAcquired, longer);
    manager.access_token(&key()).await.unwrap();
    assert_eq!(world.server.refresh_requests(), 0);
    world.expire();
    world.server.revoke_everything();
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(error.kind(), UNKNOWN);
}

#[tokio::test]
async fn l5_an_edit_while_an_answer_is_lost_does_not_hide_it() {
    let world = Arc::new(World::new().await);
    let manager = edited_at(&world, Step::Answered, widen);
    world.expire();
    world.server.script(Endpoint::Token, Fault::DropAnswer);
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::Transient, "no second request at once");
    assert_eq!(world.server.refresh_requests(), 1);
    world.clock.advance(60);
    let error = world.manager().access_token(&key()).await.unwrap_err();
    assert_eq!(error.kind(), UNKNOWN);
}

#[tokio::test]
async fn l7_an_edit_while_the_token_is_refused_is_no_unknown_outcome() {
    let world = Arc::new(World::new().await);
    let manager = edited_at(&world, Step::Answered, widen);
    world.expire();
    world.server.revoke_everything();
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(error.kind(), REFUSED);
    assert_eq!(world.server.refresh_requests(), 2, "the edited record gets its own try");
}
