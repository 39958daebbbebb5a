//! Storages that talk: clause S1.

use std::fmt;

use token_storage_core::{
    Error, ErrorKind, Operation, Precondition, Result, Revision, StoredToken, TokenData, TokenKey, TokenStorage,
    TokenStorageExt as _,
};

use crate::{Mutant, flaw::flaw, registry::memory};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        memory::<LeaksInDebug>("leaks in debug", "secrets::debug_of_a_storage_shows_none"),
        memory::<LeaksInError>("leaks in an error's source", "secrets::conflicts_show_none"),
        memory::<LeaksInBase32>("leaks in base32", "secrets::conflicts_show_none"),
        memory::<LeaksInTooLarge>("leaks in too large", "secrets::refused_sizes_show_none"),
        memory::<LeaksInRefusedRemove>("leaks in a refused remove", "secrets::conflicts_show_none"),
    ]
}

flaw!(
    /// `Debug` of the storage shows what is in it.
    LeaksInDebug with Vec<String> {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            self.1.lock().unwrap().push(data.access_token.expose().to_owned());
            self.0.store(key, data, precondition).await
        }

        fn debug(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "Mutant({:?})", self.1.lock().unwrap())
        }
    }
);

flaw!(
    /// A refused write quotes what it was to write.
    LeaksInError {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            self.0.store(key, data, precondition).await.map_err(|error| match error.conflict() {
                Some(_) => error.with_source(format!("while writing {}", data.access_token.expose())),
                None => error,
            })
        }
    }
);

flaw!(
    /// The same in base32, in which some databases spell what is binary.
    LeaksInBase32 {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            self.0.store(key, data, precondition).await.map_err(|error| match error.conflict() {
                Some(_) => error.with_source(format!("while writing {}", base32(data.access_token.expose()))),
                None => error,
            })
        }
    }
);

/// RFC 4648 section 6, but for what is left over at the end.
fn base32(text: &str) -> String {
    let bits: Vec<u8> = text
        .bytes()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let value = |five: &[u8]| five.iter().fold(0, |value, bit| value << 1 | bit);
    let letter = |value: u8| char::from(if value < 26 { b'a' + value } else { b'2' + value - 26 });
    bits.chunks_exact(5).map(|five| letter(value(five))).collect()
}

flaw!(
    /// A record that is too large is quoted in the error.
    LeaksInTooLarge {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            self.0.store(key, data, precondition).await.map_err(|error| match error.kind() {
                ErrorKind::TooLarge => {
                    let text = format!("the record is too large: {}", data.access_token.expose());
                    Error::new(ErrorKind::TooLarge, text).with_operation(Operation::Store)
                }
                _ => error,
            })
        }
    }
);

flaw!(
    /// A refused remove quotes what is there.
    LeaksInRefusedRemove {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            let stored: Option<StoredToken> = self.0.get(key).await?;
            self.0.remove(key, precondition).await.map_err(|error| match stored {
                Some(stored) => error.with_source(format!("it is {}", stored.data.access_token.expose())),
                None => error,
            })
        }
    }
);
