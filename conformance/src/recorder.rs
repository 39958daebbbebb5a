use std::{
    collections::BTreeSet,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use token_storage_core::{
    Cursor, Enumerate, Error, Page, Precondition, RefreshLease, Result, Revision, ShowOutline, ShownOutline,
    StoredToken, TokenKey, TokenStorage, Write, async_trait, backend::forward,
};

use crate::{
    check::Show as _,
    history::{History, short},
    pace::Pace,
    recorded_lease::RecordedLease,
};

/// The storage under test, every call and answer written down.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) inner: Arc<dyn TokenStorage>,
    pub(crate) handle: usize,
    pub(crate) history: Arc<History>,
    pub(crate) touched: Arc<Touched>,
    pub(crate) pace: Arc<Pace>,
}

/// The keys that a run's cases may have written, to be removed in the end: a case that hangs or panics cannot do it
/// itself.
#[derive(Debug, Default)]
pub(crate) struct Touched(Mutex<BTreeSet<TokenKey>>);

impl Touched {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<TokenKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, key: &TokenKey) {
        let mut keys = self.lock();
        if !keys.contains(key) {
            keys.insert(key.clone());
        }
    }

    /// Those whose namespace begins with this.
    pub(crate) fn beginning_with(&self, prefix: &str) -> Vec<TokenKey> {
        let first = TokenKey::new(prefix, "");
        let own = |key: &&TokenKey| key.namespace().starts_with(prefix);
        self.lock().range(first..).take_while(own).cloned().collect()
    }

    pub(crate) fn forget(&self, key: &TokenKey) {
        self.lock().remove(key);
    }
}

/// A call that has begun. It is written down when it is answered, and also when its caller drops it before.
pub(crate) struct Noted<'a> {
    history: &'a History,
    call: Option<String>,
}

impl<'a> Noted<'a> {
    pub(crate) fn new(history: &'a History, call: String) -> Self {
        let call = Some(call);
        Self { history, call }
    }

    pub(crate) fn answered(mut self, answer: &str) {
        if let Some(call) = self.call.take() {
            self.history.note(format!("{call} -> {answer}"));
        }
    }
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        if let Some(call) = &self.call {
            self.history.note(format!("{call} -> dropped in flight"));
        }
    }
}

/// An error in one line.
pub(crate) fn failure(history: &History, error: &Error) -> String {
    let outcome = if error.may_have_applied() {
        ", may have happened"
    } else {
        ""
    };
    match error.conflict().and_then(|conflict| conflict.current) {
        Some(current) => format!("{:?}{outcome}, at {}", error.kind(), history.revision(&current)),
        None => format!("{:?}{outcome}", error.kind()),
    }
}

impl Recorder {
    fn begin(&self, call: &str) -> Noted<'_> {
        Noted::new(&self.history, format!("h{} {call}", self.handle))
    }

    fn answer<T>(&self, answer: &Result<T>, shown: impl FnOnce(&T) -> String) -> String {
        match answer {
            Ok(answer) => shown(answer),
            Err(error) => failure(&self.history, error),
        }
    }

    /// Its answer, and how long it took.
    async fn timed<T>(&self, name: &'static str, call: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let answer = call.await;
        self.pace.note(name, began);
        answer
    }

    /// Most batches are of one, and are called as their callers call them.
    fn writing(&self, writes: &[Write<'_>]) -> String {
        if let [one] = writes {
            return format!("store {}", self.write(one));
        }
        let batch: Vec<String> = writes.iter().take(8).map(|write| self.write(write)).collect();
        format!("store_all of {} [{}]", writes.len(), batch.join("; "))
    }

    fn write(&self, write: &Write<'_>) -> String {
        let condition = self.history.precondition(&write.precondition);
        let token = short(write.data.access_token.expose());
        format!("{} := {token}{condition}", write.key.show())
    }
}

#[async_trait]
impl TokenStorage for Recorder {
    forward!(self.inner => describe);

    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        let noted = self.begin(&format!("get {}", key.show()));
        let answer = self.timed("get", self.inner.get(key)).await;
        noted.answered(&self.answer(&answer, |stored| match stored {
            Some(stored) => format!(
                "{} at {}",
                short(stored.data.access_token.expose()),
                self.history.revision(&stored.revision)
            ),
            None => "nothing".to_owned(),
        }));
        answer
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        writes.iter().for_each(|write| self.touched.add(write.key));
        let noted = self.begin(&self.writing(writes));
        let answer = match writes {
            [_] => self.timed("store", self.inner.store_all(writes)).await,
            _ => self.inner.store_all(writes).await,
        };
        noted.answered(&self.answer(&answer, |revisions| {
            let names = revisions.iter().take(8).map(|r| self.history.revision(r));
            names.collect::<Vec<_>>().join(", ")
        }));
        answer
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        let condition = self.history.precondition(&precondition);
        let noted = self.begin(&format!("remove {}{condition}", key.show()));
        let answer = self.timed("remove", self.inner.remove(key, precondition)).await;
        noted.answered(&self.answer(&answer, bool::to_string));
        answer
    }

    async fn prove_writable(&self, key: &TokenKey) -> Result<()> {
        let noted = self.begin(&format!("prove_writable {}", key.show()));
        let answer = self.inner.prove_writable(key).await;
        noted.answered(&self.answer(&answer, |()| "done".to_owned()));
        answer
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        let listing = RecordedListing {
            recorder: self,
            inner: self.inner.enumerate()?,
        };
        Some(Box::new(listing))
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        Some(Box::new(RecordedLease {
            inner: self.inner.lease()?,
            handle: self.handle,
            history: Arc::clone(&self.history),
        }))
    }
}

struct RecordedListing<'a> {
    recorder: &'a Recorder,
    inner: Box<dyn Enumerate + 'a>,
}

fn page<T>(page: &Page<T>) -> String {
    let more = if page.next.is_some() { ", and more" } else { "" };
    format!("{} of them{more}", page.items.len())
}

fn going_on(after: Option<&Cursor>) -> &'static str {
    if after.is_some() { ", the next page" } else { "" }
}

#[async_trait]
impl Enumerate for RecordedListing<'_> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let call = format!("list_keys of {}{}", short(namespace), going_on(after));
        let noted = self.recorder.begin(&call);
        let answer = self.inner.list_keys(namespace, after).await;
        noted.answered(&self.recorder.answer(&answer, page));
        answer
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        let noted = self.recorder.begin(&format!("list_namespaces{}", going_on(after)));
        let answer = self.inner.list_namespaces(after).await;
        noted.answered(&self.recorder.answer(&answer, page));
        answer
    }
    async fn list_outlines(
        &self,
        namespace: &str,
        after: Option<&Cursor>,
        show: &ShowOutline,
    ) -> Result<Option<Page<ShownOutline>>> {
        let call = format!("list_outlines of {}{}", short(namespace), going_on(after));
        let noted = self.recorder.begin(&call);
        let answer = self.inner.list_outlines(namespace, after, show).await;
        let told = |answer: &Option<Page<ShownOutline>>| answer.as_ref().map_or_else(|| "no such way".to_owned(), page);
        noted.answered(&self.recorder.answer(&answer, told));
        answer
    }
}
