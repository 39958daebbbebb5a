//! A worker process: it opens the storage, makes a manager, and does what it is told on its standard input, a line for
//! each command and a line for each answer.

use std::{
    io::{BufRead as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};
use token_storage::manager::{Clock, TokenManager};
use tokio::signal::unix;

use crate::{
    storages::{self, LONG_LEASE, SHORT_LEASE},
    world,
};

const JOB_VARIABLE: &str = "TOKEN_STORAGE_TEST_WORKER";

/// What a worker is told when it starts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) place: String,
    pub(crate) token_url: String,
    pub(crate) tasks: usize,
    /// Whether the token is the client's own, which needs no login.
    pub(crate) own: bool,
    pub(crate) lease_wait_ms: Option<u64>,
    /// Whether it will be killed or stopped, and another one take over its lease.
    pub(crate) doomed: bool,
    /// The name of a step, and the signal that the worker sends itself there.
    pub(crate) signal_at: Option<(String, String)>,
    /// Before which poll of its refresh the worker kills itself.
    pub(crate) kill_at_poll: Option<usize>,
}

/// What it answers to a command: the token that all tasks got, or what else happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    Token(String),
    Mixed,
    Failed(String),
}

impl Job {
    pub(crate) fn command(&self) -> std::process::Command {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.env(JOB_VARIABLE, serde_json::to_string(self).unwrap());
        command
    }
}

pub(crate) fn job() -> Option<Job> {
    let text = std::env::var(JOB_VARIABLE).ok()?;
    Some(serde_json::from_str(&text).expect("the job was written by this test"))
}

/// Set by the parent, so that all processes agree on what is expired.
#[derive(Debug, Default)]
struct ToldClock(AtomicI64);

impl Clock for ToldClock {
    fn wall(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst).unsigned_abs())
    }

    fn monotonic(&self) -> Duration {
        self.wall()
    }
}

pub(crate) fn run(job: Job) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let clock = Arc::new(ToldClock::default());
    let manager = runtime.block_on(manager(&job, clock.clone()));
    answer("ready");
    for line in std::io::stdin().lock().lines() {
        let now = line.unwrap().parse().expect("a command is a time");
        clock.0.store(now, Ordering::SeqCst);
        let got = runtime.block_on(ask(&manager, job.tasks));
        answer(&serde_json::to_string(&got).unwrap());
    }
}

fn answer(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

type Manager = TokenManager<Arc<dyn token_storage::TokenStorage>>;

async fn manager(job: &Job, clock: Arc<ToldClock>) -> Manager {
    let lease_ttl = if job.doomed { SHORT_LEASE } else { LONG_LEASE };
    let storage = storages::open(&job.place, lease_ttl);
    // Once only: a holder that lost its lease comes by the same step again.
    let signal_at = std::sync::Mutex::new(job.signal_at.clone());
    let (endpoint, own) = match job.own {
        true => (world::own_endpoint(&job.token_url), Some(world::renewal())),
        false => (world::endpoint(&job.token_url), None),
    };
    let mut builder = TokenManager::builder(storage, endpoint)
        .fetch_absent(move |_| own.clone())
        .clock(clock)
        .on_step(move |step| {
            let here = |(at, _): &mut (String, String)| *at == format!("{step:?}");
            let due = signal_at.lock().unwrap().take_if(here);
            async move {
                if let Some((_, signal)) = due {
                    signal_self(&signal).await;
                }
            }
        });
    if let Some(last) = job.kill_at_poll {
        builder = builder.on_poll(move |poll| {
            if poll == last {
                kill_process(getpid(), Signal::KILL).unwrap();
            }
        });
    }
    if let Some(wait) = job.lease_wait_ms {
        builder = builder.lease_wait(Duration::from_millis(wait));
    }
    builder.build().unwrap()
}

async fn signal_self(signal: &str) {
    match signal {
        "kill" => kill_process(getpid(), Signal::KILL).unwrap(),
        "stop" => {
            // A process of several threads runs on for a moment after it has stopped itself; this thread must not.
            let mut continued = unix::signal(unix::SignalKind::from_raw(Signal::CONT.as_raw())).unwrap();
            kill_process(getpid(), Signal::STOP).unwrap();
            continued.recv().await;
        }
        other => panic!("no signal is called {other}"),
    }
}

async fn ask(manager: &Manager, tasks: usize) -> Answer {
    let calls = (0..tasks).map(|_| {
        let manager = manager.clone();
        tokio::spawn(async move { manager.access_token(&world::key()).await })
    });
    let mut tokens = Vec::new();
    for call in futures_util::future::join_all(calls).await {
        match call.unwrap() {
            Ok(token) => tokens.push(token.expose().to_owned()),
            Err(error) => return Answer::Failed(format!("{:?}", error.kind())),
        }
    }
    tokens.dedup();
    match tokens.as_slice() {
        [token] => Answer::Token(token.clone()),
        _ => Answer::Mixed,
    }
}
