use token_storage_core::{TokenData, WriteMark};

use super::*;

fn parse(text: &str) -> Result<Document, Damage> {
    Document::parse(Arc::new(Text::from(text.to_owned())))
}

fn emitted(document: &Document) -> String {
    let mut out = Vec::new();
    document.write_to(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn record(access_token: &str) -> RawText {
    let data = TokenData::new("rs", "s", access_token);
    RawText::new(record::encode(&data, &WriteMark::from_bytes([1; 16])).to_string())
}

fn access_token(document: &Document, namespace: &str, resource_server: &str) -> Option<String> {
    let stored = document.get(&TokenKey::new(namespace, resource_server)).unwrap();
    stored.map(|stored| stored.data.access_token.expose().to_owned())
}

const FIXTURES: [(&str, Format); 11] = [
    (
        include_str!("../../tests/fixtures/globus-sdk-3.65.0_JSONTokenStorage_format2.0.json"),
        Format::V2,
    ),
    (
        include_str!("../../tests/fixtures/globus-sdk-3.65.0_JSONTokenStorage_format2.0_after_refresh.json"),
        Format::V2,
    ),
    (
        include_str!("../../tests/fixtures/globus-sdk-3.65.0_JSONTokenStorage_format2.0_two_namespaces.json"),
        Format::V2,
    ),
    (
        include_str!("../../tests/fixtures/globus-sdk-3.65.0_SimpleJSONFileAdapter_format1.0.json"),
        Format::V1,
    ),
    (
        include_str!("../../tests/fixtures/globus-sdk-3.65.0_migrated_1.0_to_2.0.json"),
        Format::V2,
    ),
    (
        include_str!("../../tests/fixtures/globus-sdk-4.9.1_JSONTokenStorage_format2.0.json"),
        Format::V2,
    ),
    (
        include_str!("../../tests/fixtures/globus-sdk-4.9.1_JSONTokenStorage_format2.0_after_refresh.json"),
        Format::V2,
    ),
    (
        include_str!("../../tests/fixtures/globus-sdk-4.9.1_JSONTokenStorage_format2.0_two_namespaces.json"),
        Format::V2,
    ),
    (
        include_str!("../../tests/fixtures/globus-sdk-4.9.1_SimpleJSONFileAdapter_format1.0.json"),
        Format::V1,
    ),
    (
        include_str!("../../tests/fixtures/globus-sdk-4.9.1_migrated_1.0_to_2.0.json"),
        Format::V2,
    ),
    (
        include_str!("../../tests/fixtures/globus-sdk-tokenstorage-0.4.1_SimpleJSONFileAdapter.json"),
        Format::V041,
    ),
];

#[test]
fn every_record_of_the_real_files_is_readable() {
    for (text, format) in FIXTURES {
        let document = parse(text).unwrap();
        assert_eq!(document.format(), format);
        for namespace in document.namespaces().iter() {
            let Namespace::Records(records) = &namespace.value else {
                panic!("a damaged namespace in a real file");
            };
            assert!(records.len() > 0);
            for member in records.iter() {
                member.value.decoded().unwrap();
            }
        }
    }
}

#[test]
fn a_2_0_file_of_the_sdk_is_written_back_byte_for_byte() {
    for (text, format) in FIXTURES {
        if format == Format::V2 {
            assert_eq!(emitted(&parse(text).unwrap()), text);
        }
    }
}

#[test]
fn a_1_0_file_is_written_as_the_sdk_migrates_it() {
    let emitted = emitted(&parse(FIXTURES[3].0).unwrap());
    let want: serde_json::Value = serde_json::from_str(FIXTURES[4].0).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&emitted).unwrap(), want);
}

