//! Servers that end records by themselves, since somebody told them to: clause K8.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use token_storage_core::{
    Acquisition, Cursor, Enumerate, LeaseView, MemoryStorage, Page, Precondition, RefreshLease, Result, Revision,
    TokenData, TokenKey, TokenStorage, TokenStorageExt as _, Write, async_trait,
};

use crate::{
    Mutant,
    flaw::{self, Flaw, flaw},
};

const OUTLASTS: &str = "records::one_outlasts_its_token";

fn memory<F: Flaw>(name: &'static str) -> Mutant {
    Mutant {
        name,
        caught_by: OUTLASTS,
        plan: flaw::suite::<F>(name).enumerates().process_leases().plan(),
    }
}

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        memory::<ExpireAt>("ends a record when its token expires"),
        memory::<FixedTerm>("ends each record after 3 s"),
        memory::<TermOfReplaced>("ends records that replaced others"),
        memory::<TermInBatches>("ends the records of batches"),
        memory::<LeaseEndsRecord>("a released lease ends its record"),
        memory::<ListsTheLiving>("lists only tokens that are good"),
    ]
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// How long the token is still good, if it is.
fn good_for(data: &TokenData) -> Option<Duration> {
    let until = Duration::from_secs(u64::try_from(data.expires_at?).ok()?);
    until.checked_sub(now())
}

/// The server removes it then, unless it is replaced by that time.
fn end_after(base: &MemoryStorage, key: &TokenKey, revision: Revision, term: Duration) {
    let (base, key) = (base.clone(), key.clone());
    tokio::spawn(async move {
        tokio::time::sleep(term).await;
        drop(base.remove(&key, Precondition::Unchanged(revision)).await);
    });
}

flaw!(
    /// `EXPIREAT` at `expires_at`. What has expired before it is stored stays: nobody asks a server for that.
    ExpireAt {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let revision = self.0.store(key, data, precondition).await?;
            if let Some(term) = good_for(data) {
                end_after(&self.0, key, revision, term);
            }
            Ok(revision)
        }
    }
);

flaw!(
    /// `SET .. EX 3`, as of a cache.
    FixedTerm {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let revision = self.0.store(key, data, precondition).await?;
            end_after(&self.0, key, revision, Duration::from_secs(3));
            Ok(revision)
        }
    }
);

flaw!(
    /// The script that replaces a record sets a term that creating one does not.
    TermOfReplaced {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let replaced = self.0.get(key).await?.is_some();
            let revision = self.0.store(key, data, precondition).await?;
            if replaced {
                end_after(&self.0, key, revision, Duration::from_secs(2));
            }
            Ok(revision)
        }
    }
);

flaw!(
    /// The script of batches sets a term that single stores do not.
    TermInBatches {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let revisions = self.0.store_all(writes).await?;
            for (write, revision) in writes.iter().zip(&revisions) {
                end_after(&self.0, write.key, *revision, Duration::from_secs(2));
            }
            Ok(revisions)
        }
    }
);

flaw!(
    /// The term of a lease is put on the record's key.
    LeaseEndsRecord {
        fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
            Some(Box::new(Expiring(&self.0)))
        }
    }
);

struct Expiring<'a>(&'a MemoryStorage);

#[async_trait]
impl RefreshLease for Expiring<'_> {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        let acquired = self.0.lease().expect("memory has leases").try_acquire(key).await?;
        if let Some(stored) = self.0.get(key).await? {
            end_after(self.0, key, stored.revision, Duration::from_secs(2));
        }
        Ok(acquired)
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        let lease = self.0.lease().expect("memory has leases");
        lease.look(key).await
    }
}

flaw!(
    /// `WHERE expires_at IS NULL OR expires_at > now`, in the listing alone.
    ListsTheLiving {
        fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
            Some(Box::new(Living(&self.0)))
        }
    }
);

struct Living<'a>(&'a MemoryStorage);

#[async_trait]
impl Enumerate for Living<'_> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let mut page = self.0.list_keys(namespace, after).await?;
        let mut living = Vec::new();
        for key in std::mem::take(&mut page.items) {
            let stored = self.0.get(&key).await?;
            // One that had expired when it was stored is meant to be there.
            let recent = |data: &TokenData| data.expires_at.is_some_and(|at| at > 1_700_000_000);
            if stored.is_none_or(|stored| !recent(&stored.data) || good_for(&stored.data).is_some()) {
                living.push(key);
            }
        }
        page.items = living;
        Ok(page)
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        self.0.list_namespaces(after).await
    }
}
