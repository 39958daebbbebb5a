//! Records and texts that cases store.

use token_storage_core::{Extra, TokenData};

use crate::printer;

/// A small record; `tag` makes it recognisable.
pub(crate) fn plain(tag: &str) -> TokenData {
    TokenData::new("rs.example", "scope-a scope-b", access(tag))
}

/// The access token of [`plain`].
pub(crate) fn access(tag: &str) -> String {
    token("access", "at", tag)
}

/// Where all that is logged is printed, like those of the authorization server for tests: nothing else looks like them, however
/// they are spelled. Else short, as it is in messages.
fn token(short: &str, marked: &str, tag: &str) -> String {
    match printer::is_on() {
        true => format!("{marked}-0123456789abcdef0123456789abcdef-{tag}"),
        false => format!("{short}-{tag}"),
    }
}

/// A record with every field, each with `tag` in it.
pub(crate) fn full(tag: &str) -> TokenData {
    plain(tag)
        .with_refresh_token(token("refresh", "rt", tag))
        .with_expires_at(1_700_000_000)
        .with_token_type(format!("Bearer-{tag}"))
        .with_identity_id(format!("identity-{tag}"))
        .with_extra(extra(&[
            ("id_token", &format!("\"{}\"", token("id", "code", tag))),
            ("n", "1"),
        ]))
}

/// A record with a number in it, and back.
pub(crate) fn counting(number: usize) -> TokenData {
    plain(&number.to_string())
}

pub(crate) fn counted(data: &TokenData) -> usize {
    let number = data.access_token.expose().rsplit('-').next();
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Members that the suite knows to be valid.
pub(crate) fn extra(members: &[(&str, &str)]) -> Extra {
    let mut extra = Extra::new();
    for (name, json) in members {
        extra.insert(*name, json).expect("the suite's own members are valid");
    }
    extra
}

/// Legal key parts that careless code confuses; all distinct. None is empty: see the case for empty parts.
pub(crate) const ODD: &[&str] = &[
    "a",
    "A",
    " a",
    "a ",
    "a\u{a0}",
    "\ta",
    "a\n",
    "\r\n",
    "\0",
    "a\0",
    "a\0b",
    "\u{1}",
    "\u{7f}",
    ":",
    "a:b",
    "/",
    "//",
    "a/b",
    "../a",
    "..",
    ".",
    "#",
    "a#b",
    "%",
    "%00",
    "%61",
    "a%",
    "?",
    "*",
    "_",
    "a_",
    "\\",
    "\"",
    "'",
    "''; DROP TABLE token_storage; --",
    "null",
    "true",
    "0",
    "00",
    "1e1",
    "{}",
    "[]",
    "\u{e9}",
    "e\u{301}",
    "\u{c9}",
    "\u{212b}",
    "\u{c5}",
    "\u{df}",
    "ss",
    "SS",
    "\u{131}",
    "i",
    "I",
    "\u{130}",
    "\u{fb01}",
    "fi",
    "\u{feff}",
    "\u{200b}",
    "\u{202e}",
    "\u{fffd}",
    "\u{ffff}",
    "\u{10ffff}",
    "\u{1f600}",
    "\u{1f468}\u{200d}\u{1f469}",
    "token-storage.mark",
    "DEFAULT",
    "by_rs",
    "data",
    "__proto__",
];

/// JSON values that a careless codec changes.
pub(crate) const JSON_VALUES: &[&str] = &[
    "null",
    "true",
    "0",
    "-0",
    "-0.0",
    "1.0",
    "1e2",
    "100000000000000000000000001",
    "0.1000000000000000055511151231257827",
    "1e400",
    "\"\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\u00e9\"",
    "\"\u{e9}\"",
    "\"\\/\"",
    "[]",
    "{}",
    "[ 1 , 2 ]",
    "{\"b\":1,\"a\":2}",
    "{\"a\":1,\"a\":2}",
    "{\"token-storage.mark\":\"x\",\"access_token\":\"y\"}",
    "[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]",
];
