//! S1: what is traced and told as an event tells what happened, and shows no token.

use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex},
    time::Duration,
};

use token_storage::manager::Logout;
use token_storage_auth_testing::auth_server::{Config, Endpoint, Fault};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::{
    faulty::Faulty,
    support::{World, key},
};

/// Everything that is traced, as text.
#[derive(Clone, Default)]
struct Traced(Arc<Mutex<String>>);

impl Subscriber for Traced {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "token_storage"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = self.0.lock().unwrap();
        let _ = write!(text, "{}", event.metadata().level());
        event.record(&mut Line(&mut text));
        text.push('\n');
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

#[tokio::test]
async fn s1_events_and_traces_show_no_token() {
    let traced = Traced::default();
    let _guard = tracing::subscriber::set_default(traced.clone());
    let world = World::with(Faulty::default(), Config::default()).await;
    let manager = world
        .builder()
        .store_patience(Duration::from_millis(10))
        .build()
        .unwrap();
    world.expire();
    manager.access_token(&key()).await.unwrap();
    world.expire();
    world.server.script(Endpoint::Token, Fault::DropConnection);
    manager.access_token(&key()).await.unwrap_err();
    world.clock.advance(60);
    world.storage.fail_stores(2);
    let unstored = manager.access_token(&key()).await.unwrap_err();
    let unstored = unstored.token().unwrap().expose().to_owned();
    manager.logout(&key(), Logout::RemoveOnly).await.unwrap();

    let mut secrets = vec![unstored];
    for request in world.server.requests() {
        secrets.extend(request.params.get("refresh_token").cloned());
    }
    assert!(secrets.len() > 2);
    let traced = traced.0.lock().unwrap().clone();
    let told = format!("{:?}", world.events.lock().unwrap());
    for happened in [
        "DEBUG message=refreshed namespace=\"DEFAULT\"",
        "WARN message=refresh failed",
        "kind=Transient",
        "an earlier refresh ended without an answer",
        "kind=NotStored",
        "logged out",
    ] {
        assert!(traced.contains(happened), "{happened}: not in\n{traced}");
    }
    for secret in secrets {
        assert!(!traced.contains(&secret) && !told.contains(&secret));
    }
}
