//! Keys under a passphrase: one line, `token-storage-keys:1:argon2id:MEMORY:TIME:LANES:SALT:SEALED`.

use std::{fmt, path::Path};

use argon2::{Algorithm, Argon2, Params, Version};
use token_storage_core::{Error, ErrorKind, Result, Secret};
use zeroize::Zeroizing;

use crate::{
    Key, KeyRing, code,
    envelope::{self, Closed},
    key::random,
};

/// Says the passphrase of a key file when it is needed.
pub trait Passphrase: fmt::Debug + Send + Sync {
    /// The passphrase of this file. It may block, since a person may have to be asked, and is called on a thread where that
    /// does no harm.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`]: it cannot be had here, and where it can.
    fn ask(&self, file: &Path) -> Result<Secret>;
}

impl<P: Passphrase + ?Sized> Passphrase for std::sync::Arc<P> {
    fn ask(&self, file: &Path) -> Result<Secret> {
        (**self).ask(file)
    }
}

/// The passphrases of programs that nobody sits in front of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PassphraseFrom {
    /// There is none.
    Nowhere,
    /// The environment variable of this name.
    Variable(String),
}

impl Passphrase for PassphraseFrom {
    fn ask(&self, file: &Path) -> Result<Secret> {
        let asked = match self {
            Self::Nowhere => None,
            Self::Variable(name) => std::env::var(name).ok().filter(|text| !text.is_empty()),
        };
        asked.map(Secret::new).ok_or_else(|| {
            let set = match self {
                Self::Nowhere => String::new(),
                Self::Variable(name) => format!("; set {name}"),
            };
            let message = format!(
                "the key file {} is protected by a passphrase, and there is nobody to ask for it{set}",
                file.display()
            );
            Error::new(ErrorKind::Misconfigured, message)
        })
    }
}

/// What a line of protected keys begins with.
pub(crate) const HEAD: &str = "token-storage-keys:";
/// What a line says in place of the name of a service.
pub(crate) const BY_PASSPHRASE: &str = "argon2id";
const SALT: usize = 16;

/// How much work argon2id is: the second choice of RFC 9106, section 4. Some tenths of a second.
const COST: Cost = Cost {
    memory: 64 * 1024,
    time: 3,
    lanes: 4,
};

/// The most work that a file may ask for: a gigabyte, for a minute or so.
const MOST: Cost = Cost {
    memory: 1024 * 1024,
    time: 64,
    lanes: 64,
};

/// Memory in KiB.
#[derive(Clone, Copy)]
struct Cost {
    memory: u32,
    time: u32,
    lanes: u32,
}

/// The line for these keys.
pub(crate) fn protect(ring: &KeyRing, passphrase: &Secret) -> Result<Zeroizing<String>> {
    protect_with(ring, passphrase, COST)
}

fn protect_with(ring: &KeyRing, passphrase: &Secret, cost: Cost) -> Result<Zeroizing<String>> {
    let mut salt = [0; SALT];
    random(&mut salt)?;
    let mut head = format!("{HEAD}1:{BY_PASSPHRASE}:{}:{}:{}:", cost.memory, cost.time, cost.lanes);
    code::append(&mut head, &salt);
    let key = derive(passphrase, &salt, cost)?;
    let sealed = envelope::seal(&key, &[head.as_bytes()], &ring.to_text())?;
    Ok(Zeroizing::new(format!("{head}:{}", sealed.expose())))
}

/// What stands in such a line behind how its keys are protected, if that is by a passphrase. `None`: a service has wrapped them.
pub(crate) fn parts(line: &str) -> Result<Option<&str>> {
    let rest = line.strip_prefix(HEAD).unwrap_or_default();
    let (version, rest) = rest.split_once(':').unwrap_or((rest, ""));
    match (version, rest.split_once(':')) {
        ("1", Some((by, rest))) => Ok((by == BY_PASSPHRASE).then_some(rest)),
        // Cut off before or within the name, which may have been any.
        ("" | "1", _) => Err(damaged()),
        _ => {
            let message =
                "its keys are protected in a way that only a later version of token-storage knows; update this program";
            Err(Error::new(ErrorKind::Misconfigured, message))
        }
    }
}

/// The same of a line that a passphrase must protect.
pub(crate) fn check(line: &str) -> Result<&str> {
    parts(line)?.ok_or_else(|| {
        let message = "no passphrase protects its keys: a service has wrapped them; name it together with the file, as in \
                       kms:KEY?file=PATH, or update this program if it knows no such name";
        Error::new(ErrorKind::Misconfigured, message)
    })
}

