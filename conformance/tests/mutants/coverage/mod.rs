//! The table "promise, cases, broken storages" has no hole, and `docs/coverage.md` shows it.

mod page;
mod rows;
mod sentences;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use libtest_mimic::{Failed, Trial};
use token_storage_auth_testing::refreshing::refresh_cases;
use token_storage_conformance::cases;

use self::{
    rows::{Named, Row},
    sentences::{Sentence, read},
};

/// The broken refreshers and their cases.
#[allow(dead_code)]
#[path = "../../../../auth-testing/tests/refreshing/flaw.rs"]
mod flaw;

const PAGE: &str = "docs/coverage.md";
const ROWS: &str = "conformance/tests/mutants/coverage/rows.txt";

struct Table {
    sentences: Vec<Sentence>,
    rows: Vec<Row>,
    /// Each case, with its clauses.
    cases: BTreeMap<&'static str, &'static [&'static str]>,
    /// What is broken, with the case that is meant for it.
    broken: Vec<(String, String)>,
}

/// The checks. `mutants`: the name of each, and the case that is meant for it.
pub(crate) fn trials(mutants: &[(&'static str, &'static str)]) -> Vec<Trial> {
    let mutants = mutants.to_vec();
    let other = mutants.clone();
    vec![
        Trial::test(
            "coverage::every_promise_has_a_case_and_a_broken_storage",
            move || match table(&mutants)?.problems() {
                none if none.is_empty() => Ok(()),
                some => Err(some.join("\n").into()),
            },
        ),
        Trial::test("coverage::the_page_is_up_to_date", move || up_to_date(&table(&other)?)),
    ]
}

fn table(mutants: &[(&'static str, &'static str)]) -> Result<Table, String> {
    let storages = mutants.iter().map(|(name, case)| (name.to_string(), case.to_string()));
    let refreshers = flaw::FLAWS
        .iter()
        .map(|(flaw, case)| (format!("{flaw:?}"), case.to_string()));
    let careless = flaw::CARELESS.iter().map(|case| (careless(case), case.to_string()));
    let refreshing = refresh_cases().iter().map(|case| (case.name(), case.clauses()));
    Ok(Table {
        sentences: sentences::all()?,
        rows: rows::parse(&read(ROWS)?)?,
        cases: cases()
            .iter()
            .map(|case| (case.name(), case.clauses()))
            .chain(refreshing)
            .collect(),
        broken: storages.chain(refreshers).chain(careless).collect(),
    })
}

/// What the refresher is called that this one of [`flaw::CARELESS`] catches.
fn careless(case: &str) -> String {
    format!("careless, by {}", case.trim_start_matches("refresh::"))
}

fn up_to_date(table: &Table) -> Result<(), Failed> {
    let wanted = page::write(table);
    if std::env::var_os("TOKEN_STORAGE_COVERAGE_UPDATE").is_some() {
        fs::write(format!("{}/../{PAGE}", env!("CARGO_MANIFEST_DIR")), wanted)?;
        return Ok(());
    }
    match read(PAGE)? == wanted {
        true => Ok(()),
        false => Err(format!("{PAGE} is stale; its head says how it is written").into()),
    }
}

impl Table {
    /// What is broken and belongs into this row.
    fn broken_of<'a>(&'a self, row: &'a Row) -> Vec<&'a str> {
        row.cases.iter().flat_map(|named| self.caught(named)).collect()
    }

    fn caught<'a>(&'a self, named: &'a Named) -> impl Iterator<Item = &'a str> {
        let by_case = self.broken.iter().filter(|(_, case)| *case == named.case);
        let elsewhere = self.named_elsewhere(named);
        by_case.map(|(name, _)| &**name).filter(move |name| {
            let here = named.broken.iter().any(|here| here == name);
            here || named.at_home && !elsewhere.contains(name)
        })
    }

    /// What other rows name of the same case.
    fn named_elsewhere(&self, named: &Named) -> BTreeSet<&str> {
        let all = self.rows.iter().flat_map(|row| &row.cases);
        let others = all.filter(|other| other.case == named.case && !std::ptr::eq(*other, named));
        others
            .flat_map(|other| other.broken.iter().map(String::as_str))
            .collect()
    }

    fn problems(&self) -> Vec<String> {
        let mut found = self.misfits();
        for row in &self.rows {
            found.extend(self.holes(row).into_iter().map(|what| format!("{}: {what}", row.id)));
        }
        for (case, clauses) in &self.cases {
            found.extend(
                self.astray(case, clauses)
                    .into_iter()
                    .map(|what| format!("{case}: {what}")),
            );
        }
        found
    }

