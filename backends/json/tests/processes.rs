//! What only several real processes can show: kills, one file shared by many, a foreign program that writes in place.
//! `TOKEN_STORAGE_SOAK=1` runs more of each.

use std::{
    fs,
    io::{BufRead, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use libtest_mimic::{Arguments, Failed, Trial};
use token_storage_core::{ErrorKind, Precondition, TokenData, TokenKey, TokenStorage, TokenStorageExt as _};
use token_storage_json::JsonStorage;
use tokio::runtime::{Builder, Runtime};

const WORKER: &str = "TOKEN_STORAGE_JSON_TEST_WORKER";

/// Only bounds a hang.
const PATIENCE: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    if let Ok(work) = std::env::var(WORKER) {
        worker(&work);
        return ExitCode::SUCCESS;
    }
    let cases: [(&str, fn()); 8] = [
        ("d1_every_acknowledged_record_survives_kill_9", survives_kills),
        ("d1_the_fast_mode_survives_kill_9_too", fast_mode_survives_kills),
        ("d2_a_temporary_file_left_by_a_kill_is_removed", leftovers_are_swept),
        ("a6_many_processes_lose_nothing_of_one_another", many_processes),
        ("d5_64_processes_open_one_new_file_at_once", first_opening),
        ("d6_contention_waits_then_is_busy", contention),
        (CROWD, crowd),
        ("d7_alternating_with_a_program_that_writes_in_place", in_place),
    ];
    let trials = cases.map(|(name, case)| {
        let trial = Trial::test(name, move || {
            case();
            Ok::<(), Failed>(())
        });
        trial.with_ignored_flag(name == CROWD && !soak())
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

/// For soak runs: whether it holds depends on the machine.
const CROWD: &str = "d6_of_256_programs_that_store_at_once_none_is_busy";

fn soak() -> bool {
    std::env::var_os("TOKEN_STORAGE_SOAK").is_some_and(|value| value == "1")
}

// The worker processes

fn worker(work: &str) {
    let runtime = runtime();
    let mut words = work.split_whitespace();
    let (what, path) = (words.next().unwrap(), words.next().unwrap());
    let numbers: Vec<usize> = words.map(|word| word.parse().unwrap()).collect();
    match what {
        "endless" => runtime.block_on(store_endlessly(path, numbers[0], numbers[1] == 1)),
        "distinct" => runtime.block_on(store_distinct(path, numbers[0], numbers[1])),
        "first" => runtime.block_on(open_first(path, numbers[0])),
        "twice" => runtime.block_on(store_twice(path, numbers[0])),
        "hold" => hold_lock(path),
        "in-place" => write_in_place(path),
        other => panic!("no such work: {other}"),
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody listens any more: the parent has what it wanted.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn wait_for_line() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

fn data(token: impl std::fmt::Display) -> TokenData {
    TokenData::new("rs", "s", format!("{token:0>300}"))
}

/// Stores one record after another and says so after each, until it is killed.
async fn store_endlessly(path: &str, process: usize, fast: bool) {
    let builder = JsonStorage::builder(path);
    let storage = if fast { builder.without_fsync() } else { builder }.open().unwrap();
    for n in 0.. {
        let key = TokenKey::new(format!("{}", n % 7), format!("{process}-{n}"));
        storage.store(&key, &data(n), Precondition::Absent).await.unwrap();
        say(&n.to_string());
    }
}

/// However many wait for a slow disk, none gives up: that contention is waited out is what is looked at, not for how long.
fn open_patiently(path: &str) -> JsonStorage {
    JsonStorage::builder(path).busy_timeout(PATIENCE).open().unwrap()
}

async fn store_distinct(path: &str, process: usize, count: usize) {
    wait_for_line();
    let storage = open_patiently(path);
    // Four tasks, so that rewrites are shared within a process and contended between processes.
    let tasks: Vec<_> = (0..4)
        .map(|task| {
            let storage = storage.clone();
            tokio::spawn(async move {
                for n in (task..count).step_by(4) {
                    let key = TokenKey::in_default(format!("{process}-{n}"));
                    storage.store(&key, &data(n), Precondition::Absent).await.unwrap();
                    assert!(storage.get(&key).await.unwrap().is_some(), "A3");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    say("done");
}

async fn open_first(path: &str, process: usize) {
    say("ready");
    wait_for_line();
    let storage = open_patiently(path);
    let key = TokenKey::in_default(process.to_string());
    assert!(storage.get(&key).await.unwrap().is_none());
    storage.store(&key, &data(process), Precondition::Absent).await.unwrap();
    assert_eq!(storage.get(&key).await.unwrap().unwrap().data, data(process));
    say("done");
}

/// As a command that stores two records, with the usual patience.
async fn store_twice(path: &str, process: usize) {
    say("ready");
    wait_for_line();
    let (storage, started) = (JsonStorage::open(path).unwrap(), Instant::now());
    let mut told = String::from("stored");
    for n in 0..2 {
        let key = TokenKey::in_default(format!("{process}-{n}"));
        if let Err(error) = storage.store(&key, &data(n), Precondition::Absent).await {
            told = format!("{:?}", error.kind());
        }
    }
    say(&format!("{told} {}", started.elapsed().as_millis()));
}

/// Holds the lock as a writer does, until standard input ends.
fn hold_lock(path: &str) {
    let file = fs::File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(format!("{path}.lock"))
        .unwrap();
    file.lock().unwrap();
    say("held");
    wait_for_line();
}

/// As the Python SDK does: truncates and writes, without a lock, whatever it is told.
fn write_in_place(path: &str) {
    loop {
        let token = wait_for_line();
        if token.is_empty() {
            return;
        }
        let text = fs::read_to_string(path).unwrap();
        let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
        document["data"]["DEFAULT"]["theirs"] = serde_json::json!({
            "resource_server": "theirs", "scope": "s", "access_token": token, "expires_at_seconds": 1,
        });
        fs::write(path, document.to_string()).unwrap();
        say("written");
    }
}

// The parent

struct Worker {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Worker {
    fn start(work: String) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(WORKER, work)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// What it still says, and whether it ended well.
    fn finish(mut self) -> bool {
        drop(self.input.take());
        self.child.wait().unwrap().success()
    }

    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        let said = self.output.lines().map_while(Result::ok).collect();
        self.child.wait().unwrap();
        said
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn survives_kills() {
    kill_loop(if soak() { 2000 } else { 200 }, false);
}

fn fast_mode_survives_kills() {
    kill_loop(if soak() { 2000 } else { 100 }, true);
}

/// Kills a storing process again and again, each time at another moment. Whatever it said was stored must be there.
fn kill_loop(kills: usize, fast: bool) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.json");
    let runtime = runtime();
    let mut acknowledged = Vec::new();
    for process in 0..kills {
        let mut worker = Worker::start(format!("endless {} {process} {}", path.display(), u8::from(fast)));
        // After a different number of stores each time, and from there at any moment of the next.
        for _ in 0..=process % 5 {
            acknowledged.push((process, worker.line().parse::<usize>().unwrap()));
        }
        for _ in 0..(process * 7919) % 4000 {
            std::hint::spin_loop();
        }
        acknowledged.extend(
            worker
                .kill()
                .iter()
                .filter_map(|line| Some((process, line.parse().ok()?))),
        );
        let storage = JsonStorage::open(&path).unwrap();
        let last = acknowledged
            .last()
            .map(|(process, n)| TokenKey::new(format!("{}", n % 7), format!("{process}-{n}")));
        let found = runtime.block_on(storage.get(&last.unwrap())).expect("0 unreadable");
        assert!(found.is_some());
    }
    let storage = JsonStorage::open(&path).unwrap();
    for (process, n) in acknowledged {
        let key = TokenKey::new(format!("{}", n % 7), format!("{process}-{n}"));
        let found = runtime.block_on(storage.get(&key)).unwrap();
        assert_eq!(found.expect("every acknowledged record").data, data(n));
    }
    runtime
        .block_on(storage.remove(&TokenKey::in_default("x"), Precondition::Any))
        .unwrap();
    runtime
        .block_on(storage.store(&TokenKey::in_default("x"), &data(0), Precondition::Any))
        .unwrap();
    assert_eq!(
        names(directory.path()),
        ["tokens.json", "tokens.json.lock"],
        "nothing is left behind"
    );
}

/// A kill in the middle of a write, for certain: the temporary file is watched for.
fn leftovers_are_swept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.json");
    let has_leftover = || names(directory.path()).iter().any(|name| name.ends_with(".tmp"));
    for process in 0.. {
        assert!(process < 1000, "no kill has hit a write");
        let mut worker = Worker::start(format!("endless {} {process} 0", path.display()));
        worker.line();
        worker.kill();
        if has_leftover() {
            break;
        }
    }
    let runtime = runtime();
    let storage = JsonStorage::open(&path).unwrap();
    assert!(
        runtime
            .block_on(storage.get(&TokenKey::in_default("x")))
            .unwrap()
            .is_none()
    );
    assert!(has_leftover(), "reading removes nothing");
    runtime
        .block_on(storage.store(&TokenKey::in_default("x"), &data(0), Precondition::Any))
        .unwrap();
    assert!(!has_leftover());
}

fn many_processes() {
    const PROCESSES: usize = 16;
    let each = if soak() { 200 } else { 40 };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.json");
    let start = |process| Worker::start(format!("distinct {} {process} {each}", path.display()));
    let mut workers: Vec<Worker> = (0..PROCESSES).map(start).collect();
    workers.iter_mut().for_each(|worker| worker.tell("go"));
    for mut worker in workers {
        assert_eq!(worker.line(), "done");
        assert!(worker.finish());
    }
    let (runtime, storage) = (runtime(), JsonStorage::open(&path).unwrap());
    for process in 0..PROCESSES {
        for n in 0..each {
            let key = TokenKey::in_default(format!("{process}-{n}"));
            assert_eq!(
                runtime.block_on(storage.get(&key)).unwrap().expect("all there").data,
                data(n)
            );
        }
    }
}

fn first_opening() {
    const PROCESSES: usize = 64;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/deep/tokens.json");
    let start = |process| Worker::start(format!("first {} {process}", path.display()));
    let mut workers: Vec<Worker> = (0..PROCESSES).map(start).collect();
    workers.iter_mut().for_each(|worker| assert_eq!(worker.line(), "ready"));
    workers.iter_mut().for_each(|worker| worker.tell("go"));
    for mut worker in workers {
        assert_eq!(worker.line(), "done");
        assert!(worker.finish());
    }
    let (runtime, storage) = (runtime(), JsonStorage::open(&path).unwrap());
    for process in 0..PROCESSES {
        let key = TokenKey::in_default(process.to_string());
        assert_eq!(
            runtime.block_on(storage.get(&key)).unwrap().unwrap().data,
            data(process)
        );
    }
    assert_eq!(names(path.parent().unwrap()), ["tokens.json", "tokens.json.lock"]);
}

fn contention() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.json");
    let runtime = runtime();
    let key = TokenKey::in_default("rs");
    let patient = JsonStorage::builder(&path).busy_timeout(PATIENCE).open().unwrap();
    runtime
        .block_on(patient.store(&key, &data(1), Precondition::Any))
        .unwrap();
    let mut holder = Worker::start(format!("hold {}", path.display()));
    assert_eq!(holder.line(), "held");
    let hasty = JsonStorage::builder(&path)
        .busy_timeout(Duration::from_millis(50))
        .open()
        .unwrap();
    let error = runtime
        .block_on(hasty.store(&key, &data(2), Precondition::Any))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(error.is_retryable() && !error.may_have_applied());
    let found = runtime.block_on(hasty.get(&key)).unwrap().unwrap();
    assert_eq!(found.data, data(1), "reading needs no lock, and nothing was written");
    // A waiter goes on as soon as the holder dies.
    let waiting = runtime.spawn({
        let (patient, key) = (patient.clone(), key.clone());
        async move { patient.store(&key, &data(3), Precondition::Any).await }
    });
    holder.kill();
    runtime.block_on(waiting).unwrap().unwrap();
    assert_eq!(runtime.block_on(hasty.get(&key)).unwrap().unwrap().data, data(3));
    // And the hasty one can write again, once its thread has given back the place in the queue that it gave up.
    let started = Instant::now();
    loop {
        match runtime.block_on(hasty.store(&key, &data(4), Precondition::Any)) {
            Ok(_) => break,
            Err(error) => assert!(
                error.kind() == ErrorKind::Busy && started.elapsed() < PATIENCE,
                "{error}"
            ),
        }
    }
}

fn crowd() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.json");
    let start = |process| Worker::start(format!("twice {} {process}", path.display()));
    let mut workers: Vec<Worker> = (0..256).map(start).collect();
    workers.iter_mut().for_each(|worker| assert_eq!(worker.line(), "ready"));
    workers.iter_mut().for_each(|worker| worker.tell("go"));
    let told: Vec<String> = workers.iter_mut().map(Worker::line).collect();
    let failed: Vec<&String> = told.iter().filter(|told| !told.starts_with("stored ")).collect();
    let millis = told
        .iter()
        .filter_map(|told| told.split(' ').next_back()?.parse::<u64>().ok());
    println!(
        "{} of 256 failed; the last had ended after {:?} ms",
        failed.len(),
        millis.max()
    );
    assert!(failed.is_empty(), "{failed:?}");
    assert!(workers.into_iter().all(Worker::finish));
}

fn in_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.json");
    let runtime = runtime();
    let storage = JsonStorage::open(&path).unwrap();
    let other = JsonStorage::open(&path).unwrap();
    let (ours, theirs) = (TokenKey::in_default("ours"), TokenKey::in_default("theirs"));
    let mut worker = Worker::start(format!("in-place {}", path.display()));
    for turn in 0..if soak() { 10_000 } else { 300 } {
        let token = format!("token {turn:06}");
        runtime
            .block_on(storage.store(&ours, &data(turn), Precondition::Any))
            .unwrap();
        worker.tell(&token);
        assert_eq!(worker.line(), "written");
        for handle in [&storage, &other] {
            let found = runtime.block_on(handle.get(&theirs)).unwrap().unwrap();
            assert_eq!(found.data.access_token.expose(), token);
            assert_eq!(runtime.block_on(handle.get(&ours)).unwrap().unwrap().data, data(turn));
        }
    }
    worker.tell("");
    assert!(worker.finish());
}
