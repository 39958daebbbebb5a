use std::{fmt, time::Duration};

use sha2::{Digest, Sha256};

use crate::{Revision, Secret, StoredToken};

/// "I am about to redeem the refresh token of this revision", recorded with the lease before the request is sent.
///
/// Once the request has failed, the intent stays and says [how](RefreshFailure), so that no other process asks what is
/// answered already. It knows the tokens of that revision again, so that another program's edit of the record does not hide that their fate
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
    failure: Option<RefreshFailure>,
}

/// How a request for a new token failed, and until when nobody asks again. Without any secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefreshFailure {
    /// What it means.
    pub kind: RefreshFailureKind,
    /// Whether the server may have done what it was asked: the refresh token is then perhaps spent.
    pub may_have_been_done: bool,
    /// How often in a row it failed with this kind, this time included; stays at 255.
    pub in_a_row: u8,
    /// For how long nobody asks again, counted from [`Intent::recorded_at`]; milliseconds count, and 49 days are the most.
    pub pause: Duration,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// The OAuth error code: at most [`MAX_CODE`](Self::MAX_CODE) bytes of printable ASCII, anything else is left out.
    pub code: Option<Box<str>>,
}

/// The kind of a [`RefreshFailure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefreshFailureKind {
    /// The server refuses the refresh token for good.
    Refused,
    /// As `Refused`, and the token may have been spent by a request before that had no answer.
    UnknownOutcome,
    /// The server does not accept the client or its request.
    ClientRejected,
    /// It may pass.
    Transient,
    /// An answer that nobody understands.
    Unrecognized,
}

impl RefreshFailure {
    /// The longest code that is kept.
    pub const MAX_CODE: usize = 40;

    /// The first failure of this kind; nothing more is known of it.
    pub fn new(kind: RefreshFailureKind) -> Self {
        Self {
            kind,
            may_have_been_done: false,
            in_a_row: 1,
            pause: Duration::ZERO,
            status: None,
            code: None,
        }
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        let kind = KINDS.iter().position(|kind| *kind == self.kind).unwrap_or_default();
        bytes.extend([kind as u8, u8::from(self.may_have_been_done), self.in_a_row]);
        let pause = u32::try_from(self.pause.as_millis()).unwrap_or(u32::MAX);
        bytes.extend(pause.to_be_bytes());
        bytes.extend(self.status.unwrap_or(0).to_be_bytes());
        let code = self
            .code
            .as_deref()
            .filter(|code| is_code(code.as_bytes()))
            .unwrap_or_default();
        bytes.push(code.len() as u8);
        bytes.extend(code.as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let ([kind, done @ (0 | 1), in_a_row, rest @ ..], code) = bytes.split_first_chunk::<10>()? else {
            return None;
        };
        let [p0, p1, p2, p3, s0, s1, length] = *rest;
        let (code, revision) = code.split_at_checked(length.into())?;
        let failure = Self {
            kind: *KINDS.get(usize::from(*kind))?,
            may_have_been_done: *done == 1,
            in_a_row: *in_a_row,
            pause: Duration::from_millis(u32::from_be_bytes([p0, p1, p2, p3]).into()),
            status: Some(u16::from_be_bytes([s0, s1])).filter(|status| *status != 0),
            code: match code {
                [] => None,
                code if is_code(code) => Some(str::from_utf8(code).ok()?.into()),
                _ => return None,
            },
        };
        Some((failure, revision))
    }
}

/// In the order of their numbers in a kept intent: append only.
const KINDS: [RefreshFailureKind; 5] = [
    RefreshFailureKind::Refused,
    RefreshFailureKind::UnknownOutcome,
    RefreshFailureKind::ClientRejected,
    RefreshFailureKind::Transient,
    RefreshFailureKind::Unrecognized,
];

fn is_code(bytes: &[u8]) -> bool {
    bytes.len() <= RefreshFailure::MAX_CODE && bytes.iter().all(|b| b.is_ascii_graphic() || *b == b' ')
}

type TokensDigest = [u8; 16];

impl Intent {
    /// The version without a digest of the tokens, the one with it, and the one that says how the request failed.
    const REVISION_ONLY: u8 = 1;
    const WITH_TOKENS: u8 = 2;
    const WITH_FAILURE: u8 = 3;

    /// The intent to redeem the refresh token of this record. `recorded_at`: seconds since the Unix epoch.
    pub fn new(stored: &StoredToken, guarded: bool, recorded_at: i64) -> Self {
        Self {
            revision: stored.revision,
            guarded,
            recorded_at,
            tokens: Some(digest(stored.revision, stored)),
            failure: None,
        }
    }