    /// Rows and sentences are the same, in the same order.
    fn misfits(&self) -> Vec<String> {
        let mut found = Vec::new();
        let rows: BTreeSet<&str> = self.rows.iter().map(|row| &*row.id).collect();
        let sentences: BTreeMap<&str, &str> = self.sentences.iter().map(|s| (&*s.id, &*s.text)).collect();
        for sentence in self.sentences.iter().filter(|sentence| !rows.contains(&*sentence.id)) {
            found.push(format!("{} has no row: {}", sentence.id, sentence.text));
        }
        for row in &self.rows {
            match sentences.get(&*row.id) {
                None => found.push(format!("{}: there is no such sentence", row.id)),
                Some(text) if !text.starts_with(&row.begins) => {
                    found.push(format!("{}: the sentence is now: {text}", row.id));
                }
                Some(_) => (),
            }
        }
        let in_order = self
            .rows
            .iter()
            .map(|row| &row.id)
            .eq(self.sentences.iter().map(|s| &s.id));
        if found.is_empty() && !in_order {
            found.push("a row is there twice, or not in the order of the sentences".into());
        }
        found
    }

    fn holes(&self, row: &Row) -> Vec<String> {
        let mut found = Vec::new();
        for named in &row.cases {
            found.extend(self.wrong_names(row, named));
        }
        let known = |id: &String| {
            self.rows
                .iter()
                .any(|other| other.id == *id && other.same_as.is_empty())
        };
        found.extend(
            row.same_as
                .iter()
                .filter(|id| !known(id))
                .map(|id| format!("{id} is no row of its own")),
        );
        found.extend(row.reasons.iter().flat_map(|reason| missing_tests(reason)));
        if row.same_as.is_empty() && row.reasons.is_empty() {
            if row.cases.is_empty() {
                found.push("neither a case nor a reason why there is none".into());
            } else if self.broken_of(row).is_empty() {
                found.push("no broken storage shows that its cases can fail".into());
            }
        }
        found
    }

    fn wrong_names(&self, row: &Row, named: &Named) -> Vec<String> {
        let mut found = Vec::new();
        let Some(clauses) = self.cases.get(&*named.case) else {
            return vec![format!("there is no case {}", named.case)];
        };
        let (clause, _) = row.id.split_once('.').unwrap_or_default();
        if clause.len() < 4 && !clauses.contains(&clause) {
            found.push(format!("the case {} does not name the clause", named.case));
        }
        for name in &named.broken {
            let meant = |(broken, case): &&(String, String)| broken == name && *case == named.case;
            if !self.broken.iter().any(|entry| meant(&entry)) {
                found.push(format!("nothing that {} catches is called {name:?}", named.case));
            }
        }
        found
    }

    /// A case is at home in one row, is in some row of each of its clauses, and catches something.
    fn astray(&self, case: &str, clauses: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        let named = |row: &Row| row.cases.iter().any(|named| named.case == case);
        let homes = self.rows.iter().flat_map(|row| &row.cases);
        match homes.filter(|named| named.case == case && named.at_home).count() {
            1 => (),
            count => found.push(format!("it is at home in {count} rows of {ROWS}; it must be in 1")),
        }
        for clause in clauses {
            let prefix = format!("{clause}.");
            let by_method = self.rows.iter().any(|row| row.id.contains("::") && named(row));
            if !by_method && !self.rows.iter().any(|row| row.id.starts_with(&prefix) && named(row)) {
                found.push(format!("it is in no row of {clause}"));
            }
        }
        if !self.broken.iter().any(|(_, meant)| meant == case) {
            found.push("nothing broken shows that it can fail".into());
        }
        found
    }
}

/// Tests are named as `[path/to/file.rs: name_of_the_test]`.
fn missing_tests(reason: &str) -> Vec<String> {
    let named = reason.split('[').skip(1).filter_map(|rest| rest.split_once(']'));
    let named = named.filter_map(|(inside, _)| inside.split_once(": "));
    let there = |file: &str, test: &str| read(file).is_ok_and(|text| text.contains(test));
    let missing = named.filter(|(file, test)| !there(file, test));
    missing
        .map(|(file, test)| format!("there is no {test} in {file}"))
        .collect()
}
