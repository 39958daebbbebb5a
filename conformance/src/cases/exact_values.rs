//! Values that databases and codecs take for something of their own: names of members, numbers, types, scopes, the ends of texts.

use token_storage_core::record;

use super::{
    fields::{in_each_field, round_trips, texts},
    folds::{USED, collated},
};
use crate::{
    Case, Level,
    check::{Check, stored},
    cx::Cx,
    data::{extra, full, plain},
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Core,
        "records::members_may_be_called_as_storages_call_theirs",
        &["K1"],
        |cx| Box::pin(members_may_be_called_as_storages_call_theirs(cx)),
    ),
    Case::new(
        Level::Core,
        "records::values_that_codecs_read_as_their_own_round_trip",
        &["K1"],
        |cx| Box::pin(values_that_codecs_read_as_their_own_round_trip(cx)),
    ),
    Case::new(Level::Core, "records::numbers_are_verbatim", &["K1"], |cx| {
        Box::pin(numbers_are_verbatim(cx))
    }),
    Case::new(Level::Core, "records::token_types_are_exact", &["K1"], |cx| {
        Box::pin(token_types_are_exact(cx))
    }),
    Case::new(Level::Core, "records::scopes_are_exact", &["K1"], |cx| {
        Box::pin(scopes_are_exact(cx))
    }),
    Case::new(
        Level::Core,
        "records::every_control_character_round_trips",
        &["K1"],
        |cx| Box::pin(every_control_character_round_trips(cx)),
    ),
    Case::new(
        Level::Core,
        "records::the_ends_of_fields_are_kept",
        &["K1", "K8"],
        |cx| Box::pin(the_ends_of_fields_are_kept(cx)),
    ),
];

async fn members_may_be_called_as_storages_call_theirs(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let more = [
        "accessToken",
        "refreshToken",
        "expires_in",
        "expiry",
        "expire",
        "expires_on",
        "created_at",
        "updated_at",
        "deleted",
        "mark",
        "write_mark",
        "holder",
        "owner",
        "hash",
        "checksum",
        "status",
        "S",
        "N",
        "B",
        "M",
        "L",
        "NULL",
        "BOOL",
        "SS",
        "$type",
        "$date",
        "$oid",
        "_class",
        "__type",
        "__v",
        "_t",
        "extra",
        "record",
        "payload",
        "json",
        "body",
        "content",
        "name",
        "",
        "0",
        "1",
        "-1",
        "length",
        "token-storage",
        "token_storage.mark",
        "Token-Storage.mark",
        "id_token",
    ];
    let names: Vec<&str> = USED.iter().copied().chain(more).chain(collated()).collect();
    let names: Vec<&str> = names.into_iter().filter(|name| free(name)).collect();
    // All at once, of each kind of value, and each alone: it may be taken for the storage's own.
    for value in ["\"text\"", "1700000000", "1", "null", "{}", "true"] {
        let members: Vec<(&str, &str)> = names.iter().map(|name| (*name, value)).collect();
        round_trips(&storage, &key, &full("1").with_extra(extra(&members))).await?;
    }
    for name in USED.iter().chain(&more).filter(|name| free(name)) {
        round_trips(&storage, &key, &plain("1").with_extra(extra(&[(name, "1")]))).await?;
    }
    // And the next record has none of them.
    round_trips(&storage, &key, &plain("2")).await?;
    stored("K1", &cx.open().await?.get(&key).await?, &plain("2"))
}

async fn values_that_codecs_read_as_their_own_round_trip(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let values = [
        "{\"S\":\"x\"}",
        "{\"N\":\"1\"}",
        "{\"NULL\":true}",
        "{\"M\":{}}",
        "{\"$date\":0}",
        "{\"$oid\":\"x\"}",
        "{\"$numberLong\":\"1\"}",
        "{\"@type\":\"x\"}",
        "{\"__type__\":\"x\"}",
        "{\"type\":\"Buffer\",\"data\":[1]}",
        "\"2024-01-01T00:00:00Z\"",
        "\"1\"",
        "\"true\"",
        "\"null\"",
        "\"\\u0041\"",
        "\"\\n\"",
        "\"a\\\\b\"",
        "\"</script>\"",
        "\"\u{2028}\"",
        "\"\\u2028\"",
        "\"\u{1f600}\"",
        "\"\\ud83d\\ude00\"",
        "{\"b\":1,\"a\":{\"d\":1,\"c\":2}}",
        "{\"a\":1, \"a\" : 2}",
        "{ }",
        "[ ]",
        "[1,\n2]",
        "{\"\":1}",
        "{\"\\u0061\":1}",
        "[null,null]",
        "[[],{},\"\"]",
    ];
    let names: Vec<String> = (0..values.len()).map(|i| format!("m{i}")).collect();
    let members: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(values).collect();
    round_trips(&storage, &key, &plain("1").with_extra(extra(&members))).await?;
    stored(
        "K1",
        &cx.open().await?.get(&key).await?,
        &plain("1").with_extra(extra(&members)),
    )
}

