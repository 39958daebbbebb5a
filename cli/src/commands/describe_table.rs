use serde_json::{Value, json};
use token_storage::dynamodb::{Billing, TableDescription};

use crate::{
    Context, Exit, Result,
    output::{self, print, print_json},
    text,
};

/// Describe the DynamoDB table that --storage names
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_args: Args, context: &Context) -> Result<Exit> {
    let table = context.url()?.open_dynamodb().await?.describe_table().await?;
    if context.json {
        print_json(&as_json(&table))?;
    } else {
        print(&rows(&table))?;
    }
    Ok(Exit::Success)
}

fn rows(table: &TableDescription) -> String {
    let none = || "none".to_owned();
    let billing = match table.billing {
        Billing::OnDemand => "by request".to_owned(),
        Billing::Provisioned { read, write } => format!("{read} read and {write} write units"),
    };
    let rows = [
        ("table", text::name(&table.name)),
        ("ARN", table.arn.as_deref().map_or_else(none, text::name)),
        ("status", text::name(&table.status)),
        ("paid for", billing),
        (
            "cleaned up by",
            table.time_to_live.as_deref().map_or_else(none, text::name),
        ),
        (
            "deletion protection",
            if table.deletion_protection { "on" } else { "off" }.to_owned(),
        ),
        ("items", format!("about {}, leases included", table.items)),
        ("size", format!("about {} bytes", table.bytes)),
    ];
    output::table(None, rows.map(|(label, value)| [label.to_owned(), value]))
}

fn as_json(table: &TableDescription) -> Value {
    json!({
        "name": table.name,
        "arn": table.arn,
        "status": table.status,
        "billing": match table.billing {
            Billing::OnDemand => json!("on_demand"),
            Billing::Provisioned { read, write } => json!({"read_units": read, "write_units": write}),
        },
        "time_to_live": table.time_to_live,
        "deletion_protection": table.deletion_protection,
        "items": table.items,
        "bytes": table.bytes,
    })
}
