//! Encrypting what is there, decrypting it, and moving it to another key: record by record, each in one step.

use serde_json::json;
use token_storage::{
    Enumerate, Error, TokenKey, TokenStorage as _, backend::counted, encryption::Resealed, migrate::Selection,
};

use super::migrate::select;
use crate::{Context, Exit, Failure, Result, keys::Encrypted, output::print_done, voice};

/// Which tokens.
#[derive(Debug, clap::Args)]
struct Which {
    /// Only the tokens for these resource servers; needed where the storage cannot list
    resource_servers: Vec<String>,

    /// Only the tokens that this file names, `-` for standard input: the output of `list --json`, or a resource server on
    /// each line
    #[arg(long, value_name = "FILE", conflicts_with = "resource_servers")]
    keys_from: Option<String>,
}

/// Encrypt the tokens of a storage where they are
///
/// Those of the namespace that is chosen with --namespace, or all, with the key of --key-from. From then on name the storage
/// with `encrypted+` in front of its URL. Run it again after it was interrupted.
#[derive(Debug, clap::Args)]
pub(crate) struct Encrypt {
    #[command(flatten)]
    which: Which,
}

/// Write the tokens of an encrypted storage without encryption
///
/// Those of the namespace that is chosen with --namespace, or all.
#[derive(Debug, clap::Args)]
pub(crate) struct Decrypt {
    #[command(flatten)]
    which: Which,
}

/// Seal with the key that writes what older keys have sealed
///
/// The tokens of the namespace that is chosen with --namespace, or all; `key add` makes the new key first. Programs may go on
/// reading and writing. Run it again after it was interrupted.
#[derive(Debug, clap::Args)]
pub(crate) struct RotateKey {
    #[command(flatten)]
    which: Which,
}

pub(crate) async fn encrypt(args: Encrypt, context: &Context) -> Result<Exit> {
    let storage = context.encrypted(true).await?;
    let done = Done::of(&storage, &args.which, context, Way::Seal).await?;
    if done.written > 0 {
        voice::note(
            "what was there unencrypted may be left in backups, in kept files beside the storage, and in free space of the disk; \
             of a SQLite database `give-back` ends the log that may hold some",
        );
    }
    done.end("encrypted", context)
}

pub(crate) async fn decrypt(args: Decrypt, context: &Context) -> Result<Exit> {
    let storage = context.encrypted(true).await?;
    let done = Done::of(&storage, &args.which, context, Way::Unseal).await?;
    done.end("decrypted", context)
}

pub(crate) async fn rotate_key(args: RotateKey, context: &Context) -> Result<Exit> {
    let storage = context.encrypted(false).await?;
    let done = Done::of(&storage, &args.which, context, Way::Seal).await?;
    done.end("sealed with the new key", context)
}

#[derive(Clone, Copy)]
enum Way {
    Seal,
    Unseal,
}

#[derive(Default)]
struct Done {
    written: u64,
    unchanged: u64,
    absent: u64,
    unnameable: u64,
    left: Vec<(TokenKey, Error)>,
}

impl Done {
    async fn of(storage: &Encrypted, which: &Which, context: &Context, way: Way) -> Result<Self> {
        let mut done = Self::default();
        match select(which.keys_from.as_deref(), &which.resource_servers, context)? {
            Selection::Keys(keys) => {
                for key in &keys {
                    done.one(storage, key, way).await;
                }
            }
            Selection::Namespace(namespace) => {
                done.namespace(storage, &*listing(storage)?, &namespace, way).await?;
            }
            _ => done.all(storage, &*listing(storage)?, way).await?,
        }
        Ok(done)
    }

    async fn all(&mut self, storage: &Encrypted, listing: &dyn Enumerate, way: Way) -> Result<()> {
        let mut after = None;
        loop {
            let page = listing.list_namespaces(after.as_ref()).await?;
            self.unnameable += page.unnameable;
            for namespace in &page.items {
                self.namespace(storage, listing, namespace, way).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn namespace(
        &mut self,
        storage: &Encrypted,
        listing: &dyn Enumerate,
        namespace: &str,
        way: Way,
    ) -> Result<()> {
        let mut after = None;
        loop {
            let page = listing.list_keys(namespace, after.as_ref()).await?;
            self.unnameable += page.unnameable;
            for key in &page.items {
                self.one(storage, key, way).await;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// What does not open hides nothing of the rest.
    async fn one(&mut self, storage: &Encrypted, key: &TokenKey, way: Way) {
        let done = match way {
            Way::Seal => storage.reseal(key).await,
            Way::Unseal => storage.unseal(key).await,
        };
        match done {
            Ok(Resealed::Written) => self.written += 1,
            Ok(Resealed::Unchanged) => self.unchanged += 1,
            Ok(Resealed::Absent) => self.absent += 1,
            Err(error) => self.left.push((key.clone(), error)),
        }
    }

    fn end(self, what: &str, context: &Context) -> Result<Exit> {
        for (key, error) in &self.left {
            voice::note_of(key, error.message());
        }
        let mut line = format!("{what}: {}", counted(self.written, "token"));
        let more = [
            (self.unchanged, "already so"),
            (self.absent, "not there"),
            (self.left.len() as u64, "left as before"),
            (self.unnameable, "left as before, with a name that is not Unicode"),
        ];
        for (count, what) in more.into_iter().filter(|(count, _)| *count > 0) {
            line += &format!("; {count} {what}");
        }
        let left = self.left.iter().map(|(key, error)| {
            json!({"namespace": key.namespace(), "resource_server": key.resource_server(), "message": error.message()})
        });
        let value = json!({
            "written": self.written,
            "unchanged": self.unchanged,
            "absent": self.absent,
            "unnameable": self.unnameable,
            "left": left.collect::<Vec<_>>(),
        });
        print_done(context, &value, &(line + "\n"))?;
        Ok(match self.left.first() {
            None => Exit::Success,
            Some((_, error)) => error.kind().into(),
        })
    }
}

fn listing(storage: &Encrypted) -> Result<Box<dyn Enumerate + '_>> {
    storage.enumerate().ok_or_else(|| {
        let message = format!(
            "a {} storage cannot list what is in it; name the tokens, as arguments or with --keys-from",
            storage.describe().backend
        );
        Failure::new(Exit::Usage, message)
    })
}
