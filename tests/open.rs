//! Opening by URL.

use std::sync::Arc;

use token_storage::{
    ErrorKind, Finding, MemoryStorage, Namespaced, Precondition, Schemes, Severity, StorageUrl, TokenData,
    TokenStorage, async_trait,
    backend::{Layer, LayerInfo, Location, MemoryScheme, Opened, Scheme, SchemeInfo},
    examine, open,
};

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

/// One of each storage in files that is compiled in, in a new folder.
fn local_urls(folder: &std::path::Path) -> Vec<String> {
    let schemes = Schemes::builtin().describe();
    let in_files = schemes.iter().filter(|scheme| scheme.forms[0].form.ends_with(":PATH"));
    let literal = |scheme: &SchemeInfo| {
        let name = scheme.name;
        format!("{name}:{}", folder.join(format!("a %20b.{name}")).display())
    };
    in_files.map(literal).collect()
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
    let known = Schemes::builtin().describe();
    for feature in ["json", "sqlite", "dynamodb"] {
        if known.iter().any(|scheme| scheme.name == feature) {
            continue;
        }
        let error = open(&format!("{feature}:never-made")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{feature}");
        assert!(
            error.to_string().contains(&format!("the feature `{feature}`")),
            "{error}"
        );
    }
}

/// As a program registers the backend of somebody else.
#[derive(Debug)]
struct Elsewhere;

impl Scheme for Elsewhere {
    fn describe(&self) -> SchemeInfo {
        SchemeInfo::new("elsewhere", "elsewhere:NAME", "a storage of somebody else")
    }

    fn parse(&self, rest: &str) -> token_storage::Result<Arc<dyn Location>> {
        assert_eq!(rest, "a:b?c#d");
        MemoryScheme.parse("")
    }
}

#[tokio::test]
async fn a_scheme_that_a_program_adds_is_opened() {
    let url = "ElseWhere:a:b?c#d";
    assert!(
        open(url)
            .await
            .unwrap_err()
            .to_string()
            .contains("`elsewhere:` is unknown")
    );
    let schemes = Schemes::builtin().with(Elsewhere);
    let storage = schemes.open(url).await.unwrap();
    assert_eq!(storage.describe().backend, "memory");
    assert_eq!(schemes.examine(url).await.unwrap().len(), 1);
    let error = schemes.parse("postgres:x").unwrap_err().to_string();
    assert!(
        error.contains("`postgres:` is unknown") && error.contains("`elsewhere:NAME`"),
        "{error}"
    );
    assert_eq!(
        schemes.clone().with(Elsewhere).describe().len(),
        schemes.describe().len(),
        "replaced"
    );
}

/// One that lets through what it wraps, and leaves its name in the warnings.
#[derive(Debug)]
struct Passing(&'static str);

#[async_trait]
impl Layer for Passing {
    fn describe(&self) -> LayerInfo {
        LayerInfo::new(self.0, "as it is")
    }

    async fn wrap(&self, below: Opened) -> token_storage::Result<Opened> {
        below
            .warnings()
            .add(Finding::new(Severity::Warning, self.0, "wrapped", ""));
        Ok(below)
    }

    async fn examine(&self, below: &dyn Location) -> token_storage::Result<Vec<Finding>> {
        Ok(vec![Finding::new(Severity::Info, below.rest(), self.0, "")])
    }
}

#[tokio::test]
async fn layers_stand_in_front_of_any_scheme() {
    let schemes = Schemes::builtin().with_layer(Passing("one")).with_layer(Passing("two"));
    let url = schemes.parse("One+two+MEMORY:").unwrap();
    assert_eq!(url.to_string(), "one+two+memory:");
    assert_eq!(url, schemes.parse(&url.to_string()).unwrap());
    assert_ne!(url, schemes.parse("two+one+memory:").unwrap());
    assert_eq!(url.scheme().name, "memory");
    let opened = url.open().await.unwrap();
    let wrapped: Vec<String> = opened.warnings().all().into_iter().map(|one| one.place).collect();
    assert_eq!(wrapped, ["two", "one"], "the innermost first");
    let found: Vec<String> = url
        .examine()
        .await
        .unwrap()
        .into_iter()
        .map(|one| one.message)
        .collect();
    assert_eq!(found[1..], ["two", "one"], "behind what there is to say of the storage");
    for (url, says) in [
        ("one+memory", "no scheme"),
        ("one+two+", "no scheme"),
        ("three+memory:", "`one+` and `two+` in front"),
    ] {
        let error = schemes.parse(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{url}");
        assert!(error.to_string().contains(says), "{url}: {error}");
    }
}

#[tokio::test]
async fn the_way_back_to_the_storage_itself() {
    let opened = StorageUrl::parse("memory:").unwrap().open().await.unwrap();
    assert!(opened.downcast::<MemoryStorage>().is_some());
    assert!(opened.downcast::<Box<dyn TokenStorage>>().is_none());
    assert!(opened.warnings().all().is_empty());
}

#[test]
fn what_is_refused_says_what_would_be_right() {
    for (url, hint) in [
        ("", "no scheme"),
        ("tokens.db", "no scheme"),
        ("/home/x/tokens.db", "no scheme"),
        (r"C:\tokens.db", "no scheme"),
        (":memory:", "no scheme"),
        ("postgres:x", "`postgres:` is unknown; known are `"),
        ("memory:x", "nothing behind"),
    ] {
        let error = StorageUrl::parse(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{url:?}");
        assert!(error.to_string().contains(hint), "{url:?}: {error}");
    }
}

#[test]
fn s1_what_may_be_a_pasted_secret_is_not_quoted() {
    for url in [
        "canary",
        "canary0canary0canary0:x",
        "json://canary/x",
        "sqlite://canary",
        "dynamodb:canary?canary=canary",
        "memory:canary",
    ] {
        let error = StorageUrl::parse(url).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{url}");
    }
}

/// The text of a URL can be parsed again, and is then the same.
#[test]
fn a_url_comes_back_from_its_text() {
    for (url, text) in [
        ("Memory://", "memory:"),
        ("json:a b%?#.json", "json:a b%?#.json"),
        ("json:///a/b%20c.json", "json:/a/b c.json"),
        ("json:////server/x", "json:////server/x"),
        ("sqlite::memory:", "sqlite::memory:"),
        ("sqlite:///t/%ff.db", "sqlite:///t/%FF.db"),
        (
            "DYNAMODB://tokens?region=eu-west-1&endpoint=http%3A%2F%2F127.0.0.1:8000/&profile=a+b",
            "dynamodb:tokens?endpoint=http://127.0.0.1:8000/&profile=a%20b&region=eu-west-1",
        ),
    ] {
        let scheme = text.split(':').next().unwrap();
        if !cfg!(unix) || Schemes::builtin().describe().iter().all(|known| known.name != scheme) {
            continue;
        }
        let parsed = StorageUrl::parse(url).unwrap();
        assert_eq!(parsed.to_string(), text);
        assert_eq!(text.parse::<StorageUrl>().unwrap(), parsed);
        assert_eq!(parsed.scheme().name, scheme);
    }
}
