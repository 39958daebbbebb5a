//! Tokens in one encrypted file, and back.

use std::{
    fs::{self, File},
    io::{self, IsTerminal as _, Read as _, Write as _},
    path::Path,
};

use serde_json::json;
use token_storage::{
    Durability, MemoryStorage, Secret,
    export::{self, Lock, Opener},
    migrate::Migration,
};

use super::migrate::{check_listing, select};
use crate::{
    Context, EXPORT_PASSPHRASE_VARIABLE, Exit, Failure, Result, input,
    moving::{Report, Words},
    output::print_done,
    passphrase, text, voice,
};

const EXPORTING: Words = Words {
    verb: "export",
    past: "exported",
    doing: "exporting",
    source: "the storage",
};

const IMPORTING: Words = Words {
    verb: "import",
    past: "imported",
    doing: "importing",
    source: "the file",
};

/// What each file of `export` begins with, and each binary one of the program `age`.
const AGE: &[u8; 19] = b"age-encryption.org/";

/// Far more than anybody's tokens take.
const LARGEST: u64 = 256 * 1024 * 1024;

/// Put tokens into one encrypted file
///
/// Those of the namespace that is chosen with --namespace, or all. The file is one of age, locked by a passphrase, which is asked for
/// at the terminal, or for --recipient. `import` stores what is in it. The storage stays as it is.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file, for its owner only; it must not exist. `-` is standard output
    file: String,

    /// Only the tokens for these resource servers; needed where the storage cannot list
    resource_servers: Vec<String>,

    /// Only the tokens that this file names, `-` for standard input: the output of `list --json`, or a resource server on
    /// each line
    #[arg(long, value_name = "FILE", conflicts_with = "resource_servers")]
    keys_from: Option<String>,

    /// Who can open the file, as `age-keygen` prints it; may be given several times. Without it a passphrase locks the file
    #[arg(long, value_name = "AGE1...")]
    recipient: Vec<String>,

    /// Replace the file if it exists and is one of age
    #[arg(long)]
    overwrite: bool,

    /// Export what can be exported, although something is in the way of the rest
    #[arg(long)]
    keep_going: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    check_place(&args)?;
    let from = context.open().await?;
    let selection = select(args.keys_from.as_deref(), &args.resource_servers, context)?;
    check_listing(&*from, &selection)?;
    let collected = MemoryStorage::new();
    let mut migration = Migration::new(&*from, &collected);
    if let Some(wait) = context.timeout {
        migration = migration.lease_wait(wait);
    }
    let report = Report::of(migration, &selection, &EXPORTING, None).await?;
    if report.tally.left > 0 && !args.keep_going {
        return Err(report.in_the_way());
    }
    if report.tally.copied == 0 {
        return Err(Failure::new(
            Exit::NotFound,
            "there is no token to export; no file was made",
        ));
    }
    let lock = lock(&args)?;
    let file = export::seal(&collected, &lock).await?;
    if args.file == "-" {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(&file).and_then(|()| stdout.flush());
        written.map_err(|error| Failure::new(Exit::Failure, format!("cannot write to standard output: {error}")))?;
        report.tell_left();
        voice::note(&report.line());
        tell_twins();
        return Ok(report.exit());
    }
    write(&args, &file)?;
    verify(&args.file, &file, lock).await?;
    voice::prove(&args.file);
    report.tell_left();
    let mut value = report.as_json(false);
    value["file"] = json!(args.file);
    let line = format!("{}, into {}\n", report.line(), text::one_line(&args.file));
    print_done(context, &value, &line)?;
    tell_twins();
    Ok(report.exit())
}

