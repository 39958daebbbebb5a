//! One text, sealed: `token-storage-sealed:1:KEY ID:BASE64`. `docs/formats.md` has the bytes.

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{AeadInOut as _, KeyInit as _},
};
/// What every sealed text begins with. A text that begins so is never taken for a token.
pub(crate) use token_storage_core::record::SEALED_PREFIX as PREFIX;
use token_storage_core::{Error, ErrorKind, Result, Secret};
use zeroize::Zeroizing;

use crate::{Key, KeyId, code, key::random, ring::KeyRing};

const VERSION: &str = "1";
const NONCE: usize = 24;
const TAG: usize = 16;

/// The bytes that sealing adds to a text of `length` bytes, the fourth part of it for base64 included.
pub(crate) const fn sealed_len(length: usize) -> usize {
    PREFIX.len() + VERSION.len() + 1 + 16 + 1 + ((NONCE + length + TAG) * 4).div_ceil(3)
}

/// Why a text does not open. Quotes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// It is sealed with a key that is not in the ring.
    UnknownKey(KeyId),
    /// A later version of this crate sealed it.
    Later,
    /// It is cut off, or no sealed text although it begins like one.
    Malformed,
    /// It was changed, or belongs elsewhere.
    Refused(KeyId),
}

/// Seals a text for one place, which only `bound` opens again.
pub(crate) fn seal(key: &Key, bound: &[&[u8]], text: &str) -> Result<Secret> {
    let mut nonce = [0; NONCE];
    random(&mut nonce)?;
    seal_with(key, &nonce, bound, text)
}

fn seal_with(key: &Key, nonce: &[u8; NONCE], bound: &[&[u8]], text: &str) -> Result<Secret> {
    let mut sealed = String::with_capacity(sealed_len(text.len()));
    sealed.push_str(&head(key.id()));
    let mut bytes = Zeroizing::new(Vec::with_capacity(NONCE + text.len() + TAG));
    bytes.extend_from_slice(nonce);
    bytes.extend_from_slice(text.as_bytes());
    let associated = associated(&sealed, bound);
    let cipher = XChaCha20Poly1305::new(key.bytes().into());
    let tag = cipher.encrypt_inout_detached(&XNonce::from(*nonce), &associated, bytes[NONCE..].as_mut().into());
    let tag = tag.map_err(|_| Error::new(ErrorKind::TooLarge, "a text of 256 GiB cannot be sealed"))?;
    bytes.extend_from_slice(&tag);
    code::append(&mut sealed, &bytes);
    Ok(Secret::new(sealed))
}

