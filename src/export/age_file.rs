//! The file around it, of the format age.

use std::{
    io::{Read as _, Write as _},
    iter,
};

use age::{
    DecryptError, Decryptor, Encryptor, Identity, IdentityFile, Recipient, armor::ArmoredReader, scrypt, x25519,
};
use token_storage_core::{Error, ErrorKind, Result, Secret};
use zeroize::Zeroizing;

use super::{Lock, Opener, refused};

/// That of the program `age`, and not what this machine does in a second: a file is as strong wherever it was made.
const WORK_FACTOR: u8 = 18;
/// The most that a file may ask for: a gigabyte, for some seconds.
const MOST_WORK: u8 = 20;

pub(super) fn lock(text: &[u8], lock: &Lock) -> Result<Vec<u8>> {
    let encryptor = match lock {
        Lock::Passphrase(passphrase) if passphrase.expose().is_empty() => {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "an empty passphrase protects nothing",
            ));
        }
        Lock::Passphrase(passphrase) => {
            let mut recipient = scrypt::Recipient::new(passphrase.expose().to_owned().into());
            recipient.set_work_factor(WORK_FACTOR);
            Encryptor::with_recipients(iter::once(&recipient as &dyn Recipient))
        }
        Lock::Recipients(names) => {
            let recipients = names.iter().map(|name| recipient(name)).collect::<Result<Vec<_>>>()?;
            Encryptor::with_recipients(recipients.iter().map(|recipient| recipient as &dyn Recipient))
        }
    };
    let encryptor = encryptor.map_err(|_| {
        let message = "there is nobody to lock the file for; name a recipient";
        Error::new(ErrorKind::InvalidInput, message)
    })?;
    let mut file = Vec::with_capacity(text.len() + text.len() / 1024 + 1024);
    let written = encryptor.wrap_output(&mut file).and_then(|mut writer| {
        writer.write_all(text)?;
        writer.finish()
    });
    // Writing into memory does not fail.
    written.map_err(|_| Error::new(ErrorKind::Unavailable, "the file cannot be encrypted"))?;
    Ok(file)
}

fn recipient(name: &str) -> Result<x25519::Recipient> {
    name.parse().map_err(|_| {
        // It is not quoted: it may be the identity.
        let message = "a recipient is named by age1..., as `age-keygen` prints it; this is none";
        Error::new(ErrorKind::InvalidInput, message)
    })
}

pub(super) fn unlock(file: &[u8], opener: &Opener) -> Result<Zeroizing<Vec<u8>>> {
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(file)).map_err(|error| unreadable(&error))?;
    let by_passphrase = decryptor.is_scrypt();
    let reader = match opener {
        Opener::Passphrase(_) if !by_passphrase => {
            return Err(denied(
                "the file is for recipients and has no passphrase; give the identity of one",
            ));
        }
        Opener::Identities(_) if by_passphrase => {
            return Err(denied(
                "the file has a passphrase and is for no recipients; give the passphrase",
            ));
        }
        Opener::Passphrase(passphrase) => {
            let mut identity = scrypt::Identity::new(passphrase.expose().to_owned().into());
            identity.set_max_work_factor(MOST_WORK);
            decryptor.decrypt(iter::once(&identity as &dyn Identity))
        }
        Opener::Identities(text) => {
            let identities = identities(text)?;
            decryptor.decrypt(identities.iter().map(|identity| &**identity as &dyn Identity))
        }
    };
    let mut reader = reader.map_err(|error| match error {
        DecryptError::NoMatchingKeys if !by_passphrase => denied("the file is for other recipients"),
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed | DecryptError::NoMatchingKeys => {
            denied("the file has another passphrase")
        }
        error => unreadable(&error),
    })?;
    // It is shorter than the file: growing would leave pieces behind that are not wiped.
    let mut text = Zeroizing::new(Vec::with_capacity(file.len()));
    reader
        .read_to_end(&mut text)
        .map_err(|_| refused("it was cut off or changed"))?;
    Ok(text)
}

fn identities(text: &Secret) -> Result<Vec<Box<dyn Identity + Send + Sync>>> {
    let none = || {
        let message =
            "an identity is a line AGE-SECRET-KEY-1..., as `age-keygen` makes it; there is something else, or none";
        Error::new(ErrorKind::InvalidInput, message)
    };
    let file = IdentityFile::from_buffer(text.expose().as_bytes()).map_err(|_| none())?;
    let identities = file.into_identities().map_err(|_| none())?;
    if identities.is_empty() {
        Err(none())
    } else {
        Ok(identities)
    }
}

/// What keeps the file from being looked into at all.
fn unreadable(error: &DecryptError) -> Error {
    match error {
        DecryptError::UnknownFormat => {
            let message = "the file is of a later version of age than this program knows; update it";
            Error::new(ErrorKind::InvalidInput, message)
        }
        DecryptError::ExcessiveWork { required, .. } => {
            let message =
                format!("opening the file takes 2^{required} steps of work, more than 2^{MOST_WORK}, which is refused");
            Error::new(ErrorKind::InvalidInput, message)
        }
        DecryptError::InvalidHeader | DecryptError::InvalidMac | DecryptError::Io(_) => {
            refused("it is none of age, or was cut off or changed")
        }
        _ => refused("it cannot be opened"),
    }
}

fn denied(message: &str) -> Error {
    Error::new(ErrorKind::PermissionDenied, message)
}
