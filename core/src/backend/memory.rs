//! `memory:`

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Finding, MemoryStorage, Result, Severity};

use super::{Action, Location, Opened, Scheme, SchemeInfo, unusable};

/// `memory:`, the process's memory. Each opening is a storage of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryScheme;

impl Scheme for MemoryScheme {
    fn describe(&self) -> SchemeInfo {
        SchemeInfo::new("memory", "memory:", "the process's memory, gone with it")
    }

    fn parse(&self, rest: &str) -> Result<Arc<dyn Location>> {
        match rest {
            "" | "//" => Ok(Arc::new(Memory)),
            _ => Err(unusable("`memory:` takes nothing behind the colon")),
        }
    }
}

#[derive(Debug)]
struct Memory;

#[async_trait]
impl Location for Memory {
    fn rest(&self) -> String {
        String::new()
    }

    async fn open(&self) -> Result<Opened> {
        Ok(Opened::new(MemoryStorage::new()))
    }

    async fn examine(&self) -> Result<Vec<Finding>> {
        Ok(vec![Finding::gone_with_the_process("memory:")])
    }

    fn action(&self, _: &str) -> Option<Box<dyn Action>> {
        None
    }
}

impl Finding {
    /// What [`Location::examine`] says of a storage that keeps nothing; `place` is its URL.
    pub fn gone_with_the_process(place: impl Into<String>) -> Self {
        let advice = "name a file or a table if the tokens are to be kept";
        Self::new(Severity::Info, place, "this storage is gone with the process", advice)
    }
}
