//! What a whole run is summed up to: figures, JSON, and the page.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use token_storage_conformance::{
    Harness, Level, Live, Results, Selection, Suite, Verdict, cases, clauses, report::Standing,
};
use token_storage_core::{
    Enumerate, MemoryStorage, Precondition, RefreshLease, Result, StorageInfo, TokenData, TokenKey, TokenStorage,
    TokenStorageExt as _, async_trait, backend::forward,
};

/// Removes nothing, and has a name that must not become markup.
#[derive(Clone, Debug, Default)]
struct NeverRemoves(MemoryStorage);

const NAME: &str = "<script>alert('never')</script>";

#[async_trait]
impl TokenStorage for NeverRemoves {
    forward!(self.0 => get, store_all);

    async fn remove(&self, _: &TokenKey, _: Precondition) -> Result<bool> {
        Ok(true)
    }

    async fn prove_writable(&self, _: &TokenKey) -> Result<()> {
        Ok(())
    }

    fn describe(&self) -> StorageInfo {
        StorageInfo::new(NAME, "nowhere", MemoryStorage::LIMITS)
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        None
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        None
    }
}

struct Broken;

#[async_trait]
impl Harness for Broken {
    type Place = NeverRemoves;

    async fn fresh(&self) -> Result<NeverRemoves> {
        Ok(NeverRemoves::default())
    }

    async fn reopen(&self, place: &NeverRemoves) -> Result<Arc<dyn TokenStorage>> {
        Ok(Arc::new(place.clone()))
    }
}

fn removals() -> Selection {
    Selection {
        levels: vec![Level::Core, Level::Enumerate],
        filter: Some("removal::".to_owned()),
    }
}

fn broken() -> Results {
    Suite::new("broken", Broken).plan().run_all(&removals(), |_| ())
}

#[test]
fn a_broken_clause_is_counted_and_named() {
    let results = broken();
    assert!(!results.conforms());
    let removal = results.clauses.iter().find(|clause| clause.id == "K3").unwrap();
    assert_eq!(removal.standing, Standing::Broken);
    assert!(results.divergence.count >= 1 && results.divergence.of == results.coverage.count);
    assert_eq!(results.coverage.of, clauses().len());
    let untouched = results.clauses.iter().find(|clause| clause.id == "K5").unwrap();
    assert_eq!(untouched.standing, Standing::Unchecked);
}

#[test]
fn the_selection_is_what_runs_and_progress_hears_of_each_case() {
    let heard = AtomicUsize::new(0);
    let plan = Suite::new("broken", Broken).plan();
    let results = plan.run_all(&removals(), |_| {
        heard.fetch_add(1, Ordering::Relaxed);
    });
    assert!(!results.cases.is_empty() && results.cases.len() < cases().len());
    assert_eq!(heard.into_inner(), results.cases.len());
    assert!(results.cases.iter().all(|case| case.name.starts_with("removal::")));
}

#[test]
fn nothing_run_does_not_conform() {
    let none = Selection {
        filter: Some("no such case".to_owned()),
        ..Selection::default()
    };
    let results = Suite::new("broken", Broken).plan().run_all(&none, |_| ());
    assert!(results.cases.is_empty() && !results.conforms());
}

#[test]
fn json_has_the_figures_and_the_cases() {
    let results = broken();
    let json: serde_json::Value = serde_json::from_str(&serde_json::to_string(&results).unwrap()).unwrap();
    assert_eq!(json["suite"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json["coverage"]["of"], clauses().len());
    assert_eq!(json["divergence"]["count"], results.divergence.count);
    let failed = json["cases"]
        .as_array()
        .unwrap()
        .iter()
        .find(|case| case["verdict"] == "failed")
        .unwrap();
    assert_eq!(failed["level"], "core");
    for member in ["clause", "expectation", "got", "want"] {
        assert!(failed["detail"][member].is_string(), "{member}");
    }
}

#[test]
fn the_page_needs_nothing_else_and_escapes_what_a_storage_says() {
    let page = broken().to_html();
    assert!(!page.contains(NAME) && page.contains("&lt;script&gt;alert(&#39;never&#39;)&lt;/script&gt;"));
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains(" src="));
    for clause in clauses() {
        assert!(
            page.contains(&format!("<details id=\"{}\">", clause.id)),
            "{}",
            clause.id
        );
    }
}

#[test]
fn a_live_storage_is_left_as_it_was() {
    let storage = MemoryStorage::new();
    let opened = storage.clone();
    let opener = Box::new(move || {
        let storage: Arc<dyn TokenStorage> = Arc::new(opened.clone());
        Box::pin(std::future::ready(Ok(storage))) as _
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let key = TokenKey::in_default("rs");
    let data = TokenData::new("rs", "s", "mine");
    let revision = runtime
        .block_on(storage.store(&key, &data, Precondition::Absent))
        .unwrap();
    let plan = runtime.block_on(Live::suite("live", None, opener)).unwrap().plan();
    let results = plan.run_all(&Selection::default(), |_| ());
    let failures: Vec<_> = results.failures().map(|failure| failure.to_string()).collect();
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(
        results
            .cases
            .iter()
            .any(|case| matches!(case.verdict, Verdict::Ignored(_)))
    );
    let kept = runtime.block_on(storage.get(&key)).unwrap().unwrap();
    assert_eq!(kept.revision, revision);
    let namespaces = runtime
        .block_on(storage.enumerate().unwrap().list_namespaces(None))
        .unwrap();
    assert_eq!(namespaces.items, ["DEFAULT"], "the suite left records behind");
}

/// On one storage for all, one after another: the odd ones backwards, then the even ones.
#[test]
fn the_cases_do_not_depend_on_their_order() {
    let storage: Arc<dyn TokenStorage> = Arc::new(MemoryStorage::new());
    let opener = Box::new(move || Box::pin(std::future::ready(Ok(Arc::clone(&storage)))) as _);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let plan = runtime.block_on(Live::suite("order", None, opener)).unwrap().plan();
    let odd = cases().iter().skip(1).step_by(2).rev();
    for case in odd.chain(cases().iter().step_by(2)) {
        let report = plan.run(case);
        assert!(!matches!(report.verdict, Verdict::Failed(_)), "{report}");
    }
}

/// The list of clauses is that of the contract. Only in the repository: the published crate has no `docs`.
#[test]
fn the_clauses_are_those_of_the_contract() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/contract.md");
    let text = std::fs::read_to_string(path).expect("the contract is in docs/contract.md");
    let ids: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("- "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|id| id.len() <= 3 && id.starts_with(char::is_uppercase) && id[1..].parse::<u8>().is_ok())
        .collect();
    let known: Vec<&str> = clauses().iter().map(|clause| clause.id).collect();
    assert_eq!(known, ids);
    for case in cases() {
        assert!(
            case.clauses().iter().all(|id| known.contains(id)),
            "{} names no clause of it",
            case.name()
        );
    }
}
