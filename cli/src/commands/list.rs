use serde_json::{Value, json};
use token_storage::{EnumerateExt as _, ErrorKind, StoredToken, TokenKey, TokenStorage};

use crate::{
    Context, Exit, Failure, Result, failure,
    output::{self, print, print_json},
    record::Summary,
    text, time,
};

/// List the resource servers that there are tokens for
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Those of all namespaces, not only of the one that is chosen
    #[arg(long)]
    all_namespaces: bool,

    /// Read each token too: its scope, when it expires, whether it can be refreshed
    #[arg(long)]
    long: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let storage = context.open().await?;
    let (keys, unnameable) = keys(&storage, &args, context).await?;
    if unnameable > 0 {
        failure::note(&format!(
            "{unnameable} more records have keys that are not valid Unicode; they are kept but cannot be named"
        ));
    }
    if keys.is_empty() && !context.json {
        failure::note(&match args.all_namespaces {
            true => "there are no tokens in this storage".to_owned(),
            false => format!("there are no tokens in namespace {}", text::mention(&context.namespace)),
        });
    }
    if args.long {
        long(&storage, &keys, &args, context).await?;
    } else if context.json {
        let keys: Vec<Value> = keys.iter().map(key_json).collect();
        print_json(&json!({"tokens": keys, "unnameable": unnameable}))?;
    } else {
        let lines = keys.iter().map(|key| line(key, &args));
        print(&lines.collect::<String>())?;
    }
    Ok(Exit::Success)
}

async fn keys(storage: &dyn TokenStorage, args: &Args, context: &Context) -> Result<(Vec<TokenKey>, u64)> {
    let enumerate = storage.enumerate().ok_or_else(|| cannot_list(storage))?;
    if !args.all_namespaces {
        let page = enumerate.all_keys(&context.namespace).await?;
        return Ok((page.items, page.unnameable));
    }
    let namespaces = enumerate.all_namespaces().await?;
    let (mut keys, mut unnameable) = (Vec::new(), namespaces.unnameable);
    for namespace in &namespaces.items {
        let page = enumerate.all_keys(namespace).await?;
        keys.extend(page.items);
        unnameable += page.unnameable;
    }
    Ok((keys, unnameable))
}

/// Why there is no listing, and what to do instead.
pub(super) fn cannot_list(storage: &dyn TokenStorage) -> Failure {
    let backend = storage.describe().backend;
    let message = format!(
        "a {backend} storage cannot list what is in it: finding all keys would mean reading the whole table, so it is \
         not offered. Ask for a token by name, `token-storage get RESOURCE_SERVER`, or keep the names where you need them"
    );
    Failure::new(Exit::Usage, message)
}

fn line(key: &TokenKey, args: &Args) -> String {
    let resource_server = text::name(key.resource_server());
    if args.all_namespaces {
        format!("{}\t{resource_server}\n", text::name(key.namespace()))
    } else {
        format!("{resource_server}\n")
    }
}

fn key_json(key: &TokenKey) -> Value {
    json!({"namespace": key.namespace(), "resource_server": key.resource_server()})
}

async fn long(storage: &dyn TokenStorage, keys: &[TokenKey], args: &Args, context: &Context) -> Result<()> {
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for key in keys {
        let facts = match storage.get(key).await {
            // Removed since it was listed.
            Ok(None) => continue,
            Ok(Some(StoredToken { data, .. })) => {
                values.push(json!(Summary::new(key, &data)));
                let refresh = if data.refresh_token.is_some() { "yes" } else { "no" };
                [
                    text::name(&data.scope),
                    time::expiry(data.expires_at, time::now()),
                    refresh.to_owned(),
                ]
            }
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                let mut value = key_json(key);
                value["damaged"] = true.into();
                values.push(value);
                ["(damaged; see `doctor`)".to_owned(), String::new(), String::new()]
            }
            Err(error) => return Err(error.into()),
        };
        let name = line(key, args).trim_end().replace('\t', "  ");
        let [scope, expires, refresh] = facts;
        rows.push([name, scope, expires, refresh]);
    }
    if context.json {
        print_json(&json!({ "tokens": values }))
    } else if rows.is_empty() {
        Ok(())
    } else {
        let header = ["RESOURCE SERVER", "SCOPE", "EXPIRES", "REFRESHABLE"];
        print(&output::table(Some(header), rows))
    }
}
