//! A correct storage over a server of texts and a network that loses, delays and duplicates requests, with timed leases
//! from the kit, and the ways to break it: clauses A5, D2, D3, K1, L2 to L7.

mod client;
mod clocks;
mod flaws;
mod harness;
mod leases;
mod records;
mod server;
mod way;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use self::{
    flaws::*,
    harness::{Wired, suite},
    server::Server,
};

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
