//! Keys that are long, and keys whose checksums are equal: what a storage that shortens keys takes for one.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use token_storage_core::{ErrorKind, Precondition, TokenData, TokenKey, Write};

use crate::{
    Case, Level, Need,
    check::{Check, Show as _, absent, fail, holds},
    cx::{Cx, Handle},
    data::plain,
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Hostile,
        "keys::long_parts_differ_in_any_byte",
        &["K5", "K4"],
        |cx| Box::pin(long_parts_differ_in_any_byte(cx)),
    ),
    Case::new(
        Level::Hostile,
        "keys::each_length_is_another_key",
        &["K4", "K5"],
        |cx| Box::pin(each_length_is_another_key(cx)),
    ),
    Case::new(Level::Hostile, "keys::parts_do_not_shift", &["K5"], |cx| {
        Box::pin(parts_do_not_shift(cx))
    }),
    Case::new(Level::Hostile, "keys::any_separator_is_a_character", &["K5"], |cx| {
        Box::pin(any_separator_is_a_character(cx))
    }),
    Case::new(Level::Hostile, "keys::equal_checksums_do_not_collide", &["K5"], |cx| {
        Box::pin(equal_checksums_do_not_collide(cx))
    }),
    Case::new(Level::Hostile, "keys::parts_are_not_interchangeable", &["K5"], |cx| {
        Box::pin(parts_are_not_interchangeable(cx))
    })
    .needs(&[Need::ExclusivePlace]),
];

/// Longer parts are not probed: the suite would test memory, not the storage.
const MOST: usize = 64 * 1024;

/// As `distinct` of short keys, with few writes: all are stored in batches.
pub(super) async fn distinct_together(cx: &Cx, clause: &str, keys: &[TokenKey]) -> Check {
    let (storage, other) = (cx.open().await?, cx.open().await?);
    let records: Vec<TokenData> = (0..keys.len()).map(|i| plain(&i.to_string())).collect();
    let at_once = storage.describe().limits.batch_records.min(32);
    for (keys, records) in keys.chunks(at_once).zip(records.chunks(at_once)) {
        let writes: Vec<Write<'_>> = keys
            .iter()
            .zip(records)
            .map(|(key, data)| Write::new(key, data, Precondition::Absent))
            .collect();
        match storage.store_all(&writes).await {
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::InvalidInput) => {
                let key = error.key().map_or_else(|| "a key".to_owned(), |key| key.show());
                return fail(
                    clause,
                    "distinct keys do not collide",
                    format!("{error}"),
                    format!("{key} is new"),
                );
            }
            stored => stored?,
        };
    }
    are_as_stored(&other, clause, keys, &records, |_| true).await?;
    // A few, from everywhere: what goes takes nothing else with it.
    let gone = |index: usize| index.is_multiple_of(keys.len() / 6 + 1);
    for (_, key) in keys.iter().enumerate().filter(|(index, _)| gone(*index)) {
        holds(
            clause,
            &format!("{} was there", key.show()),
            storage.remove(key, Precondition::Any).await?,
        )?;
    }
    are_as_stored(&storage, clause, keys, &records, |index| !gone(index)).await
}

async fn are_as_stored(
    storage: &Handle,
    clause: &str,
    keys: &[TokenKey],
    records: &[TokenData],
    there: impl Fn(usize) -> bool,
) -> Check {
    for (index, (key, want)) in keys.iter().zip(records).enumerate() {
        let expectation = format!("{} has its own record", key.show());
        match storage.get(key).await? {
            found if !there(index) => absent(clause, &expectation, &found)?,
            Some(found) if found.data == *want => {}
            Some(found) => {
                let of = records
                    .iter()
                    .position(|data| *data == found.data)
                    .and_then(|other| keys.get(other));
                let whose = of.map_or_else(|| found.data.show(), |other| format!("that of {}", other.show()));
                return fail(clause, &expectation, whose, want.show());
            }
            None => return fail(clause, &expectation, "no record", want.show()),
        }
    }
    Ok(())
}

/// About every power of two, where hashes have their blocks and storages their pages.
fn positions(from: usize, length: usize) -> BTreeSet<usize> {
    let powers = (3..=16).flat_map(|power| [(1_usize << power) - 1, 1 << power, (1 << power) + 1]);
    let thirds = [length / 3, length / 2, length / 3 * 2];
    let ends = [from, from + 1, length.saturating_sub(2), length.saturating_sub(1)];
    let all = powers.chain(thirds).chain(ends);
    all.filter(|position| (from..length).contains(position)).collect()
}

/// The text of this length that begins with `head`, and others that differ from it in one byte each.
pub(super) fn differing_once(head: &str, length: usize) -> Vec<String> {
    let base = format!("{head}{}", "x".repeat(length.saturating_sub(head.len())));
    let changed = positions(head.len(), length).into_iter().map(|position| {
        let mut text = base.clone();
        text.replace_range(position..=position, "y");
        text
    });
    changed.chain([base.clone()]).collect()
}

