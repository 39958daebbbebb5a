//! Cases of several processes: the test binary is started again as a worker, which opens the same storage and does what
//! it is told on its standard input.

mod child;
pub(crate) mod logs;
mod parent;
mod protocol;

pub use child::worker;
pub(crate) use parent::{NOBODY, Start, Worker};
pub(crate) use protocol::{Reply, Request};

/// Whether this process was started by a case.
pub(crate) fn is_worker() -> bool {
    std::env::var_os(PLAN).is_some()
}

/// Set in a worker: the name of the plan, and what its `open_spec` gets.
const PLAN: &str = "TOKEN_STORAGE_CONFORMANCE_WORKER";
const SPEC: &str = "TOKEN_STORAGE_CONFORMANCE_WORKER_SPEC";
