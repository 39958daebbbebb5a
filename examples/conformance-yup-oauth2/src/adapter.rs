//! `TokenStorage` over an `Authenticator` of yup-oauth2 that persists to disk.
//!
//! `DiskStorage` itself is private, so it is used as programs use it: a token that is not stored is asked for at the token
//! endpoint, which is ours, and then stored; one that is stored is returned.
//!
//! A record is stored as the access token, under one scope that is made of the key: so every field, the write mark and
//! the revision are ours, and what is tested is how texts are kept. What yup-oauth2 does not have is made here, as well as
//! it can be within one handle: preconditions and batches under a lock, removal as a text of its own.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use token_storage_core::{
    Durability, Enumerate, Error, ErrorKind, Limits, Operation, Precondition, RefreshLease, Result, Revision,
    SharingScope, StorageInfo, StoredToken, TokenKey, TokenStorage, Write, WriteMark, async_trait, record,
};
use tokio::sync::RwLock;
use yup_oauth2::{
    CustomHyperClientBuilder, ExternalAccountAuthenticator,
    authenticator::Authenticator,
    external_account::{CredentialSource, ExternalAccountSecret},
};

use crate::endpoint::Endpoint;

/// What stands for a record that was removed: there is no way to remove one.
const REMOVED: &str = "removed";

const LIMITS: Limits = Limits::UNLIMITED
    .with_keys(1024, 1024)
    .with_records(256 * 1024)
    .with_batches(25, 1024 * 1024);

/// A handle. Clones share the authenticator.
#[derive(Clone)]
pub(crate) struct YupStorage {
    authenticator: Authenticator<HttpConnector>,
    audience: String,
    /// Makes checking and writing one step among the users of this handle. Readers share it: a read that finds nothing
    /// asks the endpoint, and must not get the answer that is prepared for a write.
    turn: Arc<RwLock<()>>,
    durability: Durability,
    sharing: SharingScope,
}

impl std::fmt::Debug for YupStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("YupStorage")
    }
}

impl YupStorage {
    /// Opens `tokens.json` in a folder that also holds the file of a subject token, which is sent and never looked at.
    pub(crate) async fn open(folder: &Path, durability: Durability, sharing: SharingScope) -> Result<Self> {
        static HANDLES: AtomicU64 = AtomicU64::new(0);
        let audience = format!("handle-{}", HANDLES.fetch_add(1, Ordering::Relaxed));
        let subject = folder.join("subject-token");
        std::fs::write(&subject, "subject").map_err(|error| failed(Operation::Open).with_source(error))?;
        let secret = ExternalAccountSecret {
            audience: audience.clone(),
            subject_token_type: "urn:ietf:params:oauth:token-type:jwt".to_owned(),
            service_account_impersonation_url: None,
            token_url: Endpoint::get().url.clone(),
            credential_source: CredentialSource::File {
                file: subject.display().to_string(),
            },
            key_type: "external_account".to_owned(),
        };
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let authenticator = ExternalAccountAuthenticator::with_client(secret, CustomHyperClientBuilder::from(client))
            .persist_tokens_to_disk(folder.join("tokens.json"))
            .build()
            .await
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::InvalidData => corrupt(Operation::Open),
                _ => failed(Operation::Open),
            })?;
        Ok(Self {
            authenticator,
            audience,
            turn: Arc::default(),
            durability,
            sharing,
        })
    }

    async fn read(&self, key: &TokenKey, operation: Operation) -> Result<Option<StoredToken>> {
        let text = match self.authenticator.token(&[scope(key)]).await {
            Ok(token) => token.token().unwrap_or_default().to_owned(),
            // It was not stored, so it was asked for, and refused.
            Err(yup_oauth2::Error::AuthError(_)) => return Ok(None),
            Err(_) => return Err(failed(operation)),
        };
        if text == REMOVED {
            return Ok(None);
        }
        let record = record::decode(&text).map_err(|_| corrupt(operation).with_key(key))?;
        Ok(Some(StoredToken {
            data: record.data,
            revision: record.revision,
        }))
    }

    async fn put(&self, key: &TokenKey, text: String, operation: Operation) -> Result<()> {
        let scope = scope(key);
        let _answer = Endpoint::get().prepare(&self.audience, &scope, text);
        let stored = self.authenticator.force_refreshed_token(&[scope]).await;
        stored.map(|_| ()).map_err(|_| failed(operation).with_unknown_outcome())
    }

    async fn check(&self, key: &TokenKey, precondition: Precondition, operation: Operation) -> Result<()> {
        if precondition == Precondition::Any {
            return Ok(());
        }
        let current = self.read(key, operation).await?.map(|stored| stored.revision);
        if precondition.holds(current) {
            return Ok(());
        }
        Err(Error::precondition_failed(key.clone(), current).with_operation(operation))
    }

    async fn write(&self, writes: &[Write<'_>], operation: Operation) -> Result<Vec<Revision>> {
        let (mut texts, mut revisions) = (Vec::new(), Vec::new());
        for write in writes {
            let mark = WriteMark::random()?;
            texts.push(record::encode(write.data, &mark).to_string());
            revisions.push(record::revision_of(write.data, Some(&mark)));
        }
        let sizes: Vec<usize> = texts.iter().map(String::len).collect();
        let checked = LIMITS.check_batch(writes, &sizes);
        checked.map_err(|error| error.with_operation(operation))?;
        let _turn = self.turn.write().await;
        for write in writes {
            self.check(write.key, write.precondition, operation).await?;
        }
        for (write, text) in writes.iter().zip(texts) {
            self.put(write.key, text, operation).await?;
        }
        Ok(revisions)
    }
}

/// One scope for a key: no two keys have the same, and none is a part of another.
fn scope(key: &TokenKey) -> String {
    let part = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    format!("{}/{}", part(key.namespace()), part(key.resource_server()))
}

/// Without the cause: it might quote what was sent.
fn failed(operation: Operation) -> Error {
    Error::new(ErrorKind::Unavailable, "yup-oauth2 reports an error").with_operation(operation)
}

fn corrupt(operation: Operation) -> Error {
    Error::new(ErrorKind::Corrupt, "tokens.json is damaged").with_operation(operation)
}

#[async_trait]
impl TokenStorage for YupStorage {
    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        let _turn = self.turn.read().await;
        self.read(key, Operation::Get).await
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        self.write(writes, Operation::StoreAll).await
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        let _turn = self.turn.write().await;
        self.check(key, precondition, Operation::Remove).await?;
        if self.read(key, Operation::Remove).await?.is_none() {
            return Ok(false);
        }
        self.put(key, REMOVED.to_owned(), Operation::Remove).await?;
        Ok(true)
    }

    async fn prove_writable(&self, _: &TokenKey) -> Result<()> {
        // Nothing of it can be proven without writing.
        Ok(())
    }

    fn describe(&self) -> StorageInfo {
        StorageInfo::new("yup-oauth2", "tokens.json", LIMITS)
            .with_durability(self.durability)
            .with_sharing(self.sharing)
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        None
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        None
    }
}
