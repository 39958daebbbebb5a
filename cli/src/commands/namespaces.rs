use serde_json::json;
use token_storage::{EnumerateExt as _, backend::counted};

use super::list::cannot_list;
use crate::{
    Context, Exit, Result,
    output::{print, print_json},
    text, voice,
};

/// List the namespaces that hold at least one token
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_args: Args, context: &Context) -> Result<Exit> {
    let storage = context.open().await?;
    let enumerate = storage.enumerate().ok_or_else(|| cannot_list(&storage, context))?;
    let page = enumerate.all_namespaces().await?;
    if page.unnameable > 0 {
        let namespaces = counted(page.unnameable, "more namespace");
        voice::note(&format!(
            "{namespaces} whose name is not valid Unicode: kept, and not to be named"
        ));
    }
    if context.json {
        print_json(&json!({"namespaces": page.items, "unnameable": page.unnameable}))?;
    } else {
        let lines = page.items.iter().map(|namespace| text::name(namespace) + "\n");
        print(&lines.collect::<String>())?;
    }
    Ok(Exit::Success)
}
