use token_storage_core::{ErrorKind, Precondition, Result, TokenKey, TokenStorageExt as _};

use crate::{
    Case, Level, Need,
    check::{Check, absent, holds, refused, same, stored},
    cx::{Cx, Handle, listing},
    data::{ODD, plain},
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Core,
        "keys::odd_resource_servers_are_distinct",
        &["K4", "K5"],
        |cx| Box::pin(odd_resource_servers_are_distinct(cx)),
    ),
    Case::new(
        Level::Core,
        "keys::odd_namespaces_are_distinct",
        &["K4", "K5", "K6"],
        |cx| Box::pin(odd_namespaces_are_distinct(cx)),
    ),
    Case::new(
        Level::Hostile,
        "keys::what_is_too_long_is_no_other_key",
        &["K4", "K5"],
        |cx| Box::pin(what_is_too_long_is_no_other_key(cx)),
    ),
    Case::new(Level::Core, "keys::an_empty_resource_server_is_a_key", &["K4"], |cx| {
        Box::pin(an_empty_resource_server_is_a_key(cx))
    }),
    Case::new(
        Level::Core,
        "keys::an_empty_namespace_is_a_namespace",
        &["K4", "K6"],
        |cx| Box::pin(an_empty_namespace_is_a_namespace(cx)),
    )
    .needs(&[Need::ExclusivePlace]),
    Case::new(Level::Core, "keys::parts_do_not_run_together", &["K5"], |cx| {
        Box::pin(parts_do_not_run_together(cx))
    }),
    Case::new(Level::Core, "keys::case_is_kept", &["K4"], |cx| {
        Box::pin(case_is_kept(cx))
    }),
    Case::new(Level::Core, "keys::white_space_is_kept", &["K4"], |cx| {
        Box::pin(white_space_is_kept(cx))
    }),
    Case::new(Level::Core, "keys::unicode_is_not_normalised", &["K4"], |cx| {
        Box::pin(unicode_is_not_normalised(cx))
    }),
    Case::new(Level::Core, "keys::a_prefix_is_another_key", &["K4"], |cx| {
        Box::pin(a_prefix_is_another_key(cx))
    }),
    Case::new(Level::Core, "keys::patterns_are_plain_text", &["K4"], |cx| {
        Box::pin(patterns_are_plain_text(cx))
    }),
    Case::new(
        Level::Core,
        "keys::a_namespace_sees_nothing_of_another",
        &["K6"],
        |cx| Box::pin(a_namespace_sees_nothing_of_another(cx)),
    ),
    Case::new(
        Level::Core,
        "keys::a_namespace_is_not_matched_by_its_prefix",
        &["K6"],
        |cx| Box::pin(a_namespace_is_not_matched_by_its_prefix(cx)),
    ),
    Case::new(
        Level::Hostile,
        "keys::parts_up_to_the_declared_length_are_legal",
        &["K4"],
        |cx| Box::pin(parts_up_to_the_declared_length_are_legal(cx)),
    ),
    Case::new(Level::Hostile, "keys::longer_parts_are_too_large", &["K4"], |cx| {
        Box::pin(longer_parts_are_too_large(cx))
    }),
    Case::new(
        Level::Hostile,
        "keys::long_parts_differ_in_their_last_byte",
        &["K5"],
        |cx| Box::pin(long_parts_differ_in_their_last_byte(cx)),
    ),
];

/// Stores a record of its own under each key, and then finds each; removes each and finds the rest.
async fn distinct(cx: &Cx, clause: &str, keys: &[TokenKey]) -> Check {
    let storage = cx.open().await?;
    for (index, key) in keys.iter().enumerate() {
        absent(clause, "a key that was not stored", &storage.get(key).await?)?;
        storage
            .store(key, &plain(&index.to_string()), Precondition::Absent)
            .await?;
    }
    let other = cx.open().await?;
    for (index, key) in keys.iter().enumerate() {
        stored(clause, &other.get(key).await?, &plain(&index.to_string()))?;
    }
    let Some((first, rest)) = keys.split_first() else {
        return Ok(());
    };
    holds(
        clause,
        "the record was there",
        storage.remove(first, Precondition::Any).await?,
    )?;
    for (index, key) in rest.iter().enumerate() {
        stored(clause, &storage.get(key).await?, &plain(&(index + 1).to_string()))?;
    }
    Ok(())
}

async fn odd_resource_servers_are_distinct(cx: Cx) -> Check {
    let keys: Vec<TokenKey> = ODD.iter().map(|odd| cx.key(odd)).collect();
    distinct(&cx, "K4", &keys).await
}

async fn odd_namespaces_are_distinct(cx: Cx) -> Check {
    let keys: Vec<TokenKey> = ODD.iter().map(|odd| cx.key_in(odd, "rs")).collect();
    distinct(&cx, "K6", &keys).await
}

