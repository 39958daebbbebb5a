//! Texts that collations, file systems and codecs take for one another.

use token_storage_core::TokenKey;

use super::long_keys::distinct_together;
use crate::{Case, Level, Need, check::Check, cx::Cx};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Core,
        "keys::what_a_collation_folds_is_distinct",
        &["K4", "K5"],
        |cx| Box::pin(what_a_collation_folds_is_distinct(cx)),
    ),
    Case::new(
        Level::Core,
        "keys::what_a_codec_folds_is_distinct",
        &["K4", "K5"],
        |cx| Box::pin(what_a_codec_folds_is_distinct(cx)),
    ),
    Case::new(Level::Core, "keys::numbers_are_texts", &["K4"], |cx| {
        Box::pin(numbers_are_texts(cx))
    }),
    Case::new(
        Level::Core,
        "keys::names_that_storages_use_are_keys",
        &["K4", "K1"],
        |cx| Box::pin(names_that_storages_use_are_keys(cx)),
    ),
    Case::new(
        Level::Core,
        "keys::names_that_storages_use_are_namespaces",
        &["K4", "K6"],
        |cx| Box::pin(names_that_storages_use_are_namespaces(cx)),
    )
    .needs(&[Need::ExclusivePlace]),
];

/// One line for each way to compare: case, accents, width, kana, digits, what is ignored, what lies beyond the basic
/// plane, what is padded, what is composed, punctuation (UTS #10, the collations of MySQL, PostgreSQL, SQL Server).
pub(super) const COLLATED: &[&[&str]] = &[
    &["rs", "RS", "Rs", "rS"],
    &["\u{e9}", "\u{c9}", "e\u{301}", "E\u{301}", "e", "E", "\u{e8}", "\u{ea}"],
    &["\u{3c3}", "\u{3c2}", "\u{3a3}", "\u{44f}", "\u{42f}"],
    &["i", "I", "\u{131}", "\u{130}", "i\u{307}", "\u{ed}", "\u{1d}i"],
    &[
        "stra\u{df}e",
        "strasse",
        "STRASSE",
        "stra\u{1e9e}e",
        "stra\u{17f}\u{17f}e",
    ],
    &["\u{1c4}", "\u{1c5}", "\u{1c6}", "D\u{17d}", "dz"],
    &["k", "K", "\u{212a}", "\u{e5}", "\u{c5}", "\u{212b}", "a\u{30a}", "aa"],
    &["\u{b5}", "\u{3bc}", "\u{3a9}", "\u{2126}"],
    &["\u{10400}", "\u{10428}", "\u{13a0}", "\u{ab70}"],
    &[
        "\u{fc}", "u\u{308}", "ue", "u", "\u{f8}", "o", "\u{f6}", "oe", "\u{153}",
    ],
    &[
        "\u{f1}", "n", "n\u{303}", "\u{142}", "l", "\u{e6}", "ae", "\u{f0}", "d", "\u{fe}", "th",
    ],
    &["A", "\u{ff21}", "\u{ff41}", "a", "\u{1d400}", "\u{24b6}"],
    &["\u{30a2}", "\u{ff71}", "\u{3042}", "\u{30a1}", "\u{3041}"],
    &[
        "\u{30ac}",
        "\u{ff76}\u{ff9e}",
        "\u{30ab}\u{3099}",
        "\u{30ab}",
        "\u{304b}",
        "\u{304c}",
    ],
    &["\u{306f}", "\u{3070}", "\u{3071}", "\u{30cf}", "\u{30fc}"],
    &["1", "\u{ff11}", "\u{661}", "\u{b9}", "\u{2460}", "\u{2160}"],
    &[
        "ab",
        "a\u{ad}b",
        "a\u{200d}b",
        "a\u{200c}b",
        "a\u{200b}b",
        "a\u{feff}b",
        "a\0b",
        "a\u{1}b",
        "a\u{7f}b",
    ],
    &[
        "a\u{fe0f}b",
        "a\u{34f}b",
        "a\u{640}b",
        "a\u{61c}b",
        "a\u{2060}b",
        "a\u{202e}b",
        "a\u{301}b",
        "a\u{308}b",
    ],
    &[
        "\u{1f600}",
        "\u{1f601}",
        "\u{1f680}",
        "\u{1f363}",
        "\u{1f37a}",
        "\u{fffd}",
        "\u{20000}",
        "?",
        "??",
    ],
    &["x\u{1f600}", "x\u{1f600}y", "x\u{1f600}z", "x", "x?", "x?y", "xy", "xz"],
    &[
        "b",
        "b ",
        "b  ",
        "b\0",
        "b\t",
        "b\n",
        "b\r\n",
        "b\u{a0}",
        "b\u{3000}",
        " b",
        "\u{2003}b",
    ],
    &["a b", "a  b", "a\tb", "a\u{a0}b", "a-b", "a_b", "a.b", "a'b", "a/b"],
    &[
        "-", "\u{2010}", "\u{2013}", "\u{2014}", "\u{2212}", "'", "\u{2019}", "\"", "\u{201d}",
    ],
    &[
        "\u{fb01}",
        "fi",
        "\u{2122}",
        "TM",
        "\u{2026}",
        "...",
        "\u{bd}",
        "1\u{2044}2",
        "\u{210c}",
        "H",
    ],
    &[
        "a\u{323}\u{307}",
        "a\u{307}\u{323}",
        "\u{1ea1}\u{307}",
        "\u{227}\u{323}",
    ],
    &[
        "\u{ac01}",
        "\u{1100}\u{1161}\u{11a8}",
        "\u{ac00}\u{11a8}",
        "\u{f900}",
        "\u{8c48}",
    ],
    &["\u{4e00}", "\u{58f9}", "\u{58f1}", "\u{9aa8}", "\u{3b2}", "\u{1e9e}"],
];

