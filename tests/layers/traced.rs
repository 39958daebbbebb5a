use std::{
    io,
    sync::{Arc, Mutex},
};

use token_storage::{
    Acquisition, Precondition, TokenKey, TokenStorage, TokenStorageExt as _, Write, backend::Intent, layers::Traced,
};
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    SECRET, data,
    flaky::{Flaky, busy},
    key,
};

/// What a subscriber that shows everything wrote.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// All of this thread's spans and events, of the finest level, while the guard is there.
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_ansi(false)
            .without_time()
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    /// What came since, and nothing of it again.
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part} in {text}");
    }
}

#[tokio::test]
async fn each_call_says_what_it_was_about_and_how_it_ended() {
    let (log, flaky) = (Log::default(), Flaky::default());
    let _listening = log.listen();
    let storage = Traced::new(flaky.clone());
    let (key, data) = (key("ns"), data(SECRET));
    storage.get(&key).await.unwrap();
    says(
        &log.take(),
        &[
            "DEBUG",
            "operation=\"get\"",
            "namespace=ns",
            "resource_server=rs",
            "outcome=\"absent\"",
            "duration_us=",
        ],
    );
    let writes = [Write::new(&key, &data, Precondition::Absent)];
    let revision = storage.store_all(&writes).await.unwrap()[0];
    says(
        &log.take(),
        &["operation=\"store_all\"", "records=1", "namespace=ns", "outcome=\"ok\""],
    );
    storage.store_all(&writes).await.unwrap_err();
    says(&log.take(), &["DEBUG", "outcome=Conflict", "may_have_applied=false"]);
    storage.get(&key).await.unwrap();
    says(&log.take(), &["outcome=\"found\""]);
    flaky.fail(busy().with_unknown_outcome(), 1);
    storage.remove(&key, Precondition::Any).await.unwrap_err();
    says(
        &log.take(),
        &["WARN", "operation=\"remove\"", "outcome=Busy", "may_have_applied=true"],
    );
    storage.remove(&key, Precondition::Unchanged(revision)).await.unwrap();
    says(&log.take(), &["outcome=\"removed\""]);
    let listing = storage.enumerate().unwrap();
    listing.list_keys("ns", None).await.unwrap();
    listing.list_namespaces(None).await.unwrap();
    says(
        &log.take(),
        &["operation=\"list_keys\"", "operation=\"list_namespaces\""],
    );
}

#[tokio::test]
async fn leases_are_seen_to_their_end() {
    let (log, flaky) = (Log::default(), Flaky::default());
    let _listening = log.listen();
    let storage = Traced::new(flaky.clone());
    flaky
        .storage()
        .store(&key("ns"), &data(SECRET), Precondition::Any)
        .await
        .unwrap();
    let stored = storage.get(&key("ns")).await.unwrap().unwrap();
    let lease = storage.lease().unwrap();
    let Acquisition::Acquired(mut guard) = lease.try_acquire(&key("ns")).await.unwrap() else {
        panic!("nobody holds it");
    };
    lease.try_acquire(&key("ns")).await.unwrap();
    storage.prove_writable(&key("ns")).await.unwrap();
    guard.record_intent(&Intent::new(&stored, false, 1)).await.unwrap();
    lease.look(&key("ns")).await.unwrap();
    guard.renew().await.unwrap();
    guard.clear_intent().await.unwrap();
    guard.release().await.unwrap();
    let text = log.take();
    says(&text, &["outcome=\"acquired\"", "outcome=\"held\""]);
    for operation in [
        "prove_writable",
        "record_intent",
        "look",
        "renew",
        "clear_intent",
        "release",
    ] {
        says(
            &text,
            &[&format!("operation=\"{operation}\" namespace=ns resource_server=rs")],
        );
    }
    assert!(
        !text.contains(SECRET) && !text.contains(&format!("{:?}", stored.revision)),
        "{text}"
    );
}

#[tokio::test]
async fn a_caller_that_went_away_is_seen() {
    let (log, flaky) = (Log::default(), Flaky::default());
    let _listening = log.listen();
    let storage = Traced::new(flaky.clone());
    let (gate, key) = (flaky.gate(), key("ns"));
    tokio::select! {
        _ = storage.get(&key) => panic!("it is at the gate"),
        () = gate.came.notified() => {}
    }
    says(&log.take(), &["operation=\"get\"", "outcome=\"dropped\""]);
}

#[tokio::test]
async fn no_name_forges_a_line() {
    let (log, flaky) = (Log::default(), Flaky::default());
    let _listening = log.listen();
    let storage = Traced::new(flaky);
    storage
        .get(&TokenKey::new("a\nERROR forged\u{1b}[31m", "r\0s"))
        .await
        .unwrap();
    let text = log.take();
    assert_eq!(text.trim_end().lines().count(), 1, "{text}");
    says(&text, &["a\\nERROR forged\\u{1b}[31m", "r\\0s"]);
}