/// Alone, in a list, in an object: a codec may treat those of each place in another way.
async fn numbers_are_verbatim(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let numbers = [
        "0",
        "-0",
        "0.0",
        "-0.0",
        "1.0",
        "1.00",
        "10",
        "1e1",
        "1E1",
        "1e+1",
        "1e01",
        "10e0",
        "1e-7",
        "0.0000001",
        "100e-2",
        "1.5",
        "-1.50",
        "9007199254740991",
        "9007199254740992",
        "9007199254740993",
        "-9007199254740993",
        "2147483648",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "18446744073709551616",
        "123456789012345678901234567890.5",
        "1e308",
        "1e309",
        "-1e400",
        "1e-400",
        "5e-324",
        "0.1",
        "0.30000000000000004",
        "3.141592653589793238462643383279",
        "1700000000.123456789",
        "99999999999999999999999999999999999999999",
        "1e22",
        "1e23",
    ];
    let mut members: Vec<(String, String)> = Vec::new();
    for (index, number) in numbers.iter().enumerate() {
        members.push((format!("n{index}"), (*number).to_owned()));
        members.push((format!("o{index}"), format!("{{\"n\":{number}}}")));
    }
    members.push(("list".to_owned(), format!("[{}]", numbers.join(", "))));
    let members: Vec<(&str, &str)> = members
        .iter()
        .map(|(name, json)| (name.as_str(), json.as_str()))
        .collect();
    round_trips(&storage, &key, &plain("1").with_extra(extra(&members))).await
}

async fn token_types_are_exact(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let types = [
        "Bearer",
        "bearer",
        "BEARER",
        "bEARER",
        " Bearer",
        "Bearer ",
        "Bearer,DPoP",
        "DPoP",
        "MAC",
        "mac",
        "N_A",
        "pop",
        "",
        "urn:ietf:params:oauth:token-type:access_token",
        "Basic",
        "token",
        "JWT",
        "Bearer token",
        "none",
        "null",
    ];
    for token_type in types {
        round_trips(&storage, &key, &plain("1").with_token_type(token_type)).await?;
    }
    // None is none, and not the usual one.
    round_trips(&storage, &key, &plain("1")).await
}

/// Order, repetitions and blanks as they came, however many there are.
async fn scopes_are_exact(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let many: Vec<String> = (0..700)
        .map(|i| format!("urn:scope:{}:all", (i * 7 + 3) % 997))
        .collect();
    let nested = "urn:a:all[urn:b:view[urn:c:x] *urn:d:y] urn:a:all";
    for scope in [
        "b a",
        "a b",
        "b a b",
        "a a",
        "a  b",
        " a",
        "a ",
        " ",
        "",
        "a,b",
        "a;b",
        "a+b",
        "a\tb",
        "a\nb",
        "A a",
        nested,
        "offline_access openid",
        many.join(" ").as_str(),
    ] {
        let mut data = plain("1");
        data.scope = scope.to_owned();
        round_trips(&storage, &key, &data).await?;
    }
    Ok(())
}

async fn every_control_character_round_trips(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let controls = ('\0'..'\u{20}').chain('\u{7f}'..'\u{a1}');
    let odd = "\u{ad}\u{61c}\u{200b}\u{200e}\u{2028}\u{2029}\u{2060}\u{fdd0}\u{feff}\u{fff9}\u{fffd}\u{fffe}\u{ffff}\u{1fffe}\u{e0001}\u{10fffe}\u{10ffff}";
    let all: Vec<char> = controls.chain(odd.chars()).chain("\"\\/<>&'`".chars()).collect();
    let text: String = all.iter().flat_map(|c| ['a', *c]).collect();
    let escaped: String = all
        .iter()
        .map(|c| format!("\\u{:04x}", u32::from(*c) & 0xffff))
        .collect();
    let names: Vec<String> = all.iter().map(|c| format!("n{c}m")).collect();
    let value = format!("\"{escaped}\"");
    let members: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), value.as_str())).collect();
    round_trips(&storage, &key, &texts(&text)).await?;
    round_trips(&storage, &key, &plain("1").with_extra(extra(&members))).await
}

/// What trims, ends at NUL, or writes lines its own way.
async fn the_ends_of_fields_are_kept(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    for end in [
        "", " ", "  ", "\n", "\r\n", "\r", "\t", "\0", "\0\0", "\u{b}", "\u{a0}", "\u{3000}", "\u{feff}", "\"", "'",
        "\\", "=",
    ] {
        for text in [
            format!("a{end}"),
            format!("{end}a"),
            format!("a{end}a{end}{end}a"),
            end.to_owned(),
        ] {
            round_trips(&storage, &key, &texts(&text)).await?;
        }
    }
    // One empty field among others that are not.
    for data in in_each_field("").iter().take(6) {
        round_trips(&storage, &key, data).await?;
    }
    Ok(())
}

/// Whether a member may be called so.
fn free(name: &str) -> bool {
    !record::KNOWN_MEMBERS.contains(&name) && !name.starts_with(token_storage_core::RESERVED_PREFIX)
}
