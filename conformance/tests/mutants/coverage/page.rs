//! `docs/coverage.md`.

use std::fmt::Write as _;

use super::{Table, sentences::Sentence};

const HEAD: &str = "# What checks the contract

Each sentence of the [contract](contract.md), and of the documentation of the traits that a backend implements: which cases
of the conformance suite check it, and which storages (or refreshers) that are broken on purpose are caught by them. The
broken ones are in `conformance/tests/mutants` and `auth-testing/tests/refreshing`.

A sentence ends at a full stop or a semicolon: `K4.2` is the second one of clause K4. In which row a case stands is written
in `conformance/tests/mutants/coverage/rows.txt`. The tests hold this page to it: no sentence without a row, no row without a
case and a broken storage that it catches, or a reason; no case and no broken storage that is nowhere.
`TOKEN_STORAGE_COVERAGE_UPDATE=1 cargo test --workspace --all-features --test mutants -- coverage` writes it.
";

pub(super) fn write(table: &Table) -> String {
    let mut page = HEAD.to_owned();
    page += &figures(table);
    let mut of = "";
    for sentence in &table.sentences {
        let (owner, _) = sentence.id.rsplit_once('.').unwrap_or_default();
        if owner != of {
            of = owner;
            let _ = write!(page, "\n## {}\n\n", heading(owner));
            page += "| | promise | cases | broken |\n|---|---|---|---|\n";
        }
        row(&mut page, table, sentence);
    }
    page
}

fn figures(table: &Table) -> String {
    let all = table.sentences.len();
    let same = table.rows.iter().filter(|row| !row.same_as.is_empty()).count();
    let checked = table.rows.iter().filter(|row| !row.cases.is_empty()).count();
    format!(
        "\n{all} sentences: {checked} are checked by cases, {same} say again what another says, and {} are for other tests, or \
         promise nothing that could be tested. {} cases, {} broken storages and refreshers.\n",
        all - same - checked,
        table.cases.len(),
        table.broken.len()
    )
}

fn heading(owner: &str) -> String {
    if owner.contains(|c: char| c.is_ascii_digit()) {
        owner.to_owned()
    } else {
        format!("`{owner}`")
    }
}

fn row(page: &mut String, table: &Table, sentence: &Sentence) {
    let Some(row) = table.rows.iter().find(|row| row.id == sentence.id) else {
        return;
    };
    let number = row.id.rsplit_once('.').map_or("", |(_, number)| number);
    let cases: Vec<String> = row.cases.iter().map(|named| format!("`{}`", named.case)).collect();
    let same = row.same_as.iter().map(|id| format!("the same as {id}"));
    let reasons = row
        .reasons
        .iter()
        .map(|reason| format!("*{}*", reason.replace('*', "")));
    let first: Vec<String> = same.chain(cases).chain(reasons).collect();
    let broken = table.broken_of(row).join("<br>");
    let _ = writeln!(
        page,
        "| {number} | {} | {} | {} |",
        cell(&sentence.text),
        cell(&first.join("<br>")),
        cell(&broken)
    );
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
