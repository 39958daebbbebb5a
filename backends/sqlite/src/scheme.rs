//! `sqlite:PATH` and `sqlite::memory:`

use std::{path::PathBuf, sync::Arc};

use token_storage_core::{
    ErrorContext as _, Finding, Operation, Result, async_trait,
    backend::{
        Action, ActionInfo, Arguments, Location, Opened, Outcome, Progress, Scheme, SchemeInfo, format_path, parse_path,
    },
};
use token_storage_files::on_own_thread;

use crate::{SqliteStorage, examine, give_back};

/// `sqlite:PATH`, a SQLite database, and `sqlite::memory:`; [`parse_path`] tells what is understood of a path.
///
/// Action: `give-back`, which is [`give_back`].
#[derive(Clone, Copy, Debug, Default)]
pub struct SqliteScheme;

const IN_MEMORY: &str = ":memory:";

fn give_back_info() -> ActionInfo {
    ActionInfo::new(
        "give-back",
        "Turn off a SQLite database's write-ahead log, as the Globus SDK makes it: one file, which a read-only mount can hold",
        "The tokens stay as they are. The next token that is stored or refreshed turns the log on again. Waits up to ten \
         seconds for other programs to close the database.",
    )
}

impl Scheme for SqliteScheme {
    fn describe(&self) -> SchemeInfo {
        SchemeInfo::new("sqlite", "sqlite:PATH", "a SQLite database")
            .with_form("sqlite::memory:", "a SQLite database in memory, gone with the process")
            .with_action(give_back_info())
    }

    fn parse(&self, rest: &str) -> Result<Arc<dyn Location>> {
        match rest {
            IN_MEMORY => Ok(Arc::new(InMemory)),
            path => Ok(Arc::new(Database(parse_path("sqlite", path)?))),
        }
    }
}

#[derive(Debug)]
struct InMemory;

#[async_trait]
impl Location for InMemory {
    fn rest(&self) -> String {
        IN_MEMORY.to_owned()
    }

    async fn open(&self) -> Result<Opened> {
        Ok(Opened::new(SqliteStorage::open_in_memory()?))
    }

    async fn examine(&self) -> Result<Vec<Finding>> {
        Ok(vec![Finding::gone_with_the_process("sqlite::memory:")])
    }

    fn action(&self, _: &str) -> Option<Box<dyn Action>> {
        None
    }
}

#[derive(Debug)]
struct Database(PathBuf);

#[async_trait]
impl Location for Database {
    fn rest(&self) -> String {
        format_path(&self.0)
    }

    async fn open(&self) -> Result<Opened> {
        let storage = SqliteStorage::open(&self.0)?;
        let warnings = storage.collected();
        Ok(Opened::with_warnings(storage, warnings))
    }

    async fn examine(&self) -> Result<Vec<Finding>> {
        let path = self.0.clone();
        on_own_thread(move || Ok(examine(path))).await.during(Operation::Manage)
    }

    fn action(&self, name: &str) -> Option<Box<dyn Action>> {
        (name == give_back_info().name).then(|| Box::new(GiveBack(self.0.clone())) as Box<dyn Action>)
    }
}

#[derive(Debug)]
struct GiveBack(PathBuf);

#[async_trait]
impl Action for GiveBack {
    async fn run(&self, arguments: &Arguments, _: &mut Progress<'_>) -> Result<Outcome> {
        arguments.check(&give_back_info())?;
        let path = self.0.clone();
        on_own_thread(move || give_back(path)).await.during(Operation::Manage)?;
        let place = self.0.display().to_string();
        let line = format!("{place} has no write-ahead log any more, until the next token is stored in it");
        Ok(Outcome::done(
            serde_json::json!({ "given_back": place }).to_string(),
            line,
        ))
    }
}