    /// Says how the request failed.
    pub fn with_failure(mut self, failure: RefreshFailure) -> Self {
        self.failure = Some(failure);
        self
    }

    /// How the request failed; `None` while it is under way, or if its holder died or could not say.
    pub fn failure(&self) -> Option<&RefreshFailure> {
        self.failure.as_ref()
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

    /// The bytes that a backend keeps: at most 90 while the request is under way, at most 140 in all.
    ///
    /// | bytes | what |
    /// |---|---|
    /// | 1 | version: 2; 1 without the digest; 3 with the failure |
    /// | 1 | guarded: 0 or 1 |
    /// | 8 | recorded at: seconds since the Unix epoch, signed, most significant byte first |
    /// | 16, not in version 1 | the first bytes of a SHA-256 of revision and tokens |
    /// | 10 to 50, in version 3 | kind, may have been done, failures in a row; 4: the pause in milliseconds; 2: HTTP status; 1: length of the code; the code |
    /// | the rest | the revision |
    pub fn to_bytes(&self) -> Vec<u8> {
        let version = match (&self.tokens, &self.failure) {
            (None, _) => Self::REVISION_ONLY,
            (Some(_), None) => Self::WITH_TOKENS,
            (Some(_), Some(_)) => Self::WITH_FAILURE,
        };
        let mut bytes = vec![version, u8::from(self.guarded)];
        bytes.extend(self.recorded_at.to_be_bytes());
        bytes.extend(self.tokens.iter().flatten());
        if let Some(failure) = self.failure.as_ref().filter(|_| version == Self::WITH_FAILURE) {
            failure.write(&mut bytes);
        }
        bytes.extend(self.revision.as_bytes());
        bytes
    }

    /// Reads back what [`Intent::to_bytes`] made, of this version or an older one. `None` if it is something else: then
    /// treat it as an intent whose revision is unknown, as [`Intent::unreadable`] does. (So does a program of before
    /// version 3 with that one: it makes the one guarded try and goes on from there.)
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(10)?;
        let [version, guarded @ (0 | 1), recorded_at @ ..] = head else {
            return None;
        };
        let (tokens, rest) = match *version {
            Self::REVISION_ONLY => (None, rest),
            Self::WITH_TOKENS | Self::WITH_FAILURE => {
                let (tokens, rest) = rest.split_first_chunk()?;
                (Some(*tokens), rest)
            }
            _ => return None,
        };
        let (failure, revision) = match *version {
            Self::WITH_FAILURE => {
                let (failure, revision) = RefreshFailure::read(rest)?;
                (Some(failure), revision)
            }
            _ => (None, rest),
        };
        Some(Self {
            revision: Revision::from_bytes(revision).ok()?,
            guarded: *guarded == 1,
            recorded_at: i64::from_be_bytes(recorded_at.try_into().ok()?),
            tokens,
            failure,
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
            failure: None,
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
            .field("failure", &self.failure)
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
    fn what_is_known_of_a_failure_round_trips() {
        for kind in KINDS {
            for code in [None, Some("invalid_grant"), Some(&*"x".repeat(40))] {
                let failure = RefreshFailure {
                    may_have_been_done: code.is_none(),
                    in_a_row: 255,
                    pause: Duration::from_millis(600_500),
                    status: code.map(|_| 400),
                    code: code.map(Into::into),
                    ..RefreshFailure::new(kind)
                };
                let intent = Intent::new(&stored(7, "refresh"), true, 5).with_failure(failure);
                let bytes = intent.to_bytes();
                assert!(bytes.len() <= 140);
                assert_eq!(Intent::from_bytes(&bytes), Some(intent.clone()));
                assert!(intent.concerns(&stored(8, "refresh")));
                for end in 0..36 {
                    assert_eq!(Intent::from_bytes(&bytes[..end]), None, "torn at {end}");
                }
            }
        }
        let mut failure = RefreshFailure::new(RefreshFailureKind::Refused);
        for odd in ["a\nb", "ü", &"x".repeat(41)] {
            failure.code = Some(odd.into());
            let intent = Intent::new(&stored(7, "refresh"), false, 5).with_failure(failure.clone());
            let read = Intent::from_bytes(&intent.to_bytes()).unwrap();
            assert_eq!(read.failure().unwrap().code, None, "{odd:?}");
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