async fn an_empty_resource_server_is_a_key(cx: Cx) -> Check {
    distinct(&cx, "K4", &[cx.key(""), cx.key(" "), cx.key("\0"), cx.key_in("x", "")]).await
}

async fn an_empty_namespace_is_a_namespace(cx: Cx) -> Check {
    let keys = [("", "rs"), ("DEFAULT", "rs"), (" ", "rs"), ("", "")].map(|(ns, rs)| TokenKey::new(ns, rs));
    distinct(&cx, "K4", &keys).await
}

async fn parts_do_not_run_together(cx: Cx) -> Check {
    let mut keys = Vec::new();
    for separator in [":", "/", "#", "|", "\0", "%3A", "::", "\u{1f}", ","] {
        keys.push(cx.key_in("a", &format!("b{separator}c")));
        keys.push(cx.key_in(&format!("a{separator}b"), "c"));
        keys.push(cx.key_in("", &format!("a{separator}b{separator}c")));
    }
    keys.push(cx.key_in("a", "bc"));
    keys.push(cx.key_in("ab", "c"));
    distinct(&cx, "K5", &keys).await
}

async fn case_is_kept(cx: Cx) -> Check {
    distinct(&cx, "K4", &["rs", "RS", "Rs", "\u{e9}", "\u{c9}"].map(|rs| cx.key(rs))).await?;
    distinct(&cx, "K4", &["n", "N", "\u{e9}", "\u{c9}"].map(|ns| cx.key_in(ns, "rs"))).await
}

async fn white_space_is_kept(cx: Cx) -> Check {
    let texts = [
        "rs",
        " rs",
        "rs ",
        "rs\n",
        "\trs",
        "rs\u{a0}",
        "rs\u{2003}",
        "r s",
        "r  s",
    ];
    distinct(&cx, "K4", &texts.map(|rs| cx.key(rs))).await?;
    distinct(&cx, "K4", &texts.map(|ns| cx.key_in(ns, "white"))).await
}

async fn unicode_is_not_normalised(cx: Cx) -> Check {
    let texts = [
        "\u{e9}",
        "e\u{301}",
        "\u{212b}",
        "\u{c5}",
        "A\u{30a}",
        "\u{fb01}",
        "fi",
        "\u{ac00}",
        "\u{1100}\u{1161}",
    ];
    distinct(&cx, "K4", &texts.map(|rs| cx.key(rs))).await?;
    distinct(&cx, "K4", &texts.map(|ns| cx.key_in(ns, "rs"))).await
}

async fn a_prefix_is_another_key(cx: Cx) -> Check {
    distinct(
        &cx,
        "K4",
        &["transfer.api", "transfer", "transfer.api.globus.org", "t"].map(|rs| cx.key(rs)),
    )
    .await
}

async fn patterns_are_plain_text(cx: Cx) -> Check {
    distinct(
        &cx,
        "K4",
        &["%", "_", "*", "?", "a", "ab", ".", ".*", "[a]", "a%"].map(|rs| cx.key(rs)),
    )
    .await?;
    distinct(
        &cx,
        "K6",
        &["%", "_", "*", "?", "a", "ab", ".", ".*", "[a]", "a%"].map(|ns| cx.key_in(ns, "p")),
    )
    .await
}

async fn a_namespace_sees_nothing_of_another(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let (here, there) = (cx.key("rs"), cx.key_in("-2", "rs"));
    storage.store(&there, &plain("1"), Precondition::Any).await?;
    absent("K6", "stored in another namespace only", &storage.get(&here).await?)?;
    let removed = storage.remove(&here, Precondition::Any).await?;
    holds("K6", "a remove here finds nothing of there", !removed)?;
    storage.store(&here, &plain("2"), Precondition::Absent).await?;
    stored("K6", &storage.get(&there).await?, &plain("1"))?;
    storage.remove(&here, Precondition::Any).await?;
    stored("K6", &storage.get(&there).await?, &plain("1"))
}

async fn a_namespace_is_not_matched_by_its_prefix(cx: Cx) -> Check {
    let suffixes = ["", "1", "12", "123", "1%", "1_"];
    distinct(&cx, "K6", &suffixes.map(|ns| cx.key_in(ns, "shortest first"))).await?;
    // The other way round: a search by prefix finds the longer one while the shorter is not there yet.
    let mut keys = suffixes.map(|ns| cx.key_in(ns, "longest first"));
    keys.reverse();
    distinct(&cx, "K6", &keys).await
}

/// Longer limits are not probed: the suite would test memory, not the storage.
pub(super) const MOST: usize = 4 * 1024 * 1024;

