use proptest::prelude::*;
use token_storage_core::ErrorKind;

use super::{MAX_EXPIRES_IN, TokenResponse};

const NOW: i64 = 1_000_000;

fn parse(json: &str) -> token_storage_core::Result<TokenResponse> {
    TokenResponse::parse(json, NOW)
}

fn expiry(expires_in: &str) -> token_storage_core::Result<Option<i64>> {
    parse(&format!(r#"{{"access_token":"canary","expires_in":{expires_in}}}"#)).map(|r| r.primary().expires_at)
}

#[test]
fn k8_expires_in_in_every_shape() {
    for (json, want) in [
        ("3600", Some(NOW + 3600)),
        ("3600.9", Some(NOW + 3600)),
        ("3.6e3", Some(NOW + 3600)),
        (r#""3600""#, Some(NOW + 3600)),
        (r#"" 3600.5 ""#, Some(NOW + 3600)),
        (r#""\u0033600""#, Some(NOW + 3600)),
        ("0", Some(NOW)),
        ("-0", Some(NOW)),
        ("0.0", Some(NOW)),
        ("null", None),
        ("4294967295", Some(NOW + 4_294_967_295)),
        ("31556952000", Some(NOW + MAX_EXPIRES_IN)),
    ] {
        assert_eq!(expiry(json).unwrap(), want, "{json}");
    }
}

#[test]
fn k8_expiry_that_makes_no_sense_is_refused() {
    for json in [
        "-1",
        "-0.5",
        r#""-1""#,
        r#""NaN""#,
        r#""inf""#,
        r#""-infinity""#,
        "1e400",
        "31556952001",
        "9223372036854775807",
        "100000000000000000000000000",
        "true",
        "[]",
        "{}",
        r#""""#,
        r#""soon""#,
        r#""0x10""#,
        r#""\ud800""#,
    ] {
        let error = expiry(json).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{json}");
        assert!(error.to_string().contains("`expires_in`"), "{json}: {error}");
        assert!(!format!("{error:?}").contains("canary"), "{json}");
    }
    let late = TokenResponse::parse(r#"{"access_token":"at","expires_in":1}"#, i64::MAX);
    assert_eq!(late.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn every_member_finds_its_place() {
    let response = parse(
        r#"{"access_token":"at","refresh_token":"rt","token_type":"Bearer","expires_in":1,"scope":"a b",
        "resource_server":"rs","state":"s","id_token":"idt","odd":{"n":[1e400,"\ud800"],"n":2},
        "token-storage.mark":"x","error":"e","other_tokens":[{"access_token":"at2","resource_server":"rs2","refresh_token":"",
        "scope":"","id_token":1,"other_tokens":[]}]}"#,
    )
    .unwrap();
    let [first, second] = response.tokens() else {
        panic!("got {} tokens, want 2", response.tokens().len());
    };
    assert_eq!(first.access_token.expose(), "at");
    assert_eq!(first.refresh_token.as_ref().unwrap().expose(), "rt");
    assert_eq!(first.token_type.as_deref(), Some("Bearer"));
    assert_eq!(first.scope.as_deref(), Some("a b"));
    assert_eq!(first.resource_server.as_deref(), Some("rs"));
    assert_eq!(first.extra.get("odd"), Some(r#"{"n":[1e400,"\ud800"],"n":2}"#));
    assert_eq!(first.extra.get("error"), Some(r#""e""#));
    assert_eq!(first.extra.len(), 4, "{:?}", first.extra);
    assert_eq!(response.id_token().unwrap().expose(), "idt");
    assert_eq!(second.resource_server.as_deref(), Some("rs2"));
    assert_eq!((&second.refresh_token, &second.scope), (&None, &None));
    assert_eq!(second.extra.len(), 2, "{:?}", second.extra);
}

#[test]
fn dependent_tokens_are_an_array() {
    let response = parse(r#"[{"access_token":"a","resource_server":"1"},{"access_token":"b","resource_server":"2"}]"#);
    let servers: Vec<_> = response
        .unwrap()
        .into_tokens()
        .into_iter()
        .map(|t| t.resource_server.unwrap())
        .collect();
    assert_eq!(servers, ["1", "2"]);
}

#[test]
fn scope_may_be_an_array_and_duplicates_end_with_the_last() {
    let response = parse(r#"{"scope":["a","b"],"access_token":"first","access_token":"last"}"#).unwrap();
    assert_eq!(response.primary().scope.as_deref(), Some("a b"));
    assert_eq!(response.primary().access_token.expose(), "last");
}

#[test]
fn a_stored_record_can_be_read_again() {
    let response =
        parse(r#"{"access_token":"a","resource_server":"","identity_id":"id","expires_at_seconds":-5}"#).unwrap();
    let token = response.primary();
    assert_eq!(token.resource_server.as_deref(), Some(""));
    assert_eq!(token.identity_id.as_deref(), Some("id"));
    assert_eq!(token.expires_at, Some(-5));
}

#[test]
fn damage_is_named_by_its_place_and_nothing_is_quoted() {
    for (json, place) in [
        ("", "is empty"),
        (" \n", "is empty"),
        ("\0\0\0", "line 1 column 1"),
        ("\u{feff}{}", "byte order mark"),
        ("{\"access_token\":\n\"canary", "ends in the middle, at line 2"),
        (r#"{"access_token":"canary"} canary"#, "line 1 column 27"),
        ("canary", "line 1 column 1"),
        (r#""canary""#, "neither a JSON object"),
        ("null", "neither a JSON object"),
        ("[]", "empty array"),
        (r#"["canary"]"#, "element 0 of the response is not a JSON object"),
        ("{}", "has no access_token"),
        (r#"{"access_token":null,"x":"canary"}"#, "has no access_token"),
        (r#"{"access_token":""}"#, "has no access_token"),
        (
            r#"{"access_token":["canary"]}"#,
            "`access_token` of the response is not a string",
        ),
        (
            r#"{"access_token":"\ud800"}"#,
            "`access_token` of the response is not a string",
        ),
        (r#"{"access_token":"canary","scope":[1]}"#, "`scope`"),
        (r#"{"access_token":"canary","\ud800":1}"#, "name is not valid Unicode"),
        (
            r#"{"access_token":"canary","other_tokens":{}}"#,
            "`other_tokens` of the response is not an array",
        ),
        (
            r#"{"access_token":"canary","other_tokens":[{"access_token":"canary"},{"resource_server":"x"}]}"#,
            "other_tokens[1] of the response has no access_token",
        ),
        (
            r#"{"access_token":"canary","expires_at_seconds":1.5}"#,
            "`expires_at_seconds`",
        ),
        (r#"{"error":"invalid_grant"}"#, "error response (invalid_grant)"),
        (r#"{"error":"canary"}"#, "is an error response and"),
    ] {
        let error = parse(json).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{json}");
        assert!(error.to_string().contains(place), "{json}: {error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{json}: {error}");
    }
    let error = TokenResponse::parse(b"{\n\"\xff\"}", NOW).unwrap_err();
    assert!(error.to_string().contains("line 2, byte 3"), "{error}");
    let error = TokenResponse::parse(b"\xff\xfe{\0}\0", NOW).unwrap_err();
    assert!(error.to_string().contains("byte order mark"), "{error}");
}

#[test]
fn a_nameless_token_needs_a_resource_server() {
    let nameless = parse(r#"{"access_token":"a"}"#).unwrap();
    assert_eq!(
        nameless.primary().to_data().unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    let named = nameless.with_resource_server("rs").unwrap();
    assert_eq!(named.primary().to_data().unwrap().resource_server, "rs");
    let other = named.with_resource_server("ignored").unwrap();
    assert_eq!(other.primary().resource_server.as_deref(), Some("rs"));
    let two = parse(r#"[{"access_token":"a"},{"access_token":"b"}]"#).unwrap();
    assert_eq!(
        two.with_resource_server("rs").unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
}

#[test]
fn the_requested_scope_counts_when_the_response_names_none() {
    let scope = |json: &str| {
        let response = parse(json).unwrap().with_requested_scope("asked");
        response
            .with_resource_server("rs")
            .unwrap()
            .primary()
            .to_data()
            .unwrap()
            .scope
    };
    assert_eq!(scope(r#"{"access_token":"a"}"#), "asked");
    assert_eq!(scope(r#"{"access_token":"a","scope":"given"}"#), "given");
    let unasked = parse(r#"{"access_token":"a","resource_server":"rs"}"#).unwrap();
    assert_eq!(unasked.primary().to_data().unwrap().scope, "");
}

#[test]
fn hostile_depth_is_no_stack_overflow() {
    let deep = "[".repeat(200_000) + &"]".repeat(200_000);
    let _ = parse(&deep);
    let _ = parse(&format!(r#"{{"access_token":"a","x":{deep}}}"#));
    let _ = parse(&format!(
        r#"{{"access_token":"a","scope":{deep},"other_tokens":{deep}}}"#
    ));
}

/// Something like JSON made of the parts that matter here, valid or not.
fn nearly_json() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"access_token\"",
        "\"other_tokens\"",
        "\"expires_in\"",
        "\"scope\"",
        "\"\\ud800\"",
        "\"a\"",
        "null",
        "true",
        "1e999",
        "-0",
        "1",
        " ",
        "\n",
        "\0",
        "\u{feff}",
        "\u{e9}",
    ]);
    prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsing_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64), text in nearly_json(), now in any::<i64>()) {
        let _ = TokenResponse::parse(bytes, now);
        if let Ok(response) = TokenResponse::parse(text, now) {
            prop_assert!(response.tokens().iter().all(|token| !token.access_token.expose().is_empty()));
        }
    }
}
