//! What applications do with a storage beyond the contract's traits.

use std::future::Future;

use token_storage_core::{Enumerate, Page, Result, TokenKey, TokenStorage};

use crate::{StoredResponse, TokenResponse, apply};

mod sealed {
    pub trait Sealed {}
    impl<S: ?Sized> Sealed for S {}
}

/// Storing what authorization servers answer, on every storage; [`Namespaced`](crate::Namespaced) has the same for one
/// namespace. Sealed: it is for calling, not for implementing.
pub trait ResponsesExt: TokenStorage + sealed::Sealed {
    /// Stores the answer to a login: each token's whole record is replaced, all or none of them.
    ///
    /// # Errors
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): a token names no resource server.
    /// - Those of [`TokenStorage::store_all`].
    fn store_response(
        &self,
        namespace: &str,
        response: &TokenResponse,
    ) -> impl Future<Output = Result<Vec<StoredResponse>>> + Send {
        apply::store_response(self, namespace, response)
    }

    /// Stores the answer to a refresh: [`merge`](crate::merge)d with what is stored, all or none of the records. If
    /// another writer changes one of them meanwhile, it starts again. A token that is not stored yet is added.
    ///
    /// # Errors
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): a token names no resource server.
    /// - [`Busy`](crate::ErrorKind::Busy): others kept changing the records.
    /// - [`Misconfigured`](crate::ErrorKind::Misconfigured): a record is [encrypted](crate::is_sealed), and was read without its key.
    /// - Those of [`TokenStorage::get`] and [`TokenStorage::store_all`].
    fn merge_response(
        &self,
        namespace: &str,
        response: &TokenResponse,
    ) -> impl Future<Output = Result<Vec<StoredResponse>>> + Send {
        apply::merge_response(self, namespace, response)
    }
}

impl<S: TokenStorage + ?Sized> ResponsesExt for S {}

/// Whole listings instead of pages. Sealed: it is for calling, not for implementing.
pub trait EnumerateExt: Enumerate + sealed::Sealed {
    /// All keys of a namespace, as one page.
    ///
    /// # Errors
    /// Those of [`Enumerate::list_keys`].
    fn all_keys(&self, namespace: &str) -> impl Future<Output = Result<Page<TokenKey>>> + Send {
        async move {
            let mut all = self.list_keys(namespace, None).await?;
            while let Some(cursor) = all.next.take() {
                let page = self.list_keys(namespace, Some(&cursor)).await?;
                append(&mut all, page);
            }
            Ok(all)
        }
    }

    /// All namespaces that hold a record, as one page.
    ///
    /// # Errors
    /// Those of [`Enumerate::list_namespaces`].
    fn all_namespaces(&self) -> impl Future<Output = Result<Page<String>>> + Send {
        async move {
            let mut all = self.list_namespaces(None).await?;
            while let Some(cursor) = all.next.take() {
                let page = self.list_namespaces(Some(&cursor)).await?;
                append(&mut all, page);
            }
            Ok(all)
        }
    }
}

impl<E: Enumerate + ?Sized> EnumerateExt for E {}

fn append<T>(all: &mut Page<T>, page: Page<T>) {
    all.items.extend(page.items);
    all.unnameable += page.unnameable;
    all.next = page.next;
}
