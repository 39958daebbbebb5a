//! What a backend on a network needs beside its own requests: refresh leases that run out, over three conditional
//! requests. It knows no protocol, needs no executor, and works wherever a value can be put and deleted under the
//! condition that it is still the one that was read: a key-value store, a table, an object store.
//!
//! Where a server ends leases itself, say so with a time to live on the value, longer than [`TimedLeases`]'s own: then it
//! only cleans up.

mod guard;
mod lease;
mod value;

pub use lease::{LeaseStore, TimedLeases};
