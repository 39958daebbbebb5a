use std::{io::IsTerminal as _, path::PathBuf, sync::Arc};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use indicatif::{ProgressBar, ProgressStyle};
use token_storage::{Durability, StorageUrl, TokenStorage, backend::counted};
use token_storage_conformance::{Level, Live, Opener, Plan, Report, Results, Selection, Verdict, cases};

use crate::{
    Context, Exit, Failure, Result,
    context::Told,
    html_file::HtmlFile,
    output::{print, print_json},
    stoppable, voice,
};

mod summary;

/// Try whether a storage keeps the contract: the conformance suite, on a storage that is in use
///
/// The suite writes thousands of records into namespaces of its own, whose names are random, and removes them again, on
/// Ctrl-C too. It touches nothing else. With --namespace the names begin with that one, which must be empty. What needs
/// a storage for itself (kills, damage, several processes) is for the backend's own tests and is ignored here.
///
/// The exit code is 0 if no case failed, 1 if one did, and 6 if nothing could be decided.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The storage to try
    #[arg(required_unless_present = "list")]
    url: Option<String>,

    /// Only cases of this level; repeat it or separate several with commas
    #[arg(long, value_name = "LEVEL", value_delimiter = ',', value_parser = levels())]
    level: Vec<Level>,

    /// Only cases whose name contains this, for example `lease::`
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,

    /// End with code 6 if the storage was out of reach or throttled for a single case
    #[arg(long)]
    require: bool,

    /// Write the results as one HTML page, too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// List the cases with their levels and clauses, and run nothing
    #[arg(long, conflicts_with_all = ["url", "require", "html"])]
    list: bool,
}

const REMOVING: &str = "interrupted: removing what the suite wrote (once more to leave it there)";

fn levels() -> impl TypedValueParser<Value = Level> {
    let named = |name: String| Level::ALL.into_iter().find(|level| level.name() == name);
    PossibleValuesParser::new(Level::ALL.map(Level::name)).try_map(move |name| named(name).ok_or("no such level"))
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let selection = Selection {
        levels: args.level,
        filter: args.filter,
    };
    let selected = cases().iter().filter(|case| selection.includes(case)).count();
    if selected == 0 {
        let message = "no case of the suite is selected; `token-storage conformance --list` shows their names";
        return Err(Failure::new(Exit::Usage, message));
    }
    let Some(url) = args.url else {
        return summary::list(&selection, context);
    };
    let url = context.schemes.parse(&url)?;
    let page = args.html.map(HtmlFile::create).transpose()?;
    let suite = Live::suite(
        url.to_string(),
        context.given_namespace(),
        opener(&url, context.told().clone()).await?,
    )
    .await?;
    let plan = suite.plan();
    let results = run_stoppable(&plan, selection, selected, context).await?;
    if let Some(page) = page {
        page.write(&results.to_html())?;
    }
    if context.json {
        print_json(&results)?;
    } else {
        print(&summary::of(&results))?;
    }
    verdict(&results, args.require, &plan)
}

/// Each handle is opened anew, as another program would. A storage that is gone with its handle is opened once.
async fn opener(url: &StorageUrl, told: Told) -> Result<Opener> {
    let storage = open(url, &told).await?;
    if storage.describe().durability == Durability::Volatile {
        return Ok(Box::new(move || {
            let storage: Arc<dyn TokenStorage> = Arc::clone(&storage);
            Box::pin(async move { Ok(storage) })
        }));
    }
    let url = url.clone();
    Ok(Box::new(move || {
        let (url, told) = (url.clone(), told.clone());
        Box::pin(async move { open(&url, &told).await })
    }))
}

async fn open(url: &StorageUrl, told: &Told) -> token_storage::Result<Arc<dyn TokenStorage>> {
    let opened = url.open().await?;
    told.listen(&opened);
    Ok(opened.into_storage())
}

/// Runs the cases on threads of their own, and listens for signals meanwhile.
async fn run_stoppable(plan: &Plan, selection: Selection, selected: usize, context: &Context) -> Result<Results> {
    let progress = Progress::start(selected, context.json);
    let (running, shown) = (plan.clone(), progress.clone());
    let signals = stoppable::Signals::listen();
    let task = tokio::task::spawn_blocking(move || running.run_all(&selection, |report| shown.ended(report)));
    let stop = || {
        progress.end();
        plan.interrupt();
    };
    let removed = |results: &Results| tell_what_is_left(results, plan);
    let results = stoppable::watch(signals, task, REMOVING, stop, removed).await;
    progress.end();
    results
}

fn verdict(results: &Results, required: bool, plan: &Plan) -> Result<Exit> {
    let count = |wanted: fn(&Verdict) -> bool| results.cases.iter().filter(|case| wanted(&case.verdict)).count();
    let failed = count(|verdict| matches!(verdict, Verdict::Failed(_)));
    let passed = count(|verdict| matches!(verdict, Verdict::Passed));
    let unreached = count(|verdict| matches!(verdict, Verdict::Indeterminate(_)));
    tell_what_is_left(results, plan);
    if failed > 0 {
        let message = format!("the storage does not conform: {} failed", counted(failed, "case"));
        return Err(Failure::new(Exit::Failure, message));
    }
    if unreached > 0 && (required || passed == 0) {
        let message = format!(
            "the storage was out of reach or throttled in {}, and nothing is decided there",
            counted(unreached, "case")
        );
        return Err(Failure::new(Exit::Unavailable, message));
    }
    if passed == 0 {
        let message = "not one of the selected cases can be run on this storage; the reasons are among the results";
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(if results.left > 0 { Exit::Failure } else { Exit::Success })
}

fn tell_what_is_left(results: &Results, plan: &Plan) {
    if results.left > 0 {
        let (left, namespace) = (counted(results.left, "record"), plan.namespace());
        voice::note(&format!(
            "{left} could not be removed again: look in the namespaces that begin with {namespace}"
        ));
    }
}

/// A bar on a terminal; nothing elsewhere.
#[derive(Clone)]
struct Progress(Option<ProgressBar>);

impl Progress {
    fn start(cases: usize, json: bool) -> Self {
        if json || !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::new(cases as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len}  {elapsed}  {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        Self(Some(bar))
    }

    fn ended(&self, report: &Report) {
        let Some(bar) = &self.0 else {
            return;
        };
        bar.set_message(report.name);
        bar.inc(1);
        if matches!(report.verdict, Verdict::Failed(_)) {
            bar.println(format!("failed: {}", report.name));
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
