use serde_json::{Value, json};
use token_storage::{Finding, Severity};

use crate::{
    Context, Exit, Result,
    output::{print, print_json},
    text,
};

/// Examine the storage and say what to do about what is found; changes nothing
///
/// Looks at permissions, format, integrity, damaged records, who holds a lock, the file system, and leftovers. The exit
/// code is 5 if there is an error among the findings, and 0 otherwise.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_args: Args, context: &Context) -> Result<Exit> {
    let mut findings = context.url()?.examine().await?;
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    if context.json {
        let findings: Vec<Value> = findings.iter().map(as_json).collect();
        print_json(&json!({ "findings": findings }))?;
    } else {
        let lines = findings.iter().map(|finding| line(finding) + "\n");
        print(&lines.collect::<String>())?;
        if findings.is_empty() {
            print("nothing found that needs attention\n")?;
        }
    }
    let worst = findings.iter().map(|finding| finding.severity).max();
    Ok(if worst == Some(Severity::Error) {
        Exit::Corrupt
    } else {
        Exit::Success
    })
}

/// One finding as one line.
pub(super) fn line(finding: &Finding) -> String {
    let Finding {
        severity,
        place,
        message,
        advice,
        ..
    } = finding;
    let advice = if advice.is_empty() {
        String::new()
    } else {
        format!(" -> {advice}")
    };
    text::one_line(&format!("{severity}: {place}: {message}{advice}"))
}

fn as_json(finding: &Finding) -> Value {
    json!({
        "severity": finding.severity.to_string(),
        "place": finding.place,
        "message": finding.message,
        "advice": finding.advice,
    })
}