/// The lengths at which parts are compared: as long as can be, one more than usual columns and pages take, and short.
fn compared_lengths(declared: usize) -> BTreeSet<usize> {
    [declared.min(MOST), 8193, 1025, 257, 65]
        .into_iter()
        .filter(|length| *length <= declared)
        .collect()
}

async fn long_parts_differ_in_any_byte(cx: Cx) -> Check {
    let limits = cx.open().await?.describe().limits;
    for length in compared_lengths(limits.resource_server_bytes) {
        let keys: Vec<TokenKey> = differing_once("", length).iter().map(|text| cx.key(text)).collect();
        distinct_together(&cx, "K5", &keys).await?;
    }
    for length in compared_lengths(limits.namespace_bytes) {
        let texts = differing_once(cx.namespace(), length);
        let keys: Vec<TokenKey> = texts.iter().map(|text| TokenKey::new(text.as_str(), "rs")).collect();
        distinct_together(&cx, "K5", &keys).await?;
    }
    Ok(())
}

/// Where columns, index entries, names of files and pages end: those of MySQL (255, 767, 3,072), PostgreSQL (63, 2,704),
/// S3 (1,024), DynamoDB (2,048), Linux (255, 4,096), and pages of 4 to 64 KiB.
const ENDS: &[usize] = &[
    15, 16, 32, 36, 40, 63, 64, 100, 127, 128, 191, 192, 200, 250, 254, 255, 256, 500, 511, 512, 767, 768, 1000, 1023,
    1024, 2047, 2048, 2704, 3072, 4095, 4096, 8191, 8192, 16_384, 32_767, 32_768, 65_535,
];

async fn each_length_is_another_key(cx: Cx) -> Check {
    let limits = cx.open().await?.describe().limits;
    let lengths: BTreeSet<usize> = ENDS.iter().flat_map(|end| [*end, end + 1]).collect();
    let fitting = |most: usize| lengths.iter().copied().filter(move |length| *length <= most);
    let keys: Vec<TokenKey> = fitting(limits.resource_server_bytes)
        .flat_map(|length| {
            [
                cx.key(&"x".repeat(length)),
                cx.key(&format!("{}{}", "y".repeat(length % 2), "\u{e9}".repeat(length / 2))),
            ]
        })
        .collect();
    distinct_together(&cx, "K4", &keys).await?;
    let keys: Vec<TokenKey> = fitting(limits.namespace_bytes.saturating_sub(cx.namespace().len()))
        .map(|length| cx.key_in(&"x".repeat(length), "rs"))
        .collect();
    distinct_together(&cx, "K6", &keys).await
}

/// A length that is kept in one byte or two, or joined as text, is that of another border between the parts.
async fn parts_do_not_shift(cx: Cx) -> Check {
    let limits = cx.open().await?.describe().limits;
    let most = limits
        .resource_server_bytes
        .saturating_sub(8)
        .min(limits.namespace_bytes.saturating_sub(cx.namespace().len()));
    let mut keys = Vec::new();
    for by in [
        1, 2, 4, 8, 9, 10, 16, 32, 64, 90, 99, 100, 128, 255, 256, 257, 512, 1000, 1024, 4096, 32_768,
    ] {
        if by <= most {
            let (moved, rest) = ("x".repeat(by), format!("-{by}"));
            keys.push(cx.key_in(&moved, &rest));
            keys.push(cx.key(&format!("{moved}{rest}")));
        }
    }
    distinct_together(&cx, "K5", &keys).await
}

/// With each separator: next to the border, within the parts, escaped by a backslash, by itself and by percent.
async fn any_separator_is_a_character(cx: Cx) -> Check {
    let separators = [
        ":",
        "/",
        "#",
        "|",
        "\0",
        ".",
        "-",
        "_",
        ",",
        ";",
        "!",
        "~",
        "=",
        "&",
        "+",
        "@",
        "$",
        "*",
        "\\",
        "^",
        "\t",
        "\n",
        " ",
        "'",
        "\"",
        "\u{1c}",
        "\u{1d}",
        "\u{1e}",
        "\u{1f}",
        "\u{1}",
        "\u{2}",
        "\u{7f}",
        "\u{a0}",
        "\u{b7}",
        "\u{feff}",
        "\u{ffff}",
        "\u{fffd}",
        "\u{10ffff}",
        "\u{1f511}",
        "::",
        "--",
        "//",
        "->",
        "\0\0",
        "%3A",
        "%2F",
        "%00",
        "\",\"",
        "\u{241f}",
    ];
    for (round, separators) in separators.chunks(12).enumerate() {
        let mut keys = BTreeSet::new();
        for s in separators {
            keys.extend([
                cx.key_in(&format!("{round}a"), &format!("b{s}c")),
                cx.key_in(&format!("{round}a{s}b"), "c"),
                cx.key_in(&format!("{round}a{s}"), "b"),
                cx.key_in(&format!("{round}a"), &format!("{s}b")),
                cx.key_in(&format!("{round}a\\"), &format!("b{s}c")),
                cx.key_in(&format!("{round}a{s}b\\"), "c"),
                cx.key_in(&format!("{round}a{s}{s}"), "b"),
                cx.key_in(&format!("{round}a"), &format!("{s}{s}b")),
            ]);
        }
        distinct_together(&cx, "K5", &keys.into_iter().collect::<Vec<_>>()).await?;
    }
    Ok(())
}

