use serde_json::json;
use token_storage::{Durability, LeaseKind, SharingScope, StorageInfo};

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
        print_json(&as_json(&info))?;
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

fn as_json(info: &StorageInfo) -> serde_json::Value {
    let limits = info.limits;
    json!({
        "backend": info.backend,
        "location": info.location,
        "durability": match info.durability {
            Durability::Volatile => "volatile",
            Durability::Process => "process",
            Durability::PowerLoss => "power_loss",
        },
        "sharing": match info.sharing {
            SharingScope::Handle => "handle",
            SharingScope::Process => "process",
            SharingScope::Host => "host",
            SharingScope::Network => "network",
        },
        "enumerates": info.enumerates,
        "lease": info.lease.map(|lease| match lease {
            LeaseKind::Process => json!({"kind": "process"}),
            LeaseKind::Timed { ttl } => json!({"kind": "timed", "ttl_seconds": ttl.as_secs_f64()}),
        }),
        "staleness_seconds": info.staleness.map(|age| age.as_secs_f64()),
        "limits": {
            "namespace_bytes": limits.namespace_bytes,
            "resource_server_bytes": limits.resource_server_bytes,
            "record_bytes": limits.record_bytes,
            "batch_records": limits.batch_records,
            "batch_bytes": limits.batch_bytes,
        },
    })
}