async fn parts_up_to_the_declared_length_are_legal(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let limits = storage.describe().limits;
    let namespace = pad(cx.namespace(), limits.namespace_bytes.min(MOST));
    let resource_server = pad("rs", limits.resource_server_bytes.min(MOST));
    let keys = [
        TokenKey::new(namespace.as_str(), "rs"),
        cx.key(&resource_server),
        TokenKey::new(namespace.as_str(), resource_server.as_str()),
        cx.key(&wide(limits.resource_server_bytes.min(MOST))),
    ];
    for (index, key) in keys.iter().enumerate() {
        storage
            .store(key, &plain(&index.to_string()), Precondition::Absent)
            .await?;
    }
    for (index, key) in keys.iter().enumerate() {
        stored("K4", &storage.get(key).await?, &plain(&index.to_string()))?;
    }
    Ok(())
}

/// What is longer by a byte is no key at all, and not the one that it begins with.
async fn what_is_too_long_is_no_other_key(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let limits = storage.describe().limits;
    if limits.namespace_bytes >= MOST || limits.resource_server_bytes >= MOST {
        return crate::check::ignore("the declared lengths are too large to be probed");
    }
    let namespace = pad(cx.namespace(), limits.namespace_bytes);
    let server = pad("rs", limits.resource_server_bytes);
    let longest = TokenKey::new(namespace.as_str(), server.as_str());
    storage.store(&longest, &plain("1"), Precondition::Any).await?;
    for longer in [
        TokenKey::new(namespace.as_str(), format!("{server}x")),
        TokenKey::new(format!("{namespace}x"), server.as_str()),
    ] {
        let found = none_or_too_large(storage.get(&longer).await)?;
        absent("K4", "what is found under a key that is too long", &found.flatten())?;
        let removed = none_or_too_large(storage.remove(&longer, Precondition::Any).await)?;
        holds(
            "K4",
            "nothing is removed under a key that is too long",
            removed != Some(true),
        )?;
    }
    if cx.declares(Need::Enumeration) {
        let listed = listing(&storage)?.list_keys(&format!("{namespace}x"), None).await;
        let listed = none_or_too_large(listed)?.map_or(0, |page| page.items.len());
        same("K4", "keys in a namespace whose name is too long", &listed, &0)?;
    }
    stored("K4", &storage.get(&longest).await?, &plain("1"))
}

/// The answer, if it is one.
fn none_or_too_large<T>(answer: Result<T>) -> Check<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == ErrorKind::TooLarge => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn longer_parts_are_too_large(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let limits = storage.describe().limits;
    let long_namespace = limits.namespace_bytes < MOST;
    let long_resource_server = limits.resource_server_bytes < MOST;
    if long_namespace {
        too_large(
            &storage,
            &TokenKey::new(pad(cx.namespace(), limits.namespace_bytes + 1), "rs"),
        )
        .await?;
    }
    if long_resource_server {
        too_large(&storage, &cx.key(&pad("rs", limits.resource_server_bytes + 1))).await?;
        // Counted in bytes, not in characters.
        too_large(
            &storage,
            &cx.key(&"\u{1f600}".repeat(limits.resource_server_bytes / 4 + 1)),
        )
        .await?;
    }
    if !long_namespace && !long_resource_server {
        return crate::check::ignore("the declared lengths are too large to be probed");
    }
    Ok(())
}

async fn too_large(storage: &Handle, key: &TokenKey) -> Check {
    let what = "a key part over the declared length";
    refused(
        "K4",
        what,
        storage.store(key, &plain("1"), Precondition::Any).await,
        ErrorKind::TooLarge,
    )?;
    let data = plain("1");
    let write = token_storage_core::Write::new(key, &data, Precondition::Any);
    refused("K4", what, storage.store_all(&[write]).await, ErrorKind::TooLarge)?;
    // Reading such a key may be refused in the same way; it must not find anything.
    match storage.get(key).await {
        Ok(found) => absent("K4", "a refused key is not there", &found),
        Err(error) => refused::<()>("K4", "reading a key that is too long", Err(error), ErrorKind::TooLarge).map(drop),
    }
}

async fn long_parts_differ_in_their_last_byte(cx: Cx) -> Check {
    let limits = cx.open().await?.describe().limits;
    let length = limits.resource_server_bytes.min(64 * 1024);
    let long = pad("rs", length - 1);
    let long_namespace = pad(cx.namespace(), limits.namespace_bytes.min(64 * 1024) - 1);
    let keys = [
        cx.key(&format!("{long}a")),
        cx.key(&format!("{long}b")),
        cx.key(&long),
        TokenKey::new(format!("{long_namespace}a"), "rs"),
        TokenKey::new(format!("{long_namespace}b"), "rs"),
    ];
    distinct(&cx, "K5", &keys).await
}

fn pad(text: &str, length: usize) -> String {
    format!("{text}{}", "x".repeat(length.saturating_sub(text.len())))
}

/// Characters of four bytes, filled up with such of one.
fn wide(length: usize) -> String {
    "\u{1f600}".repeat(length / 4) + &"y".repeat(length % 4)
}
