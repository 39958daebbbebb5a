use serde::Serialize;
use token_storage::{
    Enumerate, Error, ErrorKind, IssuedBy, TokenStorage, TokenStorageExt as _,
    backend::{counted, record::Outline},
};

use crate::{
    Context, Exit, Failure, Result,
    output::{Cells, Elements, Rows},
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
        show: Show {
            all_namespaces: args.all_namespaces,
            json: context.json,
            now: time::now(),
        },
        long: args.long,
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
    out: Out,
    show: Show,
    long: bool,
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
        if self.long {
            return self.records(namespace).await;
        }
        let mut after = None;
        loop {
            let page = enumerate.list_keys(namespace, after.as_ref()).await?;
            self.unnameable += page.unnameable;
            let names = page
                .items
                .iter()
                .map(|key| self.show.name(namespace, key.resource_server()));
            self.print(names.collect())?;
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn records(&mut self, namespace: &str) -> Result<()> {
        let mut after = None;
        loop {
            let (show, owned) = (self.show, namespace.to_owned());
            let record =
                move |name: &str, outline: token_storage::Result<Outline<'_>>| show.record(&owned, name, outline);
            // Whether it can list at all was asked before.
            let Some(page) = self.storage.list_outlines(namespace, after.as_ref(), record).await? else {
                return Ok(());
            };
            self.unnameable += page.unnameable;
            self.print(page.items.into_iter().collect::<token_storage::Result<_>>()?)?;
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn print(&mut self, entries: Vec<Entry>) -> Result<()> {
        self.listed += entries.len() as u64;
        match &mut self.out {
            Out::Json(out) => out.add(entries.iter().filter_map(Entry::text)),
            Out::Table(out) => {
                let rows = entries.into_iter().filter_map(Entry::cells);
                out.add(&rows.collect::<Vec<_>>())
            }
            Out::Lines => {
                let lines = entries.iter().filter_map(Entry::text);
                crate::output::print(&lines.collect::<String>())
            }
        }
    }

    fn end(self, context: &Context) -> Result<Exit> {
        let unnameable = self.unnameable;
        if let Out::Json(out) = self.out {
            out.end((!self.long).then_some(("unnameable", unnameable)))?;
        }
        if unnameable > 0 {
            voice::note(&format!(
                "{} whose key is not valid Unicode: kept, and not to be named",
                counted(unnameable, "more record")
            ));
        }
        if self.listed == 0 && !context.json {
            voice::note(&match self.show.all_namespaces {
                true => "there are no tokens in this storage".to_owned(),
                false => format!("there are no tokens in namespace {}", text::mention(&context.namespace)),
            });
        }
        Ok(Exit::Success)
    }
}

/// What is printed of a key: a text, or a row of the table.
enum Entry {
    Text(String),
    Row(Cells<6>),
}

impl Entry {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Row(_) => None,
        }
    }

    fn cells(self) -> Option<Cells<6>> {
        match self {
            Self::Text(_) => None,
            Self::Row(cells) => Some(cells),
        }
    }
}

/// How entries are printed.
#[derive(Clone, Copy)]
struct Show {
    all_namespaces: bool,
    json: bool,
    now: i64,
}

impl Show {
    /// A key alone.
    fn name(self, namespace: &str, name: &str) -> Entry {
        if self.json {
            return Entry::Text(json(&Named::new(namespace, name)));
        }
        let mut line = String::new();
        self.push_name(&mut line, "\t", namespace, name);
        line.push('\n');
        Entry::Text(line)
    }

    /// A key with what its record says. What is damaged is told in its place; anything else ends the listing.
    fn record(
        self,
        namespace: &str,
        name: &str,
        outline: token_storage::Result<Outline<'_>>,
    ) -> token_storage::Result<Entry> {
        match outline {
            Ok(outline) if self.json => Ok(Entry::Text(json(&Long::new(namespace, name, &outline)))),
            Ok(outline) => Ok(Entry::Row(self.row(namespace, name, &outline))),
            Err(error) => self.damaged(namespace, name, error),
        }
    }

    fn damaged(self, namespace: &str, name: &str, error: Error) -> token_storage::Result<Entry> {
        if error.kind() != ErrorKind::Corrupt {
            return Err(error);
        }
        if self.json {
            let mut named = Named::new(namespace, name);
            named.damaged = true;
            return Ok(Entry::Text(json(&named)));
        }
        let cells = Cells::new().cell(|text| self.push_name(text, "  ", namespace, name));
        Ok(Entry::Row(cells.cell(|text| text.push_str("(damaged; see `doctor`)"))))
    }

    fn row(self, namespace: &str, name: &str, outline: &Outline<'_>) -> Cells<6> {
        let from = IssuedBy::of_outline(outline).ok().flatten().unwrap_or_default();
        let shown = |text: &mut String, name: Option<String>| {
            if let Some(name) = name {
                text::push_name(text, &name);
            }
        };
        Cells::new()
            .cell(|text| self.push_name(text, "  ", namespace, name))
            .cell(|text| text::push_name(text, &outline.scope))
            .cell(|text| time::push_expiry(text, outline.expires_at, self.now))
            .cell(|text| text.push_str(if outline.has_refresh_token { "yes" } else { "no" }))
            .cell(|text| shown(text, from.issuer.or(from.token_endpoint)))
            .cell(|text| shown(text, from.client_id))
    }

    fn push_name(self, text: &mut String, between: &str, namespace: &str, name: &str) {
        if self.all_namespaces {
            text::push_name(text, namespace);
            text.push_str(between);
        }
        text::push_name(text, name);
    }
}

/// None of them can fail: all keys are strings.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[derive(Serialize)]
struct Named<'a> {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    damaged: bool,
    namespace: &'a str,
    resource_server: &'a str,
}

impl<'a> Named<'a> {
    fn new(namespace: &'a str, resource_server: &'a str) -> Self {
        Self {
            damaged: false,
            namespace,
            resource_server,
        }
    }
}

#[derive(Serialize)]
struct Long<'a> {
    client_id: Option<String>,
    expires_at_seconds: Option<i64>,
    has_refresh_token: bool,
    /// Or, of a server that is not known by name, its token endpoint.
    issuer: Option<String>,
    namespace: &'a str,
    resource_server: &'a str,
    scope: &'a str,
}

impl<'a> Long<'a> {
    fn new(namespace: &'a str, resource_server: &'a str, outline: &'a Outline<'_>) -> Self {
        let from = IssuedBy::of_outline(outline).ok().flatten().unwrap_or_default();
        Self {
            client_id: from.client_id,
            expires_at_seconds: outline.expires_at,
            has_refresh_token: outline.has_refresh_token,
            issuer: from.issuer.or(from.token_endpoint),
            namespace,
            resource_server,
            scope: &outline.scope,
        }
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
