use token_storage_core::ErrorKind;

use super::StorageUrl;

fn json(path: &str) -> StorageUrl {
    StorageUrl::Json(path.into())
}

#[test]
fn a_path_is_literal() {
    for path in [
        "bare.json",
        "./a b.json",
        "../up.json",
        "/abs/x.json",
        r"C:\dir\x.json",
        "100%25?#.json",
        ":memory:",
        "./~/x",
        "é/😀",
        " leading",
    ] {
        assert_eq!(StorageUrl::parse(&format!("json:{path}")).unwrap(), json(path));
    }
}

#[test]
fn the_url_form_is_decoded() {
    for (url, path) in [
        ("json:///a/b.json", "/a/b.json"),
        ("JSON://localhost/a%20b%3F.json", "/a b?.json"),
        ("json:///100%", "/100%"),
        ("json:////server/x", "//server/x"),
    ] {
        assert_eq!(StorageUrl::parse(url).unwrap(), json(path), "{url}");
    }
}

#[cfg(unix)]
#[test]
fn the_url_form_names_paths_that_are_not_unicode() {
    use std::os::unix::ffi::OsStrExt;
    let Ok(StorageUrl::Sqlite(path)) = StorageUrl::parse("sqlite:///t/%ff.db") else {
        panic!("not a path");
    };
    assert_eq!(path.as_os_str().as_bytes(), b"/t/\xff.db");
}

#[test]
fn memory_in_all_its_forms() {
    assert_eq!(StorageUrl::parse("memory:").unwrap(), StorageUrl::Memory);
    assert_eq!(StorageUrl::parse("Memory://").unwrap(), StorageUrl::Memory);
    assert_eq!(
        StorageUrl::parse("sqlite::memory:").unwrap(),
        StorageUrl::SqliteInMemory
    );
}

#[test]
fn a_table_with_its_parameters() {
    let url = "dynamodb:my-table?region=eu-west-1&endpoint=http%3A%2F%2F127.0.0.1:8000/&profile=dev";
    let want = StorageUrl::DynamoDb {
        table: "my-table".into(),
        region: Some("eu-west-1".into()),
        endpoint: Some("http://127.0.0.1:8000/".into()),
        profile: Some("dev".into()),
    };
    assert_eq!(StorageUrl::parse(url).unwrap(), want);
}

#[test]
fn what_is_refused_says_what_would_be_right() {
    for (url, hint) in [
        ("", "no scheme"),
        ("tokens.db", "`sqlite:`"),
        ("/home/x/tokens.db", "no scheme"),
        (r"C:\tokens.db", "no scheme"),
        (":memory:", "no scheme"),
        ("postgres:x", "`postgres:` is unknown"),
        ("memory:x", "nothing behind"),
        ("json:", "`json:PATH`"),
        ("json://", "a host"),
        ("json://tokens.json", "`json:PATH`"),
        ("json://host/tokens.json", "another host"),
        ("json:///a?b", "%3F"),
        ("json:///", "names no file"),
        ("json:~/tokens.json", "$HOME"),
        ("sqlite:~", "$HOME"),
        ("sqlite:a\0b", "NUL"),
        ("sqlite:///a%00b", "NUL"),
        ("dynamodb:", "names no table"),
        ("dynamodb:?region=x", "names no table"),
        ("dynamodb:t?regoin=x", "known are"),
        ("dynamodb:t?region=a&region=b", "twice"),
        ("dynamodb:t?region=", "empty"),
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
        "dynamodb:t?canary=canary",
        "memory:canary",
    ] {
        let error = StorageUrl::parse(url).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{url}");
    }
}