/// What codecs, file systems, URLs and shells rewrite.
const CODED: &[&str] = &[
    "\u{e9}",
    "\u{c3}\u{a9}",
    "\\u00e9",
    "\\xe9",
    "%C3%A9",
    "%c3%a9",
    "%E9",
    "&eacute;",
    "&#233;",
    "=C3=A9",
    "a\u{301}",
    "ab",
    "\\u0061b",
    "%61b",
    "&#97;b",
    "a&b",
    "a&amp;b",
    "a+b",
    "a%20b",
    "a b",
    "a%2Bb",
    "a%252Bb",
    "a\\nb",
    "a\nb",
    "a\r\nb",
    "a\rb",
    "a\u{85}b",
    "a\u{2028}b",
    "\"a\"",
    "'a'",
    "a",
    "a\\",
    "a\\\\",
    "\\a",
    "a''b",
    "a'b",
    "a\"b",
    "a\\\"b",
    "~",
    "%7E",
    "$a",
    "${a}",
    "$(a)",
    "`a`",
    "\u{3bb}",
    "\u{436}",
    "\u{4e2d}",
    "https://rs.example",
    "https://rs.example/",
    "HTTPS://rs.example",
    "https://RS.example",
    "http://rs.example",
    "https://xn--bcher-kva.example",
    "https://b\u{fc}cher.example",
    "https://rs.example:443",
    "https://rs.example.",
    "https://rs.example/?",
    "https://rs.example/#",
    "rs.example",
    "rs.example.",
    "www.rs.example",
    "m\u{fc}nchen.example",
    "xn--mnchen-3ya.example",
    "munchen.example",
    "c/../d",
    "d",
    "./d",
    "/d",
    "d/",
    "//d",
    "c//d",
    "c/d",
    "c\\d",
    "c:d",
    "d.",
    "d..",
    "d.json",
    "d.tmp",
    "d.lock",
    "d~",
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
    "6ba7b8109dad11d180b400c04fd430c8",
    "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
    "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "YQ==",
    "YQ",
    "61",
    "0x61",
    "\\x61",
];

