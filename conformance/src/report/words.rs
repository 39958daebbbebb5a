//! Figures and standings in words, for the page.

use token_storage_core::backend::counted;

use super::{ClauseResult, LevelResult, Share, Standing};
use crate::clauses;

pub(super) fn cases(count: usize) -> String {
    counted(count, "case")
}

/// Rounded, but never to all or to nothing.
pub(super) fn percent(share: Share) -> String {
    let rounded = (100 * share.count + share.of / 2).checked_div(share.of).unwrap_or(0);
    let shown = match share {
        Share { count: 0, .. } => 0,
        Share { count, of } if count < of => rounded.clamp(1, 99),
        _ => rounded,
    };
    format!("{shown} %")
}

pub(super) fn class(standing: Standing) -> &'static str {
    match standing {
        Standing::Kept => "kept",
        Standing::Broken => "broken",
        Standing::Unchecked => "unchecked",
    }
}

pub(super) fn word(clause: &ClauseResult) -> &'static str {
    match (clause.standing, clause.elsewhere) {
        (Standing::Kept, _) => "kept",
        (Standing::Broken, _) => "not kept",
        (Standing::Unchecked, Some(_)) => "checked elsewhere",
        (Standing::Unchecked, None) => "not checked",
    }
}

pub(super) fn totals(levels: &[LevelResult]) -> String {
    let sum = |figure: fn(&LevelResult) -> usize| levels.iter().map(figure).sum::<usize>();
    let parts = [
        (sum(|level| level.failed), "failed"),
        (sum(|level| level.passed), "passed"),
        (sum(|level| level.ignored), "ignored"),
        (sum(|level| level.indeterminate), "indeterminate"),
    ];
    let shown = parts.iter().filter(|(count, _)| *count > 0);
    let shown: Vec<String> = shown.map(|(count, word)| format!("{count} {word}")).collect();
    format!(
        "{} of {}",
        shown.join(", "),
        cases(parts.iter().map(|(count, _)| count).sum())
    )
}

/// A clause of the contract leads to its place on the page.
pub(super) fn linked(clause: &str) -> String {
    match clauses().iter().any(|known| known.id == clause) {
        true => format!("<a href=\"#{clause}\">{clause}</a>"),
        false => escape(clause),
    }
}

pub(super) fn moment(seconds: i64) -> String {
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    moment.strftime("%Y-%m-%d at %H:%M UTC").to_string()
}

pub(super) fn left(count: usize) -> String {
    match count {
        0 => String::new(),
        count => format!(" The suite could not remove {count} of the records it wrote."),
    }
}

pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            c => escaped.push(c),
        }
    }
    escaped
}
