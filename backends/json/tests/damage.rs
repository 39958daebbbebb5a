//! Damaged and foreign files: never "no tokens", never lost, never in the way of a new login.

mod common;

use std::fs;

use common::{Site, data, get, key, store, token};
use token_storage_core::{
    Enumerate as _, ErrorKind, Precondition, Severity, TokenKey, TokenStorage, TokenStorageExt as _, Write,
};
use token_storage_json::{JsonStorage, examine};

const SOUND: &str = include_str!("fixtures/globus-sdk-4.9.1_JSONTokenStorage_format2.0.json");

/// What a damaged file looks like, and what the error must say of the place.
fn damaged() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let with_bom = [b"\xef\xbb\xbf", SOUND.as_bytes()].concat();
    let latin1 = SOUND.replacen("Bearer", "B\u{7f}arer", 1).replace('\u{7f}', "\u{80}");
    let mut not_utf8 = latin1.into_bytes();
    not_utf8.retain(|byte| *byte != 0xc2);
    vec![
        ("cut off", SOUND.as_bytes()[..300].to_vec(), "cut off"),
        (
            "cut off at the end",
            SOUND.as_bytes()[..SOUND.len() - 1].to_vec(),
            "cut off",
        ),
        ("NUL-filled", vec![0; 4096], "NUL at byte 0 (line 1, column 1)"),
        ("BOM", with_bom, "byte order mark"),
        ("trailing garbage", format!("{SOUND}{{").into_bytes(), "line 1, column"),
        (
            "two writes, interleaved",
            format!("{SOUND}\"x\"}}").into_bytes(),
            "line 1, column",
        ),
        ("not UTF-8", not_utf8, "UTF-8 from byte"),
        ("wrong root", b"[1, 2]".to_vec(), "root"),
        (
            "wrong data",
            br#"{"format_version": "2.0", "data": []}"#.to_vec(),
            "`data`",
        ),
    ]
}

