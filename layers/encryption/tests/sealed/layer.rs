//! The layer of URLs: what it makes of a storage of any scheme, and what it finds.

use std::sync::Arc;

use token_storage_core::{
    Error, ErrorKind, Finding, MemoryStorage, Result, Severity, TokenKey, TokenStorage, async_trait,
    backend::{Action, Layer, Location, Opened, Warnings},
};
use token_storage_encryption::{Encrypted, EncryptedLayer, FileKeys};

use crate::{data, put, ring};

/// A stranger's storage, which warns of something.
#[derive(Debug)]
struct Strange(MemoryStorage);

#[async_trait]
impl Location for Strange {
    fn rest(&self) -> String {
        String::new()
    }

    async fn open(&self) -> Result<Opened> {
        let warnings = Warnings::default();
        warnings.add(Finding::new(Severity::Warning, "strange", "it is", ""));
        Ok(Opened::with_warnings(self.0.clone(), warnings))
    }

    async fn examine(&self) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }

    fn action(&self, _: &str) -> Option<Box<dyn Action>> {
        None
    }
}

#[tokio::test]
async fn it_wraps_any_storage_and_keeps_its_warnings() {
    let below = MemoryStorage::new();
    let layer = EncryptedLayer::new(ring(1));
    let opened = layer.wrap(Strange(below.clone()).open().await.unwrap()).await.unwrap();
    assert_eq!(opened.warnings().all().len(), 1);
    assert!(opened.downcast::<Encrypted<Arc<dyn TokenStorage>>>().is_some());
    let storage = opened.into_storage();
    assert_eq!(storage.describe().backend, "encrypted+memory");
    let rs = TokenKey::in_default("rs");
    put(&*storage, &rs, &data("a", "r", "i")).await.unwrap();
    assert!(
        below
            .get(&rs)
            .await
            .unwrap()
            .unwrap()
            .data
            .access_token
            .expose()
            .starts_with("token-storage-sealed:")
    );
}

#[tokio::test]
async fn without_a_key_nothing_is_opened() {
    let missing = EncryptedLayer::new(FileKeys::new("no such file"));
    let error: Error = missing.wrap(Opened::new(MemoryStorage::new())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.to_string().contains("no such file"), "{error}");
    let findings = missing.examine(&Strange(MemoryStorage::new())).await.unwrap();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].severity, Severity::Error);
}

#[tokio::test]
async fn what_an_examination_finds() {
    let below = MemoryStorage::new();
    let at = |name: &str| TokenKey::in_default(name);
    let token = data("a", "r", "i");
    let examine = async || {
        let layer = EncryptedLayer::new(ring(1).write_with(crate::key(2)));
        layer.examine(&Strange(below.clone())).await.unwrap()
    };
    put(&Encrypted::new(below.clone(), ring(2)), &at("good"), &token)
        .await
        .unwrap();
    assert_eq!(examine().await, []);
    put(&Encrypted::new(below.clone(), ring(1)), &at("older"), &token)
        .await
        .unwrap();
    put(&below, &at("plain"), &token).await.unwrap();
    put(&Encrypted::new(below.clone(), ring(3)), &at("unknown"), &token)
        .await
        .unwrap();
    let found = examine().await;
    let told: Vec<(Severity, &str)> = found.iter().map(|one| (one.severity, &*one.message)).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[0].0, Severity::Error);
    assert!(told[0].1.contains(&crate::key(3).id().to_string()), "{told:?}");
    assert_eq!(told[1], (Severity::Warning, "records that are not encrypted: 1"));
    assert_eq!(
        told[2],
        (Severity::Info, "records that are sealed with an older key: 1")
    );
}
