//! Several processes on one database: real ones, killed with real signals. This binary starts itself again for them.

#[path = "../common/mod.rs"]
mod common;
mod crash;
mod races;
#[cfg(unix)]
mod readonly;
mod roles;

use std::{
    io::{BufRead, BufReader, Lines, Write as _},
    path::Path,
    process::{Child, ChildStdout, Command, ExitCode, Stdio},
};

use common::again;
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if let Ok(role) = std::env::var("TOKEN_STORAGE_TEST_ROLE") {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        block_on(roles::play(&role, &arguments));
        return ExitCode::SUCCESS;
    }
    let mut trials = vec![
        trial("d1_kill_loop", crash::d1_kill_loop),
        trial("d1_killed_while_creating", crash::d1_killed_while_creating),
        trial(
            "d3_a_database_put_aside_is_noticed_by_open_readers",
            crash::d3_put_aside_is_noticed,
        ),
        trial(
            "a3_what_is_acknowledged_is_seen",
            races::a3_what_is_acknowledged_is_seen,
        ),
        trial("a4_exactly_one_process_wins", races::a4_exactly_one_process_wins),
        trial(
            "a6_distinct_keys_are_never_lost",
            races::a6_distinct_keys_are_never_lost,
        ),
        trial(
            "d5_64_processes_create_one_file",
            races::d5_64_processes_create_one_file,
        ),
        trial(
            "d5_32_processes_switch_one_file_to_wal",
            races::d5_32_processes_switch_one_file_to_wal,
        ),
        trial("d6_nobody_is_ever_busy", races::d6_nobody_is_ever_busy),
        trial(
            "locks_are_kept_whatever_is_opened_beside_them",
            races::locks_are_kept_whatever_is_opened_beside_them,
        ),
    ];
    #[cfg(unix)]
    trials.extend([
        trial("d2_file_size_limit", crash::d2_file_size_limit),
        trial("d2_few_descriptors", crash::d2_few_descriptors),
        trial(
            "d4_owner_only_whatever_the_umask",
            readonly::d4_owner_only_whatever_the_umask,
        ),
        trial("readonly_with_a_rollback_journal", readonly::with_a_rollback_journal),
        trial("readonly_with_an_empty_log", readonly::with_an_empty_log),
        trial("readonly_beside_a_writer", readonly::beside_a_writer),
        trial("readonly_with_an_orphaned_log", readonly::with_an_orphaned_log),
        trial("readonly_without_any_right", readonly::without_any_right),
        trial(
            "d4_a_wide_database_of_another_user",
            readonly::d4_a_wide_database_of_another_user,
        ),
    ]);
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(name: &'static str, test: fn()) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

fn start(role: &str, path: &Path, arguments: &[&str]) -> Process {
    let mut command = again(role);
    command.arg(path).args(arguments);
    started(command)
}

fn started(mut command: Command) -> Process {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    Process { child, lines }
}

impl Process {
    fn line(&mut self) -> Option<String> {
        self.lines.next().map(Result::unwrap)
    }

    fn is_ready(&mut self) {
        assert_eq!(self.line().as_deref(), Some("ready"));
    }

    fn go(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }

    fn succeeds(mut self) {
        while self.line().is_some() {}
        assert!(self.child.wait().unwrap().success());
    }
}

/// Starts many of a role, lets them go at once, and sees that all succeed.
fn all_succeed(role: &str, path: &Path, count: usize, more: &[&str]) {
    let mut processes: Vec<Process> = (0..count)
        .map(|i| {
            let id = i.to_string();
            start(role, path, &[&[id.as_str()], more].concat())
        })
        .collect();
    processes.iter_mut().for_each(Process::is_ready);
    processes.iter_mut().for_each(Process::go);
    processes.into_iter().for_each(Process::succeeds);
}