#[test]
fn unknown_top_level_members_of_a_1_0_file_survive_the_upgrade() {
    let text =
        r#"{"note": [1e400, "\ud800"], "data": 5, "by_rs": {}, "format_version": "1.0", "globus-sdk.version": "3"}"#;
    let want =
        r#"{"note": [1e400, "\ud800"], "data": {"DEFAULT": {}}, "format_version": "2.0", "globus-sdk.version": "3"}"#;
    assert_eq!(emitted(&parse(text).unwrap()), want);
}

#[test]
fn the_single_token_file_becomes_a_record_with_all_its_members() {
    let document = parse(FIXTURES[10].0).unwrap();
    assert_eq!(
        access_token(&document, "DEFAULT", "groups.api.globus.org").as_deref(),
        Some("at")
    );
    let text = emitted(&document);
    assert!(
        text.contains(r#""globus-sdk-tokenstorage.version": "0.4.1"}"#),
        "{text}"
    );
    assert_eq!(parse(&text).unwrap().format(), Format::V2);
}

#[test]
fn changes_touch_nothing_else() {
    let text = r#" { "x" : [1 , 2],"data":{ "n\u0061":{"a":{"odd":1e400},"\ud800":7, "b":"no object"}, "bad":[1]},
        "format_version":"2.0" , "globus-sdk.version":"9" }
"#;
    let mut document = parse(text).unwrap();
    assert_eq!(document.get(&TokenKey::new("bad", "a")), Err(RecordDamage::Namespace));
    assert!(matches!(
        document.get(&TokenKey::new("na", "b")),
        Err(RecordDamage::Record(_))
    ));
    document.set(&TokenKey::new("na", "new"), record("at"));
    document.set(&TokenKey::new("other", ""), record("at2"));
    let out = emitted(&document);
    let (head, rest) = out.split_once(r#", "new": {"#).unwrap();
    assert_eq!(
        head,
        r#"{"x": [1 , 2], "data": {"n\u0061": {"a": {"odd":1e400}, "\ud800": 7, "b": "no object""#
    );
    assert!(rest.contains(r#"}}, "bad": [1], "other": {"": {"#), "{out}");
    assert!(
        rest.ends_with(r#"}}}, "format_version": "2.0", "globus-sdk.version": "9"}"#),
        "{out}"
    );
    assert_eq!(access_token(&document, "na", "new").as_deref(), Some("at"));
    assert!(document.remove(&TokenKey::new("na", "new")));
    assert!(!document.remove(&TokenKey::new("na", "new")));
    assert!(
        document.remove(&TokenKey::new("na", "b")),
        "a damaged record can be removed"
    );
    assert!(document.remove(&TokenKey::new("other", "")));
    assert!(!document.is_empty());
}

#[test]
fn damage_names_the_place() {
    for (text, kind, part) in [
        ("[]", DamageKind::Corrupt, "root"),
        ("7", DamageKind::Corrupt, "root"),
        ("{", DamageKind::Corrupt, "cut off"),
        ("{}x", DamageKind::Corrupt, "byte 2 (line 1, column 3)"),
        ("{\n\0}", DamageKind::Corrupt, "NUL at byte 2 (line 2, column 1)"),
        ("{}", DamageKind::NotOurs, "no format_version"),
        (
            r#"{"format_version":2.0,"data":{}}"#,
            DamageKind::NotOurs,
            "not a string",
        ),
        (r#"{"format_version":"3.0","data":{}}"#, DamageKind::NotOurs, "neither"),
        (r#"{"format_version":"2.0"}"#, DamageKind::Corrupt, "`data`"),
        (
            r#"{"format_version":"2.0","data":{},"data":[]}"#,
            DamageKind::Corrupt,
            "`data`",
        ),
        (r#"{"format_version":"1.0","by_rs":[]}"#, DamageKind::Corrupt, "`by_rs`"),
    ] {
        let damage = parse(text).unwrap_err();
        assert_eq!(damage.kind, kind, "{text}: {}", damage.message);
        assert!(damage.message.contains(part), "{text}: {}", damage.message);
    }
    for (bytes, kind, part) in [
        (&b"\xef\xbb\xbf{}"[..], DamageKind::Corrupt, "byte order mark"),
        (b"{\"a\":\"\xff\"}", DamageKind::Corrupt, "byte 6"),
        (b"SQLite format 3\0\x10\0\x02\x02\xff", DamageKind::NotOurs, "`sqlite:`"),
    ] {
        let mut buffer = Buffer::with_capacity(bytes.len());
        buffer.append(bytes);
        let damage = Document::read(buffer).unwrap_err();
        assert_eq!(damage.kind, kind, "{}", damage.message);
        assert!(damage.message.contains(part), "{}", damage.message);
    }
}

#[test]
fn an_empty_text_holds_no_tokens_and_may_be_the_begin_of_a_write() {
    for text in ["", "\n", " \r\n\t"] {
        let mut document = parse(text).unwrap();
        assert!(document.is_empty() && document.is_torn());
        assert!(document.equals(text.as_bytes()).unwrap());
        document.upgraded();
        assert_eq!(emitted(&document), emitted(&Document::empty()));
        assert!(!document.is_torn());
    }
    assert!(!parse(FIXTURES[0].0).unwrap().is_torn());
}

#[test]
fn s1_damage_quotes_nothing() {
    for text in [
        "{\"canary\": canary}",
        "{\"canary\": \"canary",
        "[\"canary\"]",
        "{\"format_version\":\"canary\"}",
    ] {
        assert!(!parse(text).unwrap_err().message.contains("canary"), "{text}");
    }
}

#[test]
fn what_python_requires_is_added() {
    let document = parse(r#"{"format_version": "2.0", "data": {}, "globus-sdk.version": null}"#).unwrap();
    let text = emitted(&document);
    assert!(text.contains(r#""globus-sdk.version": "token-storage/"#), "{text}");
}

#[test]
fn comparing_with_the_file() {
    let mut document = parse(FIXTURES[0].0).unwrap();
    for (text, want) in [
        (FIXTURES[0].0.to_owned(), true),
        (format!("{} ", FIXTURES[0].0), false),
        (FIXTURES[0].0[..100].to_owned(), false),
        (FIXTURES[0].0.replace("_7", "_8"), false),
    ] {
        assert_eq!(document.equals(text.as_bytes()).unwrap(), want);
    }
    document.set(&TokenKey::new("a", "b"), record(&"x".repeat(200_000)));
    let text = emitted(&document);
    assert!(document.equals(text.as_bytes()).unwrap());
    assert!(!document.equals(text.replacen("xxx", "xyx", 1).as_bytes()).unwrap());
    assert!(!document.equals(FIXTURES[0].0.as_bytes()).unwrap());
}

#[test]
fn s2_the_text_that_was_read_is_given_up_once_most_of_it_was_replaced() {
    let mut document = parse(FIXTURES[0].0).unwrap();
    let base = Arc::downgrade(document.base.as_ref().unwrap());
    document.set(&TokenKey::new("DEFAULT", "auth.globus.org"), record("new"));
    document.tidy();
    assert!(base.upgrade().is_some(), "the other record is still there");
    document.set(&TokenKey::new("DEFAULT", "groups.api.globus.org"), record("new"));
    let before = emitted(&document);
    document.tidy();
    assert!(base.upgrade().is_none());
    assert_eq!(emitted(&document), before);
}

#[test]
fn hostile_depth_in_every_place() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let text = format!(
        r#"{{"x": {deep}, "data": {{"n": {{"rs": {{"resource_server": "rs", "scope": "", "access_token": "at", "y": {deep}}}, "z": {deep}}}}}, "format_version": "2.0", "globus-sdk.version": "9"}}"#
    );
    let document = parse(&text).unwrap();
    assert_eq!(access_token(&document, "n", "rs").as_deref(), Some("at"));
    assert!(document.get(&TokenKey::new("n", "z")).is_err());
    assert_eq!(emitted(&document), text);
}
