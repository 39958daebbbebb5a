//! Measures token storages: what each call takes, alone and together with others, and as the storage grows. Any storage will
//! do, whoever wrote it; the command `token-storage bench` has it for people.
//!
//! A [`Target`] says how a storage is opened. [`run`] measures several, one after the other, within a [`Budget`] of time and of
//! requests, and gives a [`Report`]: a value for `serde`, and a page for people ([`Report::to_html`]).
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use token_storage_bench::{Budget, Operation, Settings, Stop, Target, run};
//! use token_storage_core::{MemoryStorage, Result, TokenStorage, async_trait};
//!
//! #[derive(Debug)]
//! struct Mine;
//!
//! #[async_trait]
//! impl Target for Mine {
//!     fn name(&self) -> String {
//!         "memory:".to_owned()
//!     }
//!
//!     async fn open(&self) -> Result<Arc<dyn TokenStorage>> {
//!         Ok(Arc::new(MemoryStorage::new()))
//!     }
//! }
//!
//! # #[tokio::main] async fn main() {
//! let settings = Settings {
//!     budget: Budget { time: Duration::from_millis(50), requests: None },
//!     operations: vec![Operation::Get],
//! };
//! let report = run(&[Arc::new(Mine)], &settings, &Stop::default(), &|_| ()).await.unwrap();
//! assert!(report.storages[0].measured[0].per_second > 0.0);
//! # }
//! ```
//!
//! A bench of one's own, with criterion say, takes a [`Ground`] and its [`Worker`]s: the same records and the same calls.
//!
//! What is written goes into a namespace of its own with a random name, and is removed again, after an error and after
//! [`Stop::stop`], too. Run it on a runtime with several threads: tasks that have one thread between them do not show what a
//! storage does for several.

mod budget;
mod ground;
mod measure;
mod operation;
mod plan;
mod report;
mod run;
mod stop;
mod target;
mod worker;

pub use budget::Budget;
pub use ground::{BASE_RECORDS, Ground};
pub use operation::Operation;
pub use report::{
    Latency, Measured, Report, Skipped, StorageReport,
    words::{duration, rate},
};
pub use run::{Progress, Refused, Settings, run};
pub use stop::Stop;
pub use target::Target;
pub use worker::Worker;
