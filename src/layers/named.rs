//! Layers that a URL names.

use token_storage_core::{
    Finding, Result, async_trait,
    backend::{Layer, LayerInfo, Location, Opened},
};

use super::ReadOnly;

/// `readonly+URL`: [`ReadOnly`]. What can be done to the storage as a whole cannot be done through it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadOnlyLayer;

#[async_trait]
impl Layer for ReadOnlyLayer {
    fn describe(&self) -> LayerInfo {
        LayerInfo::new("readonly", "refusing every write").without_actions()
    }

    async fn wrap(&self, below: Opened) -> Result<Opened> {
        let warnings = below.warnings().clone();
        Ok(Opened::with_warnings(ReadOnly::new(below.into_storage()), warnings))
    }

    async fn examine(&self, _: &dyn Location) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}

/// `traced+URL`: [`Traced`](super::Traced).
#[cfg(feature = "traced")]
#[derive(Clone, Copy, Debug, Default)]
pub struct TracedLayer;

#[cfg(feature = "traced")]
#[async_trait]
impl Layer for TracedLayer {
    fn describe(&self) -> LayerInfo {
        LayerInfo::new("traced", "with each call as a span and an event")
    }

    async fn wrap(&self, below: Opened) -> Result<Opened> {
        let warnings = below.warnings().clone();
        Ok(Opened::with_warnings(
            super::Traced::new(below.into_storage()),
            warnings,
        ))
    }

    async fn examine(&self, _: &dyn Location) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}
