use std::path::Path;

use clap::Subcommand;
use serde_json::{Value, json};
use token_storage::encryption::{Key, KeyFile, KeyId, KeyRing};

use crate::{
    Context, Exit, Failure, Result,
    keys::{Passphrases, new_passphrase},
    output::{print, print_done, print_json},
    voice,
};

/// Make and change the keys of encrypted storages
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a file with a new key, for its owner only; with `-` print a key in base64
    Generate {
        /// Where the file goes, apart from the tokens; it must not exist
        file: String,

        /// Protect it by a passphrase, which is asked for at the terminal whenever the key is needed
        #[arg(long)]
        passphrase: bool,
    },
    /// Show the names of the keys of a file, the one that writes first
    List {
        /// The key file
        file: String,
    },
    /// Add a new key to a file: it writes from now on, and the others go on reading. `rotate-key` then seals everything with it
    Add {
        /// The key file
        file: String,
    },
    /// Remove a key from a file. What is still sealed with it cannot be read any more
    Remove {
        /// The key file
        file: String,

        /// The name of the key, as `key list` shows it
        key: String,

        /// Really do it
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit> {
    match args.what {
        What::Generate { file, passphrase } if file == "-" => print_key(passphrase),
        What::Generate { file, passphrase } => generate(&file, passphrase, context),
        What::List { file } => list(&KeyFile::new(file), context),
        What::Add { file } => add(&KeyFile::new(file), context),
        What::Remove { file, key, yes } => remove(&KeyFile::new(file), &key, yes, context),
    }
}

fn print_key(passphrase: bool) -> Result<Exit> {
    if passphrase {
        return Err(Failure::new(Exit::Usage, "a passphrase protects a file; name one"));
    }
    print(&format!("{}\n", *Key::generate()?.to_base64()))?;
    Ok(Exit::Success)
}

fn generate(file: &str, passphrase: bool, context: &Context) -> Result<Exit> {
    let path = Path::new(file);
    // Before anything is asked.
    if path.exists() {
        voice::prove(file);
        let message =
            format!("{file} is there already, and was left as it is; `token-storage key add` adds a key to it");
        return Err(Failure::new(Exit::Usage, message));
    }
    let passphrase = passphrase.then(|| new_passphrase(path)).transpose()?;
    let key = Key::generate()?;
    KeyFile::new(path).create(&KeyRing::new(key.clone()), passphrase.as_ref())?;
    voice::prove(file);
    let id = key.id().to_string();
    print_done(
        context,
        &json!({"generated": {"file": file, "key": id}}),
        &format!("key {id} is in {file}\n"),
    )?;
    voice::note("keep a copy of the file, apart from the tokens: without it they cannot be read");
    Ok(Exit::Success)
}

fn list(file: &KeyFile, context: &Context) -> Result<Exit> {
    let ring = file.read(&Passphrases::default())?;
    let writes = ring.writing().id();
    if context.json {
        let keys = ring
            .iter()
            .map(|key| json!({"key": key.id().to_string(), "writes": key.id() == writes}));
        print_json(&json!({"keys": keys.collect::<Vec<Value>>(), "passphrase": file.is_protected()?}))?;
    } else {
        let role = |id: KeyId| if id == writes { "writes and reads" } else { "reads" };
        let lines = ring.iter().map(|key| format!("{}  {}\n", key.id(), role(key.id())));
        print(&lines.collect::<String>())?;
    }
    Ok(Exit::Success)
}

fn add(file: &KeyFile, context: &Context) -> Result<Exit> {
    let key = Key::generate()?;
    let new = key.clone();
    let ring = file.update(&Passphrases::default(), |ring| Ok(ring.write_with(new)))?;
    let (id, others) = (key.id().to_string(), ring.iter().count() - 1);
    let line = format!("key {id} writes from now on; {others} more read\n");
    print_done(context, &json!({"added": {"key": id}}), &line)?;
    voice::note(
        "keep a copy of the file; `token-storage rotate-key` seals with the new key what the others have sealed",
    );
    Ok(Exit::Success)
}

fn remove(file: &KeyFile, key: &str, yes: bool, context: &Context) -> Result<Exit> {
    let id = KeyId::parse(key)?;
    voice::prove(key);
    if !yes {
        let message = format!(
            "what is still sealed with the key {id} is lost without it, in backups, too; say --yes once `rotate-key` has left \
             nothing behind in any storage that uses it"
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    file.update(&Passphrases::default(), |ring| ring.without(id))?;
    print_done(
        context,
        &json!({"removed": {"key": id.to_string()}}),
        &format!("key {id} is removed\n"),
    )?;
    Ok(Exit::Success)
}
