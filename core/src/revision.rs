use std::fmt;

use crate::{Error, ErrorKind, Operation, Result};

/// An opaque mark of one stored state of a record; two different states never have the same one, whatever has been
/// removed, repeated or written in between (clause A4). It has 8 bytes or more.
///
/// It comes from [`TokenStorage::get`](crate::TokenStorage::get) and [`store`](crate::TokenStorageExt::store) and goes into
/// [`Precondition::Unchanged`](crate::Precondition::Unchanged). Only compare it: the bytes are the backend's own. `Debug`
/// tells nothing of them.
#[derive(Clone, Copy)]
pub struct Revision {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl Revision {
    /// The most bytes that a revision can have.
    pub const MAX_LEN: usize = 64;

    /// For backends: a revision of these bytes.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidInput`] if there are more than [`Revision::MAX_LEN`].
    pub fn from_bytes(source: &[u8]) -> Result<Self> {
        if source.len() > Self::MAX_LEN {
            let message = format!(
                "a revision has {} bytes; at most {} are allowed",
                source.len(),
                Self::MAX_LEN
            );
            return Err(Error::new(ErrorKind::InvalidInput, message).with_operation(Operation::Store));
        }
        let mut bytes = [0; Self::MAX_LEN];
        bytes[..source.len()].copy_from_slice(source);
        Ok(Self {
            bytes,
            len: source.len() as u8,
        })
    }

    pub(crate) fn from_digest(digest: [u8; 32]) -> Self {
        let mut bytes = [0; Self::MAX_LEN];
        bytes[..32].copy_from_slice(&digest);
        Self { bytes, len: 32 }
    }

    /// For backends: the bytes, to be kept beside an [`Intent`](crate::Intent) or compared in the database.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl PartialEq for Revision {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Revision {}

impl std::hash::Hash for Revision {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Revision(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher as _;

    use super::*;

    #[test]
    fn other_bytes_hash_to_something_else() {
        let hasher = std::hash::RandomState::new();
        let hashes = [7, 7, 8].map(|byte| hasher.hash_one(Revision::from_digest([byte; 32])));
        assert_eq!(hashes[0], hashes[1]);
        assert_ne!(hashes[0], hashes[2]);
    }

    #[test]
    fn debug_tells_nothing_of_the_bytes() {
        assert_eq!(format!("{:?}", Revision::from_digest([7; 32])), "Revision(..)");
    }
}
