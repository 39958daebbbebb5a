use serde_json::{Value, json};
use token_storage::{
    ErrorKind, Precondition, TokenKey, TokenStorage as _, Write,
    import::{self, Found, Program},
};

use crate::{Context, Exit, Failure, Result, input, output::print_done, record::Summary, text, time, voice};

/// Take over what another program keeps of its logins, or what `export` made
///
/// With --from each login in the file is stored under its resource server, all of them or none; what is lost on the way is
/// said. Without it the file is one that `export` made: its tokens are stored as `migrate` stores them. Nothing is overwritten
/// without --overwrite, and the file stays as it is.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The program: spotipy, authlib, requests-oauthlib, rclone, msal, gcloud or aws-sso
    #[arg(long, value_name = "PROGRAM")]
    from: Option<String>,

    /// Its file, or that of `export`; `-` is standard input
    file: String,

    /// The resource server to store it under, if there is one login in the file
    #[arg(long, value_name = "RS", requires = "from")]
    resource_server: Option<String>,

    /// Replace other tokens that are there; they are not revoked
    #[arg(long)]
    overwrite: bool,

    /// Only say what would be stored, and what would be lost
    #[arg(long)]
    dry_run: bool,

    #[cfg(feature = "export")]
    #[command(flatten)]
    exported: super::export::FromExport,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let Some(from) = &args.from else {
        return of_export(args, context).await;
    };
    // The library's error speaks of a response, and none has been read.
    let program: Program = from.parse().map_err(|_| unknown_program())?;
    let name = args
        .resource_server
        .clone()
        .map(|name| context.resource_server(name))
        .transpose()?;
    // Before anything is read.
    context.url()?;
    let (place, bytes) = input::read(&args.file, "the logins")?;
    let found = import::read(program, &bytes, name.as_deref(), time::now());
    let found = found.map_err(|error| Failure::from(error).at(&place))?;
    let key = |found: &Found| TokenKey::new(context.namespace.as_str(), found.data.resource_server.as_str());
    let found: Vec<(TokenKey, Found)> = found.into_iter().map(|found| (key(&found), found)).collect();
    if !args.dry_run {
        store(&found, args.overwrite, context).await?;
    }
    report(&found, &args, context)?;
    Ok(Exit::Success)
}

fn unknown_program() -> Failure {
    let known = Program::ALL.map(|(name, _)| name).join(", ");
    Failure::new(
        Exit::Usage,
        format!("--from names no program that is known; known are {known}"),
    )
}

#[cfg(feature = "export")]
async fn of_export(args: Args, context: &Context) -> Result<Exit> {
    super::export::import(&args.file, args.exported, args.overwrite, args.dry_run, context).await
}

#[cfg(not(feature = "export"))]
#[expect(clippy::unused_async, reason = "as with the feature")]
async fn of_export(_: Args, _: &Context) -> Result<Exit> {
    let message = "say with --from which program the file is of; files that `export` made are read by a token-storage that was \
                   built with --features export";
    Err(Failure::new(Exit::Usage, message))
}

async fn store(found: &[(TokenKey, Found)], overwrite: bool, context: &Context) -> Result<()> {
    let precondition = if overwrite {
        Precondition::Any
    } else {
        Precondition::Absent
    };
    let writes: Vec<Write<'_>> = found
        .iter()
        .map(|(key, found)| Write::new(key, &found.data, precondition))
        .collect();
    let storage = context.open().await?;
    storage.store_all(&writes).await.map_err(|error| match error.kind() {
        ErrorKind::Conflict => {
            let message = "a token is stored there already, so nothing was stored; --overwrite replaces it";
            Failure::new(Exit::Usage, format!("{}{message}", occupied(&error)))
        }
        _ => Failure::from(error),
    })?;
    super::store::warn_of_memory(&*storage, context)
}

fn occupied(error: &token_storage::Error) -> String {
    error.key().map_or_else(String::new, |key| {
        voice::prove(key.resource_server());
        format!("{}: ", text::mention(key.resource_server()))
    })
}

fn report(found: &[(TokenKey, Found)], args: &Args, context: &Context) -> Result<()> {
    let (now, verb) = (time::now(), if args.dry_run { "would store" } else { "stored" });
    let mut lines = String::new();
    for (key, found) in found {
        voice::prove(key.resource_server());
        lines += &format!(
            "{verb} {}: expires {}, {} refresh token\n",
            text::name(key.resource_server()),
            time::expiry(found.data.expires_at, now),
            if found.data.refresh_token.is_some() {
                "with"
            } else {
                "no"
            },
        );
        for lost in &found.lost {
            voice::note(&format!("{}: {lost}", text::mention(key.resource_server())));
        }
    }
    let shown = |(key, found): &(TokenKey, Found)| -> Value {
        json!({"token": Summary::new(key, &found.data), "lost": found.lost})
    };
    let value = json!({"dry_run": args.dry_run, "imported": found.iter().map(shown).collect::<Vec<_>>()});
    print_done(context, &value, &lines)
}
