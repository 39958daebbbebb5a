use std::{num::NonZeroU64, path::PathBuf, sync::Arc, time::Duration};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use token_storage::backend::counted;
use token_storage_bench::{Budget, Operation, Refused, Report, Settings, Stop, Target};

use crate::{
    Context, Exit, Failure, Result,
    html_file::HtmlFile,
    output::{print, print_json},
    stoppable, text, voice,
};

mod places;
mod progress;
mod table;

/// Measure storages side by side, on this machine: how long each call takes, alone, together and as the storage grows
///
/// Without URL it measures the storage that --storage or TOKEN_STORAGE_URL names, and without that one of each kind in a
/// temporary folder beside the place where tokens are by default.
///
/// Everything is written into a namespace of its own with a random name, about 10,000 records where the budget allows, and
/// removed again, on Ctrl-C too. Your tokens are not touched. Beside the figures stands what each storage promises.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The storages to measure, as for --storage
    #[arg(value_name = "URL")]
    urls: Vec<String>,

    /// How long each storage is measured: `10s`, `2m`, `500ms`; removing what was written comes on top
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    budget: Duration,

    /// How many requests each storage is sent at most, counted as DynamoDB's are, removing what was written included
    /// [default: 2000 for a storage on a network, no limit for others]
    #[arg(long, value_name = "N")]
    max_requests: Option<NonZeroU64>,

    /// Only this operation; repeat it or separate several with commas
    #[arg(long, value_name = "OPERATION", value_delimiter = ',', value_parser = operations())]
    only: Vec<Operation>,

    /// Write the results as one HTML page with charts, too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

const REMOVING: &str = "interrupted: removing what was written (once more to leave it there)";

fn operations() -> impl TypedValueParser<Value = Operation> {
    let named = |name: String| Operation::ALL.into_iter().find(|operation| operation.name() == name);
    PossibleValuesParser::new(Operation::ALL.map(Operation::name))
        .try_map(move |name| named(name).ok_or("no such operation"))
}

/// As in `10s`; a number alone is seconds.
fn time(given: &str) -> Result<Duration, &'static str> {
    let seconds = given.parse::<u32>().map(|seconds| Duration::from_secs(seconds.into()));
    let time = seconds.or_else(|_| {
        let signed: Result<jiff::SignedDuration, _> = given.parse();
        signed
            .map_err(|_| ())
            .and_then(|time| Duration::try_from(time).map_err(|_| ()))
    });
    match time {
        Ok(time) if (Duration::from_millis(1)..=Duration::from_secs(86_400)).contains(&time) => Ok(time),
        _ => Err("write a time such as 10s, 2m or 500ms, a day at most"),
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let page = args.html.map(HtmlFile::create).transpose()?;
    let signals = stoppable::Signals::listen();
    let places = places::named(&args.urls, context)?;
    let settings = Settings {
        budget: Budget {
            time: args.budget,
            requests: args.max_requests.map(NonZeroU64::get),
        },
        operations: args.only,
    };
    let (stop, progress) = (Stop::default(), progress::Bar::start());
    let task = tokio::task::spawn_blocking({
        let (targets, stop, progress) = (places.targets(), stop.clone(), progress.clone());
        move || measured(&targets, &settings, &stop, &progress)
    });
    let interrupted = {
        let progress = progress.clone();
        move || {
            progress.end();
            stop.stop();
        }
    };
    // Where a signal ends the process nothing is dropped after it.
    let removed = move |report: &Result<Report>| {
        drop(places);
        if let Ok(report) = report {
            tell_what_is_left(report);
        }
    };
    let report = stoppable::watch(signals, task, REMOVING, interrupted, removed).await??;
    progress.end();
    if let Some(page) = page {
        page.write(&report.to_html())?;
    }
    if context.json {
        print_json(&report)?;
    } else {
        print(&table::of(&report))?;
    }
    tell_what_is_left(&report);
    verdict(report)
}

/// Tasks that run at the same time need threads that do.
fn measured(targets: &[Arc<dyn Target>], settings: &Settings, stop: &Stop, progress: &progress::Bar) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Unavailable, format!("cannot start: {error}")))?;
    let tell = |now| progress.tell(&now);
    runtime
        .block_on(token_storage_bench::run(targets, settings, stop, &tell))
        .map_err(refused)
}

fn refused(refused: Refused) -> Failure {
    let Refused { name, error } = refused;
    Failure::from(error)
        .at(&text::one_line(&name))
        .with_advice("nothing was measured: the storage must be there and take records of the bench's own")
}

fn tell_what_is_left(report: &Report) {
    for storage in report.storages.iter().filter(|storage| storage.left > 0) {
        voice::note(&format!(
            "{}: {} could not be removed again: look in the namespace {}",
            text::one_line(&storage.name),
            counted(storage.left, "record"),
            storage.namespace
        ));
    }
}

/// The first error, if the measuring of a storage ended with one.
fn verdict(report: Report) -> Result<Exit> {
    let left = report.storages.iter().any(|storage| storage.left > 0);
    for storage in report.storages {
        if let Some(error) = storage.error {
            let name = text::one_line(&storage.name);
            return Err(Failure::from(error)
                .at(&name)
                .with_advice("what had been measured until then is shown"));
        }
    }
    Ok(if left { Exit::Failure } else { Exit::Success })
}
