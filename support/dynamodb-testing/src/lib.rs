//! Test support for everything that runs against DynamoDB.
//!
//! [`emulator`] answers with an endpoint, and nothing has to be set up by hand: it builds and starts
//! `support/dynamodb-emulator`, or takes what `TOKEN_STORAGE_DYNAMODB_ENDPOINT` names. `ClientBuilder` (feature `client`)
//! makes clients for it that retry quickly, record what they send and suffer the faults a test plans.

#[cfg(feature = "client")]
mod client;
mod emulator;
#[cfg(feature = "client")]
mod fault;
#[cfg(feature = "client")]
mod recorder;

#[cfg(feature = "client")]
pub use client::{ClientBuilder, REGION, client};
pub use emulator::{ENDPOINT_VARIABLE, emulator, is_external};
#[cfg(feature = "client")]
pub use fault::{Fault, Faults};
#[cfg(feature = "client")]
pub use recorder::Recorder;
