//! What is left of a storage's limits when every record is sealed: the size of a record and of a batch counts unsealed.

use token_storage_core::{Limits, Write, WriteMark, record};

use crate::envelope::sealed_len;

/// What sealing adds to a record at most, besides one byte for each three: three sealed texts and the name of the seal.
const ADDED: usize = 3 * sealed_len(0) + 64;

/// The limits of a sealed storage over one with these. Half of a size that is declared, sealed, is at most half of what is
/// declared below, which that storage always accepts (K7).
pub(crate) fn over(below: Limits) -> Limits {
    let mut limits = below;
    let without = |size: usize, added: usize| size.saturating_sub(2 * added) / 4 * 3;
    limits.record_bytes = without(below.record_bytes, ADDED);
    // What is added to many small records is at most a quarter of a batch.
    limits.batch_records = below.batch_records.min(below.batch_bytes / (8 * ADDED)).max(1);
    limits.batch_bytes = without(below.batch_bytes, ADDED * limits.batch_records);
    limits
}

/// The sizes that count of the records of a batch.
pub(crate) fn sizes(writes: &[Write<'_>]) -> Vec<usize> {
    let mark = WriteMark::from_bytes([0; 16]);
    writes
        .iter()
        .map(|write| record::encode(write.data, &mark).len())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Key, KeyRing, record::seal};
    use token_storage_core::{MemoryStorage, Precondition, TokenData, TokenKey};

    fn size(data: &TokenData) -> usize {
        sizes(&[Write::new(&TokenKey::in_default("rs"), data, Precondition::Any)])[0]
    }

    #[test]
    fn what_sealing_adds_is_counted() {
        let ring = KeyRing::new(Key::from_bytes(&[7; 32]));
        for length in (0..64).chain([1000, 4096, 10_000, 300_000]) {
            let token = "x".repeat(length);
            let mut data = TokenData::new("rs", "s", &*token).with_refresh_token(&*token);
            data.extra.insert("id_token", &format!("\"{token}\"")).unwrap();
            let sealed = seal(&ring, &TokenKey::in_default("rs"), &data).unwrap();
            let (plain, sealed) = (size(&data), size(&sealed));
            assert!(sealed <= plain * 4 / 3 + ADDED, "{length}: {plain} became {sealed}");
        }
    }

    #[test]
    fn half_fits_below() {
        let (below, over) = (MemoryStorage::LIMITS, over(MemoryStorage::LIMITS));
        assert!(over.record_bytes / 2 * 4 / 3 + ADDED <= below.record_bytes / 2);
        assert!(over.record_bytes > 700_000, "{over:?}");
        let added = ADDED * over.batch_records;
        assert!(over.batch_bytes / 2 * 4 / 3 + added <= below.batch_bytes / 2);
        assert_eq!(over.batch_records, below.batch_records);
    }
}
