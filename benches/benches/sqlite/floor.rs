//! Raw code that does the minimum, and a peer.

use std::{fs::File, path::Path, sync::mpsc, thread};

use rusqlite::{Connection, OpenFlags};
use token_storage::{
    Precondition, StoredToken, TokenData, TokenKey,
    backend::{WriteMark, record},
};
use tokio::sync::oneshot;

const SELECT: &str = "SELECT token_data_json FROM token_storage WHERE namespace = ?1 AND resource_server = ?2";
const UPSERT: &str = "INSERT INTO token_storage VALUES (?1, ?2, ?3) \
     ON CONFLICT (namespace, resource_server) DO UPDATE SET token_data_json = excluded.token_data_json";

/// One connection, WAL and FULL, cached statements.
pub(crate) struct Raw(Connection);

impl Raw {
    pub(crate) fn open(path: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).expect("to open");
        let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32768";
        connection.execute_batch(pragmas).expect("to configure");
        connection
            .busy_timeout(std::time::Duration::from_secs(600))
            .expect("to configure");
        Self(connection)
    }

    pub(crate) fn get(&self, key: &TokenKey) -> TokenData {
        let mut statement = self.0.prepare_cached(SELECT).expect("to prepare");
        let mut rows = statement
            .query((key.namespace(), key.resource_server()))
            .expect("to read");
        let row = rows.next().expect("to read").expect("a record");
        let json = row.get_ref(0).expect("a column").as_str().expect("text");
        record::decode(json).expect("a sound record").data
    }

    /// What no reader that keeps a record can do without: it asks whether anybody has changed the file, and copies the record.
    pub(crate) fn copy_if_unchanged(&self, kept: &(i64, StoredToken)) -> StoredToken {
        assert_eq!(self.version(), kept.0, "nobody stores meanwhile");
        kept.1.clone()
    }

    pub(crate) fn version(&self) -> i64 {
        let mut statement = self.0.prepare_cached("PRAGMA data_version").expect("to prepare");
        statement.query_row([], |row| row.get(0)).expect("to read")
    }

    pub(crate) fn store(&self, key: &TokenKey, data: &TokenData) {
        let json = record::encode(data, &WriteMark::random().expect("random bits"));
        let mut statement = self.0.prepare_cached(UPSERT).expect("to prepare");
        statement
            .execute((key.namespace(), key.resource_server(), json.as_str()))
            .expect("to store");
    }

    pub(crate) fn store_in_transaction(&self, key: &TokenKey, data: &TokenData) {
        self.execute("BEGIN IMMEDIATE");
        self.store(key, data);
        self.execute("COMMIT");
    }

    fn execute(&self, sql: &str) {
        let mut statement = self.0.prepare_cached(sql).expect("to prepare");
        statement.execute([]).expect("to begin, or to commit");
    }
}

/// What writers that wait for each other in turn cannot do without: a lock file, and a transaction that begins with its lock.
pub(crate) struct Locked(Raw, File);

impl Locked {
    pub(crate) fn open(path: &Path) -> Self {
        let lock = File::create(path.with_extension("turn")).expect("a lock file");
        Self(Raw::open(path), lock)
    }

    pub(crate) fn store(&self, key: &TokenKey, data: &TokenData) {
        self.1.lock().expect("to lock");
        self.0.store_in_transaction(key, data);
        self.1.unlock().expect("to unlock");
    }
}

type Shared = (TokenKey, TokenData, oneshot::Sender<()>);

/// What stores that share a transaction cannot do without: a thread that takes whatever waits into one, behind a lock file.
#[derive(Clone)]
pub(crate) struct Sharing(mpsc::Sender<Shared>);

impl Sharing {
    pub(crate) fn open(path: &Path) -> Self {
        let (sender, stores) = mpsc::channel::<Shared>();
        let Locked(raw, lock) = Locked::open(path);
        thread::spawn(move || {
            while let Ok(first) = stores.recv() {
                let group: Vec<_> = std::iter::once(first).chain(stores.try_iter()).collect();
                lock.lock().expect("to lock");
                raw.execute("BEGIN IMMEDIATE");
                group.iter().for_each(|(key, data, _)| raw.store(key, data));
                raw.execute("COMMIT");
                lock.unlock().expect("to unlock");
                for (_, _, done) in group {
                    done.send(()).expect("a task waits");
                }
            }
        });
        Self(sender)
    }

    pub(crate) async fn store(&self, key: TokenKey, data: TokenData) {
        let (done, stored) = oneshot::channel();
        self.0.send((key, data, done)).expect("the thread lives");
        stored.await.expect("to be stored");
    }
}

type Job = Box<dyn FnOnce(&Raw) + Send>;

/// A thread of its own for the connection, a channel to it and one back for each call.
#[derive(Clone)]
pub(crate) struct OwnThread(mpsc::Sender<Job>);

impl OwnThread {
    pub(crate) fn open(path: &Path) -> Self {
        let (sender, jobs) = mpsc::channel::<Job>();
        let path = path.to_owned();
        thread::spawn(move || {
            let raw = Raw::open(&path);
            jobs.iter().for_each(|job| job(&raw));
        });
        Self(sender)
    }

    pub(crate) async fn get(&self, key: &TokenKey) -> TokenData {
        let key = key.clone();
        self.call(move |raw| raw.get(&key)).await
    }

    pub(crate) async fn store(&self, key: &TokenKey, data: TokenData) {
        let key = key.clone();
        self.call(move |raw| raw.store(&key, &data)).await;
    }

    async fn call<T: Send + 'static>(&self, work: impl FnOnce(&Raw) -> T + Send + 'static) -> T {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |raw| drop(answer.send(work(raw))));
        self.0.send(job).expect("the thread lives");
        answered.await.expect("an answer")
    }
}

/// What every store of ours is called with here.
pub(crate) const NOTHING: Precondition = Precondition::Any;
