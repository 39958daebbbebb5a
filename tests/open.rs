//! Opening by URL.

use token_storage::{ErrorKind, Namespaced, Precondition, TokenData, examine, open};

#[tokio::test]
async fn memory_is_always_there_and_each_opening_is_new() {
    let tokens = Namespaced::in_default(open("memory:").await.unwrap());
    tokens
        .store("rs", &TokenData::new("rs", "", "at"), Precondition::Absent)
        .await
        .unwrap();
    let other = Namespaced::in_default(open("memory:").await.unwrap());
    assert_eq!(other.get("rs").await.unwrap(), None);
}

/// One of each local storage that is compiled in, in a new folder.
fn local_urls(folder: &std::path::Path) -> Vec<String> {
    let schemes: &[&str] = &[
        #[cfg(feature = "json")]
        "json",
        #[cfg(feature = "sqlite")]
        "sqlite",
    ];
    let literal = |scheme| format!("{scheme}:{}", folder.join(format!("a %20b.{scheme}")).display());
    schemes.iter().map(literal).collect()
}

#[tokio::test]
async fn a_local_storage_is_made_by_its_first_write_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    for url in local_urls(folder.path()) {
        let tokens = Namespaced::in_default(open(&url).await.unwrap());
        assert_eq!(tokens.get("rs").await.unwrap(), None);
        assert!(examine(&url).await.is_ok());
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            0,
            "{url}: reading creates nothing"
        );
        let data = TokenData::new("rs", "", "at");
        tokens.store("rs", &data, Precondition::Absent).await.unwrap();
        let again = Namespaced::in_default(open(&url).await.unwrap());
        assert_eq!(again.get("rs").await.unwrap().unwrap().data, data);
        let encoded = url.replacen(':', "://", 1).replace('%', "%25").replace(' ', "%20");
        let by_url = Namespaced::in_default(open(&encoded).await.unwrap());
        assert_eq!(by_url.get("rs").await.unwrap().unwrap().data, data, "{encoded}");
        drop((tokens, again, by_url));
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap()
            } else {
                std::fs::remove_file(path).unwrap()
            }
        }
    }
}

#[tokio::test]
async fn a_scheme_that_is_not_compiled_in_names_its_feature() {
    let missing: &[(&str, &str)] = &[
        #[cfg(not(feature = "json"))]
        ("json:never-made.json", "json"),
        #[cfg(not(feature = "sqlite"))]
        ("sqlite:never-made.db", "sqlite"),
        #[cfg(not(feature = "dynamodb"))]
        ("dynamodb:table", "dynamodb"),
    ];
    for (url, feature) in missing {
        let error = open(url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{url}");
        assert!(
            error.to_string().contains(&format!("the feature `{feature}`")),
            "{error}"
        );
    }
    assert!(open("postgres:x").await.unwrap_err().to_string().contains("unknown"));
}
