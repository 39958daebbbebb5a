//! Storages that talk, in one spelling or another, in one place or another: clause S1.

use std::fmt;

use token_storage_core::{
    Acquisition, Cursor, Enumerate, Error, ErrorKind, LeaseGuard, LeaseView, Operation, Page, Precondition,
    RefreshLease, Result, Revision, StoredToken, TokenData, TokenKey, TokenStorage as _, TokenStorageExt as _, Write,
    async_trait, backend::forward,
};

use crate::{Mutant, flaw::flaw, registry::memory};

pub(crate) fn mutants() -> Vec<Mutant> {
    let debug = "secrets::debug_of_a_storage_shows_none";
    let logs = "secrets::log_records_show_none";
    let batches = "secrets::refused_batches_show_none";
    vec![
        memory::<Begins>("shows how a token begins", debug),
        memory::<Ends>("shows how a token ends", debug),
        memory::<Hexadecimal>("shows tokens in hexadecimal digits", debug),
        memory::<UpperHexadecimal>("shows tokens in large hexadecimal digits", debug),
        memory::<Bytes>("shows tokens as bytes", debug),
        memory::<Characters>("shows tokens as characters", debug),
        memory::<Percent>("shows tokens in percent code", debug),
        memory::<Escaped>("shows tokens in escapes", debug),
        memory::<Base64>("shows records in base64", debug),
        memory::<Backwards>("shows tokens backwards", debug),
        memory::<IdToken>("shows id_tokens", debug),
        memory::<RefreshToken>("shows refresh tokens", debug),
        memory::<InRevision>("makes revisions of tokens", "secrets::revisions_hold_none"),
        memory::<InDuplicate>("shows tokens in a batch with one key twice", batches),
        memory::<InDeepSource>("shows tokens in the source of a source", batches),
        memory::<InLargeRefreshToken>("quotes large refresh tokens", "secrets::refused_sizes_show_none"),
        memory::<InCursor>("cursors are records", "secrets::a_listing_shows_none"),
        memory::<InCursorError>("quotes a record for a strange cursor", "secrets::a_listing_shows_none"),
        memory::<InGuard>("leases show the record", "secrets::a_lease_shows_none"),
        memory::<LogsStores>("logs stores", logs),
        memory::<LogsReads>("logs reads, in part", logs),
        memory::<LogsBatches>("logs batches", logs),
        memory::<LogsRemoves>("logs what it removes", logs),
        memory::<LogsLeases>("logs leases", logs),
    ]
}

/// `Debug` of the storage shows what this makes of the last record.
macro_rules! shows {
    ($($(#[$meta:meta])* $name:ident, $data:ident => $shown:expr;)*) => {
        $(flaw!(
            $(#[$meta])*
            $name with String {
                async fn store_one(&self, key: &TokenKey, $data: &TokenData, precondition: Precondition) -> Result<Revision> {
                    *self.1.lock().unwrap() = $shown;
                    self.0.store(key, $data, precondition).await
                }

                fn debug(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, "Mutant {{ last: {} }}", self.1.lock().unwrap())
                }
            }
        );)*
    };
}

fn each(data: &TokenData, spelled: impl Fn(u8) -> String) -> String {
    data.access_token.expose().bytes().map(spelled).collect()
}

shows! {
    /// "abcd…"
    Begins, data => format!("{}…", data.access_token.expose().get(..4).unwrap_or_default());
    /// "…wxyz"
    Ends, data => {
        let token = data.access_token.expose();
        format!("…{}", token.get(token.len().saturating_sub(4)..).unwrap_or_default())
    };
    /// As a digest is shown.
    Hexadecimal, data => each(data, |byte| format!("{byte:02x}"));
    /// As other digests are shown.
    UpperHexadecimal, data => each(data, |byte| format!("{byte:02X}"));
    /// `Debug` of a vector.
    Bytes, data => format!("{:?}", data.access_token.expose().as_bytes());
    /// `Debug` of a vector.
    Characters, data => format!("{:?}", data.access_token.expose().chars().collect::<Vec<_>>());
    /// As in a URL.
    Percent, data => each(data, |byte| format!("%{byte:02X}"));
    /// As in JSON.
    Escaped, data => each(data, |byte| format!("\\u{byte:04x}"));
    /// The whole record, as it is sent.
    Base64, data => base64(format!("{{\"access_token\":\"{}\"}}", data.access_token.expose()).as_bytes());
    /// By accident.
    Backwards, data => data.access_token.expose().chars().rev().collect();
    /// Members that it does not know are no secrets to it.
    IdToken, data => data.extra.get("id_token").unwrap_or_default().to_owned();
    /// Only access tokens are secrets to it.
    RefreshToken, data => data.refresh_token.as_ref().map_or_else(String::new, |token| token.expose().to_owned());
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect::<Vec<_>>();
    let six = digits
        .chunks(6)
        .map(|six| six.iter().fold(0, |sum, bit| sum << 1 | bit) << (6 - six.len()));
    six.map(|index| char::from(ALPHABET[usize::from(index)])).collect()
}

flaw!(
    /// The revision is the token itself, cut.
    InRevision {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            self.0.store(key, data, precondition).await?;
            let token = data.access_token.expose().as_bytes();
            Revision::from_bytes(&token[..token.len().min(32)])
        }
    }
);

fn invalid(text: String) -> Error {
    Error::new(ErrorKind::InvalidInput, text).with_operation(Operation::StoreAll)
}

flaw!(
    /// It is quoted.
    InDuplicate {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            self.0.store_all(writes).await.map_err(|error| match error.kind() {
                ErrorKind::InvalidInput => invalid(format!("twice: {:?}", writes[0].data.access_token.expose().as_bytes())),
                _ => error,
            })
        }
    }
);

