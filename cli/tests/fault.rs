//! A panic is told as any other failure, without what it says. This very program is the command, with a storage that panics.

use std::{
    process::{Command, ExitCode, Output},
    sync::Arc,
};

use token_storage::{
    Finding, Result, async_trait,
    backend::{Action, Location, Opened, Scheme, SchemeInfo},
};

/// Stands for a token that what panics has got hold of.
const CANARY: &str = "canary-0123456789";

#[derive(Debug)]
struct Panics;

impl Scheme for Panics {
    fn describe(&self) -> SchemeInfo {
        SchemeInfo::new("panics", "panics:WHERE", "a storage with a fault")
    }

    fn parse(&self, rest: &str) -> Result<Arc<dyn Location>> {
        Ok(Arc::new(Place(rest.to_owned())))
    }
}

#[derive(Debug)]
struct Place(String);

#[async_trait]
impl Location for Place {
    fn rest(&self) -> String {
        self.0.clone()
    }

    async fn open(&self) -> Result<Opened> {
        let fault = || panic!("the token is {CANARY}");
        match self.0.as_str() {
            "here" => fault(),
            "task" => tokio::spawn(async move { fault() }).await.unwrap(),
            _ => std::thread::spawn(fault).join().unwrap(),
        }
    }

    async fn examine(&self) -> Result<Vec<Finding>> {
        panic!("the token is {CANARY}")
    }

    fn action(&self, _: &str) -> Option<Box<dyn Action>> {
        None
    }
}

const IS_COMMAND: &str = "TOKEN_STORAGE_TEST_IS_COMMAND";

fn main() -> ExitCode {
    if std::env::var_os(IS_COMMAND).is_some() {
        return token_storage_cli::Command::new().scheme(Panics).run();
    }
    for place in ["here", "task", "thread"] {
        let url = format!("panics:{place}");
        for line in [&["get", "rs"][..], &["list"], &["doctor"]] {
            let line = [line, &["--storage", &url]].concat();
            is_told(&run(&line), &line);
            let json = [&line[..], &["--json"]].concat();
            is_told_in_json(&run(&json), &json);
        }
    }
    println!("test a_panic_is_told_without_what_it_says ... ok");
    ExitCode::SUCCESS
}

fn run(line: &[&str]) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(IS_COMMAND, "1").env("RUST_BACKTRACE", "1").args(line);
    command.output().unwrap()
}

fn is_told(output: &Output, line: &[&str]) {
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{line:?}: {told}");
    assert!(output.stdout.is_empty() && !told.contains("canary"), "{line:?}: {told}");
    assert!(
        told.lines().count() == 1 && told.contains("a fault of the command itself"),
        "{line:?}: {told}"
    );
    assert!(told.contains(".rs:"), "{line:?}: {told}");
}

fn is_told_in_json(output: &Output, line: &[&str]) {
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{line:?}: {told}");
    let error: serde_json::Value = serde_json::from_str(&told).expect("one JSON object");
    assert_eq!(error["error"]["kind"], "failure", "{line:?}: {told}");
    assert!(output.stdout.is_empty() && !told.contains("canary"), "{line:?}: {told}");
}