#[tokio::test]
async fn d3_a_damaged_file_is_an_error_that_names_the_place_and_is_kept_by_the_next_login() {
    for (what, content, place) in damaged() {
        let site = Site::with(&content);
        let storage = site.open();
        let error = storage.get(&key("auth.globus.org")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
        let message = error.to_string();
        assert!(
            message.contains(place) && message.contains(site.path.to_str().unwrap()),
            "{what}: {message}"
        );
        assert!(!message.contains("auth_at"), "{what}: {message}");
        assert_eq!(
            (&storage).list_namespaces(None).await.unwrap_err().kind(),
            ErrorKind::Corrupt
        );
        assert_eq!(site.names(), ["tokens.json"], "{what}: reading moves nothing");

        store(&storage, "rs", "new").await.unwrap();
        assert_eq!(token(&storage, "rs").await.unwrap(), "new", "{what}");
        assert_eq!(token(&site.open(), "rs").await.unwrap(), "new", "{what}");
        let kept = storage.kept_files().unwrap();
        assert_eq!(kept.len(), 1, "{what}");
        assert_eq!(fs::read(&kept[0]).unwrap(), content, "{what}: unchanged");
        #[cfg(unix)]
        assert_eq!(common::mode(&kept[0]), 0o600, "{what}");
        assert!(
            storage
                .warnings()
                .iter()
                .any(|finding| finding.place == kept[0].display().to_string()),
            "{what}"
        );
        let findings = examine(&site.path);
        assert!(
            findings
                .iter()
                .any(|finding| finding.place == kept[0].display().to_string()),
            "{what}"
        );
    }
}

/// A program that was killed while it wrote in place does not log everybody out with the next write.
#[tokio::test]
async fn d3_what_can_be_read_of_a_damaged_file_goes_on_in_the_new_one() {
    let (first, second) = (key("auth.globus.org"), key("groups.api.globus.org"));
    let undamaged = Site::with(SOUND);
    let sound = undamaged.open();
    let records = [sound.get(&first).await.unwrap(), sound.get(&second).await.unwrap()];
    for (what, content, _) in damaged() {
        let site = Site::with(&content);
        let storage = site.open();
        store(&storage, "rs", "new").await.unwrap();
        let kept = [storage.get(&first).await.unwrap(), storage.get(&second).await.unwrap()];
        let want = match what {
            "cut off" => [records[0].clone(), None],
            "cut off at the end" | "BOM" | "trailing garbage" | "two writes, interleaved" => records.clone(),
            _ => [None, None],
        };
        assert_eq!(kept, want, "{what}");
    }
}

/// What follows a whole document takes nothing of it away, whatever its format; nor is what was damaged alone now absent.
#[tokio::test]
async fn d3_bytes_behind_the_end_cost_nothing() {
    for text in [
        include_str!("fixtures/globus-sdk-tokenstorage-0.4.1_SimpleJSONFileAdapter.json"),
        include_str!("fixtures/globus-sdk-4.9.1_SimpleJSONFileAdapter_format1.0.json"),
    ] {
        let undamaged = Site::with(text);
        let sound = undamaged.open();
        let keys = (&sound).list_keys("DEFAULT", None).await.unwrap().items;
        assert!(!keys.is_empty());
        let site = Site::with(format!("{text}]"));
        store(&site.open(), "rs", "new").await.unwrap();
        for key in keys {
            let kept = site.open().get(&key).await.unwrap();
            assert_eq!(kept, sound.get(&key).await.unwrap(), "{key}");
        }
    }
    let odd = SOUND.replacen("\"data\"", "\"theirs\": 1, \"data\"", 1).replacen(
        "\"DEFAULT\": {",
        "\"DEFAULT\": {\"odd\": {}, ",
        1,
    );
    for (what, content, theirs) in [
        ("behind", format!("{odd}]"), true),
        ("cut", odd[..330].to_owned(), false),
    ] {
        let site = Site::with(&content);
        let storage = site.open();
        store(&storage, "rs", "new").await.unwrap();
        let error = storage.get(&key("odd")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}");
        assert!(token(&storage, "auth.globus.org").await.is_some(), "{what}");
        assert_eq!(site.text().contains("\"theirs\": 1"), theirs, "{what}");
    }
}

/// A refresh that has spent its token while the file was damaged can still store the new one.
#[tokio::test]
async fn d3_what_can_be_read_of_a_damaged_file_can_be_compared() {
    let site = Site::with(SOUND);
    let storage = site.open();
    let (first, second) = (key("auth.globus.org"), key("groups.api.globus.org"));
    let mut read = Vec::new();
    for key in [&first, &second] {
        read.push(Precondition::Unchanged(
            storage.get(key).await.unwrap().unwrap().revision,
        ));
    }
    fs::write(&site.path, &SOUND[..300]).unwrap();
    let refused = storage.store(&second, &data("new"), read[1]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt, "it is behind the cut");
    let refused = storage.store(&first, &data("new"), read[1]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert_eq!(site.text(), SOUND[..300]);
    storage.store(&first, &data("new"), read[0]).await.unwrap();
    assert_eq!(token(&site.open(), "auth.globus.org").await.unwrap(), "new");
    assert_eq!(storage.kept_files().unwrap().len(), 1);
}

#[tokio::test]
async fn d3_only_what_asks_nothing_of_the_lost_content_starts_anew() {
    let site = Site::with("{");
    let storage = site.open();
    let (rs, record) = (key("rs"), data("at"));
    let corrupt = |error: token_storage_core::Error| assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    corrupt(storage.store(&rs, &record, Precondition::Absent).await.unwrap_err());
    corrupt(storage.remove(&rs, Precondition::Any).await.unwrap_err());
    let other = key("other");
    let writes = [
        Write::new(&rs, &record, Precondition::Any),
        Write::new(&other, &record, Precondition::Absent),
    ];
    corrupt(storage.store_all(&writes).await.unwrap_err());
    assert_eq!(site.text(), "{");
    assert_eq!(site.names(), ["tokens.json"], "what is refused leaves nothing");
}

#[tokio::test]
async fn d3_a_file_repaired_meanwhile_is_read() {
    let site = Site::with("{");
    let storage = site.open();
    assert!(storage.get(&key("auth.globus.org")).await.is_err());
    fs::write(&site.path, SOUND).unwrap();
    assert_eq!(token(&storage, "auth.globus.org").await.unwrap(), "auth_at_1");
}

#[tokio::test]
async fn d3_one_bad_record_is_damaged_alone() {
    let bad = [
        ("number", "7"),
        ("null", "null"),
        ("list", "[]"),
        ("no token", r#"{"resource_server": "x", "scope": ""}"#),
        (
            "huge",
            r#"{"resource_server": "x", "scope": "", "access_token": "canary", "expires_at_seconds": 9223372036854775808}"#,
        ),
        (
            "surrogate",
            r#"{"resource_server": "x", "scope": "", "access_token": "canary\ud800"}"#,
        ),
        (
            "name",
            r#"{"resource_server": "x", "scope": "", "access_token": "canary", "\ud800": 1}"#,
        ),
    ];
    let members: String = bad
        .iter()
        .map(|(name, record)| format!("\"{name}\": {record}, "))
        .collect();
    let site = Site::with(SOUND.replacen("\"DEFAULT\": {", &format!("\"DEFAULT\": {{{members}"), 1));
    let storage = site.open();
    for (name, _) in bad {
        let error = storage.get(&key(name)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}");
        assert_eq!(error.key(), Some(&key(name)));
        assert!(!format!("{error} {error:?}").contains("canary"), "{name}");
        let conditional = storage
            .store(&key(name), &data("at"), Precondition::Absent)
            .await
            .unwrap_err();
        assert_eq!(
            conditional.kind(),
            ErrorKind::Corrupt,
            "{name}: neither absent nor unchanged"
        );
    }
    assert_eq!(token(&storage, "auth.globus.org").await.unwrap(), "auth_at_1");
    let listed = (&storage).list_keys("DEFAULT", None).await.unwrap().items;
    assert_eq!(listed.len(), bad.len() + 2, "damaged records are listed");
    let errors = examine(&site.path)
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error);
    assert_eq!(errors.count(), bad.len());

    store(&storage, "neighbour", "at").await.unwrap();
    for (name, record) in bad {
        assert!(
            site.text().contains(&format!("\"{name}\": {record}")),
            "{name} is kept as it is"
        );
    }
    assert!(storage.remove(&key("null"), Precondition::Any).await.unwrap());
    store(&storage, "huge", "new").await.unwrap();
    assert_eq!(get(&storage, "null").await, None);
    assert_eq!(token(&storage, "huge").await.unwrap(), "new");
    assert!(
        storage.kept_files().unwrap().is_empty(),
        "replacing one record keeps nothing aside"
    );
}

/// What is no JSON: what Python writes all the same, and slips of editors and programs.
const ODD: [(&str, &str); 9] = [
    (
        "nan",
        r#"{"resource_server": "x", "scope": "", "access_token": "canary", "odd": NaN}"#,
    ),
    (
        "infinite",
        r#"{"resource_server": "x", "scope": "", "access_token": "canary", "expires_at_seconds": Infinity}"#,
    ),
    (
        "float",
        r#"{"resource_server": "x", "scope": "", "access_token": "canary", "expires_at_seconds": 1e400}"#,
    ),
    ("bare", "-Infinity"),
    (
        "comma",
        r#"{"resource_server": "x", "scope": "", "access_token": "canary",}"#,
    ),
    (
        "quotes",
        "{'resource_server': 'x', 'scope': '', 'access_token': 'canary'}",
    ),
    (
        "control",
        "{\"resource_server\": \"x\", \"scope\": \"\", \"access_token\": \"canary\0\n\"}",
    ),
    (
        "escape",
        r#"{"resource_server": "x", "scope": "\q", "access_token": "canary"}"#,
    ),
    (
        "number",
        r#"{"resource_server": "x", "scope": "", "access_token": "canary", "expires_at_seconds": 01}"#,
    ),
];

#[test]
fn doctor_tells_which_record_python_cannot_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.json");
    for (odd, told) in [("9".repeat(5000), true), ("9".repeat(4300), false)] {
        let record = r#"{"resource_server": "x", "scope": "", "access_token": "canary", "odd": 0}"#;
        let records = record.replace("0}", &(odd + "}"));
        let text = format!(r#"{{"data": {{"n": {{"x": {records}}}}}, "format_version": "2.0"}}"#);
        fs::write(&path, text).unwrap();
        let findings = examine(&path);
        let found = findings
            .iter()
            .find(|found| found.message.contains("more than 4300 digits"));
        assert_eq!(found.is_some(), told, "{findings:?}");
        if let Some(found) = found {
            assert_eq!(
                (found.severity, &*found.place),
                (Severity::Warning, "resource server \"x\" in namespace \"n\"")
            );
        }
    }
}

#[tokio::test]
async fn d3_a_record_that_is_no_json_is_damaged_alone() {
    let deep = "[".repeat(1100) + &"]".repeat(1100);
    let sound = [
        ("beyond", "Infinity".to_owned(), "1e400".to_owned()),
        ("digits", "9".repeat(5000), "9".repeat(5000)),
        ("deep", deep.clone(), deep),
        (
            "duplicate",
            r#"{"a":1,"a":NaN,"a":"\ud800"}"#.replace("NaN", "2"),
            r#"{"a":1,"a":2,"a":"\ud800"}"#.to_owned(),
        ),
    ];
    let mut members: String = ODD
        .iter()
        .map(|(name, record)| format!("\"{name}\": {record}, "))
        .collect();
    for (name, extra, _) in &sound {
        members += &format!(
            r#""{name}": {{"resource_server": "x", "scope": "", "access_token": "{name}", "odd": {extra}}}, "#
        );
    }
    let text = SOUND.replacen("\"DEFAULT\": {", &format!("\"odd\": NaN, \"DEFAULT\": {{{members}"), 1);
    let site = Site::with(&text);
    let storage = site.open();
    for (name, _) in ODD {
        let error = storage.get(&key(name)).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.key()),
            (ErrorKind::Corrupt, Some(&key(name))),
            "{error}"
        );
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
    for (name, _, want) in &sound {
        let stored = get(&storage, name).await.unwrap();
        assert_eq!(stored.data.access_token.expose(), *name);
        assert_eq!(stored.data.extra.get("odd"), Some(&**want), "{name}");
    }
    assert_eq!(token(&storage, "auth.globus.org").await.unwrap(), "auth_at_1");

    store(&storage, "neighbour", "at").await.unwrap();
    assert!(storage.kept_files().unwrap().is_empty());
    let want = text.strip_suffix('}').unwrap().replace("auth_at_1", "");
    let written = site.text().replace("auth_at_1", "");
    let (before, after) = want.split_once("}}, \"format_version").unwrap();
    assert!(written.starts_with(before), "everything that was there stays as it is");
    assert!(written.ends_with(&format!("{after}}}")), "{written}");
    assert_eq!(token(&site.open(), "neighbour").await.unwrap(), "at");
    store(&storage, "comma", "new").await.unwrap();
    assert!(storage.remove(&key("nan"), Precondition::Any).await.unwrap());
    assert_eq!(token(&storage, "comma").await.unwrap(), "new");
    assert_eq!(get(&storage, "nan").await, None);
}

#[tokio::test]
async fn an_empty_file_is_an_empty_storage() {
    for content in ["", "\n", " \r\n\t "] {
        let site = Site::with(content);
        let storage = site.open();
        assert_eq!(get(&storage, "rs").await, None);
        assert_eq!((&storage).list_namespaces(None).await.unwrap().items, [""; 0]);
        assert!(!storage.remove(&key("rs"), Precondition::Any).await.unwrap());
        assert_eq!(site.text(), content);
        storage
            .store(&key("rs"), &data("at"), Precondition::Absent)
            .await
            .unwrap();
        assert_eq!(token(&site.open(), "rs").await.unwrap(), "at");
        assert!(storage.kept_files().unwrap().is_empty(), "there was nothing to keep");
    }
}

#[tokio::test]
async fn a_file_beyond_reason_is_not_read_and_not_touched() {
    let site = Site::with("");
    let size = 2 * 1024 * 1024 * 1024;
    fs::File::options()
        .write(true)
        .open(&site.path)
        .unwrap()
        .set_len(size)
        .unwrap();
    let storage = site.open();
    let error = storage.get(&key("rs")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
    assert!(error.to_string().contains("1 GiB"), "{error}");
    assert_eq!(
        store(&storage, "rs", "at").await.unwrap_err().kind(),
        ErrorKind::Misconfigured
    );
    assert_eq!(fs::metadata(&site.path).unwrap().len(), size);
}

#[tokio::test]
async fn a_folder_removed_and_made_anew_is_a_new_storage() {
    let site = Site::new();
    let path = site.path.parent().unwrap().join("folder/tokens.json");
    let storage = JsonStorage::open(&path).unwrap();
    store(&storage, "rs", "at").await.unwrap();
    for make_it in [false, true] {
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
        if make_it {
            fs::create_dir(path.parent().unwrap()).unwrap();
        }
        // Noticed at the latest after 100 ms, by whoever only reads; a write looks.
        storage
            .store(&key("new"), &data("at"), Precondition::Absent)
            .await
            .unwrap();
        assert_eq!(get(&storage, "rs").await, None);
        assert!(storage.remove(&key("new"), Precondition::Any).await.unwrap());
        store(&storage, "rs", "at").await.unwrap();
    }
}

#[tokio::test]
async fn d3_a_namespace_that_is_no_object_is_damaged_alone() {
    let site = Site::with(SOUND.replacen("\"data\": {", "\"data\": {\"bad\": [1], ", 1));
    let storage = site.open();
    let bad = TokenKey::new("bad", "rs");
    assert_eq!(storage.get(&bad).await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(
        storage.remove(&bad, Precondition::Any).await.unwrap_err().kind(),
        ErrorKind::Corrupt
    );
    assert_eq!(
        (&storage).list_keys("bad", None).await.unwrap_err().kind(),
        ErrorKind::Corrupt
    );
    assert_eq!(
        (&storage).list_namespaces(None).await.unwrap().items,
        ["DEFAULT", "bad"]
    );
    store(&storage, "rs", "at").await.unwrap();
    assert!(
        site.text().contains("\"bad\": [1]"),
        "kept while nothing is stored there"
    );
    let before = site.text();
    storage.store(&bad, &data("at"), Precondition::Any).await.unwrap();
    let kept = storage.kept_files().unwrap();
    assert_eq!(fs::read_to_string(&kept[0]).unwrap(), before);
    assert!(storage.get(&bad).await.unwrap().is_some());
    assert_eq!(token(&storage, "auth.globus.org").await.unwrap(), "auth_at_1");
}

#[tokio::test]
async fn a_file_of_another_kind_is_never_touched() {
    for content in [
        "{}",
        r#"{"name": "some package", "version": "1.0"}"#,
        r#"{"format_version": "3.0", "data": {}}"#,
        r#"{"format_version": 2.0, "data": {}}"#,
    ] {
        let site = Site::with(content);
        let storage = site.open();
        let error = storage.get(&key("rs")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{content}: {error}");
        let refused = [
            store(&storage, "rs", "at").await.unwrap_err(),
            storage.remove(&key("rs"), Precondition::Any).await.unwrap_err(),
            storage.lease().unwrap().try_acquire(&key("rs")).await.unwrap_err(),
        ];
        for error in refused {
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{content}: {error}");
        }
        assert_eq!(site.text(), content);
        assert_eq!(site.names(), ["tokens.json"], "nothing is made beside it");
        assert!(
            examine(&site.path)
                .iter()
                .any(|finding| finding.severity == Severity::Error)
        );
    }
}

#[tokio::test]
async fn paths_that_are_no_files() {
    let site = Site::new();
    let error = JsonStorage::open(site.directory.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
    let error = JsonStorage::open("").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
    fs::write(&site.path, SOUND).unwrap();
    let error = JsonStorage::open(site.path.join("below")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
    // What becomes a directory after it was opened.
    let storage = site.open();
    fs::remove_file(&site.path).unwrap();
    fs::create_dir(&site.path).unwrap();
    assert_eq!(
        storage.get(&key("rs")).await.unwrap_err().kind(),
        ErrorKind::Misconfigured
    );
    assert_eq!(
        store(&storage, "rs", "at").await.unwrap_err().kind(),
        ErrorKind::Misconfigured
    );
    assert_eq!(site.names(), ["tokens.json"]);
    #[cfg(unix)]
    {
        fs::remove_dir(&site.path).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&site.path).status().unwrap();
        assert!(made.success());
        assert_eq!(
            storage.get(&key("rs")).await.unwrap_err().kind(),
            ErrorKind::Misconfigured,
            "and does not hang"
        );
        assert_eq!(
            store(&storage, "rs", "at").await.unwrap_err().kind(),
            ErrorKind::Misconfigured
        );
        assert!(
            examine(&site.path)
                .iter()
                .any(|finding| finding.severity == Severity::Error)
        );
        for device in ["/dev/null", "/dev/zero"] {
            fs::remove_file(&site.path).unwrap();
            std::os::unix::fs::symlink(device, &site.path).unwrap();
            let error = JsonStorage::open(&site.path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{device}: {error}");
        }
    }
}

#[test]
fn examining_a_sound_file_finds_nothing_wrong_and_changes_nothing() {
    let site = Site::with(SOUND);
    #[cfg(unix)]
    common::set_mode(&site.path, 0o600);
    let findings = examine(&site.path);
    assert!(
        findings.iter().all(|finding| finding.severity == Severity::Info),
        "{findings:?}"
    );
    assert!(
        findings
            .iter()
            .any(|finding| finding.message == "format 2.0, 2 records"),
        "{findings:?}"
    );
    assert_eq!(site.names(), ["tokens.json"]);
    let absent = Site::new();
    assert_eq!(examine(&absent.path).len(), 1);
}

#[test]
fn examining_tells_of_keys_that_nobody_can_name() {
    let site = Site::with(SOUND.replacen("\"DEFAULT\"", "\"\\ud800\"", 1));
    let findings = examine(&site.path);
    assert!(
        findings.iter().any(|finding| finding.severity == Severity::Warning
            && finding.place == site.path.display().to_string()
            && finding.message.starts_with("1 key that is not valid Unicode")),
        "{findings:?}"
    );
}