/// An error with a source.
#[derive(Debug)]
struct Outer(std::io::Error);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the batch failed")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

flaw!(
    /// The second in the chain holds the request.
    InDeepSource {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            self.0.store_all(writes).await.map_err(|error| match writes.first().and_then(|w| w.data.refresh_token.as_ref()) {
                Some(token) => error.with_source(Outer(std::io::Error::other(token.expose().to_owned()))),
                None => error,
            })
        }
    }
);

flaw!(
    /// The beginning is quoted, of the refresh token alone.
    InLargeRefreshToken {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            self.0.store(key, data, precondition).await.map_err(|error| match (&data.refresh_token, error.kind()) {
                (Some(token), ErrorKind::TooLarge) => {
                    let shown: String = token.expose().chars().take(20).collect();
                    Error::new(ErrorKind::TooLarge, format!("{shown} is too large")).with_operation(Operation::Store)
                }
                _ => error,
            })
        }
    }
);

struct Listing<'a>(&'a token_storage_core::MemoryStorage, bool);

#[async_trait]
impl Enumerate for Listing<'_> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let name = after.map(|cursor| Cursor::new(cursor.as_str().split('=').next().unwrap_or_default()));
        let listing = self.0.enumerate().expect("memory can be listed");
        let some = listing.list_keys(namespace, None).await?.items.pop();
        let mut page = self
            .0
            .enumerate()
            .expect("memory can be listed")
            .list_keys(namespace, name.as_ref())
            .await?;
        let last = match page.items.last().or(some.as_ref()) {
            Some(key) => self
                .0
                .get(key)
                .await?
                .map(|stored| stored.data.access_token.expose().to_owned()),
            None => None,
        };
        let last = last.unwrap_or_default();
        if self.1 && after.is_some_and(|cursor| cursor.as_str() == "{") {
            return Err(invalid(format!("no cursor, as would be {last}")));
        }
        page.next = page.next.map(|next| match self.1 {
            true => next,
            false => Cursor::new(format!("{}={last}", next.as_str())),
        });
        Ok(page)
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        self.0
            .enumerate()
            .expect("memory can be listed")
            .list_namespaces(after)
            .await
    }
}

flaw!(
    /// The cursor is the last record of the page.
    InCursor {
        fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
            Some(Box::new(Listing(&self.0, false)))
        }
    }
);

flaw!(
    /// The error shows what a cursor looks like.
    InCursorError {
        fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
            Some(Box::new(Listing(&self.0, true)))
        }
    }
);

/// Leases that have read the record.
struct Leases<'a> {
    inner: Box<dyn RefreshLease + 'a>,
    base: &'a token_storage_core::MemoryStorage,
    logs: bool,
}

#[derive(Debug)]
struct Guard {
    inner: Box<dyn LeaseGuard>,
    #[allow(dead_code, reason = "it is there to be shown")]
    token: String,
}

#[async_trait]
impl RefreshLease for Leases<'_> {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        let token = self.base.get(key).await?.and_then(|stored| stored.data.refresh_token);
        let token = token.map_or_else(String::new, |token| token.expose().to_owned());
        if self.logs {
            tracing::debug!(%key, token = token.get(..10).unwrap_or_default(), "lease");
            return self.inner.try_acquire(key).await;
        }
        Ok(match self.inner.try_acquire(key).await? {
            Acquisition::Acquired(inner) => Acquisition::Acquired(Box::new(Guard { inner, token })),
            held => held,
        })
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        self.inner.look(key).await
    }
}

impl LeaseGuard for Guard {
    forward!(self.inner => intent, remaining, renew, record_intent, clear_intent, release);
}

flaw!(
    /// The guard holds the record that is to be refreshed.
    InGuard {
        fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
            Some(Box::new(Leases { inner: self.0.lease()?, base: &self.0, logs: false }))
        }
    }
);

flaw!(
    /// With the token that is to be sent.
    LogsLeases {
        fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
            Some(Box::new(Leases { inner: self.0.lease()?, base: &self.0, logs: true }))
        }
    }
);

flaw!(
    /// In a span.
    LogsStores {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let _span = tracing::info_span!("store", record = data.extra.get("n").unwrap_or_default());
            self.0.store(key, data, precondition).await
        }
    }
);

flaw!(
    /// The first eight characters, for finding it again.
    LogsReads {
        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            let stored = self.0.get(key).await?;
            let token = stored.as_ref().map_or("", |stored| stored.data.access_token.expose());
            tracing::trace!("read {}", token.get(..8).unwrap_or_default());
            Ok(stored)
        }
    }
);

flaw!(
    /// What it sends.
    LogsBatches {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let sent: Vec<&str> = writes.iter().map(|write| write.data.access_token.expose()).collect();
            tracing::trace!(request = ?sent, "batch");
            self.0.store_all(writes).await
        }
    }
);

flaw!(
    /// As an error with a source.
    LogsRemoves {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            if let Some(stored) = self.0.get(key).await? {
                let error = Outer(std::io::Error::other(stored.data.access_token.expose().to_owned()));
                tracing::warn!(error = &error as &(dyn std::error::Error + 'static), "removed");
            }
            self.0.remove(key, precondition).await
        }
    }
);