/// Texts of one length with equal checksums, whatever is before and behind them; but for the third, which is MurmurHash3
/// of the text alone.
const EQUAL: &[(&str, [&str; 2])] = &[
    ("CRC-32", ["HgPsv2I", "xobkHWm"]),
    ("CRC-32C", ["e1w1dkf", "LOn0iQ9"]),
    ("MurmurHash3", ["389fs0x", "08PK55C"]),
    ("sdbm", ["XsAGIWo", "kLLkTbN"]),
    ("31 times", ["Aa", "BB"]),
    ("33 times", ["Ab", "BA"]),
    ("16 times", ["aq", "ba"]),
    ("Adler-32 and Fletcher", ["bdb", "cbc"]),
    ("sum and exclusive or", ["pq", "qp"]),
];

async fn equal_checksums_do_not_collide(cx: Cx) -> Check {
    let mut keys = BTreeSet::new();
    for texts in EQUAL.iter().map(|(_, texts)| texts) {
        for text in texts {
            keys.insert(cx.key(text));
            keys.insert(cx.key(&format!("{text}.example.org")));
            keys.insert(cx.key_in(&format!("/{text}"), "rs"));
        }
    }
    let joined = [":", "/", "\0", "|", ""].map(|separator| format!("{}{separator}", cx.namespace()));
    for head in joined.iter().map(String::as_str).chain([""]) {
        keys.extend(colliding(|text| fnv1a(head.as_bytes(), text.as_bytes())).map(|text| cx.key(&text)));
    }
    keys.extend(colliding(|text| fnv1(text.as_bytes())).map(|text| cx.key(&text)));
    keys.extend(colliding(|text| std_hash(|hasher| text.hash(hasher))).map(|text| cx.key(&text)));
    let of_parts = |text: &str| std_hash(|hasher| (cx.namespace(), text).hash(hasher));
    let of_key = |text: &str| std_hash(|hasher| cx.key(text).hash(hasher));
    keys.extend(colliding(of_parts).map(|text| cx.key(&text)));
    keys.extend(colliding(of_key).map(|text| cx.key(&text)));
    distinct_together(&cx, "K5", &keys.into_iter().collect::<Vec<_>>()).await
}

/// Two short texts with one checksum: among 80,000 of 32 bits there are some.
fn colliding(hash: impl Fn(&str) -> u32) -> [String; 2] {
    let mut seen: HashMap<u32, String> = HashMap::with_capacity(1 << 17);
    // Spread out: of texts that are much alike, few collide.
    for number in 0_u64.. {
        let text = format!("{:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        match seen.entry(hash(&text)) {
            Entry::Occupied(other) => return [other.get().clone(), text],
            Entry::Vacant(free) => free.insert(text),
        };
    }
    unreachable!("there are more texts than checksums")
}

fn fnv1a(head: &[u8], text: &[u8]) -> u32 {
    let mut hash = 0x811c_9dc5_u32;
    for byte in head.iter().chain(text) {
        hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    }
    hash
}

fn fnv1(text: &[u8]) -> u32 {
    let mut hash = 0x811c_9dc5_u32;
    for byte in text {
        hash = hash.wrapping_mul(0x0100_0193) ^ u32::from(*byte);
    }
    hash
}

/// That of the standard library, cut.
fn std_hash(feed: impl FnOnce(&mut DefaultHasher)) -> u32 {
    let mut hasher = DefaultHasher::new();
    feed(&mut hasher);
    hasher.finish() as u32
}

async fn parts_are_not_interchangeable(cx: Cx) -> Check {
    let texts = ["", "a", "b", "ab", "ba", "aa", "1", "1a", "11a"];
    let keys: Vec<TokenKey> = texts
        .iter()
        .flat_map(|namespace| texts.iter().map(|rs| TokenKey::new(*namespace, *rs)))
        .collect();
    distinct_together(&cx, "K5", &keys).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksums_are_equal_behind_any_beginning() {
        let crc = |text: &str| {
            text.bytes().fold(!0_u32, |crc, byte| {
                (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                    (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
                })
            })
        };
        let times = |factor: u32| {
            move |text: &str| {
                text.bytes().fold(7_u32, |hash, byte| {
                    hash.wrapping_mul(factor).wrapping_add(u32::from(byte))
                })
            }
        };
        let [one, two] = EQUAL[0].1;
        assert_eq!(crc(&format!("ns:{one}")), crc(&format!("ns:{two}")));
        for (index, factor) in [(3, 65_599), (4, 31), (5, 33), (6, 16)] {
            let [one, two] = EQUAL[index].1;
            assert_eq!(times(factor)(one), times(factor)(two), "{}", EQUAL[index].0);
        }
        assert_eq!(fnv1a(b"foo", b"bar"), 0xbf9c_f968);
        let [one, two] = colliding(|text| fnv1a(b"", text.as_bytes()));
        assert_ne!(one, two);
    }
}
