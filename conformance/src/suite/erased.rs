//! Suites and places without the types of their harnesses.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use token_storage_core::{Result, TokenKey, TokenStorage, async_trait};

use super::{Faulty, OverNetwork, Suite, WithClocks};
use crate::{Harness, Need};

/// A [`Suite`] without its type.
#[async_trait]
pub(crate) trait AnySuite: Send + Sync {
    fn name(&self) -> &str;
    fn namespace(&self) -> &str;
    /// Whether each case has a place of its own.
    fn exclusive(&self) -> bool;
    /// Why a need is not met.
    fn missing(&self, need: Need) -> Option<String>;
    /// Whether the need is undeclared on purpose.
    fn waived(&self, need: Need) -> bool;
    async fn ready(&self) -> Result<(), String>;
    async fn place(self: Arc<Self>) -> Result<Arc<dyn AnyPlace>>;
    /// In a worker process. `None`: several processes are not declared.
    async fn open_spec(&self, spec: &str) -> Option<Result<Arc<dyn TokenStorage>>>;
}

/// A place without its type. What is not declared answers `None`.
#[async_trait]
pub(crate) trait AnyPlace: Send + Sync {
    async fn reopen(&self) -> Result<Arc<dyn TokenStorage>>;
    async fn reopen_faulty(&self) -> Option<Result<Faulty>>;
    async fn reopen_shifted(&self, seconds: i64) -> Option<Result<Arc<dyn TokenStorage>>>;
    fn looked(&self) -> Option<usize>;
    async fn overwrite(&self, key: &TokenKey, bytes: &[u8]) -> Option<Result<()>>;
    async fn refuse_writes(&self, refuse: bool) -> Option<Result<(), String>>;
    async fn reopen_otherwise(&self) -> Option<Result<Arc<dyn TokenStorage>>>;
    fn ways(&self) -> Option<[String; 2]>;
    async fn reopen_unreliable(&self) -> Option<Result<OverNetwork>>;
    async fn reopen_jumping(&self) -> Option<Result<WithClocks>>;
    fn exclusive(&self) -> bool;
    fn file(&self) -> Option<PathBuf>;
    fn open_path(&self, path: &Path) -> Option<Result<Arc<dyn TokenStorage>>>;
    fn companions(&self) -> Vec<PathBuf>;
    fn settle(&self);
    fn spec(&self) -> Option<String>;
}

#[async_trait]
impl<H: Harness> AnySuite for Suite<H> {
    fn name(&self) -> &str {
        &self.name
    }

    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn exclusive(&self) -> bool {
        self.harness.exclusive()
    }

    fn missing(&self, need: Need) -> Option<String> {
        let met = match need {
            Need::Enumeration => self.enumerates,
            Need::Lease => self.lease.is_some(),
            Need::ProcessLease | Need::TimedLease => self.lease == Some(need),
            Need::Durable => self.durable,
            Need::Files => self.files.is_some(),
            Need::Processes => self.processes.is_some(),
            Need::Faults => self.faulty.is_some(),
            Need::ShiftedClocks => self.shifted.is_some(),
            Need::DamagedRecords => self.powers.overwrite.is_some(),
            Need::RefusedWrites => self.powers.refuse_writes.is_some(),
            Need::Unreliable => self.powers.unreliable.is_some(),
            Need::JumpingClocks => self.powers.jumping.is_some(),
            Need::SecondWay => self.powers.otherwise.is_some(),
            Need::ExclusivePlace => self.harness.exclusive(),
        };
        let waived = self.undeclared.iter().find(|(waived, _)| *waived == need);
        match waived {
            Some((_, reason)) => Some(reason.clone()),
            None => (!met).then(|| need.missing().to_owned()),
        }
    }

    fn waived(&self, need: Need) -> bool {
        self.undeclared.iter().any(|(waived, _)| *waived == need)
    }

    async fn ready(&self) -> Result<(), String> {
        self.harness.ready().await
    }

    async fn place(self: Arc<Self>) -> Result<Arc<dyn AnyPlace>> {
        let place = self.harness.fresh().await?;
        Ok(Arc::new(PlaceOf { suite: self, place }))
    }

    async fn open_spec(&self, spec: &str) -> Option<Result<Arc<dyn TokenStorage>>> {
        let processes = self.processes.as_ref()?;
        Some((processes.open)(&self.harness, spec).await)
    }
}

struct PlaceOf<H: Harness> {
    suite: Arc<Suite<H>>,
    place: H::Place,
}

#[async_trait]
impl<H: Harness> AnyPlace for PlaceOf<H> {
    async fn reopen(&self) -> Result<Arc<dyn TokenStorage>> {
        self.suite.harness.reopen(&self.place).await
    }

    async fn reopen_faulty(&self) -> Option<Result<Faulty>> {
        let open = self.suite.faulty?;
        Some(open(&self.suite.harness, &self.place).await)
    }

    async fn reopen_shifted(&self, seconds: i64) -> Option<Result<Arc<dyn TokenStorage>>> {
        let (open, _) = self.suite.shifted?;
        Some(open(&self.suite.harness, &self.place, seconds).await)
    }

    fn looked(&self) -> Option<usize> {
        let (_, looked) = self.suite.shifted?;
        Some(looked(&self.suite.harness, &self.place))
    }

    async fn overwrite(&self, key: &TokenKey, bytes: &[u8]) -> Option<Result<()>> {
        let overwrite = self.suite.powers.overwrite?;
        Some(overwrite(&self.suite.harness, &self.place, key, bytes).await)
    }

    async fn refuse_writes(&self, refuse: bool) -> Option<Result<(), String>> {
        let refuse_writes = self.suite.powers.refuse_writes?;
        Some(refuse_writes(&self.suite.harness, &self.place, refuse).await)
    }

    async fn reopen_otherwise(&self) -> Option<Result<Arc<dyn TokenStorage>>> {
        let (open, _) = self.suite.powers.otherwise?;
        Some(open(&self.suite.harness, &self.place).await)
    }

    fn ways(&self) -> Option<[String; 2]> {
        let (_, ways) = self.suite.powers.otherwise?;
        Some(ways(&self.suite.harness, &self.place))
    }

    async fn reopen_unreliable(&self) -> Option<Result<OverNetwork>> {
        let open = self.suite.powers.unreliable?;
        Some(open(&self.suite.harness, &self.place).await)
    }

    async fn reopen_jumping(&self) -> Option<Result<WithClocks>> {
        let open = self.suite.powers.jumping?;
        Some(open(&self.suite.harness, &self.place).await)
    }

    fn exclusive(&self) -> bool {
        self.suite.harness.exclusive()
    }

    fn file(&self) -> Option<PathBuf> {
        let files = self.suite.files.as_ref()?;
        Some((files.file)(&self.suite.harness, &self.place))
    }

    fn open_path(&self, path: &Path) -> Option<Result<Arc<dyn TokenStorage>>> {
        let files = self.suite.files.as_ref()?;
        Some((files.open_path)(&self.suite.harness, path))
    }

    fn companions(&self) -> Vec<PathBuf> {
        let files = self.suite.files.as_ref();
        files.map_or_else(Vec::new, |f| (f.companions)(&self.suite.harness, &self.place))
    }

    fn settle(&self) {
        if let Some(files) = &self.suite.files {
            (files.settle)(&self.suite.harness, &self.place);
        }
    }

    fn spec(&self) -> Option<String> {
        let processes = self.suite.processes.as_ref()?;
        Some((processes.spec)(&self.suite.harness, &self.place))
    }
}
