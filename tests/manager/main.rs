//! The token manager against the strict authorization server: clauses L4 to L10 within one process.

mod absent;
mod bearer;
mod cached;
mod caching;
mod conflicts;
mod crossing;
mod dropped;
mod events;
mod failures;
mod faulty;
mod intents;
mod leaseless;
#[path = "../log/mod.rs"]
mod log;
mod logins;
mod logout;
mod others;
mod partial;
mod passing;
mod refresh;
mod refreshing;
mod rejected;
mod remembered;
mod requests;
mod storages;
mod support;
mod timed;
