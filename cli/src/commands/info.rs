use token_storage::StorageInfo;

use crate::{
    Context, Exit, Result,
    output::{self, print, print_json},
    text,
};

/// Say what the storage is and what it promises
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_args: Args, context: &Context) -> Result<Exit> {
    let info = context.open().await?.describe();
    if context.json {
        print_json(&info)?;
    } else {
        print(&table(&info))?;
    }
    Ok(Exit::Success)
}

fn table(info: &StorageInfo) -> String {
    let limits = info.limits;
    let rows = [
        ("backend", text::name(&info.backend)),
        ("location", text::name(&info.location)),
        ("durability", info.durability.to_string()),
        ("shared by", info.sharing.to_string()),
        ("lists its keys", if info.enumerates { "yes" } else { "no" }.to_owned()),
        (
            "refresh lease",
            info.lease.map_or_else(|| "none".to_owned(), |lease| lease.to_string()),
        ),
        (
            "staleness",
            info.staleness.map_or_else(
                || "none".to_owned(),
                |age| format!("answers may be {} s old", age.as_secs_f64()),
            ),
        ),
        ("longest namespace", format!("{} bytes", limits.namespace_bytes)),
        (
            "longest resource server",
            format!("{} bytes", limits.resource_server_bytes),
        ),
        ("largest record", format!("{} bytes", limits.record_bytes)),
        (
            "largest batch",
            format!("{} records, {} bytes", limits.batch_records, limits.batch_bytes),
        ),
    ];
    output::table(None, rows.map(|(label, value)| [label.to_owned(), value]))
}