/// Whether a text is sealed, or claims to be.
pub(crate) fn is_sealed(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// The key that a sealed text names.
pub(crate) fn key_of(text: &str) -> Result<KeyId, Closed> {
    parse(text).map(|(id, _)| id)
}

/// Opens a sealed text in the place that `bound` says.
pub(crate) fn open(ring: &KeyRing, bound: &[&[u8]], text: &str) -> Result<Secret, Closed> {
    let (id, sealed) = parse(text)?;
    let key = ring.find(id).ok_or(Closed::UnknownKey(id))?;
    let mut bytes = code::strict(sealed).ok_or(Closed::Malformed)?;
    let Some((nonce, rest)) = bytes.split_first_chunk_mut::<NONCE>() else {
        return Err(Closed::Malformed);
    };
    let Some((text, tag)) = rest.split_last_chunk_mut::<TAG>() else {
        return Err(Closed::Malformed);
    };
    let cipher = XChaCha20Poly1305::new(key.bytes().into());
    let associated = associated(&head(id), bound);
    let opened = cipher.decrypt_inout_detached(&XNonce::from(*nonce), &associated, (&mut *text).into(), &(*tag).into());
    opened.map_err(|_| Closed::Refused(id))?;
    // What was sealed was a text.
    let text = str::from_utf8(text).map_err(|_| Closed::Malformed)?;
    Ok(Secret::from(text))
}

fn parse(text: &str) -> Result<(KeyId, &str), Closed> {
    let rest = text.strip_prefix(PREFIX).ok_or(Closed::Malformed)?;
    let (version, rest) = rest.split_once(':').ok_or(Closed::Malformed)?;
    if version != VERSION {
        let number = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
        return Err(if number { Closed::Later } else { Closed::Malformed });
    }
    let (id, sealed) = rest.split_once(':').ok_or(Closed::Malformed)?;
    Ok((KeyId::read(id.as_bytes()).ok_or(Closed::Malformed)?, sealed))
}

fn head(id: KeyId) -> String {
    format!("{PREFIX}{VERSION}:{id}:")
}

/// The head, and each part behind its length: no two lists of parts have the same bytes.
fn associated(head: &str, bound: &[&[u8]]) -> Vec<u8> {
    let mut bytes = head.as_bytes().to_vec();
    for part in bound {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: &[&[u8]] = &[b"DEFAULT", b"rs", b"access_token"];

    fn key() -> Key {
        Key::from_bytes(&[7; 32])
    }

    fn ring() -> KeyRing {
        KeyRing::new(key())
    }

    /// Fixes the format: what was written once must open for ever. Made with libsodium's
    /// `crypto_aead_xchacha20poly1305_ietf_encrypt`, see `tests/golden.py`.
    #[test]
    fn the_format_is_this() {
        for golden in include_str!("../tests/golden.txt")
            .lines()
            .filter(|line| !line.starts_with('#'))
        {
            let [key, namespace, resource_server, member, text, sealed] =
                golden.split('|').collect::<Vec<_>>().try_into().expect("six fields");
            let ring = KeyRing::new(Key::from_base64(key).unwrap());
            let bound = [namespace, resource_server, member].map(str::as_bytes);
            assert_eq!(open(&ring, &bound, sealed).unwrap().expose(), text);
            let (_, data) = parse(sealed).unwrap();
            let nonce = code::strict(data).unwrap()[..NONCE].try_into().unwrap();
            assert_eq!(
                seal_with(ring.writing(), &nonce, &bound, text).unwrap().expose(),
                sealed
            );
            assert_eq!(sealed.len(), sealed_len(text.len()));
        }
    }

    #[test]
    fn equal_texts_are_sealed_differently() {
        let (a, b) = (seal(&key(), BOUND, "at").unwrap(), seal(&key(), BOUND, "at").unwrap());
        assert_ne!(a, b);
        assert_eq!(open(&ring(), BOUND, a.expose()), open(&ring(), BOUND, b.expose()));
    }

    #[test]
    fn no_byte_can_be_changed_and_none_be_cut_off() {
        let sealed = seal(&key(), BOUND, "a token").unwrap();
        let sealed = sealed.expose();
        for at in 0..sealed.len() {
            assert!(open(&ring(), BOUND, &sealed[..at]).is_err(), "cut off at {at}");
            for other in [b'A', b'0', b':', b'='] {
                let mut bytes = sealed.as_bytes().to_vec();
                if bytes[at] != other {
                    bytes[at] = other;
                    let changed = String::from_utf8(bytes).unwrap();
                    assert!(open(&ring(), BOUND, &changed).is_err(), "changed at {at}: {changed}");
                }
            }
        }
        for longer in [format!("{sealed}A"), format!("{sealed}="), format!("{sealed}\n")] {
            assert!(open(&ring(), BOUND, &longer).is_err());
        }
    }

    #[test]
    fn it_opens_in_its_place_alone() {
        let sealed = seal(&key(), BOUND, "at").unwrap();
        let elsewhere: [&[&[u8]]; 5] = [
            &[b"DEFAULT", b"rs", b"refresh_token"],
            &[b"other", b"rs", b"access_token"],
            &[b"DEFAULT", b"rt", b"access_token"],
            &[b"DEFAULTr", b"s", b"access_token"],
            &[b"DEFAULT", b"rs", b"access_token", b""],
        ];
        for bound in elsewhere {
            let opened = open(&ring(), bound, sealed.expose());
            assert_eq!(opened, Err(Closed::Refused(key().id())));
        }
    }

    #[test]
    fn what_is_not_ours_is_told_apart() {
        let id = key().id();
        let other = Key::from_bytes(&[8; 32]);
        let sealed = seal(&other, BOUND, "at").unwrap();
        for (text, why) in [
            (sealed.expose(), Closed::UnknownKey(other.id())),
            ("token-storage-sealed:2:whatever", Closed::Later),
            ("token-storage-sealed:12:", Closed::Later),
            ("token-storage-sealed::", Closed::Malformed),
            ("token-storage-sealed:x:", Closed::Malformed),
            ("token-storage-sealed:1", Closed::Malformed),
            ("token-storage-sealed:1:00:AAAA", Closed::Malformed),
            (&format!("token-storage-sealed:1:{id}:"), Closed::Malformed),
            (&format!("token-storage-sealed:1:{id}:AAAA"), Closed::Malformed),
        ] {
            assert_eq!(open(&ring(), BOUND, text), Err(why), "{text}");
        }
    }
}
