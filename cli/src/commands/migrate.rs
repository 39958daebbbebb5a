use serde_json::Value;
use token_storage::{
    Durability, TokenKey, TokenStorage,
    migrate::{Migration, Selection},
};

use crate::{
    Context, Exit, Failure, Result, input,
    moving::{Report, Words},
    text, voice,
};

const MOVING: Words = Words {
    verb: "move",
    past: "moved",
    doing: "moving",
    source: "the old storage",
};

/// Move tokens to another storage, or to another namespace
///
/// Moves the namespace that is chosen with --namespace, or all. Each token is stored, read back and compared. Nothing is
/// moved while anything is in the way. Run it again after it was interrupted: it goes on where it was.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The storage where the tokens are, as for --storage
    from: String,

    /// The storage where they go
    to: String,

    /// Only the tokens for these resource servers; needed where the storage cannot list
    resource_servers: Vec<String>,

    /// Only the tokens that this file names, `-` for standard input: the output of `list --json`, or a resource server on
    /// each line
    #[arg(long, value_name = "FILE", conflicts_with = "resource_servers")]
    keys_from: Option<String>,

    /// Store them in this namespace
    #[arg(long, value_name = "NS")]
    to_namespace: Option<String>,

    /// Replace other tokens that are there; they are not revoked
    #[arg(long)]
    overwrite: bool,

    /// Remove each token from where it was, once it has been read back from where it goes
    #[arg(long)]
    remove_source: bool,

    /// Move what can be moved, although something is in the way of the rest
    #[arg(long)]
    keep_going: bool,

    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let (from, to) = (context.open_url(&args.from).await?, context.open_url(&args.to).await?);
    if args.remove_source && to.describe().durability == Durability::Volatile {
        let message = "what is stored there is gone when this command ends, so nothing is removed for it; name another storage, \
                       or leave out --remove-source";
        return Err(Failure::new(Exit::Usage, message));
    }
    let selection = select(args.keys_from.as_deref(), &args.resource_servers, context)?;
    let to_namespace = args
        .to_namespace
        .clone()
        .map(|name| context.given_name(name))
        .transpose()?;
    check_listing(&*from, &selection)?;
    let migration = || {
        let mut migration = Migration::new(&*from, &*to);
        if let Some(namespace) = &to_namespace {
            migration = migration.to_namespace(namespace);
        }
        if args.overwrite {
            migration = migration.overwrite();
        }
        if args.remove_source {
            migration = migration.remove_source();
        }
        if let Some(wait) = context.timeout {
            migration = migration.lease_wait(wait);
        }
        migration
    };
    let planned = Report::of(migration().dry_run(), &selection, &MOVING, None).await?;
    if args.dry_run {
        return planned.end_of_dry_run(context);
    }
    if planned.tally.left > 0 && !args.keep_going {
        return Err(planned.in_the_way());
    }
    let total = planned.tally.copied + planned.tally.already_there;
    let report = Report::of(migration(), &selection, &MOVING, Some(total)).await?;
    if !args.remove_source && report.tally.copied > 0 {
        tell_twins(&args);
    }
    report.end(context)
}

/// Tokens that are not named have to be listed.
pub(super) fn check_listing(from: &dyn TokenStorage, selection: &Selection) -> Result<()> {
    if matches!(selection, Selection::Keys(_)) || from.enumerate().is_some() {
        return Ok(());
    }
    let message = format!(
        "a {} storage cannot list what is in it; name the tokens, as arguments or with --keys-from",
        from.describe().backend
    );
    Err(Failure::new(Exit::Usage, message))
}

/// The tokens that are named in a file or as arguments, or else those of the namespace, if one is named, or all.
pub(super) fn select(keys_from: Option<&str>, resource_servers: &[String], context: &Context) -> Result<Selection> {
    let key = |name: &str| TokenKey::new(context.namespace.as_str(), name);
    if let Some(file) = keys_from {
        let (place, bytes) = input::read(file, "the names of tokens")?;
        let text = str::from_utf8(&bytes).map_err(|_| not_names(&place))?;
        return named_in(text, key)
            .map(Selection::Keys)
            .ok_or_else(|| not_names(&place));
    }
    if !resource_servers.is_empty() {
        let names = resource_servers.iter();
        let keys = names.map(|name| Ok(key(&context.resource_server(name.clone())?)));
        return keys.collect::<Result<_>>().map(Selection::Keys);
    }
    Ok(match context.given_namespace() {
        Some(namespace) => Selection::Namespace(namespace.to_owned()),
        None => Selection::All,
    })
}

/// What `list --json` prints, or a resource server of the namespace on each line.
fn named_in(text: &str, key: impl Fn(&str) -> TokenKey) -> Option<Vec<TokenKey>> {
    if !text.trim_start().starts_with('{') {
        let names = text.lines().map(|line| line.trim_end_matches('\r'));
        return Some(names.filter(|name| !name.is_empty()).map(key).collect());
    }
    let list: Value = serde_json::from_str(text).ok()?;
    let name = |entry: &Value, member: &str| entry.get(member)?.as_str().map(str::to_owned);
    let entries = list.get("tokens")?.as_array()?.iter();
    entries
        .map(|entry| {
            Some(TokenKey::new(
                name(entry, "namespace")?,
                name(entry, "resource_server")?,
            ))
        })
        .collect()
}

fn not_names(place: &str) -> Failure {
    let message =
        format!("{place}: holds no names of tokens; give what `list --json` prints, or one name on each line");
    Failure::new(Exit::Usage, message)
}

/// Two storages with one refresh token: whoever refreshes first ends the other's.
fn tell_twins(args: &Args) {
    voice::note(&format!(
        "warning: both storages hold these tokens now, and a refresh at one ends those of the other at most servers. Let all \
         programs use {}, and remove them from the old one: run this again with --remove-source",
        text::one_line(&args.to)
    ));
}
