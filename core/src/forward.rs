//! A pointer to a storage is a storage. A new method of the trait must not be forgotten here, hence the lint.
#![deny(clippy::missing_trait_methods)]

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    Enumerate, Precondition, RefreshLease, Result, Revision, StorageInfo, StoredToken, TokenData, TokenKey,
    TokenStorage, Write,
};

macro_rules! forward {
    ($pointer:ty) => {
        #[async_trait]
        impl<S: TokenStorage + ?Sized> TokenStorage for $pointer {
            async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
                (**self).get(key).await
            }

            async fn store(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
                (**self).store(key, data, precondition).await
            }

            async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
                (**self).store_all(writes).await
            }

            async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
                (**self).remove(key, precondition).await
            }

            fn describe(&self) -> StorageInfo {
                (**self).describe()
            }

            fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
                (**self).enumerate()
            }

            fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
                (**self).lease()
            }
        }
    };
}

forward!(Arc<S>);
forward!(Box<S>);
forward!(&S);
