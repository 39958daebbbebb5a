use std::fmt;

use sha2::{Digest, Sha256};

use crate::{Revision, Secret, StoredToken};

/// "I am about to redeem the refresh token of this revision", recorded with the lease before the request is sent.
///
/// It knows the tokens of that revision again, so that another program's edit of the record does not hide that their fate
/// is unknown. It keeps a digest of them and never the tokens; `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Intent {
    /// The revision of the record whose refresh token is redeemed.
    pub revision: Revision,
    /// Whether this is already the one guarded try after a predecessor's death (L5).
    pub guarded: bool,
    /// When it was recorded, in seconds since the Unix epoch, for people.
    pub recorded_at: i64,
    /// Of the access token too: a server that keeps the refresh token gives a new access token when it has done what it
    /// was asked.
    tokens: Option<TokensDigest>,
}

type TokensDigest = [u8; 16];

impl Intent {
    /// The version without a digest of the tokens, and the one with it.
    const REVISION_ONLY: u8 = 1;
    const WITH_TOKENS: u8 = 2;

    /// The intent to redeem the refresh token of this record. `recorded_at`: seconds since the Unix epoch.
    pub fn new(stored: &StoredToken, guarded: bool, recorded_at: i64) -> Self {
        Self {
            revision: stored.revision,
            guarded,
            recorded_at,
            tokens: Some(digest(stored.revision, stored)),
        }
    }

    /// Whether the refresh token of this record may be the one that was sent, unanswered: it is still the same revision,
    /// or has been edited and still has the same tokens. An [unreadable](Self::unreadable) intent may concern any record;
    /// one without a digest, of an older version, only its own revision.
    pub fn concerns(&self, stored: &StoredToken) -> bool {
        let same_tokens = || {
            self.tokens
                .is_some_and(|tokens| tokens == digest(self.revision, stored))
        };
        self.revision == stored.revision || *self == Self::unreadable() || same_tokens()
    }

    /// The bytes that a backend keeps, at most 90.
    ///
    /// | bytes | what |
    /// |---|---|
    /// | 1 | version: 2, or 1 without the digest |
    /// | 1 | guarded: 0 or 1 |
    /// | 8 | recorded at: seconds since the Unix epoch, signed, most significant byte first |
    /// | 16, not in version 1 | the first bytes of a SHA-256 of revision and tokens |
    /// | the rest | the revision |
    pub fn to_bytes(&self) -> Vec<u8> {
        let version = match self.tokens {
            Some(_) => Self::WITH_TOKENS,
            None => Self::REVISION_ONLY,
        };
        let mut bytes = vec![version, u8::from(self.guarded)];
        bytes.extend(self.recorded_at.to_be_bytes());
        bytes.extend(self.tokens.iter().flatten());
        bytes.extend(self.revision.as_bytes());
        bytes
    }

    /// Reads back what [`Intent::to_bytes`] made, of this version or an older one. `None` if it is something else: then
    /// treat it as an intent whose revision is unknown, as [`Intent::unreadable`] does.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(10)?;
        let [version, guarded @ (0 | 1), recorded_at @ ..] = head else {
            return None;
        };
        let (tokens, revision) = match *version {
            Self::REVISION_ONLY => (None, rest),
            Self::WITH_TOKENS => {
                let (tokens, revision) = rest.split_first_chunk()?;
                (Some(*tokens), revision)
            }
            _ => return None,
        };
        Some(Self {
            revision: Revision::from_bytes(revision).ok()?,
            guarded: *guarded == 1,
            recorded_at: i64::from_be_bytes(recorded_at.try_into().ok()?),
            tokens,
        })
    }

    /// What a backend reports when a predecessor's intent cannot be read (torn by a power loss, or written by a later
    /// version): an intent for a revision that no record has.
    pub fn unreadable() -> Self {
        Self {
            revision: Revision::from_digest([0; 32]),
            guarded: false,
            recorded_at: 0,
            tokens: None,
        }
    }
}

/// With the revision in it, digests of the same tokens cannot be told to be so by who sees only them.
fn digest(revision: Revision, stored: &StoredToken) -> TokensDigest {
    let mut digest = Sha256::new();
    let refresh_token = stored.data.refresh_token.as_ref().map_or("", Secret::expose);
    for part in [
        revision.as_bytes(),
        stored.data.access_token.expose().as_bytes(),
        refresh_token.as_bytes(),
    ] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let mut first = [0; 16];
    first.copy_from_slice(&digest.finalize()[..16]);
    first
}

impl fmt::Debug for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intent")
            .field("guarded", &self.guarded)
            .field("recorded_at", &self.recorded_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TokenData;

    fn stored(revision: u8, refresh_token: &str) -> StoredToken {
        let mut data = TokenData::new("rs", "read", "access-canary");
        data.refresh_token = Some(refresh_token.into());
        StoredToken {
            data,
            revision: Revision::from_bytes(&[revision; 64]).unwrap(),
        }
    }

    #[test]
    fn intent_round_trips() {
        for guarded in [false, true] {
            let intent = Intent::new(&stored(7, "refresh"), guarded, -5);
            assert_eq!(intent.to_bytes().len(), 90);
            assert_eq!(Intent::from_bytes(&intent.to_bytes()), Some(intent));
        }
        let short = [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3];
        for bad in [
            &[][..],
            &[1],
            &[3; 40],
            &[1, 2, 0, 0, 0, 0, 0, 0, 0, 0],
            &[1; 200],
            &short,
        ] {
            assert_eq!(Intent::from_bytes(bad), None);
        }
    }

    #[test]
    fn an_intent_of_the_older_version_is_read_and_kept() {
        let bytes = [&[1, 1, 0, 0, 0, 0, 0, 0, 0, 5][..], &[7; 64]].concat();
        let intent = Intent::from_bytes(&bytes).unwrap();
        assert!(intent.guarded && intent.recorded_at == 5);
        assert_eq!(intent.to_bytes(), bytes);
        assert!(intent.concerns(&stored(7, "refresh")));
        assert!(!intent.concerns(&stored(8, "refresh")), "there is no more to go by");
    }

    #[test]
    fn an_edit_that_keeps_the_tokens_is_seen_through() {
        let intent = Intent::new(&stored(7, "refresh"), false, 0);
        let mut edited = stored(8, "refresh");
        edited.data.scope = "read write".into();
        assert!(intent.concerns(&edited));
        edited.data.access_token = "another".into();
        assert!(!intent.concerns(&edited), "the server gave a new one");
        assert!(!intent.concerns(&stored(8, "another")));
        assert!(Intent::unreadable().concerns(&edited));
    }

    #[test]
    fn s1_neither_bytes_nor_debug_show_a_token() {
        let intent = Intent::new(&stored(7, "refresh-canary"), false, 0);
        let shown = format!("{intent:?} {}", String::from_utf8_lossy(&intent.to_bytes()));
        assert!(!shown.contains("canary"));
    }
}
