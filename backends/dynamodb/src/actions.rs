//! Making, describing and deleting the table, as commands.

use serde_json::{Value, json};
use token_storage_core::{
    Error, ErrorKind, Operation, Result, async_trait,
    backend::{Action, ActionInfo, Arguments, Outcome, Progress},
};

use crate::{Billing, TableDescription, TableOptions, scheme::Table};

#[derive(Clone, Copy, Debug)]
enum Verb {
    Create,
    Describe,
    Delete,
}

/// What makes a table; errors about one that is not there name it.
pub(crate) const CREATE: &str = "create-table";

const VERBS: [Verb; 3] = [Verb::Create, Verb::Describe, Verb::Delete];

pub(crate) fn all() -> impl Iterator<Item = ActionInfo> {
    VERBS.into_iter().map(Verb::info)
}

pub(crate) fn of(table: &Table, name: &str) -> Option<Box<dyn Action>> {
    let verb = VERBS.into_iter().find(|verb| verb.info().name == name)?;
    Some(Box::new(OnTable {
        verb,
        table: table.clone(),
    }))
}

impl Verb {
    fn info(self) -> ActionInfo {
        match self {
            Self::Create => ActionInfo::new(
                CREATE,
                "Create the DynamoDB table that --storage names, unless it is there",
                "Waits until it can be used. Several at once all succeed; a table with another key schema is an error. Needs \
                 more permissions than using the table does; docs/dynamodb.md lists both.",
            )
            .with_option(
                "provisioned",
                "READ:WRITE",
                "Reserve capacity, as READ:WRITE units, in place of paying by request",
            )
            .with_switch(
                "clean-up",
                "Let DynamoDB remove abandoned items, by its time to live on the attribute `token-storage.clean-up`",
            )
            .with_switch(
                "point-in-time-recovery",
                "Keep continuous backups, to go back to any moment of the last weeks; they hold tokens, too",
            )
            .with_switch("deletion-protection", "Protect the table against deletion")
            .with_option("kms-key", "KEY", "Encrypt with this key of yours: an id, an ARN or an alias")
            .with_switch(
                "no-wait",
                "Do not wait until the table can be used; not with --clean-up and --point-in-time-recovery",
            ),
            Self::Describe => {
                ActionInfo::new("describe-table", "Describe the DynamoDB table that --storage names", "").with_alias("describe")
            }
            Self::Delete => ActionInfo::new("delete-table", "Delete the DynamoDB table that --storage names, with every token in it", "")
                .destroying("deletes the table with every token in it"),
        }
    }
}

#[derive(Debug)]
struct OnTable {
    verb: Verb,
    table: Table,
}

#[async_trait]
impl Action for OnTable {
    async fn run(&self, arguments: &Arguments, progress: &mut Progress<'_>) -> Result<Outcome> {
        arguments.check(&self.verb.info())?;
        let options = table_options(arguments)?;
        let storage = self.table.builder().open().await?;
        match self.verb {
            Verb::Create => {
                let told = |status: &str| progress(&format!("the table is {status}"));
                let created = storage.create_table(&options, told).await?;
                let line = if created { "created" } else { "already there" };
                Ok(Outcome::done(json!({ "created": created }).to_string(), line))
            }
            Verb::Describe => {
                let table = storage.describe_table().await?;
                Ok(Outcome::described(as_json(&table).to_string(), rows(&table)))
            }
            Verb::Delete => match storage.delete_table().await? {
                true => Ok(Outcome::done(json!({ "deleted": true }).to_string(), "deleted")),
                false => {
                    Ok(Outcome::done(json!({ "deleted": false }).to_string(), "there was no such table").of_nothing())
                }
            },
        }
    }
}

fn table_options(arguments: &Arguments) -> Result<TableOptions> {
    let mut options = TableOptions::default();
    if let Some(units) = arguments.get("provisioned") {
        options.billing = capacity(units)?;
    }
    options.clean_up = arguments.has("clean-up");
    options.point_in_time_recovery = arguments.has("point-in-time-recovery");
    options.deletion_protection = arguments.has("deletion-protection");
    options.kms_key = arguments.get("kms-key").map(str::to_owned);
    options.wait = !arguments.has("no-wait");
    Ok(options)
}

fn capacity(text: &str) -> Result<Billing> {
    let units = |text: &str| text.parse().ok().filter(|units| *units > 0);
    let pair = text
        .split_once(':')
        .and_then(|(read, write)| Some((units(read)?, units(write)?)));
    let (read, write) = pair.ok_or_else(|| {
        let message = "--provisioned takes two numbers from 1 on, for example 5:5";
        Error::new(ErrorKind::InvalidInput, message).with_operation(Operation::Manage)
    })?;
    Ok(Billing::Provisioned { read, write })
}

fn rows(table: &TableDescription) -> Vec<(String, String)> {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    let billing = match table.billing {
        Billing::OnDemand => "by request".to_owned(),
        Billing::Provisioned { read, write } => format!("{read} read and {write} write units"),
    };
    let protection = if table.deletion_protection { "on" } else { "off" };
    let rows = [
        ("table", table.name.clone()),
        ("ARN", or_none(&table.arn)),
        ("status", table.status.clone()),
        ("paid for", billing),
        ("cleaned up by", or_none(&table.time_to_live)),
        ("deletion protection", protection.to_owned()),
        ("items", format!("about {}, leases included", table.items)),
        ("size", format!("about {} bytes", table.bytes)),
    ];
    rows.map(|(label, value)| (label.to_owned(), value)).into()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities() {
        assert_eq!(capacity("5:6").unwrap(), Billing::Provisioned { read: 5, write: 6 });
        for wrong in ["", "5", "0:5", "5:0", "a:b", "5:6:7"] {
            let error = capacity(wrong).unwrap_err();
            assert!(error.to_string().contains("5:5"), "{wrong}: {error}");
        }
    }
}
