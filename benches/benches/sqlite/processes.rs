//! P5: 16 processes on one file. They are this program, started again.

use std::{
    hint::black_box,
    io::{Read as _, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use token_storage::{TokenStorageExt as _, sqlite::SqliteStorage};
use token_storage_benches::{Goal, tell, tell_floor};

use crate::{
    Bench, data, fill,
    floor::{Locked, NOTHING, Raw},
    key, micros, one_thread, time,
};

const PROCESSES: usize = 16;

/// In such a process: stores so many times and prints the waits, in nanoseconds. Says whether the role is known.
pub(crate) fn play(role: &str, path: &Path, count: &str) -> bool {
    let Ok(count) = count.parse::<usize>() else {
        return false;
    };
    let own = std::process::id() as usize;
    let waits: Vec<Duration> = match role {
        "store-ours" => {
            let (storage, runtime) = (SqliteStorage::open(path).expect("to open"), one_thread());
            let store = |n: usize| {
                let (key, data) = (key((own + n * 37) % 10_000), data(n, own));
                time(|| {
                    black_box(runtime.block_on(storage.store(&key, &data, NOTHING)).expect("to store"));
                })
            };
            store(0);
            wait();
            (1..=count).map(store).collect()
        }
        "store-locked" => {
            let locked = Locked::open(path);
            let store = |n: usize| time(|| locked.store(&key((own + n * 37) % 10_000), &data(n, own)));
            store(0);
            wait();
            (1..=count).map(store).collect()
        }
        "store-raw" => {
            let raw = Raw::open(path);
            let store = |n: usize| time(|| raw.store_in_transaction(&key((own + n * 37) % 10_000), &data(n, own)));
            store(0);
            wait();
            (1..=count).map(store).collect()
        }
        _ => return false,
    };
    let nanos: Vec<String> = waits.iter().map(|wait| wait.as_nanos().to_string()).collect();
    println!("{}", nanos.join(" "));
    true
}

fn wait() {
    let (mut input, mut output) = (std::io::stdin(), std::io::stdout());
    output.write_all(b"+").and_then(|()| output.flush()).expect("to speak");
    input.read_exact(&mut [0]).expect("to be told");
}

pub(crate) fn run(bench: &Bench) {
    let path = bench.folder.join("shared.db");
    fill(&path, 10_000);
    let each = if bench.quick { 5 } else { 200 };
    let rounds = bench.rounds(3);
    for round in 0..rounds {
        let (one, one_worst) = together(&path, "store-ours", 1, each * 4);
        let (ours, ours_worst) = together(&path, "store-ours", PROCESSES, each);
        let (raw, raw_worst) = together(&path, "store-raw", PROCESSES, each);
        let (locked_one, _) = together(&path, "store-locked", 1, each * 4);
        let (locked, _) = together(&path, "store-locked", PROCESSES, each);
        println!(
            "P5 {round}: one process {one:>5.0}/s, worst {}; 16: {ours:>5.0}/s, worst {}; busy time-out alone {raw:>5.0}/s, worst {}",
            micros(one_worst),
            micros(ours_worst),
            micros(raw_worst),
        );
        let what = format!("SQLite, 16 processes storing, run {}", round + 1);
        tell(
            "P5",
            &what,
            ours / one,
            "x",
            Goal::AtLeast(0.85),
            &format!("one process: {one:.0}/s"),
        );
        tell_floor(
            "P5",
            &format!("raw transactions behind a lock file, run {}", round + 1),
            locked / locked_one,
            "x",
            Goal::AtLeast(0.85),
            &format!("one process: {locked_one:.0}/s"),
        );
        let waits = ours_worst.as_secs_f64() / raw_worst.as_secs_f64();
        let beside = format!("the busy time-out alone: {}", micros(raw_worst));
        tell(
            "P5",
            &format!("{what}, worst wait"),
            waits,
            "x",
            Goal::AtMost(1.0 / 3.0),
            &beside,
        );
    }
}

/// Stores a second, from all processes together, and the worst wait of any. None may fail.
fn together(path: &Path, role: &str, count: usize, each: usize) -> (f64, Duration) {
    let mut children: Vec<Child> = (0..count)
        .map(|_| {
            let mut command = Command::new(std::env::current_exe().expect("this program"));
            command
                .arg(role)
                .arg(path)
                .arg(each.to_string())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped());
            command.spawn().expect("to start")
        })
        .collect();
    for child in &mut children {
        child
            .stdout
            .as_mut()
            .expect("its output")
            .read_exact(&mut [0])
            .expect("it is ready");
    }
    let start = Instant::now();
    for child in &mut children {
        child
            .stdin
            .as_mut()
            .expect("its input")
            .write_all(b"+")
            .expect("to tell it");
    }
    let mut worst = Duration::ZERO;
    for child in children {
        let output = child.wait_with_output().expect("its end");
        assert!(output.status.success(), "no store may fail");
        let text = String::from_utf8(output.stdout).expect("numbers");
        let waits = text
            .split_whitespace()
            .map(|nanos| Duration::from_nanos(nanos.parse().expect("a number")));
        worst = worst.max(waits.max().expect("one wait at least"));
    }
    ((count * each) as f64 / start.elapsed().as_secs_f64(), worst)
}
