//! The parent's side: the server, the storage, and the workers.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    sync::Arc,
};

use rustix::process::{Pid, Signal, kill_process};
use token_storage::{
    Grant, Precondition, Renewal, ResponsesExt, TokenKey, TokenResponse, TokenStorage,
    oauth::{ClientAuth, HttpClient, OAuthClient, Provider},
};
use token_storage_auth_testing::auth_server::{AuthServer, Config};

use crate::{
    storages::{self, Kind, LONG_LEASE},
    worker::{Answer, Job},
};

const RESOURCE_SERVER: &str = "resource.example.org";
pub(crate) const LIFETIME: i64 = 3600;
const START: i64 = 1_795_649_003;

pub(crate) fn key() -> TokenKey {
    TokenKey::in_default(RESOURCE_SERVER)
}

/// The revocation endpoint lies beside the token endpoint.
pub(crate) fn endpoint(token_url: &str) -> Arc<OAuthClient> {
    let provider = Provider::new(token_url).unwrap();
    let provider = provider
        .with_revocation_endpoint(&format!("{token_url}/revoke"))
        .unwrap();
    Arc::new(OAuthClient::new(
        HttpClient::new().unwrap(),
        provider,
        AuthServer::NATIVE_CLIENT,
    ))
}

/// The same server for a client that gets a token for itself.
pub(crate) fn own_endpoint(token_url: &str) -> Arc<OAuthClient> {
    let provider = Provider::new(token_url).unwrap();
    let client = OAuthClient::new(HttpClient::new().unwrap(), provider, AuthServer::SERVICE_CLIENT);
    Arc::new(client.with_secret(AuthServer::SERVICE_SECRET, ClientAuth::Header))
}

pub(crate) fn renewal() -> Renewal {
    Renewal::new(Grant::ClientCredentials).with_scope("read")
}

pub(crate) struct World {
    pub(crate) server: AuthServer,
    pub(crate) storage: Arc<dyn TokenStorage>,
    place: String,
    pub(crate) now: i64,
    _directory: tempfile::TempDir,
}

impl World {
    /// A server and a storage with one token, which is good until `START + LIFETIME`.
    pub(crate) async fn new(kind: Kind) -> Self {
        Self::with_lifetime(kind, LIFETIME).await
    }

    /// The same with tokens that are good for so many seconds.
    pub(crate) async fn with_lifetime(kind: Kind, lifetime: i64) -> Self {
        let mut config = Config::default();
        config.access_token_lifetime = Some(lifetime.unsigned_abs());
        let directory = tempfile::tempdir().unwrap();
        let place = kind.place(directory.path()).await;
        let world = Self {
            server: AuthServer::start_with(config),
            storage: storages::open(&place, LONG_LEASE),
            place,
            now: START,
            _directory: directory,
        };
        let body = world.server.issue(AuthServer::NATIVE_CLIENT, "read");
        let response = TokenResponse::parse(&body, START).unwrap();
        world.storage.store_response("DEFAULT", &response).await.unwrap();
        world
    }

    /// As if nobody had ever logged in.
    pub(crate) async fn forget(&self) {
        assert!(self.storage.remove(&key(), Precondition::Any).await.unwrap());
    }

    pub(crate) fn job(&self) -> Job {
        Job {
            place: self.place.clone(),
            token_url: self.server.token_url(),
            tasks: 1,
            own: false,
            lease_wait_ms: None,
            doomed: false,
            signal_at: None,
            kill_at_poll: None,
        }
    }

    /// For a worker that is to lose its lease.
    pub(crate) fn doomed_job(&self) -> Job {
        Job {
            doomed: true,
            ..self.job()
        }
    }

    pub(crate) async fn stored_token(&self) -> String {
        let stored = self
            .storage
            .get(&key())
            .await
            .unwrap()
            .expect("the record is still there");
        stored.data.access_token.expose().to_owned()
    }

    /// Asks a worker that lives for this one question, as a command on a shell does.
    pub(crate) fn ask_once(&self, job: &Job) -> Answer {
        let mut worker = Worker::start(job);
        worker.tell(self.now);
        worker.answer().expect("the worker answers")
    }
}

pub(crate) struct Worker {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts a worker and waits until it is ready.
    pub(crate) fn start(job: &Job) -> Self {
        let mut worker = Self::start_unready(job);
        worker.wait_until_ready();
        worker
    }

    /// Starts a worker; several can start side by side.
    pub(crate) fn start_unready(job: &Job) -> Self {
        let mut process = job
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            commands: process.stdin.take().unwrap(),
            answers: BufReader::new(process.stdout.take().unwrap()),
            process,
        }
    }

    pub(crate) fn wait_until_ready(&mut self) {
        assert_eq!(self.line().as_deref(), Some("ready"));
    }

    pub(crate) fn tell(&mut self, now: i64) {
        writeln!(self.commands, "{now}").unwrap();
    }

    /// `None` if it died instead.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        self.line().map(|line| serde_json::from_str(&line).unwrap())
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line).unwrap();
        (read > 0).then(|| line.trim_end().to_owned())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id().try_into().unwrap()).unwrap()
    }

    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        self.process.wait().unwrap()
    }

    /// Waits until it has stopped itself.
    pub(crate) fn wait_until_stopped(&self) {
        use rustix::process::{WaitOptions, waitpid};
        let (_, status) = waitpid(Some(self.pid()), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped(), "the worker stops at its step: {status:?}");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs an asynchronous trial on a runtime of its own.
pub(crate) fn trial(name: String, run: impl AsyncFnOnce() + Send + 'static) -> libtest_mimic::Trial {
    libtest_mimic::Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        runtime.block_on(run());
        Ok(())
    })
}
