//! The suite covers the contract: every clause has a case or a named other place, and no case names a clause that does
//! not exist.

use std::collections::BTreeSet;

use token_storage_conformance::{cases, elsewhere};

/// The clauses of `docs/contract.md`: `- K1 ...` at the start of a line.
fn contract() -> BTreeSet<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/contract.md");
    let text = std::fs::read_to_string(path).expect("the contract is in the repository");
    let clauses: BTreeSet<String> = text.lines().filter_map(clause).collect();
    assert!(clauses.len() > 30, "found only {clauses:?}");
    clauses
}

fn clause(line: &str) -> Option<String> {
    let name = line.strip_prefix("- ")?.split_whitespace().next()?;
    let (letter, number) = name.split_at_checked(1)?;
    let is_one = letter.chars().all(|c| c.is_ascii_uppercase()) && number.parse::<u8>().is_ok();
    is_one.then(|| name.to_owned())
}

#[test]
fn every_clause_has_a_case_or_another_place() {
    let tested: BTreeSet<&str> = cases().iter().flat_map(|case| case.clauses()).copied().collect();
    let others: BTreeSet<&str> = elsewhere().iter().map(|(clause, _)| *clause).collect();
    let missing: Vec<String> = contract()
        .into_iter()
        .filter(|clause| !tested.contains(clause.as_str()) && !others.contains(clause.as_str()))
        .collect();
    assert!(missing.is_empty(), "neither a case nor another place for {missing:?}");
}

#[test]
fn every_named_clause_exists() {
    let contract = contract();
    let named = cases().iter().flat_map(|case| case.clauses());
    for clause in named.chain(elsewhere().iter().map(|(clause, _)| clause)) {
        assert!(contract.contains(*clause), "{clause} is not in the contract");
    }
}

#[test]
fn names_are_unique_and_have_an_area() {
    let mut seen = BTreeSet::new();
    for case in cases() {
        assert!(seen.insert(case.name()), "{} is there twice", case.name());
        let (area, rest) = case.name().split_once("::").expect("area::what_is_expected");
        let plain = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        assert!(!area.is_empty() && plain(area) && plain(rest), "{}", case.name());
        assert!(!case.clauses().is_empty(), "{} names no clause", case.name());
    }
}

#[test]
fn no_case_names_a_backend() {
    for case in cases() {
        for backend in ["json", "sqlite", "dynamo", "memory", "redis"] {
            assert!(!case.name().contains(backend), "{}", case.name());
        }
    }
}