/// Before anything is read or asked.
fn check_place(args: &Args) -> Result<()> {
    if args.file == "-" && io::stdout().is_terminal() {
        let message = "the file is not text, and standard output is a terminal; name a file";
        return Err(Failure::new(Exit::Usage, message));
    }
    if args.file == "-" {
        return Ok(());
    }
    let path = Path::new(&args.file);
    let place = text::one_line(&args.file);
    if !path.exists() {
        return match path.is_symlink() {
            true => {
                voice::prove(&args.file);
                let message =
                    format!("{place} is a symbolic link that leads nowhere; name the file that it is to lead to");
                Err(Failure::new(Exit::Usage, message))
            }
            false => Ok(()),
        };
    }
    voice::prove(&args.file);
    if !args.overwrite {
        let message = format!("{place} is there already, and was left as it is; --overwrite replaces it");
        return Err(Failure::new(Exit::Usage, message));
    }
    if !is_of_age(path) {
        let message = format!("{place} is there already and is no file of age; it was left as it is, name another one");
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(())
}

/// Nothing else is overwritten: it might be a storage, or a key. What cannot be read counts as something else, and a pipe,
/// whose reading might not end, is not opened.
fn is_of_age(file: &Path) -> bool {
    let mut first = [0; AGE.len()];
    file.is_file() && File::open(file).is_ok_and(|mut opened| opened.read_exact(&mut first).is_ok()) && first == *AGE
}

fn lock(args: &Args) -> Result<Lock> {
    if args.recipient.is_empty() {
        let passphrase = passphrase::new(EXPORT_PASSPHRASE_VARIABLE, &text::one_line(&args.file))?;
        return Ok(Lock::Passphrase(passphrase));
    }
    Ok(Lock::Recipients(args.recipient.clone()))
}

/// In one step: a file that is there is whole.
fn write(args: &Args, bytes: &[u8]) -> Result<()> {
    replace(Path::new(&args.file), bytes, args.overwrite).map_err(|error| {
        voice::prove(&args.file);
        let message = format!("{}: cannot be written: {}", text::one_line(&args.file), reason(&error));
        Failure::new(Exit::Unavailable, message)
    })
}

/// Without the name of the temporary file, which would be taken for the one that is missing.
fn reason(error: &io::Error) -> String {
    let told = error.to_string();
    let told = told.split(" at path ").next().unwrap_or_default();
    match error.kind() {
        io::ErrorKind::NotFound => format!("{told}; make the folder first"),
        _ => told.to_owned(),
    }
}

/// A symbolic link stays, and what it leads to is replaced.
fn replace(file: &Path, bytes: &[u8], overwrite: bool) -> io::Result<()> {
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    // For its owner only from the first instant.
    let mut new = tempfile::Builder::new()
        .prefix(".token-storage-export.")
        .tempfile_in(folder)?;
    allow_owner(new.as_file())?;
    new.write_all(bytes)?;
    new.as_file().sync_all()?;
    let kept = if overwrite {
        new.persist(&file)
    } else {
        new.persist_noclobber(&file)
    };
    kept.map_err(|error| error.error)?;
    sync(folder)
}

/// A strict umask takes from the owner, too, who could not open the file again.
#[cfg(unix)]
fn allow_owner(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    file.set_permissions(fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
fn allow_owner(_: &File) -> io::Result<()> {
    Ok(())
}

/// The name of a new file survives a loss of power once its folder is synchronised.
#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}

/// What is on the disk is what was meant, and its passphrase opens it. For recipients only they can open it.
async fn verify(file: &str, bytes: &[u8], lock: Lock) -> Result<()> {
    let read = fs::read(file).ok().filter(|read| read == bytes);
    let sound = match (read, lock) {
        (Some(read), Lock::Passphrase(passphrase)) => {
            export::open(&read, &Opener::Passphrase(passphrase)).await.is_ok()
        }
        (read, _) => read.is_some(),
    };
    if sound {
        return Ok(());
    }
    voice::prove(file);
    let message = format!(
        "{}: was written, and does not read back the same; do not rely on it",
        text::one_line(file)
    );
    Err(Failure::new(Exit::Unavailable, message))
}

fn tell_twins() {
    voice::note(
        "warning: the storage and the file hold these tokens now, and a refresh at one ends those of the other at most servers. \
         `logout` ends both",
    );
}

/// What `import` takes for a file of `export`.
#[derive(Debug, clap::Args)]
pub(crate) struct FromExport {
    /// Of a file that `export` made: only the tokens for these resource servers
    #[arg(conflicts_with = "from")]
    resource_servers: Vec<String>,

    /// Only the tokens that this file names, `-` for standard input: the output of `list --json`, or a resource server on
    /// each line
    #[arg(long, value_name = "FILE", conflicts_with_all = ["resource_servers", "from"])]
    keys_from: Option<String>,

    /// The file with the identity of a recipient, as `age-keygen` makes it. Without it the passphrase is asked for
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    identity: Option<String>,

    /// Store them in this namespace
    #[arg(long, value_name = "NS", conflicts_with = "from")]
    to_namespace: Option<String>,

    /// Import what can be imported, although something is in the way of the rest
    #[arg(long, conflicts_with = "from")]
    keep_going: bool,
}

/// Stores what is in a file of `export`: the same rules as for moving tokens between storages.
pub(super) async fn import(
    file: &str,
    args: FromExport,
    overwrite: bool,
    dry_run: bool,
    context: &Context,
) -> Result<Exit> {
    // Before anything is read or asked.
    context.url()?;
    let selection = select(args.keys_from.as_deref(), &args.resource_servers, context)?;
    let to_namespace = args.to_namespace.map(|name| context.given_name(name)).transpose()?;
    let (place, bytes) = input::read_up_to(LARGEST, file, "what `export` made")?;
    let opener = match &args.identity {
        Some(identity) => Opener::Identities(identities(identity)?),
        None => Opener::Passphrase(passphrase::ask(EXPORT_PASSPHRASE_VARIABLE, &place)?),
    };
    let opened = export::open(&bytes, &opener).await;
    let opened = opened.map_err(|error| Failure::new(Exit::Usage, error.message()).at(&place))?;
    let to = context.open().await?;
    let migration = || {
        let mut migration = Migration::new(&opened, &*to);
        if let Some(namespace) = &to_namespace {
            migration = migration.to_namespace(namespace);
        }
        if overwrite { migration.overwrite() } else { migration }
    };
    let planned = Report::of(migration().dry_run(), &selection, &IMPORTING, None).await?;
    if dry_run {
        return planned.end_of_dry_run(context);
    }
    if planned.tally.left > 0 && !args.keep_going {
        return Err(planned.in_the_way());
    }
    let total = planned.tally.copied + planned.tally.already_there;
    let report = Report::of(migration(), &selection, &IMPORTING, Some(total)).await?;
    if to.describe().durability == Durability::Volatile {
        super::store::warn_of_memory(&*to, context)?;
    }
    report.end(context)
}

fn identities(file: &str) -> Result<Secret> {
    let (place, bytes) = input::read(file, "the identity")?;
    let text = str::from_utf8(&bytes).map_err(|_| Failure::new(Exit::Usage, "holds no identity of age").at(&place))?;
    Ok(Secret::from(text))
}
