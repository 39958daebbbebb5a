//! What is stored for a lease.

use std::time::Duration;

use token_storage_core::{Intent, Result, WriteMark};

const VERSION: u8 = 1;
/// Version, state, time to live in milliseconds, mark; then the intent, if there is one.
const HEAD: usize = 1 + 1 + 8 + 16;
/// The longest time to live that a waiter believes; longer ones are taken for this.
const LONGEST: Duration = Duration::from_secs(3600);

/// The value of a lease, read or to be written. No two writes make the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) bytes: Vec<u8>,
}

impl Value {
    pub(crate) fn new(held: bool, ttl: Duration, intent: &[u8]) -> Result<Self> {
        let mut bytes = vec![VERSION, u8::from(held)];
        bytes.extend(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend(WriteMark::random()?.as_bytes());
        bytes.extend(intent);
        Ok(Self { bytes })
    }

    /// `None`: these bytes are no value of a lease.
    pub(crate) fn read(bytes: Vec<u8>) -> Option<Self> {
        let whole = bytes.len() >= HEAD && bytes[0] == VERSION && bytes[1] <= 1;
        whole.then_some(Self { bytes })
    }

    pub(crate) fn is_held(&self) -> bool {
        self.bytes[1] == 1
    }

    pub(crate) fn ttl(&self) -> Duration {
        let mut milliseconds = [0; 8];
        milliseconds.copy_from_slice(&self.bytes[2..10]);
        Duration::from_millis(u64::from_be_bytes(milliseconds)).min(LONGEST)
    }

    /// The recorded intent, as it was stored: that of a later version is kept, too.
    pub(crate) fn intent_bytes(&self) -> &[u8] {
        &self.bytes[HEAD..]
    }

    pub(crate) fn intent(&self) -> Option<Intent> {
        let bytes = self.intent_bytes();
        (!bytes.is_empty()).then(|| Intent::from_bytes(bytes).unwrap_or_else(Intent::unreadable))
    }
}
