//! Token responses on a storage: a login replaces, a refresh merges (clause L8), both all or nothing.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use proptest::prelude::*;
use token_storage::{
    Enumerate, ErrorKind, Extra, MemoryStorage, Namespaced, Precondition, RefreshLease, Result, Revision, TokenData,
    TokenResponse, TokenStorage, TokenStorageExt as _, Write, async_trait, backend::forward,
};

const NOW: i64 = 1_000_000;

fn response(json: &str) -> TokenResponse {
    TokenResponse::parse(json, NOW).unwrap()
}

async fn stored(tokens: &Namespaced<impl TokenStorage>, resource_server: &str) -> TokenData {
    tokens
        .get(resource_server)
        .await
        .unwrap()
        .expect("a record is stored")
        .data
}

#[tokio::test]
async fn a_login_replaces_the_whole_record() {
    let tokens = Namespaced::in_default(MemoryStorage::new());
    let full =
        response(r#"{"access_token":"a","refresh_token":"r","scope":"s","expires_in":9,"x":1,"resource_server":"rs"}"#);
    tokens.store_response(&full).await.unwrap();
    let bare = response(r#"{"access_token":"b","resource_server":"rs"}"#);
    let written = tokens.store_response(&bare).await.unwrap();
    assert_eq!(stored(&tokens, "rs").await, TokenData::new("rs", "", "b"));
    assert_eq!(tokens.get("rs").await.unwrap().unwrap().revision, written[0].revision);
}

#[tokio::test]
async fn l8_a_refresh_keeps_what_the_answer_does_not_say() {
    let tokens = Namespaced::in_default(MemoryStorage::new());
    let login = response(
        r#"{"access_token":"a","refresh_token":"r","scope":"s","expires_in":9,"token_type":"Bearer","id_token":"i",
        "resource_server":"rs"}"#,
    );
    tokens.store_response(&login.with_identity_id("me")).await.unwrap();
    let refresh = response(r#"{"access_token":"b","resource_server":"rs","id_token":null,"more":2}"#);
    tokens.merge_response(&refresh).await.unwrap();
    let mut extra = Extra::new();
    extra.insert("id_token", r#""i""#).unwrap();
    extra.insert("more", "2").unwrap();
    let want = TokenData::new("rs", "s", "b")
        .with_refresh_token("r")
        .with_token_type("Bearer")
        .with_identity_id("me")
        .with_extra(extra);
    assert_eq!(stored(&tokens, "rs").await, want);
}

#[tokio::test]
async fn a_refresh_of_what_is_not_stored_adds_it() {
    let tokens = Namespaced::new(MemoryStorage::new(), "ns");
    let refresh = response(r#"{"access_token":"b","resource_server":"rs"}"#);
    tokens.merge_response(&refresh).await.unwrap();
    assert_eq!(stored(&tokens, "rs").await, TokenData::new("rs", "", "b"));
}

/// Half of it would stay encrypted, and bound to what is gone.
#[tokio::test]
async fn nothing_is_merged_into_what_was_read_without_its_key() {
    let tokens = Namespaced::in_default(MemoryStorage::new());
    let sealed = "token-storage-sealed:1:0123456789abcdef:AAAA";
    let mut record = TokenData::new("rs", "s", sealed).with_refresh_token(sealed);
    record
        .extra
        .insert("token_storage_sealed", &format!("\"{sealed}\""))
        .unwrap();
    tokens.store("rs", &record, Precondition::Any).await.unwrap();
    let refresh = response(r#"{"access_token":"b","resource_server":"rs"}"#);
    let refused = tokens.merge_response(&refresh).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    assert_eq!(stored(&tokens, "rs").await, record);
}

#[tokio::test]
async fn a_response_without_a_resource_server_stores_nothing() {
    let tokens = Namespaced::in_default(MemoryStorage::new());
    let mixed = response(r#"{"access_token":"a","resource_server":"rs","other_tokens":[{"access_token":"b"}]}"#);
    for result in [tokens.store_response(&mixed).await, tokens.merge_response(&mixed).await] {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    let listing = tokens.listing().expect("memory lists").keys().await.unwrap();
    assert!(listing.items.is_empty());
}

#[tokio::test]
async fn of_two_tokens_for_one_resource_server_the_last_wins() {
    let tokens = Namespaced::in_default(MemoryStorage::new());
    let twice = response(
        r#"{"access_token":"a","resource_server":"rs","other_tokens":[{"access_token":"b","resource_server":"rs"}]}"#,
    );
    assert_eq!(tokens.store_response(&twice).await.unwrap().len(), 1);
    assert_eq!(stored(&tokens, "rs").await.access_token.expose(), "b");
}

/// A storage in which another writer gets in before each of the first `interferences` batches.
#[derive(Debug)]
struct Contended {
    storage: MemoryStorage,
    interferences: usize,
    batches: AtomicUsize,
}

impl Contended {
    fn new(interferences: usize) -> Self {
        Self {
            storage: MemoryStorage::new(),
            interferences,
            batches: AtomicUsize::new(0),
        }
    }
}

#[async_trait]
impl TokenStorage for Contended {
    forward!(self.storage => get, remove, prove_writable, describe);

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        let batch = self.batches.fetch_add(1, Ordering::SeqCst);
        if batch < self.interferences {
            let theirs = TokenData::new("rs", "", "theirs").with_refresh_token(format!("theirs-{batch}"));
            self.storage.store(writes[0].key, &theirs, Precondition::Any).await?;
        }
        self.storage.store_all(writes).await
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        None
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        None
    }
}

#[tokio::test]
async fn l8_a_merge_that_lost_a_race_reads_again() {
    let tokens = Namespaced::new(Contended::new(3), "ns");
    let refresh = response(r#"{"access_token":"ours","resource_server":"rs"}"#);
    tokens.merge_response(&refresh).await.unwrap();
    let data = stored(&tokens, "rs").await;
    assert_eq!(data.access_token.expose(), "ours");
    assert_eq!(
        data.refresh_token.unwrap().expose(),
        "theirs-2",
        "want the newest, merged"
    );
    assert!(tokens.listing().is_none());
}

#[tokio::test]
async fn a_merge_that_always_loses_gives_up_as_busy() {
    let tokens = Namespaced::new(Contended::new(usize::MAX), "ns");
    let refresh = response(r#"{"access_token":"ours","resource_server":"rs"}"#);
    let error = tokens.merge_response(&refresh).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Busy, true));
}

#[tokio::test]
async fn the_handle_reaches_only_its_namespace() {
    let storage = MemoryStorage::new();
    let (a, b) = (Namespaced::new(storage.clone(), "a"), Namespaced::new(storage, "b"));
    a.store("rs", &TokenData::new("rs", "", "at"), Precondition::Absent)
        .await
        .unwrap();
    assert!(!b.remove("rs", Precondition::Any).await.unwrap());
    assert!(b.listing().unwrap().keys().await.unwrap().items.is_empty());
    assert_eq!(a.listing().unwrap().keys().await.unwrap().items, [a.key("rs")]);
    assert!(a.remove("rs", Precondition::Any).await.unwrap());
}

/// A member of a response: missing, null, empty or a value.
fn member() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        Just(Some("null".to_owned())),
        Just(Some(r#""""#.to_owned())),
        "[a-z]{1,6}".prop_map(|text| Some(format!("{text:?}"))),
    ]
}

#[derive(Clone, Debug)]
struct Partial(BTreeMap<&'static str, String>);

fn partial() -> impl Strategy<Value = Partial> {
    let members = [
        "refresh_token",
        "scope",
        "token_type",
        "identity_id",
        "id_token",
        "x-1",
        "x-2",
    ];
    (prop::array::uniform7(member()), proptest::option::of(0..9999_u32)).prop_map(move |(values, expires_in)| {
        let given = members.into_iter().zip(values);
        let mut map: BTreeMap<_, _> = given.filter_map(|(name, value)| Some((name, value?))).collect();
        map.extend(expires_in.map(|seconds| ("expires_in", seconds.to_string())));
        Partial(map)
    })
}

impl Partial {
    fn json(&self, number: usize) -> String {
        let mut json = format!(r#"{{"resource_server":"rs","access_token":"at-{number}""#);
        for (name, value) in &self.0 {
            json += &format!(",{name:?}:{value}");
        }
        json + "}"
    }
}

/// What must be there after a sequence of responses: of each member the last value that says something.
fn expected(partials: &[Partial], name: &str) -> Option<String> {
    let said = partials.iter().rev().filter_map(|partial| partial.0.get(name));
    said.into_iter()
        .find(|value| !["null", r#""""#].contains(&value.as_str()))
        .map(|value| value.trim_matches('"').to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// L8: no sequence of partial responses loses refresh token, scope, identity or extra.
    #[test]
    fn l8_no_sequence_of_partial_responses_loses_anything(partials in prop::collection::vec(partial(), 1..8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let data = runtime.block_on(async {
            let tokens = Namespaced::in_default(MemoryStorage::new());
            tokens.store_response(&response(&partials[0].json(0))).await.unwrap();
            for (number, partial) in partials.iter().enumerate().skip(1) {
                tokens.merge_response(&response(&partial.json(number))).await.unwrap();
            }
            stored(&tokens, "rs").await
        });
        let last = format!("at-{}", partials.len() - 1);
        prop_assert_eq!(data.access_token.expose(), last);
        let refresh_token = data.refresh_token.as_ref().map(|token| token.expose().to_owned());
        prop_assert_eq!(refresh_token, expected(&partials, "refresh_token"));
        prop_assert_eq!(data.scope, expected(&partials, "scope").unwrap_or_default());
        prop_assert_eq!(data.token_type, expected(&partials, "token_type"));
        prop_assert_eq!(data.identity_id, expected(&partials, "identity_id"));
        let expires_in: Option<i64> = partials.last().unwrap().0.get("expires_in").map(|s| s.parse().unwrap());
        prop_assert_eq!(data.expires_at, expires_in.map(|seconds| NOW + seconds));
        for name in ["id_token", "x-1", "x-2"] {
            // An unknown member is verbatim, so an empty string is a value there; null never clears one.
            let said = partials.iter().rev().filter_map(|partial| partial.0.get(name));
            let want = said.clone().find(|value| *value != "null").or(said.clone().next());
            prop_assert_eq!(data.extra.get(name), want.map(String::as_str));
        }
    }
}
