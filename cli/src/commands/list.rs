use serde_json::{Value, json};
#[cfg(feature = "sqlite")]
use std::sync::Arc;
#[cfg(feature = "sqlite")]
use token_storage::sqlite::SqliteStorage;
use token_storage::{Enumerate, ErrorKind, IssuedBy, StoredToken, TokenKey, TokenStorage};

use crate::{
    Context, Exit, Failure, Result,
    output::{Elements, Rows},
    record::Summary,
    text, time, voice,
};

/// List the resource servers that there are tokens for
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Those of all namespaces, not only of the one that is chosen
    #[arg(long)]
    all_namespaces: bool,

    /// Read each token too: its scope, when it expires, whether it can be refreshed, who issued it to which client
    #[arg(long)]
    long: bool,
}

/// A page after the other, so that a storage of any size is listed in the memory of one page.
pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let opened = context.opened().await?;
    let storage = opened.storage();
    let enumerate = storage.enumerate().ok_or_else(|| cannot_list(storage, context))?;
    let mut list = List {
        storage,
        #[cfg(feature = "sqlite")]
        sqlite: opened.downcast().filter(|_| args.long),
        out: match (context.json, args.long) {
            (true, _) => Out::Json(Elements::start("tokens")?),
            (false, true) => Out::Table(Rows::new([
                "RESOURCE SERVER",
                "SCOPE",
                "EXPIRES",
                "REFRESHABLE",
                "ISSUER",
                "CLIENT",
            ])),
            (false, false) => Out::Lines,
        },
        args: &args,
        listed: 0,
        unnameable: 0,
    };
    if args.all_namespaces {
        list.all(&*enumerate).await?;
    } else {
        list.namespace(&*enumerate, &context.namespace).await?;
    }
    list.end(context)
}

struct List<'a> {
    storage: &'a dyn TokenStorage,
    /// The same storage, where it can hand out records by the page.
    #[cfg(feature = "sqlite")]
    sqlite: Option<Arc<SqliteStorage>>,
    out: Out,
    args: &'a Args,
    listed: u64,
    unnameable: u64,
}

enum Out {
    Lines,
    Table(Rows<6>),
    Json(Elements),
}

impl List<'_> {
    async fn all(&mut self, enumerate: &dyn Enumerate) -> Result<()> {
        let mut after = None;
        loop {
            let page = enumerate.list_namespaces(after.as_ref()).await?;
            self.unnameable += page.unnameable;
            for namespace in &page.items {
                self.namespace(enumerate, namespace).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn namespace(&mut self, enumerate: &dyn Enumerate, namespace: &str) -> Result<()> {
        #[cfg(feature = "sqlite")]
        if let Some(sqlite) = self.sqlite.clone() {
            return self.records(&sqlite, namespace).await;
        }
        let mut after = None;
        loop {
            let page = enumerate.list_keys(namespace, after.as_ref()).await?;
            self.unnameable += page.unnameable;
            let mut rows = Vec::with_capacity(page.items.len());
            for key in page.items {
                let record = match self.args.long {
                    true => self.storage.get(&key).await.map(Some),
                    false => Ok(None),
                };
                match record {
                    // Removed since it was listed.
                    Ok(Some(None)) => {}
                    record => rows.push((key, unless_damaged(record)?.map(Option::flatten))),
                }
            }
            self.print(rows)?;
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    #[cfg(feature = "sqlite")]
    async fn records(&mut self, sqlite: &SqliteStorage, namespace: &str) -> Result<()> {
        let mut after = None;
        loop {
            let page = sqlite.list_records(namespace, after.as_ref()).await?;
            self.unnameable += page.unnameable;
            let rows = page
                .items
                .into_iter()
                .map(|(key, record)| Ok((key, unless_damaged(record)?.map(Some))));
            self.print(rows.collect::<Result<_>>()?)?;
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn print(&mut self, rows: Vec<Row>) -> Result<()> {
        self.listed += rows.len() as u64;
        let args = self.args;
        match &mut self.out {
            Out::Json(out) => out.add(rows.into_iter().map(|(key, record)| as_json(&key, record))),
            Out::Table(out) => out.add(rows.into_iter().map(|(key, record)| row(&key, record, args))),
            Out::Lines => {
                let lines = rows.iter().map(|(key, _)| line(key, args));
                crate::output::print(&lines.collect::<String>())
            }
        }
    }

    fn end(self, context: &Context) -> Result<Exit> {
        let unnameable = self.unnameable;
        if let Out::Json(out) = self.out {
            out.end((!self.args.long).then_some(("unnameable", unnameable)))?;
        }
        if unnameable > 0 {
            voice::note(&format!(
                "{unnameable} more records have keys that are not valid Unicode; they are kept but cannot be named"
            ));
        }
        if self.listed == 0 && !context.json {
            voice::note(&match self.args.all_namespaces {
                true => "there are no tokens in this storage".to_owned(),
                false => format!("there are no tokens in namespace {}", text::mention(&context.namespace)),
            });
        }
        Ok(Exit::Success)
    }
}

/// A key and its record, if that was asked for; `Err`: it is damaged.
type Row = (TokenKey, Result<Option<StoredToken>, ()>);

/// What is damaged is told in its place; anything else ends the listing.
fn unless_damaged<T>(record: token_storage::Result<T>) -> Result<Result<T, ()>> {
    match record {
        Ok(record) => Ok(Ok(record)),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Err(())),
        Err(error) => Err(error.into()),
    }
}

/// Why there is no listing, and what to do instead.
pub(super) fn cannot_list(storage: &dyn TokenStorage, context: &Context) -> Failure {
    let backend = storage.describe().backend;
    let why = context.url().ok().and_then(|url| url.scheme().cannot_list);
    let why = why.map_or_else(String::new, |why| format!(": {why}, so it is not offered"));
    let message = format!(
        "a {backend} storage cannot list what is in it{why}. Ask for a token by name, `token-storage get RESOURCE_SERVER`, \
         or keep the names where you need them"
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

fn as_json(key: &TokenKey, record: Result<Option<StoredToken>, ()>) -> Value {
    let mut value = json!({"namespace": key.namespace(), "resource_server": key.resource_server()});
    match record {
        Ok(Some(stored)) => json!(Summary::new(key, &stored.data)),
        Ok(None) => value,
        Err(()) => {
            value["damaged"] = true.into();
            value
        }
    }
}

fn row(key: &TokenKey, record: Result<Option<StoredToken>, ()>, args: &Args) -> [String; 6] {
    let name = line(key, args).trim_end().replace('\t', "  ");
    let Ok(Some(StoredToken { data, .. })) = record else {
        let [refresh, expires, issuer, client] = Default::default();
        return [
            name,
            "(damaged; see `doctor`)".to_owned(),
            expires,
            refresh,
            issuer,
            client,
        ];
    };
    let refresh = if data.refresh_token.is_some() { "yes" } else { "no" };
    let from = IssuedBy::of(&data).ok().flatten().unwrap_or_default();
    let shown = |name: Option<String>| name.as_deref().map(text::name).unwrap_or_default();
    [
        name,
        text::name(&data.scope),
        time::expiry(data.expires_at, time::now()),
        refresh.to_owned(),
        shown(from.issuer.or(from.token_endpoint)),
        shown(from.client_id),
    ]
}
