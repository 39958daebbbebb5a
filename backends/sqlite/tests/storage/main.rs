//! What one process sees of a storage in a file.

mod batches;
#[path = "../common/mod.rs"]
mod common;
mod concurrency;
mod configuration;
mod creating;
mod foreign;
mod keys;
#[cfg(unix)]
mod records;
mod refusals;
