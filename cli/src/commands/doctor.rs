use serde_json::{Value, json};
use token_storage::{Finding, Severity};

use crate::{
    Context, Exit, Result,
    output::{print, print_json},
    text,
};

/// Examine the storage and say what to do about what is found; changes nothing
///
/// Looks at permissions, format, integrity, damaged records, who holds a lock, the file system, leftovers, and at refreshes
/// that were refused or broken off. The exit code is 5 if there is an error among the findings, and 0 otherwise.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whose refreshes to look at, in this namespace [default: those of all tokens, where the storage can list them]
    #[arg(value_name = "RESOURCE_SERVER")]
    resource_servers: Vec<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let named: Result<Vec<String>> = args
        .resource_servers
        .into_iter()
        .map(|name| context.resource_server(name))
        .collect();
    let named = named?;
    #[cfg(not(feature = "oauth"))]
    let _ = named;
    let mut findings = context.url()?.examine().await?;
    #[cfg(feature = "oauth")]
    if findings.iter().all(|finding| finding.severity < Severity::Error) {
        findings.extend(failed_refreshes(&named, context).await);
    }
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

/// More records than this are not looked at: each costs a read.
#[cfg(feature = "oauth")]
const MOST_RECORDS: usize = 10_000;

/// What is known of refreshes that failed. What cannot be found out, `examine` has said.
#[cfg(feature = "oauth")]
async fn failed_refreshes(named: &[String], context: &Context) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Ok(storage) = context.open().await else {
        return findings;
    };
    if named.is_empty() && storage.enumerate().is_none() && storage.lease().is_some() {
        let message = "how refreshes went was not looked at, because this storage cannot list its tokens";
        let advice = "name them: `token-storage doctor RESOURCE_SERVER...`";
        return vec![Finding::new(Severity::Info, "refreshes", message, advice)];
    }
    for key in keys(named, &*storage, context).await {
        let Some(status) = crate::status::of(&*storage, &key, context).await else {
            continue;
        };
        let place = format!(
            "{} in namespace {}",
            text::mention(key.resource_server()),
            text::mention(key.namespace())
        );
        findings.push(Finding::new(
            Severity::Warning,
            place,
            format!("refreshing: {}", status.message),
            "",
        ));
    }
    findings
}

/// The tokens that are named, or all.
#[cfg(feature = "oauth")]
async fn keys(
    named: &[String],
    storage: &dyn token_storage::TokenStorage,
    context: &Context,
) -> Vec<token_storage::TokenKey> {
    match storage.enumerate().filter(|_| named.is_empty()) {
        Some(enumerate) => first_keys(&*enumerate).await,
        None => named
            .iter()
            .map(|name| token_storage::TokenKey::new(&*context.namespace, name.as_str()))
            .collect(),
    }
}

#[cfg(feature = "oauth")]
async fn first_keys(enumerate: &dyn token_storage::Enumerate) -> Vec<token_storage::TokenKey> {
    use token_storage::EnumerateExt as _;

    let mut keys = Vec::new();
    let namespaces = enumerate.all_namespaces().await;
    for namespace in namespaces.map(|page| page.items).unwrap_or_default() {
        let mut after = None;
        while keys.len() < MOST_RECORDS {
            let Ok(page) = enumerate.list_keys(&namespace, after.as_ref()).await else {
                break;
            };
            keys.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    keys.truncate(MOST_RECORDS);
    keys
}

/// One finding as one line.
pub(super) fn line(finding: &Finding) -> String {
    let Finding {
        severity,
        place,
        message,
        ..
    } = finding;
    let advice = match text::advice(finding) {
        none if none.is_empty() => none,
        advice => format!(" -> {advice}"),
    };
    text::one_line(&format!("{severity}: {place}: {message}{advice}"))
}

fn as_json(finding: &Finding) -> Value {
    json!({
        "severity": finding.severity.to_string(),
        "place": finding.place,
        "message": finding.message,
        "advice": text::advice(finding),
    })
}
