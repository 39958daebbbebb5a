//! What only some storages have, as their schemes describe it: a command for each.

use clap::{Arg, ArgAction, ArgMatches};
use serde_json::Value;
use token_storage::backend::{ActionInfo, Arguments, Outcome, Shown};

use crate::{
    Context, Exit, Failure, Result,
    output::{self, print, print_done, print_json},
    text, voice,
};

const YES: &str = "yes";

/// An action, and what was given to it.
#[derive(Debug)]
pub(crate) struct Args {
    info: ActionInfo,
    given: Arguments,
    confirmed: bool,
}

/// The command for an action.
pub(crate) fn command(info: &ActionInfo) -> clap::Command {
    let mut command = clap::Command::new(info.name).about(info.about);
    if !info.details.is_empty() {
        command = command.long_about(format!("{}\n\n{}", info.about, info.details));
    }
    if let Some(alias) = info.alias {
        command = command.visible_alias(alias);
    }
    if info.destroys.is_some() {
        command = command.arg(switch(YES, "Really do it"));
    }
    command.args(info.options.iter().map(|option| {
        match option.value {
            Some(value) => Arg::new(option.name)
                .long(option.name)
                .value_name(value)
                .help(option.help),
            None => switch(option.name, option.help),
        }
    }))
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help).action(ArgAction::SetTrue)
}

impl Args {
    pub(crate) fn new(info: ActionInfo, matches: &ArgMatches) -> Self {
        let mut given = Arguments::default();
        for option in &info.options {
            given = match option.value {
                Some(_) => match matches.get_one::<String>(option.name) {
                    Some(value) => given.value(option.name, value),
                    None => given,
                },
                None if matches.get_flag(option.name) => given.switch(option.name),
                None => given,
            };
        }
        let confirmed = info.destroys.is_some() && matches.get_flag(YES);
        Self { info, given, confirmed }
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let (url, name) = (context.url()?, args.info.name);
    let Some(action) = url.action(name) else {
        return Err(not_here(name, context));
    };
    let info = url.scheme().actions.into_iter().find(|info| info.name == name);
    if let Some(what) = info.and_then(|info| info.destroys).filter(|_| !args.confirmed) {
        let message = format!("this {what}, {url}; say --yes if that is meant");
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut last = String::new();
    let mut progress = |status: &str| {
        if !context.json && last != status {
            voice::note(status);
            status.clone_into(&mut last);
        }
    };
    let outcome = action.run(&args.given, &mut progress).await?;
    show(&outcome, context)?;
    Ok(if outcome.found { Exit::Success } else { Exit::NotFound })
}

fn show(outcome: &Outcome, context: &Context) -> Result<()> {
    let json: Value = serde_json::from_str(&outcome.json).map_err(|_| {
        Failure::new(
            Exit::Failure,
            "this is done, but what the storage says of it is no JSON",
        )
    })?;
    match &outcome.shown {
        Shown::Line(line) => print_done(context, &json, &(text::one_line(line) + "\n")),
        Shown::Rows(_) if context.json => print_json(&json),
        Shown::Rows(rows) => {
            let cells = rows.iter().map(|(label, value)| [text::name(label), text::name(value)]);
            print(&output::table(None, cells))
        }
    }
}

/// Which storages have it.
fn not_here(name: &str, context: &Context) -> Failure {
    let has = |scheme: &token_storage::backend::SchemeInfo| scheme.actions.iter().any(|action| action.name == name);
    let schemes = context.schemes.describe();
    let forms = schemes
        .iter()
        .filter(|scheme| has(scheme))
        .filter_map(|scheme| scheme.forms.first());
    let forms: Vec<String> = forms.map(|form| format!("`{}`, {}", form.form, form.meaning)).collect();
    let message = format!(
        "this storage has no `{name}`, and nothing was changed; name one that has it with --storage: {}",
        forms.join("; ")
    );
    Failure::new(Exit::Usage, message)
}
