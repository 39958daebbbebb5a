//! `docs/providers.md` says what the data say.

use token_storage_conformance::auth_server::provider_habits;

const BEGIN: &str = "<!-- begin of the table -->\n";
const END: &str = "<!-- end of the table -->";

fn table() -> String {
    let mut table = String::from(
        "| provider | client | rotates | answer | expiry | scopes | revokes | refused | besides |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for habits in provider_habits() {
        table += &habits.row();
        table.push('\n');
    }
    table
}

#[test]
fn the_page_is_made_of_the_data() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/providers.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has a place for the table");
    let (shown, after) = rest.split_once(END).expect("the table ends somewhere");
    if std::env::var_os("TOKEN_STORAGE_WRITE_PROVIDERS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
    } else {
        assert!(
            shown == table(),
            "docs/providers.md is not what the data say; it tells how to write it"
        );
    }
}

#[test]
fn every_provider_is_there_once() {
    let names: std::collections::BTreeSet<&str> = provider_habits().iter().map(|habits| habits.provider).collect();
    assert_eq!((names.len(), provider_habits().len()), (24, 24));
}
