use proptest::prelude::*;
use token_storage_core::ErrorKind;

use super::{MAX_EXPIRES_IN, TokenPath, TokenResponse};

const NOW: i64 = 1_000_000;

/// Where nothing is lost, everything has to make sense.
fn parse(json: &str) -> token_storage_core::Result<TokenResponse> {
    TokenResponse::parse(json, NOW)?.strict()
}

/// What a server answered.
fn answered(json: &str) -> TokenResponse {
    TokenResponse::parse(json, NOW).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn warned(response: &TokenResponse) -> Vec<&str> {
    response.warnings().iter().map(|warning| warning.member()).collect()
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
        let answer = answered(&format!(
            r#"{{"access_token":"canary","expires_in":{json},"refresh_token":"rt"}}"#
        ));
        assert_eq!(answer.primary().expires_at, None, "{json}");
        assert_eq!(warned(&answer), ["expires_in"], "{json}");
        assert_eq!(answer.primary().refresh_token.as_ref().unwrap().expose(), "rt");
        assert!(!format!("{:?} {}", answer.warnings(), answer.warnings()[0]).contains("canary"));
    }
    let late = TokenResponse::parse(r#"{"access_token":"at","expires_in":1}"#, i64::MAX).unwrap();
    assert_eq!((late.primary().expires_at, warned(&late)), (None, vec!["expires_in"]));
    assert_eq!(late.strict().unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_member_that_makes_no_sense_counts_as_absent() {
    let odd = ["7", "1.5", "true", "[1]", "{}", r#""\ud800""#, r#"{"canary":"canary"}"#];
    for member in [
        "refresh_token",
        "token_type",
        "scope",
        "resource_server",
        "identity_id",
        "other_tokens",
    ] {
        for json in odd {
            if (member, json) == ("other_tokens", "[1]") {
                continue;
            }
            let text = format!(r#"{{"access_token":"at","expires_in":60,"{member}":{json},"state":"s"}}"#);
            let answer = answered(&text);
            assert_eq!(warned(&answer), [member], "{text}");
            assert!(!answer.warnings()[0].to_string().contains("canary"), "{text}");
            let bare = answered(r#"{"access_token":"at","expires_in":60,"state":"s"}"#);
            assert_eq!(answer.tokens(), bare.tokens(), "{text}");
            assert!(parse(&text).is_err(), "{text}");
        }
        // Nothing, as some servers say it.
        for json in ["null", r#""""#] {
            let text = format!(r#"{{"access_token":"at","{member}":{json}}}"#);
            let quiet = member == "other_tokens" && json != "null";
            assert_eq!(answered(&text).warnings().is_empty(), !quiet, "{text}");
        }
    }
}

#[test]
fn a_member_with_which_python_could_not_read_the_file_is_left_out_by_name() {
    let answer = answered(&format!(
        r#"{{"access_token":"at","odd":{},"even":2}}"#,
        "9".repeat(5000)
    ));
    assert_eq!(answer.primary().extra.get("even"), Some("2"));
    assert_eq!(answer.primary().extra.get("odd"), None);
    let told = answer.warnings()[0].to_string();
    assert!(
        told.contains("\"odd\" holds an integer") && !told.contains("999"),
        "{told}"
    );
}

#[test]
fn a_token_that_cannot_be_read_is_left_out_of_several() {
    let answer = answered(
        r#"{"access_token":"at","other_tokens":[1,{"resource_server":"x"},{"access_token":7},{"access_token":"b"}]}"#,
    );
    assert_eq!(warned(&answer), ["other_tokens"; 3]);
    let tokens: Vec<_> = answer
        .tokens()
        .iter()
        .map(|token| token.access_token.expose())
        .collect();
    assert_eq!(tokens, ["at", "b"]);
    let answer = answered(r#"["canary",{"access_token":"a","resource_server":"1"}]"#);
    assert_eq!((answer.tokens().len(), answer.warnings().len()), (1, 1));
}

#[test]
fn odd_text_around_a_token_is_made_up_for() {
    for body in [
        &b"\xef\xbb\xbf{\"access_token\":\"at\"}"[..],
        b"{\"access_token\":\"at\",\"name\":\"Zo\xeb\"}",
        b"{\"access_token\":\"at\",\"\\ud800\":1}",
    ] {
        let answer = TokenResponse::parse(body, NOW).unwrap();
        assert_eq!(answer.primary().access_token.expose(), "at");
        assert_eq!(answer.warnings().len(), 1, "{answer:?}");
        assert!(answer.strict().is_err());
    }
    let broken = TokenResponse::parse(b"{\"access_token\":\"a\xeb\"}", NOW);
    assert_eq!(broken.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn what_stands_around_the_json_is_left_out() {
    let json = r#"{"access_token":"at","a":{"b":"}){"}}"#;
    for body in [
        format!(")]}}'\n{json}"),
        format!(")]}}',\n\n{json}\n"),
        format!("while(1);{json}"),
        format!("for(;;);{json}"),
        format!("throw 1; <don't be evil> {json}"),
        format!("&&&START&&&{json}"),
        format!("{{}}&& {json}"),
        format!("/**/cb({json});"),
        format!("Notice: [a] x[0] and {{y}} in t.php\n{json}"),
        format!("{json}\0"),
        format!("{json} trailing words"),
        format!(")]}}'\n[{json}]"),
    ] {
        let answer = answered(&body);
        assert_eq!(answer.primary().access_token.expose(), "at", "{body}");
        let told: Vec<String> = answer.warnings().iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 1, "{body}: {told:?}");
        assert!(told[0].contains("so the JSON in it is taken"), "{told:?}");
        assert!(answer.strict().is_err(), "{body}");
    }
}

/// The token of a page, of an object inside another, or of one of two answers is not the answer's.
#[test]
fn json_somewhere_in_a_text_is_no_answer() {
    let json = r#"{"access_token":"canary"}"#;
    for body in [
        format!("<html><script>let a = {json};</script></html>"),
        format!("{json}{json}"),
        format!("{json}\n[]"),
        format!(r#"{{"other_tokens":[{json}]"#),
        format!(r#"{{"a":bad {json}"#),
        format!(r#"{{"a":1,, "b":{json}"#),
        format!("[{json}"),
        format!("{}{json}", "[a]".repeat(17)),
    ] {
        let error = TokenResponse::parse(&body, NOW).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{body}");
        assert!(!error.to_string().contains("canary"), "{body}");
    }
}

#[test]
fn wide_characters_are_read() {
    let text = r#"{"access_token":"at","name":"Zoë 🙂"}"#;
    let le16 = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let be16 = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_be_bytes).collect() };
    let le32 = |text: &str| -> Vec<u8> { text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect() };
    let be32 = |text: &str| -> Vec<u8> { text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect() };
    for encode in [&le16 as &dyn Fn(&str) -> Vec<u8>, &be16, &le32, &be32] {
        for body in [encode(text), encode(&format!("\u{feff}{text}"))] {
            let answer = TokenResponse::parse(&body, NOW).unwrap();
            assert_eq!(answer.primary().access_token.expose(), "at");
            assert_eq!(answer.primary().extra.get("name"), Some("\"Zoë 🙂\""));
            assert_eq!(answer.warnings().len(), 1);
            assert!(
                TokenResponse::parse(&body[..body.len() - 1], NOW).is_err(),
                "cut in a character"
            );
        }
        let form = TokenResponse::parse(encode("access_token=at&scope=a"), NOW).unwrap();
        assert_eq!(form.primary().scope.as_deref(), Some("a"));
    }
    let broken = be16("{\"access_token\":\"a\"}")
        .iter()
        .map(|b| if *b == b'a' { 0xd8 } else { *b })
        .collect::<Vec<u8>>();
    assert!(TokenResponse::parse(broken, NOW).is_err());
}

#[test]
fn the_earliest_time_of_expiry_counts() {
    for (members, want) in [
        (r#""expires_in":3600,"expires_at":5"#, Some(5)),
        (r#""expires_in":3600,"expires_at":9999999"#, Some(NOW + 3600)),
        (r#""expires_on":"2000000","expires_at":3000000"#, Some(2_000_000)),
        (r#""expires_in":"soon","expires_at":2000000"#, Some(2_000_000)),
        (r#""expires_in":3600,"expires_at_seconds":5"#, Some(5)),
        (r#""expires_in":1,"expires_at_seconds":9999999"#, Some(NOW + 1)),
    ] {
        let answer = answered(&format!(r#"{{"access_token":"at",{members}}}"#));
        assert_eq!(answer.primary().expires_at, want, "{members}");
        assert!(
            answer.primary().extra.is_empty(),
            "what is understood would be wrong after a refresh: {members}"
        );
    }
}

#[test]
fn the_time_of_expiry_has_many_names_and_shapes() {
    let time = 1_600_000_000;
    for name in [
        "expires_at",
        "expires_on",
        "expiry",
        "expires",
        ".expires",
        "expiresAt",
        "expiry_date",
        "token_expiry",
    ] {
        for json in [
            "1600000000",
            "1600000000.75",
            "1.6e9",
            "1600000000000",
            r#""1600000000""#,
            r#"" 1600000000000 ""#,
            r#""2020-09-13T12:26:40Z""#,
            r#""2020-09-13T12:26:40.123456789Z""#,
            r#""2020-09-13T14:26:40+02:00""#,
            r#""2020-09-13 12:26:40+00:00""#,
            r#""Sun, 13 Sep 2020 12:26:40 GMT""#,
        ] {
            let answer =
                TokenResponse::parse(format!(r#"{{"access_token":"at","{name}":{json}}}"#), time - 60).unwrap();
            assert_eq!(answer.primary().expires_at, Some(time), "{name} {json}");
            assert!(answer.warnings().is_empty(), "{name} {json}");
        }
        // Programs that know of no expiry write a zero.
        for json in ["null", "0", r#""0001-01-01T00:00:00Z""#] {
            let answer = answered(&format!(r#"{{"access_token":"at","{name}":{json}}}"#));
            let seen = (answer.primary().expires_at, warned(&answer));
            // The old name of a lifetime.
            let zero = (name == "expires" && json == "0").then_some(NOW);
            assert_eq!(seen, (zero, vec![]), "{name} {json}");
        }
        for json in [
            "-1",
            "true",
            "[]",
            r#""soon""#,
            "1e300",
            r#""2020-09-13T12:26:40""#,
            r#""canary""#,
        ] {
            let answer = answered(&format!(r#"{{"access_token":"at","{name}":{json}}}"#));
            assert_eq!(
                (answer.primary().expires_at, warned(&answer)),
                (None, vec![name]),
                "{name} {json}"
            );
            // Under a standard expiry it is any other member.
            let known = answered(&format!(r#"{{"access_token":"at","{name}":{json},"expires_in":60}}"#));
            assert_eq!(
                (known.primary().expires_at, warned(&known)),
                (Some(NOW + 60), vec![]),
                "{name} {json}"
            );
            assert_eq!(known.primary().extra.get(name), Some(json));
        }
    }
    let facebook = answered("access_token=at&expires=5184000");
    assert_eq!(facebook.primary().expires_at, Some(NOW + 5_184_000));
}

#[test]
fn a_form_is_read_as_github_sends_it() {
    let answer = answered("access_token=gho_x%2By&scope=repo%2Cgist&token_type=bearer&expires_in=28800&extra=a+b");
    let token = answer.primary();
    assert_eq!(token.access_token.expose(), "gho_x+y");
    assert_eq!(
        (token.scope.as_deref(), token.token_type.as_deref()),
        (Some("repo,gist"), Some("bearer"))
    );
    assert_eq!(
        (token.expires_at, token.extra.get("extra")),
        (Some(NOW + 28_800), Some(r#""a b""#))
    );
    let error = parse("error=access_denied&error_description=canary").unwrap_err();
    assert!(error.to_string().contains("error response (access_denied)"), "{error}");
    for other in [
        "access_token",
        "<p>access_token=canary</p>",
        "canary&access=canary",
        "a access_token=x",
    ] {
        assert!(parse(other).unwrap_err().to_string().contains("is not JSON"), "{other}");
    }
}

#[test]
fn what_programs_keep_is_understood() {
    let time = 1_600_000_000;
    for kept in [
        r#"{"token":"at","refresh_token":"rt","scopes":["a","b"],"expiry":"2020-09-13T12:26:40.000000Z","universe_domain":"x"}"#,
        r#"{"access_token":"at","refresh_token":"rt","scope":"a b","token_type":"Bearer","expiry_date":1600000000000}"#,
        r#"{"access_token":"at","token_type":"Bearer","refresh_token":"rt","scope":"a b","expiry":"2020-09-13T14:26:40+02:00"}"#,
        r#"{"accessToken":"at","refreshToken":"rt","scopes":["a","b"],"expiresAt":1600000000000}"#,
        r#"{"access_token":"at","refresh_token":"rt","scope":["a","b"],"expires_in":3599,"expires_at":1600000000.25}"#,
    ] {
        let response = TokenResponse::parse(kept, time + 60).unwrap().strict().unwrap();
        let token = response.primary();
        assert_eq!(token.access_token.expose(), "at", "{kept}");
        assert_eq!(token.refresh_token.as_ref().unwrap().expose(), "rt", "{kept}");
        assert_eq!(
            (token.scope.as_deref(), token.expires_at),
            (Some("a b"), Some(time)),
            "{kept}"
        );
        assert!(token.extra.iter().all(|(name, _)| name == "universe_domain"), "{kept}");
    }
    // A record keeps its unknown members whatever they are called, and an error has no token of another name.
    let record =
        answered(r#"{"access_token":"at","token":"x","expires_at":5,"scopes":["b"],"expires_at_seconds":null}"#);
    assert_eq!((record.primary().expires_at, record.primary().extra.len()), (None, 3));
    assert!(parse(r#"{"error":"invalid_grant","token":"at"}"#).is_err());
}

#[test]
fn a_token_is_found_where_the_path_leads() {
    let at = |path: &str, json: &str| TokenResponse::parse_at(json, &TokenPath::parse(path).unwrap(), NOW);
    let slack = r#"{"ok":true,"authed_user":{"access_token":"at","scope":"s"},"a.b":{"c/d":[0,{"access_token":"x"}]}}"#;
    for (path, token) in [("authed_user", "at"), ("/authed_user", "at"), ("/a.b/c~1d/1", "x")] {
        let response = at(path, slack).unwrap().strict().unwrap();
        assert_eq!(response.primary().access_token.expose(), token, "{path}");
    }
    for path in [
        "ok",
        "authed_user.access_token",
        "a.b",
        "authed_user.no",
        "/a.b/c~1d/2",
        "/a.b/c~1d/x",
    ] {
        assert_eq!(at(path, slack).unwrap_err().kind(), ErrorKind::InvalidInput, "{path}");
    }
    // As at a refresh by the same server.
    let plain = at("authed_user", r#"{"access_token":"at","authed_user":null}"#).unwrap();
    assert_eq!(
        (plain.primary().access_token.expose(), plain.warnings().len()),
        ("at", 1)
    );
    let refusal = at("body", r#"{"error":"invalid_grant"}"#).unwrap_err().to_string();
    assert!(refusal.contains("(invalid_grant)"), "{refusal}");
    for path in ["", "/", "a..b", ".a", "/a//b"] {
        assert!(TokenPath::parse(path).is_err(), "{path}");
    }
    let advice = parse(slack).unwrap_err().to_string();
    assert!(advice.contains("`authed_user`"), "{advice}");
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
    let response = answered(r#"{"scope":["a","b"],"access_token":"first","access_token":"last"}"#);
    assert_eq!(response.primary().scope.as_deref(), Some("a b"));
    assert_eq!(response.primary().access_token.expose(), "last");
}

#[test]
fn duplicates_that_differ_are_told_and_never_with_their_values() {
    for text in [
        r#"{"access_token":"canary-1","access_token":"canary-2"}"#,
        r#"{"access_token":"canary","more":1,"m\u006fre":2,"more":2}"#,
        r#"{"access_token":"canary","other_tokens":[{"access_token":"canary","scope":"a","scope":"b"}]}"#,
        "access_token=canary-1&token_type=bearer&access_token=canary-2",
        "access_token=canary&refresh_token=canary-1&refresh%5Ftoken=canary-2&scope=",
    ] {
        let answer = answered(text);
        assert_eq!(answer.warnings().len(), 1, "{text}");
        let told = answer.warnings()[0].to_string();
        assert!(told.contains("more than once") && !told.contains("canary"), "{told}");
        assert!(answer.strict().is_err(), "{text}");
    }
    assert!(
        parse(r#"{"access_token":"a","access_token":"a"}"#)
            .unwrap()
            .warnings()
            .is_empty()
    );
    let form = answered("access_token=first&scope=a&scope=a&access_token=last");
    assert_eq!(form.primary().access_token.expose(), "last");
    assert_eq!(
        form.warnings().len(),
        1,
        "what is there twice and says the same is no contradiction"
    );
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
        "\"expires_at\"",
        "\"2020-09-13T12:26:40Z\"",
        "access_token=a&",
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
        let _ = TokenResponse::parse(&bytes, now);
        let _ = TokenResponse::parse_at(bytes, &TokenPath::parse("other_tokens.0").unwrap(), now);
        if let Ok(response) = TokenResponse::parse(text, now) {
            prop_assert!(response.tokens().iter().all(|token| !token.access_token.expose().is_empty()));
        }
    }
}
