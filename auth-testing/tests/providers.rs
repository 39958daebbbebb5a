//! `docs/providers.md` says what the data say.

use token_storage_auth_testing::auth_server::provider_habits;

const HABITS: [&str; 2] = ["<!-- begin of the table -->\n", "<!-- end of the table -->"];
const SOURCES: [&str; 2] = ["<!-- begin of the sources -->\n", "<!-- end of the sources -->"];

fn table(head: &str, rows: impl Iterator<Item = String>) -> String {
    let ruler = "|---".repeat(head.matches('|').count() - 1);
    rows.fold(format!("{head}\n{ruler}|\n"), |table, row| table + &row + "\n")
}

fn habits() -> String {
    let head = "| provider | client | rotates | answer | expiry | scopes | revokes | refused | besides |";
    table(head, provider_habits().iter().map(|habits| habits.row()))
}

fn sources() -> String {
    let head = "| provider | pages | refusals | not found |";
    table(head, provider_habits().iter().map(|habits| habits.sources().row()))
}

#[test]
fn the_page_is_made_of_the_data() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/providers.md");
    let mut page = std::fs::read_to_string(path).unwrap();
    for ([begin, end], told) in [(HABITS, habits()), (SOURCES, sources())] {
        let (before, rest) = page.split_once(begin).expect("the page has a place for the table");
        let (shown, after) = rest.split_once(end).expect("the table ends somewhere");
        if std::env::var_os("TOKEN_STORAGE_WRITE_PROVIDERS").is_some() {
            page = format!("{before}{begin}{told}{end}{after}");
            std::fs::write(path, &page).unwrap();
        } else {
            assert!(
                shown == told,
                "docs/providers.md is not what the data say; it tells how to write it"
            );
        }
    }
}

#[test]
fn every_provider_is_there_once() {
    let names: std::collections::BTreeSet<&str> = provider_habits().iter().map(|habits| habits.provider).collect();
    assert_eq!((names.len(), provider_habits().len()), (30, 30));
}

#[test]
fn every_row_has_its_sources_or_says_what_was_not_found() {
    for habits in provider_habits() {
        let sources = habits.sources();
        assert!(!sources.pages.is_empty(), "{}", habits.provider);
        let honest = !sources.refusals.is_empty() || sources.not_found.contains("refusal");
        assert!(honest, "{}", habits.provider);
        for thread in sources.refusals {
            let (repository, number) = thread.split_once('#').expect("a thread has a number");
            assert_eq!(repository.split('/').count(), 2, "{thread}");
            assert!(number.parse::<u32>().is_ok(), "{thread}");
        }
    }
}