/// The keys of such a line. `None`: the passphrase is another.
pub(crate) fn unprotect(line: &str, passphrase: &Secret) -> Result<Option<KeyRing>> {
    let rest = check(line)?;
    let mut fields = rest.splitn(5, ':');
    let mut number = || fields.next().and_then(|field| field.parse().ok());
    let (Some(memory), Some(time), Some(lanes)) = (number(), number(), number()) else {
        return Err(damaged());
    };
    let (Some(salt), Some(sealed)) = (fields.next(), fields.next()) else {
        return Err(damaged());
    };
    if memory > MOST.memory || time > MOST.time || lanes > MOST.lanes {
        return Err(damaged());
    }
    let head = &line[..line.len() - sealed.len() - 1];
    let salt = code::strict(salt).ok_or_else(damaged)?;
    let key = derive(passphrase, &salt, Cost { memory, time, lanes })?;
    match envelope::open(&KeyRing::new(key), &[head.as_bytes()], sealed) {
        Ok(text) => KeyRing::parse(text.expose()).map(Some),
        Err(Closed::UnknownKey(_)) => Ok(None),
        Err(_) => Err(damaged()),
    }
}

fn derive(passphrase: &Secret, salt: &[u8], cost: Cost) -> Result<Key> {
    let params = Params::new(cost.memory, cost.time, cost.lanes, Some(Key::LEN)).map_err(|_| damaged())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut key = Zeroizing::new([0; Key::LEN]);
    let derived = argon2.hash_password_into(passphrase.expose().as_bytes(), salt, &mut *key);
    derived.map_err(|error| match error {
        argon2::Error::OutOfMemory => {
            let message = "there is not enough memory to take a key from the passphrase";
            Error::new(ErrorKind::Unavailable, message)
        }
        _ => damaged(),
    })?;
    Ok(Key::from_bytes(&key))
}

pub(crate) fn damaged() -> Error {
    let message = "its line of protected keys is damaged; restore the file from a copy";
    Error::new(ErrorKind::Misconfigured, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost {
        memory: 64,
        time: 1,
        lanes: 2,
    };

    #[test]
    fn keys_come_back_with_their_passphrase_alone() {
        let ring = KeyRing::new(Key::from_bytes(&[1; 32])).with(Key::from_bytes(&[2; 32]));
        let line = protect_with(&ring, &"open".into(), CHEAP).unwrap();
        assert!(!line.contains(&**ring.writing().to_base64()));
        let read = unprotect(&line, &"open".into()).unwrap().unwrap();
        assert_eq!(*read.to_text(), *ring.to_text());
        assert!(unprotect(&line, &"Open".into()).unwrap().is_none());
        assert!(unprotect(&line, &"".into()).unwrap().is_none());
    }

    #[test]
    fn a_line_that_was_changed_is_refused() {
        let line = protect_with(&KeyRing::new(Key::from_bytes(&[1; 32])), &"open".into(), CHEAP).unwrap();
        let changes = [
            (":64:1:2:", ":65:1:2:"),
            (":64:1:2:", ":4294967295:1:2:"),
            (":64:1:2:", ":64:1:x:"),
            (":64:1:2:", ":64:0:2:"),
            ("argon2id", "argon2i"),
            ("token-storage-keys:1", "token-storage-keys:2"),
        ];
        for (from, to) in changes {
            let changed = line.replacen(from, to, 1);
            assert!(!matches!(unprotect(&changed, &"open".into()), Ok(Some(_))), "{changed}");
        }
        for end in 0..line.len() {
            assert!(
                !matches!(unprotect(&line[..end], &"open".into()), Ok(Some(_))),
                "cut off at {end}"
            );
        }
    }

    #[test]
    fn who_protects_a_line_is_told_apart_from_a_line_that_is_cut_off() {
        for (line, says) in [
            ("token-storage-keys:", "damaged"),
            ("token-storage-keys:1", "damaged"),
            ("token-storage-keys:1:", "damaged"),
            ("token-storage-keys:1:argon2", "damaged"),
            ("token-storage-keys:1:argon2id", "damaged"),
            ("token-storage-keys:1:argon2id:", "damaged"),
            ("token-storage-keys:1:kms", "damaged"),
            ("token-storage-keys:1:kms:", "a service has wrapped them"),
            ("token-storage-keys:2", "update this program"),
            ("token-storage-keys:2:argon2id:", "update this program"),
        ] {
            let error = unprotect(line, &"open".into()).unwrap_err();
            assert!(error.message().contains(says), "{line}: {error}");
        }
    }

    #[test]
    fn without_anybody_to_ask_it_says_what_to_do() {
        let error = PassphraseFrom::Variable("NO_SUCH_PASSPHRASE".into())
            .ask(Path::new("keys"))
            .unwrap_err();
        assert!(error.message().contains("set NO_SUCH_PASSPHRASE"), "{error}");
        assert!(PassphraseFrom::Nowhere.ask(Path::new("keys")).is_err());
    }
}