const NUMBERS: &[&str] = &[
    "0",
    "00",
    "-0",
    "+0",
    "0.0",
    "1",
    "01",
    "001",
    "+1",
    "1.0",
    "1.",
    "1.00",
    "1e0",
    "1E0",
    "0x1",
    "0b1",
    "1 ",
    " 1",
    "1_0",
    "10",
    "1e1",
    "1E1",
    "1,0",
    "2",
    "9",
    "100",
    "1000",
    "1,000",
    "1e3",
    "9007199254740992",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "-1",
    "4294967295",
    "true",
    "True",
    "TRUE",
    "t",
    "yes",
    "on",
    "false",
    "False",
    "f",
    "no",
    "off",
    "null",
    "NULL",
    "Null",
    "None",
    "nil",
    "undefined",
    "NaN",
    "nan",
    "inf",
    "Infinity",
    "[]",
    "{}",
    "\"\"",
    "2024-01-01",
    "2024-1-1",
    "2024-01-01T00:00:00Z",
    "20240101",
];

/// What databases, caches and this project's own backends call things of their own.
pub(super) const USED: &[&str] = &[
    "id",
    "_id",
    "ID",
    "key",
    "keys",
    "pk",
    "PK",
    "sk",
    "SK",
    "type",
    "ttl",
    "TTL",
    "rowid",
    "_rowid_",
    "oid",
    "version",
    "_version",
    "rev",
    "_rev",
    "revision",
    "etag",
    "_etag",
    "ts",
    "_ts",
    "expires_at",
    "expires",
    "value",
    "data",
    "meta",
    "metadata",
    "__meta__",
    "schema",
    "schema_version",
    "format_version",
    "lock",
    "lease",
    "leases",
    "intent",
    "intents",
    "index",
    "namespace",
    "namespaces",
    "resource_server",
    "token",
    "tokens",
    "token_storage",
    "by_rs",
    "config",
    "admin",
    "local",
    "system",
    "master",
    "public",
    "mysql",
    "information_schema",
    "pg_catalog",
    "sqlite_master",
    "sqlite_sequence",
    "table",
    "select",
    "order",
    "group",
    "user",
    "default",
    "DEFAULT",
    "con",
    "CON",
    "nul",
    "aux",
    "prn",
    "con.json",
    "tmp",
    "temp",
    ".tmp",
    ".lock",
    ".git",
    "desktop.ini",
    "lost+found",
    "*",
    "+@all",
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "hasOwnProperty",
    "length",
    "$where",
    "$set",
    "$ref",
    "a.$b",
    "a.b",
    "@type",
    "#text",
    "{a}",
    "{a}b",
    "{b}b",
];

/// The texts of all groups, each once.
pub(super) fn collated() -> Vec<&'static str> {
    let mut texts = COLLATED.concat();
    texts.sort_unstable();
    texts.dedup();
    texts
}

/// As resource servers, and as namespaces.
async fn distinct_in_both_parts(cx: &Cx, texts: &[&str]) -> Check {
    let resource_servers: Vec<TokenKey> = texts.iter().map(|text| cx.key(text)).collect();
    distinct_together(cx, "K4", &resource_servers).await?;
    // Behind a stroke, so that what is dropped or padded at the beginning is seen too.
    let namespaces: Vec<TokenKey> = texts.iter().map(|text| cx.key_in(&format!("/{text}"), "rs")).collect();
    distinct_together(cx, "K6", &namespaces).await
}

async fn what_a_collation_folds_is_distinct(cx: Cx) -> Check {
    distinct_in_both_parts(&cx, &collated()).await
}

async fn what_a_codec_folds_is_distinct(cx: Cx) -> Check {
    distinct_in_both_parts(&cx, CODED).await
}

async fn numbers_are_texts(cx: Cx) -> Check {
    distinct_in_both_parts(&cx, NUMBERS).await
}

async fn names_that_storages_use_are_keys(cx: Cx) -> Check {
    let keys: Vec<TokenKey> = USED.iter().map(|name| cx.key(name)).collect();
    distinct_together(&cx, "K4", &keys).await
}

async fn names_that_storages_use_are_namespaces(cx: Cx) -> Check {
    let keys: Vec<TokenKey> = USED
        .iter()
        .flat_map(|name| [TokenKey::new(*name, "rs"), TokenKey::new(*name, *name)])
        .collect();
    distinct_together(&cx, "K6", &keys).await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_text_is_there_twice() {
        for texts in [CODED, NUMBERS, USED] {
            let distinct: BTreeSet<_> = texts.iter().collect();
            assert_eq!(distinct.len(), texts.len(), "{texts:?}");
        }
    }
}
