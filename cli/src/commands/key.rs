use clap::Subcommand;
use serde_json::{Value, json};
use token_storage::encryption::{Key, KeyId, KeyRing};

use crate::{
    Context, Exit, Failure, Result,
    key_place::KeyPlace,
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
    /// Make a file with a new key, for its owner only, or an entry in the operating system's keyring; with `-` print a key in base64
    Generate {
        /// Where it goes, apart from the tokens; it must not exist: a path, `keyring:SERVICE/USER`, or `kms:KEY?file=PATH`
        #[arg(value_name = "FILE")]
        place: String,

        /// Protect a file by a passphrase, which is asked for at the terminal whenever the key is needed
        #[arg(long)]
        passphrase: bool,
    },
    /// Show the names of the keys of a file, the one that writes first
    List {
        /// The key file, `keyring:SERVICE/USER`, or `kms:KEY?file=PATH`
        #[arg(value_name = "FILE")]
        place: String,
    },
    /// Add a new key to a file: it writes from now on, and the others go on reading. `rotate-key` then seals everything with it
    Add {
        /// The key file, `keyring:SERVICE/USER`, or `kms:KEY?file=PATH`
        #[arg(value_name = "FILE")]
        place: String,
    },
    /// Remove a key from a file. What is still sealed with it cannot be read any more
    Remove {
        /// The key file, `keyring:SERVICE/USER`, or `kms:KEY?file=PATH`
        #[arg(value_name = "FILE")]
        place: String,

        /// The name of the key, as `key list` shows it
        key: String,

        /// Really do it
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    match args.what {
        What::Generate { place, passphrase } if place == "-" => print_key(passphrase),
        What::Generate { place, passphrase } => generate(&KeyPlace::parse(&place)?, passphrase, context).await,
        What::List { place } => list(&KeyPlace::parse(&place)?, context).await,
        What::Add { place } => add(&KeyPlace::parse(&place)?, context).await,
        What::Remove { place, key, yes } => remove(&KeyPlace::parse(&place)?, &key, yes, context).await,
    }
}

fn print_key(passphrase: bool) -> Result<Exit> {
    if passphrase {
        return Err(Failure::new(Exit::Usage, "a passphrase protects a file; name one"));
    }
    print(&format!("{}\n", *Key::generate()?.to_base64()))?;
    Ok(Exit::Success)
}

async fn generate(place: &KeyPlace, passphrase: bool, context: &Context) -> Result<Exit> {
    let key = Key::generate()?;
    place.create(&KeyRing::new(key.clone()), passphrase).await?;
    let id = key.id().to_string();
    print_done(
        context,
        &json!({"generated": place.generated(&id)}),
        &format!("key {id} is in {}\n", place.name()),
    )?;
    voice::note("keep a copy of it, apart from the tokens: without it they cannot be read");
    Ok(Exit::Success)
}

async fn list(place: &KeyPlace, context: &Context) -> Result<Exit> {
    let ring = place.read().await?;
    let writes = ring.writing().id();
    if context.json {
        let keys = ring
            .iter()
            .map(|key| json!({"key": key.id().to_string(), "writes": key.id() == writes}));
        print_json(&json!({"keys": keys.collect::<Vec<Value>>(), "passphrase": place.is_protected()?}))?;
    } else {
        let role = |id: KeyId| if id == writes { "writes and reads" } else { "reads" };
        let lines = ring.iter().map(|key| format!("{}  {}\n", key.id(), role(key.id())));
        print(&lines.collect::<String>())?;
    }
    Ok(Exit::Success)
}

async fn add(place: &KeyPlace, context: &Context) -> Result<Exit> {
    let key = Key::generate()?;
    let new = key.clone();
    let ring = place.update(|ring| Ok(ring.write_with(new))).await?;
    let (id, others) = (key.id().to_string(), ring.iter().count() - 1);
    let line = format!("key {id} writes from now on; {others} more read\n");
    print_done(context, &json!({"added": {"key": id}}), &line)?;
    voice::note(
        "keep a copy of the new key; `token-storage rotate-key` seals with the new key what the others have sealed",
    );
    Ok(Exit::Success)
}

async fn remove(place: &KeyPlace, key: &str, yes: bool, context: &Context) -> Result<Exit> {
    let id = KeyId::parse(key)?;
    voice::prove(key);
    if !yes {
        let message = format!(
            "what is still sealed with the key {id} is lost without it, in backups, too; say --yes once `rotate-key` has left \
             nothing behind in any storage that uses it"
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    place.update(move |ring| ring.without(id)).await?;
    print_done(
        context,
        &json!({"removed": {"key": id.to_string()}}),
        &format!("key {id} is removed\n"),
    )?;
    Ok(Exit::Success)
}
