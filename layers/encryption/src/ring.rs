use std::fmt;

use token_storage_core::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

use crate::{Key, KeyId};

/// Keys, one of which writes; all of them read.
#[derive(Clone, Debug)]
pub struct KeyRing {
    writing: Key,
    others: Vec<Key>,
}

impl KeyRing {
    /// This key alone.
    pub fn new(writing: Key) -> Self {
        Self {
            writing,
            others: Vec::new(),
        }
    }

    /// And this one, which only reads.
    #[must_use]
    pub fn with(mut self, reading: Key) -> Self {
        if self.find(reading.id()).is_none() {
            self.others.push(reading);
        }
        self
    }

    /// Reads keys in base64, separated by white space or commas: the first one writes. A line that begins with `#` is a
    /// comment.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`]: there is no key, or something else among them; as [`Key::from_base64`], with the
    ///   number of the line.
    pub fn parse(text: &str) -> Result<Self> {
        let mut ring: Option<Self> = None;
        for (number, line) in (1..)
            .zip(text.lines())
            .filter(|(_, line)| !line.trim_start().starts_with('#'))
        {
            let words = line.split([' ', '\t', ',', '\r']).filter(|word| !word.is_empty());
            for word in words {
                let key = Key::from_base64(word).map_err(|error| in_line(number, &error))?;
                ring = Some(match ring {
                    None => Self::new(key),
                    Some(ring) => ring.with(key),
                });
            }
        }
        ring.ok_or_else(|| {
            let message = "there is no key; `token-storage key generate` makes one";
            Error::new(ErrorKind::Misconfigured, message)
        })
    }

    /// What [`KeyRing::parse`] reads. It is wiped when dropped.
    pub fn to_text(&self) -> Zeroizing<String> {
        let length = |key: &Key| key.to_base64().len() + 1;
        let mut text = Zeroizing::new(String::with_capacity(self.iter().map(length).sum()));
        for key in self.iter() {
            text.push_str(&key.to_base64());
            text.push('\n');
        }
        text
    }

    /// The key that writes.
    pub fn writing(&self) -> &Key {
        &self.writing
    }

    /// All keys, the one that writes first.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.writing).chain(&self.others)
    }

    /// The key of this name.
    pub fn find(&self, id: KeyId) -> Option<&Key> {
        self.iter().find(|key| key.id() == id)
    }

    /// Another key writes from now on; those that were there still read.
    #[must_use]
    pub fn write_with(self, writing: Key) -> Self {
        let mut ring = Self::new(writing);
        for key in self.iter() {
            ring = ring.with(key.clone());
        }
        ring
    }

    /// Without this key, which must be one of those that only read.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidInput`]: there is no such key, or it is the one that writes.
    pub fn without(mut self, id: KeyId) -> Result<Self> {
        let before = self.others.len();
        self.others.retain(|key| key.id() != id);
        if self.others.len() < before {
            return Ok(self);
        }
        let message = if self.writing.id() == id {
            format!("the key {id} is the one that writes; add another first")
        } else {
            format!("there is no key {id}; there are {}", self.names())
        };
        Err(Error::new(ErrorKind::InvalidInput, message))
    }

    /// The names of all keys, for a message.
    pub(crate) fn names(&self) -> Names<'_> {
        Names(self)
    }
}

pub(crate) struct Names<'a>(&'a KeyRing);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, key) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{}", key.id())?;
        }
        Ok(())
    }
}

fn in_line(number: usize, error: &Error) -> Error {
    Error::new(error.kind(), format!("line {number}: {}", error.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        Key::from_bytes(&[byte; 32])
    }

    fn ids(ring: &KeyRing) -> Vec<KeyId> {
        ring.iter().map(Key::id).collect()
    }

    #[test]
    fn the_first_key_of_a_text_writes() {
        let (a, b, c) = (key(1), key(2), key(3));
        let text = format!(
            "# made by somebody\r\n\n{},{}\r\n  # more\n {}\n",
            *a.to_base64(),
            *b.to_base64(),
            *c.to_base64()
        );
        let ring = KeyRing::parse(&text).unwrap();
        assert_eq!(ids(&ring), [a.id(), b.id(), c.id()]);
        assert_eq!(ids(&KeyRing::parse(&ring.to_text()).unwrap()), ids(&ring));
    }

    #[test]
    fn what_is_not_keys_is_refused_with_its_line() {
        let good = key(1).to_base64();
        for (text, says) in [
            ("", "no key"),
            ("# only this\n", "no key"),
            (&*format!("{}\ncanary", *good), "line 2"),
            (&format!("{} {}", *good, &good[..20]), "line 1"),
        ] {
            let error = KeyRing::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured);
            assert!(error.message().contains(says), "{error}");
            assert!(!format!("{error:?}").contains("canary"));
        }
    }

    #[test]
    fn keys_come_in_front_and_go() {
        let (old, new) = (key(1), key(2));
        let ring = KeyRing::new(old.clone()).write_with(new.clone());
        assert_eq!(ids(&ring), [new.id(), old.id()]);
        assert_eq!(ids(&ring.clone().write_with(new.clone())), [new.id(), old.id()]);
        assert!(ring.clone().without(new.id()).is_err(), "it writes");
        assert!(ring.clone().without(key(3).id()).is_err(), "it is not there");
        assert_eq!(ids(&ring.without(old.id()).unwrap()), [new.id()]);
    }
}
