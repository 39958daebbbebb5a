//! Each field at each length, the names and numbers of members, and what a declared size must hold.

use token_storage_core::{
    ErrorKind, Precondition, TokenData, TokenKey, TokenStorageExt as _, Write, WriteMark, record,
};

use super::{
    folds::{USED, collated},
    limits::MOST,
};
use crate::{
    Case, Level,
    check::{Check, absent, ignore, refused, stored},
    cx::{Cx, Handle},
    data::{extra, full, plain},
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Hostile,
        "records::fields_of_each_length_round_trip",
        &["K1", "K7"],
        |cx| Box::pin(fields_of_each_length_round_trip(cx)),
    ),
    Case::new(
        Level::Hostile,
        "records::any_number_of_members_round_trips",
        &["K1", "K7"],
        |cx| Box::pin(any_number_of_members_round_trips(cx)),
    ),
    Case::new(
        Level::Hostile,
        "records::names_of_members_of_each_length_round_trip",
        &["K1", "K7"],
        |cx| Box::pin(names_of_members_of_each_length_round_trip(cx)),
    ),
    Case::new(Level::Hostile, "records::nested_members_round_trip", &["K1"], |cx| {
        Box::pin(nested_members_round_trip(cx))
    }),
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
    Case::new(
        Level::Hostile,
        "limits::half_the_declared_size_fits_in_any_form",
        &["K7", "K1"],
        |cx| Box::pin(half_the_declared_size_fits_in_any_form(cx)),
    ),
    Case::new(Level::Hostile, "limits::the_sum_of_all_fields_counts", &["K7"], |cx| {
        Box::pin(the_sum_of_all_fields_counts(cx))
    }),
    Case::new(
        Level::Hostile,
        "limits::a_batch_of_half_the_declared_size_fits",
        &["K7", "A2"],
        |cx| Box::pin(a_batch_of_half_the_declared_size_fits(cx)),
    ),
];

/// A long value of one field alone. Names and numbers of members have cases of their own.
pub(super) fn in_each_field(text: &str) -> Vec<TokenData> {
    let json = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    vec![
        TokenData::new(text, "s", "a"),
        TokenData::new("rs", text, "a"),
        TokenData::new("rs", "s", text),
        plain("1").with_refresh_token(text),
        plain("1").with_token_type(text),
        plain("1").with_identity_id(text),
        plain("1").with_extra(extra(&[("id_token", &json)])),
    ]
}

fn in_all_fields(text: &str) -> TokenData {
    TokenData::new(text, text, text)
        .with_refresh_token(text)
        .with_token_type(text)
        .with_identity_id(text)
        .with_extra(extra(&[("id_token", &format!("\"{text}\"")), ("last", "1")]))
}

/// The size that counts: that of the JSON text.
fn size(data: &TokenData) -> usize {
    record::encode(data, &WriteMark::from_bytes([0; 16])).len()
}

fn half(storage: &Handle) -> usize {
    storage.describe().limits.record_bytes.min(MOST) / 2
}

async fn round_trips(storage: &Handle, key: &TokenKey, data: &TokenData) -> Check {
    storage.store(key, data, Precondition::Any).await?;
    stored("K1", &storage.get(key).await?, data)
}

/// Where columns and pages end: `VARCHAR` and its like (32 to 255, 1,024, 4,000, 4,096), pages of 8 and 16 KiB, `TEXT` and
/// rows of 64 KiB, values of 100 and 128 KiB, 256 KiB, 400,000 bytes, 512 KiB.
const ENDS: &[usize] = &[
    16, 20, 32, 36, 40, 50, 64, 100, 127, 128, 200, 254, 255, 256, 500, 512, 767, 1000, 1023, 1024, 2000, 2047, 2048,
    4000, 4095, 4096, 8000, 8100, 8191, 8192, 16_383, 16_384, 32_767, 32_768, 65_535, 65_536, 100_000, 131_072,
    262_144,
];

async fn fields_of_each_length_round_trip(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let half = half(&storage);
    for length in ENDS.iter().flat_map(|end| [*end, end + 1]) {
        // Of one byte and of four, so that a length in characters and one in bytes are told apart.
        for text in [
            "x".repeat(length),
            format!("{}{}", "\u{1f600}".repeat(length / 4), "y".repeat(length % 4)),
        ] {
            let all = in_all_fields(&text);
            if size(&all) <= half && length <= 16_385 {
                round_trips(&storage, &key, &all).await?;
            } else if !text.starts_with('x') || length % 2 == 1 {
                // One end and one text for each of the large sizes.
                continue;
            } else {
                for data in in_each_field(&text).iter().filter(|data| size(data) <= half) {
                    round_trips(&storage, &key, data).await?;
                }
            }
        }
    }
    Ok(())
}

async fn any_number_of_members_round_trips(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    for count in [
        1, 2, 16, 17, 64, 65, 100, 101, 128, 129, 255, 256, 257, 1000, 1001, 1024, 1025, 4097,
    ] {
        let names: Vec<String> = (0..count).map(|i| format!("member{}", (i * 7 + 3) % 10_007)).collect();
        let members: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
        let data = plain("1").with_extra(extra(&members));
        if size(&data) <= half(&storage) {
            round_trips(&storage, &key, &data).await?;
        }
    }
    Ok(())
}

async fn names_of_members_of_each_length_round_trip(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let names: Vec<String> = ENDS
        .iter()
        .filter(|end| **end <= 8192)
        .flat_map(|end| [*end, end + 1])
        .flat_map(|length| {
            [
                "x".repeat(length),
                "x".repeat(length - 1) + "y",
                "\u{e9}".repeat(length / 2),
            ]
        })
        .collect();
    for names in names.chunks(24) {
        let members: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "\"v\"")).collect();
        let data = plain("1").with_extra(extra(&members));
        if size(&data) <= half(&storage) {
            round_trips(&storage, &key, &data).await?;
        }
    }
    Ok(())
}

