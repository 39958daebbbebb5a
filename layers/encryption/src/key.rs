use std::{fmt, sync::Arc};

use sha2::{Digest, Sha256};
use token_storage_core::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

use crate::code;

/// A key: 32 random bytes. Clones share one allocation, which is wiped when the last of them is dropped (S2); `Debug` shows
/// its [`KeyId`] alone.
#[derive(Clone)]
pub struct Key {
    bytes: Arc<Zeroizing<[u8; Self::LEN]>>,
    id: KeyId,
}

/// The name of a key: the first 8 bytes of a SHA-256 of it, shown as 16 hexadecimal digits. It stands in everything the key
/// seals, and is no secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

impl Key {
    /// The length of a key in bytes.
    pub const LEN: usize = 32;

    /// A new key, of the operating system's random numbers.
    ///
    /// # Errors
    /// - [`ErrorKind::Unavailable`]: the system gives none.
    pub fn generate() -> Result<Self> {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        random(&mut *bytes)?;
        Ok(Self::from_bytes(&bytes))
    }

    /// The key of these bytes. They must be random: a password is no key, see [`KeyFile`](crate::KeyFile) for those.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let mut digest = Sha256::new();
        digest.update(b"token-storage key id\0");
        digest.update(bytes);
        let digest: [u8; 32] = digest.finalize().into();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        let mut own = Arc::new(Zeroizing::new([0; Self::LEN]));
        if let Some(place) = Arc::get_mut(&mut own) {
            place.copy_from_slice(bytes);
        }
        Self {
            bytes: own,
            id: KeyId(id),
        }
    }

    /// The key that a text names in base64, of either alphabet, padded or not: what `openssl rand -base64 32` prints.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`]: it is not base64, or not of 32 bytes. It is not quoted.
    pub fn from_base64(text: &str) -> Result<Self> {
        let bytes = code::lenient(text.trim()).ok_or_else(|| not_a_key("it is not base64".to_owned()))?;
        match <&[u8; Self::LEN]>::try_from(&**bytes) {
            Ok(bytes) => Ok(Self::from_bytes(bytes)),
            Err(_) => Err(not_a_key(format!("it has {} bytes", bytes.len()))),
        }
    }

    /// In base64, with padding. It is wiped when dropped.
    pub fn to_base64(&self) -> Zeroizing<String> {
        code::padded(&**self.bytes)
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        self.id
    }

    pub(crate) fn bytes(&self) -> &[u8; Self::LEN] {
        &self.bytes
    }
}

impl KeyId {
    /// Reads what `Display` shows.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidInput`]: it is not 16 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self> {
        Self::read(text.as_bytes()).ok_or_else(|| {
            let message = "a key is named by 16 hexadecimal digits, as `token-storage key list` shows them";
            Error::new(ErrorKind::InvalidInput, message)
        })
    }

    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let text: &[u8; 16] = text.try_into().ok()?;
        let mut id = [0; 8];
        for (byte, digits) in id.iter_mut().zip(text.chunks(2)) {
            let digit = |digit: u8| match digit {
                b'0'..=b'9' => Some(digit - b'0'),
                b'a'..=b'f' => Some(digit - b'a' + 10),
                _ => None,
            };
            *byte = digit(digits[0])? << 4 | digit(digits[1])?;
        }
        Some(Self(id))
    }
}

/// Fills a buffer with the operating system's random numbers.
pub(crate) fn random(buffer: &mut [u8]) -> Result<()> {
    getrandom::fill(buffer).map_err(|_| {
        let message = "the operating system gives no random numbers";
        Error::new(ErrorKind::Unavailable, message)
    })
}

fn not_a_key(why: String) -> Error {
    let message = format!("a key is base64 of 32 bytes, and here {why}; `token-storage key generate` makes one");
    Error::new(ErrorKind::Misconfigured, message)
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_people_have_it() {
        let key = Key::from_bytes(&[0xfb; 32]);
        let padded = key.to_base64();
        assert_eq!(padded.len(), 44);
        let url = padded.replace('+', "-").replace('/', "_");
        assert_ne!(*padded, url);
        for text in [&**padded, padded.trim_end_matches('='), &url, &format!(" {url}\n")] {
            assert_eq!(Key::from_base64(text).unwrap().id(), key.id());
        }
    }

    #[test]
    fn s1_what_is_no_key_is_not_quoted() {
        for text in ["", "canary", "canary!", &"ab".repeat(32)] {
            let error = Key::from_base64(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured);
            assert!(error.message().contains("key generate"), "{error}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
        let key = Key::from_bytes(&[7; 32]);
        assert_eq!(format!("{key:?}"), format!("Key({})", key.id()));
    }

    #[test]
    fn a_key_has_a_name_of_its_own() {
        let (a, b) = (Key::generate().unwrap(), Key::generate().unwrap());
        assert_ne!(a.id(), b.id());
        assert_eq!(KeyId::parse(&a.id().to_string()).unwrap(), a.id());
        for bad in ["", "0123", "0123456789ABCDEF", "0123456789abcdeg", "0123456789abcdef0"] {
            assert!(KeyId::parse(bad).is_err(), "{bad}");
        }
    }
}
