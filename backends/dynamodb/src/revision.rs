//! What a revision of this backend is made of.
//!
//! A record that we wrote: its mark, the digest of its content, its expiry, and a check of these, 64 bytes. From it alone
//! a conditional write can be made, without reading first; the check tells that it is whole, since a condition can name
//! the mark and the expiry only. Any other record: the digest, 32 bytes; its writer left nothing that a
//! condition could name, so a write has to read it and compare.

use token_storage_core::{Revision, TokenData, WriteMark, record};

const DIGEST: usize = 32;
const CONTENT: usize = 16 + DIGEST + 9;
const MARKED: usize = CONTENT + 7;

/// The revision of a record with this content.
pub(crate) fn revision_of(data: &TokenData, mark: Option<&WriteMark>) -> Revision {
    let digest = record::revision_of(data, mark);
    let Some(mark) = mark else {
        return digest;
    };
    let mut bytes = [0; MARKED];
    bytes[..16].copy_from_slice(mark.as_bytes());
    bytes[16..16 + DIGEST].copy_from_slice(digest.as_bytes());
    if let Some(expires_at) = data.expires_at {
        bytes[16 + DIGEST] = 1;
        bytes[16 + DIGEST + 1..CONTENT].copy_from_slice(&expires_at.to_be_bytes());
    }
    let check = check(&bytes[..CONTENT]);
    bytes[CONTENT..].copy_from_slice(&check);
    Revision::from_bytes(&bytes).unwrap_or(digest)
}

/// The mark and the expiry of the record that a revision names, if we wrote it.
pub(crate) fn marked(revision: &Revision) -> Option<(WriteMark, Option<i64>)> {
    let bytes: &[u8; MARKED] = revision.as_bytes().try_into().ok()?;
    let (content, checked) = bytes.split_first_chunk::<CONTENT>()?;
    if checked != check(content) {
        return None;
    }
    let (mark, rest) = content.split_first_chunk::<16>()?;
    let (known, expires_at) = rest[DIGEST..].split_first()?;
    let expires_at = (*known == 1).then(|| expires_at.try_into().map(i64::from_be_bytes).ok());
    Some((WriteMark::from_bytes(*mark), expires_at.flatten()))
}

/// FNV-1a, 64 bits, without its first byte: against what is not ours, not against a forger.
fn check(content: &[u8]) -> [u8; 7] {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in content {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let [_, check @ ..] = hash.to_be_bytes();
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_revision_tells_what_to_condition_on() {
        let mark = WriteMark::from_bytes([3; 16]);
        for expires_at in [None, Some(0), Some(-7), Some(i64::MAX)] {
            let mut data = TokenData::new("rs", "s", "at");
            data.expires_at = expires_at;
            assert_eq!(marked(&revision_of(&data, Some(&mark))), Some((mark, expires_at)));
            assert_eq!(marked(&revision_of(&data, None)), None);
        }
    }

    #[test]
    fn a_revision_that_is_only_like_one_of_ours_tells_nothing() {
        let revision = revision_of(&TokenData::new("rs", "s", "at"), Some(&WriteMark::from_bytes([3; 16])));
        for position in 0..revision.as_bytes().len() {
            let mut bytes = revision.as_bytes().to_vec();
            bytes[position] ^= 1;
            assert_eq!(marked(&Revision::from_bytes(&bytes).unwrap()), None, "{position}");
        }
    }

    #[test]
    fn content_counts_beside_the_mark() {
        let mark = WriteMark::from_bytes([3; 16]);
        let one = revision_of(&TokenData::new("rs", "s", "one"), Some(&mark));
        assert_ne!(one, revision_of(&TokenData::new("rs", "s", "two"), Some(&mark)));
    }
}