/// Parsers have limits: MongoDB's is 100 levels, that of serde_json 128, that of others 256.
async fn nested_members_round_trip(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    for depth in [20, 32, 33, 64, 65, 100, 101, 127, 128, 129, 255, 256, 257] {
        let lists = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let objects = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let data = plain("1").with_extra(extra(&[("lists", &lists), ("objects", &objects)]));
        round_trips(&storage, &key, &data).await?;
    }
    Ok(())
}

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

fn texts(text: &str) -> TokenData {
    TokenData::new(text, text, text)
        .with_refresh_token(text)
        .with_token_type(text)
        .with_identity_id(text)
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

/// The largest records of a form, made of so many pieces, that are counted as half of the declared size.
fn of_half(half: usize, piece: usize, make: impl Fn(usize) -> TokenData) -> TokenData {
    let mut count = half / piece;
    loop {
        let data = make(count);
        let size = size(&data);
        if size <= half || count == 0 {
            return data;
        }
        count = (count * half / size).saturating_sub(8);
    }
}

async fn half_the_declared_size_fits_in_any_form(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let half = half(&storage);
    // A text that grows in JSON, one of wide characters, and one of each field.
    for text in ["\"", "\u{1}", "\u{1f600}", "\u{e9}"] {
        let data = of_half(half, text.len(), |count| plain(&text.repeat(count)));
        round_trips(&storage, &key, &data).await?;
    }
    for field in 0..7 {
        let data = of_half(half, 1, |count| in_each_field(&"x".repeat(count)).swap_remove(field));
        round_trips(&storage, &key, &data).await?;
    }
    // Shared out among all fields; in one name; in many members.
    round_trips(
        &storage,
        &key,
        &of_half(half, 7, |count| in_all_fields(&"x".repeat(count))),
    )
    .await?;
    let name = of_half(half, 1, |count| {
        plain("1").with_extra(extra(&[(&"n".repeat(count.max(1)), "1")]))
    });
    round_trips(&storage, &key, &name).await?;
    let members = of_half(half, 40, |count| {
        let names: Vec<String> = (0..count).map(|i| format!("member-of-a-record-{i:07}")).collect();
        plain("1").with_extra(extra(
            &names.iter().map(|name| (name.as_str(), "1234567")).collect::<Vec<_>>(),
        ))
    });
    round_trips(&storage, &key, &members).await
}

/// Each field would fit; all of them do not.
async fn the_sum_of_all_fields_counts(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let limit = storage.describe().limits.record_bytes;
    if limit > MOST {
        return ignore("the declared record size is too large to be probed");
    }
    storage.store(&key, &full("old"), Precondition::Any).await?;
    let before = storage.get(&key).await?;
    let part = "x".repeat(limit / 6);
    let names: Vec<String> = (0..limit / 32).map(|i| format!("{i:020}")).collect();
    let members: Vec<(&str, &str)> = names
        .iter()
        .map(|name| (name.as_str(), "\"0123456789012345\""))
        .collect();
    let quoted = format!("\"{part}\"");
    let in_members: Vec<(&str, &str)> = ["a", "b", "c", "d", "e", "f", "g"]
        .map(|name| (name, quoted.as_str()))
        .to_vec();
    for data in [
        in_all_fields(&part),
        plain("1").with_extra(extra(&members)),
        plain("1").with_extra(extra(&in_members)),
        plain(&"x".repeat(limit / 2)).with_refresh_token("x".repeat(limit / 2 + 1)),
        plain("1")
            .with_identity_id("x".repeat(limit / 2))
            .with_extra(extra(&[("id_token", &format!("\"{}\"", "x".repeat(limit / 2 + 1)))])),
    ] {
        for precondition in [Precondition::Any, Precondition::Absent] {
            let result = storage.store(&key, &data, precondition).await;
            let what = "a record whose fields are together over the declared size";
            refused("K7", what, result, ErrorKind::TooLarge)?;
        }
        crate::check::same("K7", "the old record", &storage.get(&key).await?, &before)?;
    }
    Ok(())
}

async fn a_batch_of_half_the_declared_size_fits(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let limits = storage.describe().limits;
    let half = limits.batch_bytes / 2;
    if limits.batch_bytes > 2 * MOST {
        return ignore("the declared batch size is too large to be probed");
    }
    // Few large records, and as many as are allowed.
    for count in [
        half.div_ceil(half_of(limits.record_bytes)),
        limits.batch_records.min(1000),
    ] {
        let each = (half / count).min(half_of(limits.record_bytes));
        let data = of_half(each, 1, |bytes| plain(&"x".repeat(bytes)));
        let keys: Vec<TokenKey> = (0..count.min(limits.batch_records))
            .map(|i| cx.key(&format!("rs{count}-{i}")))
            .collect();
        let writes: Vec<Write<'_>> = keys
            .iter()
            .map(|key| Write::new(key, &data, Precondition::Absent))
            .collect();
        storage.store_all(&writes).await?;
        for key in [&keys[0], &keys[keys.len() / 2], &keys[keys.len() - 1]] {
            stored("K7", &storage.get(key).await?, &data)?;
        }
        for key in &keys {
            cx.touch(key);
        }
    }
    absent(
        "K7",
        "a record that was in no batch",
        &storage.get(&cx.key("other")).await?,
    )
}

fn half_of(record_bytes: usize) -> usize {
    record_bytes.min(MOST) / 2
}

/// Whether a member may be called so.
fn free(name: &str) -> bool {
    !record::KNOWN_MEMBERS.contains(&name) && !name.starts_with(token_storage_core::RESERVED_PREFIX)
}
