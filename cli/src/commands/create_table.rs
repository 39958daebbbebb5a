use std::io::IsTerminal as _;

use indicatif::ProgressBar;
use serde_json::json;
use token_storage::dynamodb::{Billing, TableOptions};

use crate::{Context, Exit, Result, output::print_done, text, voice};

/// Create the DynamoDB table that --storage names, unless it is there
///
/// Waits until it can be used. Several at once all succeed; a table with another key schema is an error. Needs more
/// permissions than using the table does; docs/dynamodb.md lists both.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Reserve capacity, as READ:WRITE units, in place of paying by request
    #[arg(long, value_name = "READ:WRITE", value_parser = capacity)]
    provisioned: Option<(i64, i64)>,

    /// Let DynamoDB remove abandoned items, by its time to live on the attribute `token-storage.clean-up`
    #[arg(long)]
    clean_up: bool,

    /// Keep continuous backups, to go back to any moment of the last weeks; they hold tokens, too
    #[arg(long)]
    point_in_time_recovery: bool,

    /// Protect the table against deletion
    #[arg(long)]
    deletion_protection: bool,

    /// Encrypt with this key of yours: an id, an ARN or an alias
    #[arg(long, value_name = "KEY")]
    kms_key: Option<String>,

    /// Do not wait until the table can be used
    #[arg(long, conflicts_with_all = ["clean_up", "point_in_time_recovery"])]
    no_wait: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let storage = context.url()?.open_dynamodb().await?;
    let mut progress = Progress::start(context.json);
    let created = storage
        .create_table(&args.options(), |status| progress.show(status))
        .await;
    progress.end();
    let created = created?;
    let line = if created { "created\n" } else { "already there\n" };
    print_done(context, &json!({ "created": created }), line)?;
    Ok(Exit::Success)
}

impl Args {
    fn options(self) -> TableOptions {
        let mut options = TableOptions::default();
        if let Some((read, write)) = self.provisioned {
            options.billing = Billing::Provisioned { read, write };
        }
        options.clean_up = self.clean_up;
        options.point_in_time_recovery = self.point_in_time_recovery;
        options.deletion_protection = self.deletion_protection;
        options.kms_key = self.kms_key;
        options.wait = !self.no_wait;
        options
    }
}

fn capacity(text: &str) -> Result<(i64, i64), String> {
    let units = |text: &str| text.parse().ok().filter(|units| *units > 0);
    let pair = text
        .split_once(':')
        .and_then(|(read, write)| Some((units(read)?, units(write)?)));
    pair.ok_or_else(|| "it is two numbers from 1 on, for example 5:5".to_owned())
}

/// A spinner on a terminal; else a line for each new status. With `--json`, nothing.
struct Progress {
    spinner: Option<ProgressBar>,
    lines: bool,
    last: String,
}

impl Progress {
    fn start(json: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let spinner = (terminal && !json).then(|| {
            let spinner = ProgressBar::new_spinner().with_message("creating the table");
            spinner.enable_steady_tick(std::time::Duration::from_millis(100));
            spinner
        });
        Self {
            spinner,
            lines: !terminal && !json,
            last: String::new(),
        }
    }

    fn show(&mut self, status: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(format!("the table is {}", text::one_line(status)));
        } else if self.lines && self.last != status {
            voice::note(&format!("the table is {status}"));
            status.clone_into(&mut self.last);
        }
    }

    fn end(&self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}
