//! Runs the suite over the file storage of yup-oauth2, in three ways; see docs/conformance-findings.md.
//!
//! `cargo run --manifest-path examples/conformance-yup-oauth2/Cargo.toml -- [--json FOLDER]`
//!
//! The exit code is 0 whatever the suite finds: it reports, and judges nothing.

mod adapter;
mod endpoint;

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use adapter::YupStorage;
use tempfile::TempDir;
use token_storage_conformance::{Harness, MultiProcess, Plan, Results, Selection, Suite, Verdict, worker};
use token_storage_core::{Durability, Result, SharingScope, TokenStorage, async_trait};

/// One authenticator, shared by the whole program: what its documentation shows.
struct OneHandle;

#[async_trait]
impl Harness for OneHandle {
    type Place = (TempDir, YupStorage);

    async fn fresh(&self) -> Result<Self::Place> {
        let folder = folder();
        let storage = YupStorage::open(folder.path(), Durability::Volatile, SharingScope::Handle).await?;
        Ok((folder, storage))
    }

    async fn reopen(&self, (_, storage): &Self::Place) -> Result<Arc<dyn TokenStorage>> {
        Ok(Arc::new(storage.clone()))
    }
}

/// The file is opened again for each handle: by another part of the program, by a later or another process.
struct Reopened(SharingScope);

#[async_trait]
impl Harness for Reopened {
    type Place = TempDir;

    async fn fresh(&self) -> Result<TempDir> {
        Ok(folder())
    }

    async fn reopen(&self, place: &TempDir) -> Result<Arc<dyn TokenStorage>> {
        self.open_spec(&self.spec(place)).await
    }
}

#[async_trait]
impl MultiProcess for Reopened {
    fn spec(&self, place: &TempDir) -> String {
        place.path().display().to_string()
    }

    async fn open_spec(&self, spec: &str) -> Result<Arc<dyn TokenStorage>> {
        let storage = YupStorage::open(spec.as_ref(), Durability::Process, self.0).await?;
        Ok(Arc::new(storage))
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn plans() -> [Plan; 3] {
    let reopened = Suite::new("reopened", Reopened(SharingScope::Process)).durable();
    let processes = Suite::new("processes", Reopened(SharingScope::Host))
        .durable()
        .processes();
    [
        Suite::new("one-handle", OneHandle).plan(),
        reopened.plan(),
        processes.plan(),
    ]
}

fn main() -> ExitCode {
    let plans = plans();
    if worker(&plans).is_some() {
        return ExitCode::SUCCESS;
    }
    let folder = match &std::env::args().skip(1).collect::<Vec<_>>()[..] {
        [] => None,
        [flag, folder] if flag == "--json" => Some(PathBuf::from(folder)),
        _ => {
            eprintln!("usage: conformance-yup-oauth2 [--json FOLDER]");
            return ExitCode::from(2);
        }
    };
    for plan in &plans {
        let results = plan.run_all(&Selection::default(), |_| {});
        show(&results);
        if let Some(folder) = &folder
            && let Err(error) = write(folder, &results)
        {
            eprintln!("cannot write the results to {}: {error}", folder.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn show(results: &Results) {
    let (coverage, divergence) = (results.coverage, results.divergence);
    println!("{}: suite {}", results.name, results.suite);
    println!("  clauses checked: {} of {}", coverage.count, coverage.of);
    println!(
        "  clauses that some case found not to be kept: {} of {}",
        divergence.count, divergence.of
    );
    for level in &results.levels {
        println!(
            "  {:<10} passed {:>3}, failed {:>3}, ignored {:>3}, indeterminate {:>3}",
            level.level, level.passed, level.failed, level.ignored, level.indeterminate
        );
    }
    for case in &results.cases {
        if let Verdict::Failed(failure) = &case.verdict {
            println!(
                "  failed: {} ({}): {}; got {}",
                case.name, failure.clause, failure.expectation, failure.got
            );
        }
        if let Verdict::Indeterminate(reason) = &case.verdict {
            println!("  indeterminate: {}: {reason}", case.name);
        }
    }
}

fn write(folder: &std::path::Path, results: &Results) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let json = serde_json::to_string_pretty(results)?;
    std::fs::write(folder.join(format!("{}.json", results.name)), json)
}
