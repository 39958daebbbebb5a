//! Leases of a process that are named or kept in a way that goes wrong beyond one key and one intent: clauses L1, L5, K5, K6.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use token_storage_core::{
    Acquisition, Error, ErrorKind, Intent, LeaseGuard, LeaseView, RefreshLease, Result, TokenKey, TokenStorage as _,
    async_trait, backend::forward,
};

use crate::{Mutant, flaw::Inner, registry::memory};

pub(crate) fn mutants() -> Vec<Mutant> {
    const OWN: &str = "lease::each_key_has_its_own";
    const ALIKE: &str = "lease::keys_that_are_alike_have_intents_of_their_own";
    const FOUND: &str = "lease::an_intent_is_found_by_the_next_holder";
    vec![
        memory::<OfServer>("a lease is of a resource server", OWN),
        memory::<OfNamespace>("a lease is of a namespace", OWN),
        memory::<Crc32>("leases are CRC-32", ALIKE),
        memory::<Connections>("each lease takes one of five connections", "lease::many_can_be_held"),
        memory::<RenewingForgets>("renewing forgets the intent", "lease::a_look_shows_what_stands"),
        memory::<FirstStays>("the first intent stays", FOUND),
        memory::<EarlierStay>(
            "a cleared intent uncovers the one before",
            "lease::a_cleared_intent_is_gone",
        ),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    OfServer,
    OfNamespace,
    Crc32,
    Connections,
    RenewingForgets,
    FirstStays,
    EarlierStay,
}

fn crc32(text: &str) -> u32 {
    !text.bytes().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

impl Wrong {
    fn name(self, key: &TokenKey) -> TokenKey {
        match self {
            Self::OfServer => TokenKey::new("", key.resource_server()),
            Self::OfNamespace => TokenKey::new(key.namespace(), ""),
            Self::Crc32 => TokenKey::new(key.namespace(), format!("{:08x}", crc32(key.resource_server()))),
            _ => key.clone(),
        }
    }
}

/// What all handles share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    open: AtomicUsize,
    earlier: Mutex<Vec<Intent>>,
}

struct Leases<'a> {
    inner: Box<dyn RefreshLease + 'a>,
    shared: Arc<Shared>,
    wrong: Wrong,
}

#[async_trait]
impl RefreshLease for Leases<'_> {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        if self.wrong == Wrong::Connections && self.shared.open.load(Ordering::SeqCst) >= 5 {
            return Err(Error::new(ErrorKind::Busy, "no connection is free"));
        }
        let inner = match self.inner.try_acquire(&self.wrong.name(key)).await? {
            Acquisition::Acquired(inner) => inner,
            held => return Ok(held),
        };
        self.shared.open.fetch_add(1, Ordering::SeqCst);
        Ok(Acquisition::Acquired(Box::new(Guard {
            inner: Inner(Some(inner)),
            shared: Arc::clone(&self.shared),
            wrong: self.wrong,
        })))
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        self.inner.look(&self.wrong.name(key)).await
    }
}

#[derive(Debug)]
struct Guard {
    inner: Inner,
    shared: Arc<Shared>,
    wrong: Wrong,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl LeaseGuard for Guard {
    forward!(self.inner => intent);

    fn remaining(&self) -> Option<Duration> {
        None
    }

    async fn renew(&mut self) -> Result<()> {
        match self.wrong {
            Wrong::RenewingForgets => self.inner.inner().clear_intent().await,
            _ => Ok(()),
        }
    }

    async fn record_intent(&mut self, intent: &Intent) -> Result<()> {
        match self.wrong {
            Wrong::FirstStays if self.intent().is_some() => Ok(()),
            _ => {
                let before = self.intent().cloned();
                self.shared.earlier.lock().unwrap().extend(before);
                self.inner.inner().record_intent(intent).await
            }
        }
    }

    async fn clear_intent(&mut self) -> Result<()> {
        let before = self.shared.earlier.lock().unwrap().pop();
        match before {
            Some(before) if self.wrong == Wrong::EarlierStay => self.inner.inner().record_intent(&before).await,
            _ => self.inner.inner().clear_intent().await,
        }
    }

    async fn release(mut self: Box<Self>) -> Result<()> {
        self.inner.release().await
    }
}

macro_rules! leases {
    ($($(#[$meta:meta])* $name:ident;)*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Debug, Default)]
            pub(crate) struct $name(::token_storage_core::MemoryStorage, Arc<Shared>);

            #[async_trait]
            impl crate::flaw::Flaw for $name {
                fn new() -> Self {
                    Self::default()
                }

                fn base(&self) -> &::token_storage_core::MemoryStorage {
                    &self.0
                }

                fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
                    Some(Box::new(Leases {
                        inner: self.0.lease()?,
                        shared: Arc::clone(&self.1),
                        wrong: Wrong::$name,
                    }))
                }
            }
        )*
    };
}

leases! {
    /// Of whatever namespace.
    OfServer;
    /// All of them at once.
    OfNamespace;
    /// As a lock of a database that is a number.
    Crc32;
    /// And keeps it.
    Connections;
    /// It writes the whole entry.
    RenewingForgets;
    /// `INSERT ... ON CONFLICT DO NOTHING`.
    FirstStays;
    /// A row for each intent.
    EarlierStay;
}
