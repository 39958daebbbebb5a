//! Broken refreshers, each of which must be caught by the case that is there for it; and sound ones, which must pass all.

mod careless;
#[allow(dead_code)]
#[path = "../../examples/refresher.rs"]
mod example;
mod flaw;
mod program;

use std::{process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Failed, Trial};
use token_storage_auth_testing::{
    auth_server::AuthServer,
    refreshing::{Abilities, Ability, RefreshSubject, Refresher, refresh_cases, verify},
};
use token_storage_core::{MemoryStorage, TokenStorage, async_trait};
use token_storage_json::JsonStorage;

use flaw::{CARELESS, FLAWS, Flaw};
use program::Program;

struct Subject {
    open: Box<dyn Fn() -> Arc<dyn TokenStorage> + Send + Sync>,
    flaw: Option<Flaw>,
    abilities: Abilities,
}

impl Subject {
    fn in_memory(flaw: Option<Flaw>) -> Self {
        let storage = MemoryStorage::new();
        Self {
            open: Box::new(move || Arc::new(storage.clone())),
            flaw,
            abilities: abilities(),
        }
    }
}

fn abilities() -> Abilities {
    Abilities::all().giving_up_within(program::sending::patience())
}

#[async_trait]
impl RefreshSubject for Subject {
    async fn open(&self) -> Arc<dyn TokenStorage> {
        (self.open)()
    }

    async fn refresher(
        &self,
        storage: Arc<dyn TokenStorage>,
        server: &AuthServer,
    ) -> Result<Arc<dyn Refresher>, String> {
        Ok(Arc::new(Program::new(storage, server, self.flaw)))
    }

    fn abilities(&self) -> Abilities {
        self.abilities.clone()
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

fn is_caught(flaw: Flaw, name: &str) -> Result<(), Failed> {
    let case = *refresh_cases()
        .iter()
        .find(|case| case.name() == name)
        .ok_or("no such case")?;
    let run = move || {
        runtime().block_on(case.run_on(&Subject::in_memory(Some(flaw))));
    };
    match std::thread::spawn(run).join() {
        Err(_) => Ok(()),
        Ok(()) => Err(format!("{name} finds nothing wrong with {flaw:?}").into()),
    }
}

fn passes(subject: Subject) -> Result<(), Failed> {
    let summary = runtime().block_on(verify(&subject));
    match summary.failed().is_empty() && summary.unproven().is_empty() {
        true => Ok(()),
        false => Err(summary.to_string().into()),
    }
}

fn in_a_file() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("tokens.json");
    passes(Subject {
        open: Box::new(move || Arc::new(JsonStorage::open(&file).unwrap())),
        flaw: None,
        abilities: abilities(),
    })
}

/// It declares neither what short lifetimes need nor a memory for refusals and pauses.
fn the_example() -> Result<(), Failed> {
    let summary = runtime().block_on(verify(&example::Subject(MemoryStorage::new())));
    match summary.failed().is_empty() && summary.unproven().len() == 4 {
        true => Ok(()),
        false => Err(summary.to_string().into()),
    }
}

/// What is not declared is counted, and changes nothing else.
fn undeclared() -> Result<(), Failed> {
    let mut subject = Subject::in_memory(Some(Flaw::RevokesNothing));
    subject.abilities = Abilities::default().without(Ability::Revokes);
    let summary = runtime().block_on(verify(&subject));
    let unproven: Vec<&str> = summary.unproven().keys().copied().collect();
    assert_eq!(
        unproven,
        [
            "refresh::a_logout_meanwhile_wins",
            "refresh::a_pause_is_kept_by_all",
            "refresh::a_refusal_is_kept_by_all",
            "refresh::a_refusal_is_not_asked_for_again",
            "refresh::a_silent_server_is_given_up",
            "refresh::another_login_meanwhile_is_kept",
            "refresh::another_login_without_refresh_token_is_kept",
            "refresh::short_lifetimes_cost_one_request_each",
        ]
    );
    assert!(summary.failed().is_empty(), "{summary}");
    Ok(())
}

/// Every case is there for something.
fn no_case_is_idle() -> Result<(), Failed> {
    let meant: Vec<&str> = FLAWS.iter().map(|(_, case)| *case).collect();
    let idle = refresh_cases()
        .iter()
        .map(|case| case.name())
        .filter(|name| !meant.contains(name));
    let idle: Vec<&str> = idle.filter(|name| !CARELESS.contains(name)).collect();
    match idle.is_empty() {
        true => Ok(()),
        false => Err(format!("nothing shows that these cases can fail: {idle:?}").into()),
    }
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Most of the time is waiting.
    arguments.test_threads = arguments.test_threads.or(Some(32));
    let mut trials = vec![
        Trial::test("sound::in_memory", || passes(Subject::in_memory(None))),
        Trial::test("sound::in_a_file", in_a_file),
        Trial::test("sound::the_example", the_example),
        Trial::test("sound::what_is_not_declared_is_unproven", undeclared),
        Trial::test("cases::each_can_fail", no_case_is_idle),
        Trial::test("careless::is_caught", careless::is_caught),
    ];
    trials.extend(
        FLAWS
            .iter()
            .map(|(flaw, case)| Trial::test(format!("broken::{flaw:?}"), move || is_caught(*flaw, case))),
    );
    libtest_mimic::run(&arguments, trials).exit_code()
}
