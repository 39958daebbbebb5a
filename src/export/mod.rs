//! All records of a storage, or some, in one encrypted file: to carry logins to another machine, or to put them away.
//!
//! ```
//! use token_storage::{MemoryStorage, Precondition, TokenData, TokenKey, TokenStorage as _, TokenStorageExt as _};
//! use token_storage::export::{self, Lock, Opener};
//! use token_storage::migrate::{Migration, Selection};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> token_storage::Result<()> {
//! let (old, new) = (MemoryStorage::new(), MemoryStorage::new());
//! let key = TokenKey::in_default("rs");
//! old.store(&key, &TokenData::new("rs", "read", "at"), Precondition::Any).await?;
//!
//! // Any selection, from any storage: what is to go into the file is collected first.
//! let collected = MemoryStorage::new();
//! Migration::new(&old, &collected).run(&Selection::All, |_, _| {}).await?;
//! # use age::secrecy::ExposeSecret as _;
//! # let identity = age::x25519::Identity::generate();
//! # let recipient = identity.to_public().to_string();
//! let file = export::seal(&collected, &Lock::Recipients(vec![recipient])).await?;
//!
//! // On the other machine: nothing is stored before the whole file has proven sound.
//! # let opener = Opener::Identities(identity.to_string().expose_secret().into());
//! let opened = export::open(&file, &opener).await?;
//! Migration::new(&opened, &new).run(&Selection::All, |_, _| {}).await?;
//! assert_eq!(new.get(&key).await?.unwrap().data.access_token.expose(), "at");
//! # Ok(()) }
//! ```
//!
//! The file is one of [age](https://age-encryption.org/v1), locked by a passphrase or for recipients (X25519), so that the
//! program `age` opens it, too; what is in it stands in `docs/formats.md` of the repository. It is authenticated as a whole:
//! a file that was changed or cut off does not open.
//!
//! **A refresh token that is in a file and in a storage is spent by whichever is refreshed first.** A file that was put away
//! is of use only if nothing was refreshed since, at servers that take each refresh token once.

mod age_file;
mod text;

use token_storage_core::{
    Error, ErrorKind, MemoryStorage, Operation, Precondition, Result, Secret, TokenStorage, Write,
};
use zeroize::Zeroizing;

/// What an exported file is locked with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Lock {
    /// A passphrase, by scrypt with the work factor 18: whoever opens it needs 256 MiB and about a second.
    Passphrase(Secret),
    /// For these recipients, as `age-keygen` prints them (`age1...`): they are no secret. Each of them can open the file, and
    /// whoever made it cannot, unless it is one of them.
    Recipients(Vec<String>),
}

/// What opens an exported file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Opener {
    /// Its passphrase.
    Passphrase(Secret),
    /// The text of an identity file, as `age-keygen` makes it: lines of `AGE-SECRET-KEY-1...`, and comments.
    Identities(Secret),
}

/// The file with all records of this storage, which must be able to list: to choose, [move](crate::migrate) records into a
/// [`MemoryStorage`] first. With a passphrase it computes for about a second, on the thread that polls it.
///
/// # Errors
/// - [`InvalidInput`](ErrorKind::InvalidInput): a recipient is none of age's, there is none, or the passphrase is empty.
/// - [`Misconfigured`](ErrorKind::Misconfigured): the storage cannot list.
/// - Those of [`get`](TokenStorage::get) and of listing: a record that is damaged is not left out in silence.
pub async fn seal(records: &dyn TokenStorage, lock: &Lock) -> Result<Vec<u8>> {
    let mut text = text::Writer::new();
    let listing = records.enumerate().ok_or_else(|| {
        let message = "this storage cannot list what is in it; move the records that are meant into one in memory";
        Error::new(ErrorKind::Misconfigured, message).with_operation(Operation::List)
    })?;
    let mut more_namespaces = None;
    loop {
        let namespaces = listing.list_namespaces(more_namespaces.as_ref()).await?;
        for namespace in &namespaces.items {
            let mut more = None;
            loop {
                let page = listing.list_keys(namespace, more.as_ref()).await?;
                for key in &page.items {
                    if let Some(stored) = records.get(key).await? {
                        text.add(key, &stored.data);
                    }
                }
                more = page.next;
                if more.is_none() {
                    break;
                }
            }
        }
        more_namespaces = namespaces.next;
        if more_namespaces.is_none() {
            break;
        }
    }
    age_file::lock(text.finish().as_bytes(), lock)
}

/// The records of such a file, in memory: from there they are [moved](crate::migrate) to where they are to be. Nothing of a
/// file is handed out before all of it has proven sound. With a passphrase it computes for about a second, on the thread that
/// polls it.
///
/// # Errors
/// - [`InvalidInput`](ErrorKind::InvalidInput): it is no file of age, was cut off or changed, holds something else, or comes from a
///   later version of token-storage; or an identity is none of age's.
/// - [`PermissionDenied`](ErrorKind::PermissionDenied): it has another passphrase, or is for other recipients.
/// - [`TooLarge`](ErrorKind::TooLarge): a record is larger than a storage in memory takes.
pub async fn open(file: &[u8], opener: &Opener) -> Result<MemoryStorage> {
    let text: Zeroizing<Vec<u8>> = age_file::unlock(file, opener)?;
    let records = MemoryStorage::new();
    for (key, data) in text::read(&text)? {
        let write = Write::new(&key, &data, Precondition::Absent);
        records.store_all(&[write]).await.map_err(|error| match error.kind() {
            ErrorKind::Conflict => refused("it names a record twice"),
            _ => error,
        })?;
    }
    Ok(records)
}

/// An error about what is in a file.
fn refused(why: &str) -> Error {
    let message = format!("this is no file that `token-storage export` made: {why}");
    Error::new(ErrorKind::InvalidInput, message)
}
