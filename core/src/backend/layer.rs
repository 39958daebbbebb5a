use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{Finding, Result};

use super::{Action, Location, Opened};

/// A way of wrapping storages that URLs name in front of the scheme, with a `+`: `readonly+sqlite:tokens.db`. It works on
/// the storages of every scheme, and on what another layer wrapped: of `a+b+sqlite:PATH`, `a` is the outermost.
///
/// No method has a default, as for [`Scheme`](super::Scheme).
#[async_trait]
pub trait Layer: fmt::Debug + Send + Sync {
    /// What it is called and does. Costs nothing, and never changes.
    fn describe(&self) -> LayerInfo;

    /// Wraps a storage that was opened. Its warnings stay: hand on [`Opened::warnings`].
    ///
    /// # Errors
    /// - What the layer needs and does not have, for example a key.
    async fn wrap(&self, below: Opened) -> Result<Opened>;

    /// What a person should know or do about this layer over that storage; nothing is changed. What is to be said of the
    /// storage itself, its own [`Location::examine`] says.
    ///
    /// # Errors
    /// - What keeps it from looking.
    async fn examine(&self, below: &dyn Location) -> Result<Vec<Finding>>;
}

/// What a [`Layer`] is called and does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerInfo {
    /// What stands in front of the `+`, in lower case: 2 to 16 letters and digits, a letter first.
    pub name: &'static str,
    /// What it makes of a storage, behind "any of these,": "with its tokens encrypted".
    pub meaning: &'static str,
    /// Whether what can be done to the storage below as a whole ([`Location::action`]) can be done to it with this layer,
    /// too.
    pub keeps_actions: bool,
}

impl LayerInfo {
    /// A layer of this name and meaning, which keeps the actions of what is below.
    pub fn new(name: &'static str, meaning: &'static str) -> Self {
        Self {
            name,
            meaning,
            keeps_actions: true,
        }
    }

    /// Says that the actions of what is below would get past it.
    #[must_use]
    pub fn without_actions(mut self) -> Self {
        self.keeps_actions = false;
        self
    }
}

/// For who reads URLs: the storage that is at `below`, wrapped by `layer`. What can be done to it as a whole is what can be
/// done to the one below, unless the layer rules that out.
pub fn layered(layer: Arc<dyn Layer>, below: Arc<dyn Location>) -> Arc<dyn Location> {
    Arc::new(Layered { layer, below })
}

#[derive(Debug)]
struct Layered {
    layer: Arc<dyn Layer>,
    below: Arc<dyn Location>,
}

#[async_trait]
impl Location for Layered {
    fn rest(&self) -> String {
        self.below.rest()
    }

    async fn open(&self) -> Result<Opened> {
        self.layer.wrap(self.below.open().await?).await
    }

    async fn examine(&self) -> Result<Vec<Finding>> {
        let mut findings = self.below.examine().await?;
        findings.extend(self.layer.examine(&*self.below).await?);
        Ok(findings)
    }

    fn action(&self, name: &str) -> Option<Box<dyn Action>> {
        let kept = self.layer.describe().keeps_actions;
        kept.then(|| self.below.action(name)).flatten()
    }
}
