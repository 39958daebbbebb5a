//! The conformance suite of token-storage: whoever writes a backend runs it and knows whether the backend keeps the
//! contract (`docs/contract.md` in the repository; every case names the clauses it checks).
//!
//! A backend implements [`Harness`] and hands it to a [`Suite`] in a test target of its own with `harness = false`:
//!
//! ```
//! use std::{process::ExitCode, sync::Arc};
//!
//! use token_storage_conformance::{Harness, Suite};
//! use token_storage_core::{MemoryStorage, Result, TokenStorage, async_trait};
//!
//! struct Memory;
//!
//! #[async_trait]
//! impl Harness for Memory {
//!     type Place = MemoryStorage;
//!
//!     async fn fresh(&self) -> Result<MemoryStorage> {
//!         Ok(MemoryStorage::new())
//!     }
//!
//!     async fn reopen(&self, place: &MemoryStorage) -> Result<Arc<dyn TokenStorage>> {
//!         Ok(Arc::new(place.clone()))
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     Suite::new("memory", Memory).enumerates().process_leases().main()
//! }
//! ```
//!
//! What a backend can do beyond the base is declared on the suite; what the suite needs to test it, it asks of the
//! harness by type: [`Suite::files`] wants [`FileBacked`], [`Suite::processes`] wants [`MultiProcess`],
//! [`Suite::faults`] wants [`FaultInjecting`], [`Suite::shifted_clocks`] wants [`ClockShifting`],
//! [`Suite::damaged_records`] wants [`RecordDamaging`], [`Suite::refused_writes`] wants [`WriteRefusing`],
//! [`Suite::unreliable`] wants [`Unreliable`], [`Suite::jumping_clocks`] wants [`ClockJumping`] and
//! [`Suite::second_way`] wants [`SecondWay`]. Cases that need what is not declared are listed as ignored, with the
//! reason, and counted, and the summary names the clauses that are unproven for it. A declaration that differs from what
//! the storage reports fails a case of its own.
//!
//! `docs/writing-a-backend.md` leads from an empty package to here, and tells how to read a failure.
//!
//! What refreshes tokens is run on a storage by the crate `token-storage-auth-testing`.
//!
//! Other programs run cases one by one: [`cases`] lists them and [`Plan::run`] runs one and returns a [`Report`].
//!
//! # Environment
//!
//! | variable | effect |
//! |---|---|
//! | `TOKEN_STORAGE_CONFORMANCE_REQUIRE` | set: what could not be run (no endpoint, unreachable, throttled) is a failure |
//! | `TOKEN_STORAGE_CONFORMANCE_SEED` | repeats a run: the number from a failure's message |
//! | `TOKEN_STORAGE_CONFORMANCE_REPORTS` | a folder: each suite's results are written there, as `NAME.json` and `NAME.html` |
//! | `TOKEN_STORAGE_SOAK` | `1`: the long profile, many more rounds, kills and random sequences |

mod canary;
mod case;
mod cases;
mod check;
mod clauses;
mod cx;
mod data;
mod dropping;
mod harness;
mod history;
mod linear;
mod live;
#[cfg(test)]
mod made_up;
mod pace;
mod powers;
mod printer;
mod read_only;
mod recorded_lease;
mod recorder;
mod repeat;
pub mod report;
mod rng;
mod run;
mod runner;
mod show;
mod stall;
mod suite;
mod summary;
mod verdict;
mod worker;

pub use case::{Case, Level, Need};
pub use cases::{cases, elsewhere};
pub use check::Failure;
pub use clauses::{Clause, area, clauses};
pub use harness::{ClockShifting, FaultInjecting, FaultInjector, FileBacked, Harness, MultiProcess};
pub use live::{Live, Opener};
pub use powers::{
    ClockJumping, Clocks, Mishap, Network, RecordDamaging, Requests, SecondWay, Unreliable, WriteRefusing,
};
pub use read_only::refuse_writes_in;
pub use report::{Results, Selection};
pub use run::Tally;
pub use runner::main;
pub use suite::{Plan, Suite};
pub use verdict::{Report, Verdict};
pub use worker::worker;
