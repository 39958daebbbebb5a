//! The suite's side.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::{PLAN, Reply, Request, SPEC};
use crate::{
    Need,
    check::{Check, fail, ignore},
    cx::Cx,
    history::short,
};

/// A guard against hangs, not a measurement.
const LIMIT: Duration = Duration::from_secs(90);

/// How a worker is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Plain,
    /// Files that it writes cannot grow beyond 256 blocks (128 or 256 KiB, as the shell counts); writing more is an
    /// error.
    SmallFiles,
    /// As a user without rights, where the suite's own has all.
    Powerless,
    /// What it writes to its standard error is kept.
    Watched,
}

/// The user and the group without rights.
pub(crate) const NOBODY: u32 = 65534;

#[cfg(unix)]
fn powerless(program: std::path::PathBuf) -> Command {
    let mut command = Command::new(program);
    // Its own directory may be one that this user cannot enter.
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    command
}

#[cfg(not(unix))]
fn powerless(program: std::path::PathBuf) -> Command {
    Command::new(program)
}

/// A process that has the case's place open. It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    number: u32,
    cx_note: String,
}

impl Worker {
    pub(crate) fn start(cx: &Cx) -> Check<Self> {
        Self::start_as(cx, Start::Plain)
    }

    pub(crate) fn start_as(cx: &Cx, start: Start) -> Check<Self> {
        let Some(spec) = cx.place().spec() else {
            return ignore(Need::Processes.missing());
        };
        let program = std::env::current_exe().expect("a process knows its own program");
        let mut command = match start {
            Start::Plain | Start::Watched => Command::new(program),
            Start::Powerless => powerless(program),
            Start::SmallFiles => {
                // An ignored signal stays ignored in the program that the shell turns into.
                let mut shell = Command::new("/bin/sh");
                shell
                    .args(["-c", "trap '' XFSZ; ulimit -f 256; exec \"$0\""])
                    .arg(program);
                shell
            }
        };
        let spawned = command
            .env(PLAN, cx.suite().name())
            .env(SPEC, spec)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(match start {
                Start::Watched => Stdio::piped(),
                _ => Stdio::inherit(),
            })
            .kill_on_drop(true)
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => return ignore(format!("a worker process could not be started: {error}")),
        };
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let number = child.id().unwrap_or_default();
        Ok(Self {
            child,
            input: input.expect("the worker's input is a pipe"),
            output: BufReader::new(output.expect("the worker's output is a pipe")).lines(),
            number,
            cx_note: format!("process {number}"),
        })
    }

    /// Sends without waiting for the answer.
    pub(crate) async fn send(&mut self, request: &Request) -> Check {
        let mut line = serde_json::to_string(request).expect("a request is representable");
        line.push('\n');
        match self.input.write_all(line.as_bytes()).await {
            Ok(()) => Ok(()),
            Err(error) => fail(
                "none",
                "a worker lives until it is ended",
                error.to_string(),
                "a living worker",
            ),
        }
    }

    pub(crate) async fn receive(&mut self) -> Check<Reply> {
        let what = "a worker answers";
        let Some(line) = self.line().await? else {
            return fail("none", what, "it ended (see its standard error)", "an answer");
        };
        match serde_json::from_str(&line) {
            Ok(reply) => Ok(reply),
            // Most likely the program runs its tests, workers included.
            Err(_) => fail(
                "none",
                what,
                short(&line),
                "an answer; a program that runs cases must call `worker` before anything else, and print nothing there",
            ),
        }
    }

    /// `None` once it has ended.
    async fn line(&mut self) -> Check<Option<String>> {
        match tokio::time::timeout(LIMIT, self.output.next_line()).await {
            Ok(Ok(line)) => Ok(line),
            Ok(Err(_)) => Ok(None),
            Err(_) => {
                let got = format!("{} did not answer for {} s", self.cx_note, LIMIT.as_secs());
                fail("D6", "a worker answers within a bounded time", got, "an answer")
            }
        }
    }

    pub(crate) async fn call(&mut self, cx: &Cx, request: Request) -> Check<Reply> {
        self.send(&request).await?;
        let reply = self.receive().await?;
        cx.note(format!("{} {request:?} -> {reply:?}", self.cx_note));
        Ok(reply)
    }

    /// A call that must succeed.
    pub(crate) async fn done(&mut self, cx: &Cx, clause: &str, request: Request) -> Check<Reply> {
        match self.call(cx, request).await? {
            Reply::Failed { kind, message } => fail(
                clause,
                "a call of another process that must succeed does",
                format!("{kind}: {message}"),
                "Ok",
            ),
            reply => Ok(reply),
        }
    }

    /// Ends it in an orderly way and waits until it is gone.
    pub(crate) async fn finish(self) -> Check {
        let Self { mut child, input, .. } = self;
        drop(input);
        match tokio::time::timeout(LIMIT, child.wait()).await {
            Ok(_) => Ok(()),
            Err(_) => fail("D6", "a worker ends when it is told", "it hangs", "its end"),
        }
    }

    /// Ends it, and returns what a [watched](Start::Watched) one has written to its standard error.
    pub(crate) async fn finish_watched(mut self) -> Check<String> {
        let errors = self.child.stderr.take();
        let reading = tokio::spawn(async move {
            let mut text = Vec::new();
            if let Some(mut errors) = errors {
                // Whatever was read before it failed counts.
                let _ = errors.read_to_end(&mut text).await;
            }
            String::from_utf8_lossy(&text).into_owned()
        });
        self.finish().await?;
        Ok(reading.await.expect("reading does not panic"))
    }

    /// Kills it (SIGKILL), waits until it is gone, and returns what it said before.
    pub(crate) async fn kill(mut self) -> Check<Vec<Reply>> {
        self.child.start_kill().expect("a worker can be killed");
        let mut said = Vec::new();
        while let Some(line) = self.line().await? {
            // A line that was cut off by the kill is no answer.
            said.extend(serde_json::from_str(&line));
        }
        let _ = self.child.wait().await;
        Ok(said)
    }

    /// Stops it (SIGSTOP); it has stopped when this returns.
    pub(crate) async fn stop(&self) -> Check {
        signal::stop(self.number).await
    }

    /// Lets it go on (SIGCONT).
    pub(crate) fn go_on(&self) -> Check {
        signal::go_on(self.number)
    }
}

#[cfg(unix)]
mod signal {
    use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

    use crate::check::Check;

    fn pid(number: u32) -> Pid {
        Pid::from_raw(number.cast_signed()).expect("a worker has a process id")
    }

    pub(super) async fn stop(number: u32) -> Check {
        kill_process(pid(number), Signal::STOP).expect("a worker can be stopped");
        let stopped = tokio::task::spawn_blocking(move || waitpid(Some(pid(number)), WaitOptions::UNTRACED));
        stopped
            .await
            .expect("waiting does not panic")
            .expect("a stopped worker is reported");
        Ok(())
    }

    pub(super) fn go_on(number: u32) -> Check {
        kill_process(pid(number), Signal::CONT).expect("a worker can go on");
        Ok(())
    }
}

#[cfg(not(unix))]
mod signal {
    use crate::check::{Check, ignore};

    pub(super) async fn stop(_: u32) -> Check {
        ignore("this system cannot stop a process")
    }

    pub(super) fn go_on(_: u32) -> Check {
        ignore("this system cannot stop a process")
    }
}
