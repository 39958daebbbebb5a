//! Each field at each length, and the names and numbers of members.

use token_storage_core::{Precondition, TokenData, TokenKey, TokenStorageExt as _, WriteMark, record};

use super::limits::MOST;
use crate::{
    Case, Level,
    check::{Check, stored},
    cx::{Cx, Handle},
    data::{extra, plain},
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

/// A record whose every text is `text`.
pub(super) fn texts(text: &str) -> TokenData {
    TokenData::new(text, text, text)
        .with_refresh_token(text)
        .with_token_type(text)
        .with_identity_id(text)
}

pub(super) fn in_all_fields(text: &str) -> TokenData {
    texts(text).with_extra(extra(&[("id_token", &format!("\"{text}\"")), ("last", "1")]))
}

/// The size that counts: that of the JSON text.
pub(super) fn size(data: &TokenData) -> usize {
    record::encode(data, &WriteMark::from_bytes([0; 16])).len()
}

pub(super) fn half(storage: &Handle) -> usize {
    storage.describe().limits.record_bytes.min(MOST) / 2
}

pub(super) async fn round_trips(storage: &Handle, key: &TokenKey, data: &TokenData) -> Check {
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
