//! L8: no sequence of partial responses loses refresh token, scope, identity or unknown members.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use token_storage::{
    MemoryStorage, Precondition, Secret, TokenData, TokenResponse, TokenStorage, TokenStorageExt as _, async_trait,
    manager::{EndpointError, RefreshRequest, RevokeRequest, TokenEndpoint, TokenManager},
};

use crate::{
    storages,
    support::{TestClock, key},
};

/// Answers what it was given, in that order, and keeps the refresh tokens that it was sent.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    answers: Mutex<VecDeque<Value>>,
    seen: Mutex<Vec<Secret>>,
}

impl Scripted {
    pub(crate) fn answer(&self, answer: Value) {
        self.answers.lock().unwrap().push_back(answer);
    }
}

#[async_trait]
impl TokenEndpoint for Scripted {
    async fn refresh(&self, request: RefreshRequest<'_>) -> Result<TokenResponse, EndpointError> {
        self.seen
            .lock()
            .unwrap()
            .push(request.data.refresh_token.clone().unwrap());
        let answer = self
            .answers
            .lock()
            .unwrap()
            .pop_front()
            .expect("an answer for each request");
        TokenResponse::parse(answer.to_string(), request.now).map_err(|_| EndpointError::transient("unreadable"))
    }

    fn accepts(&self, _: &TokenData) -> Result<(), EndpointError> {
        Ok(())
    }

    async fn revoke(&self, _: RevokeRequest<'_>) -> Result<(), EndpointError> {
        panic!("nothing is revoked here");
    }
}

/// A member that is there, null, or missing.
fn sometimes(
    name: &'static str,
    value: impl Strategy<Value = Value>,
) -> impl Strategy<Value = (String, Option<Value>)> {
    prop_oneof![Just(None), Just(Some(Value::Null)), value.prop_map(Some),]
        .prop_map(move |value| (name.to_owned(), value))
}

fn text() -> impl Strategy<Value = Value> {
    "[a-z0-9]{1,12}".prop_map(Value::String)
}

fn answer() -> impl Strategy<Value = Value> {
    let members = (
        sometimes("refresh_token", prop_oneof![text(), Just(json!(""))]),
        sometimes("scope", text()),
        sometimes("token_type", Just(json!("Bearer"))),
        sometimes("resource_server", Just(json!("elsewhere"))),
        sometimes("extra_one", text()),
        sometimes("extra_two", (0..1000_i64).prop_map(Value::from)),
    );
    ("[a-z0-9]{8}", members).prop_map(|(access_token, (a, b, c, d, e, f))| {
        let present = [a, b, c, d, e, f]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let mut members: Map<String, Value> = present.collect();
        members.insert("access_token".into(), json!(access_token));
        members.insert("expires_in".into(), json!(0));
        Value::Object(members)
    })
}

/// What the record must say of a member after these answers.
fn last<'a>(answers: &'a [Value], name: &str) -> Option<&'a Value> {
    let given = |answer: &'a Value| {
        answer
            .get(name)
            .filter(|value| !value.is_null() && *value != &json!(""))
    };
    answers.iter().rev().find_map(given)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn l8_nothing_is_lost(answers in prop::collection::vec(answer(), 1..8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(Arc::new(MemoryStorage::new()), &answers))?;
    }
}

proptest! {
    // Few: each refresh waits for the disk.
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn l8_nothing_is_lost_on_any_storage(answers in prop::collection::vec(answer(), 1..5)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for place in storages::all().await {
                check(place.open(), &answers).await?;
            }
            Ok::<_, TestCaseError>(())
        })?;
    }
}

async fn check(storage: Arc<dyn TokenStorage>, answers: &[Value]) -> Result<(), TestCaseError> {
    let mut first = TokenData::new("rs", "first scope", "first")
        .with_refresh_token("first-refresh")
        .with_identity_id("identity")
        .with_expires_at(0);
    first.extra.insert("kept", "[1, 2]").unwrap();
    storage.store(&key(), &first, Precondition::Any).await.unwrap();
    let endpoint = Arc::new(Scripted::default());
    endpoint.answers.lock().unwrap().extend(answers.iter().cloned());
    let manager = TokenManager::builder(storage.clone(), endpoint.clone());
    let manager = manager.clock(TestClock::new()).build().unwrap();
    for count in 1..=answers.len() {
        manager.access_token(&key()).await.unwrap();
        let so_far = &answers[..count];
        let data = storage.get(&key()).await.unwrap().unwrap().data;
        let text = |name: &str, default: &str| last(so_far, name).and_then(Value::as_str).unwrap_or(default).to_owned();
        prop_assert_eq!(data.access_token.expose(), text("access_token", ""));
        let refresh_token = data.refresh_token.unwrap();
        prop_assert_eq!(refresh_token.expose(), text("refresh_token", "first-refresh"));
        prop_assert_eq!(data.scope, text("scope", "first scope"));
        prop_assert_eq!(data.identity_id.as_deref(), Some("identity"));
        prop_assert_eq!(data.resource_server, "rs");
        prop_assert_eq!(data.extra.get("kept"), Some("[1, 2]"));
        for name in ["extra_one", "extra_two"] {
            if let Some(want) = last(so_far, name) {
                let want = want.to_string();
                prop_assert_eq!(data.extra.get(name), Some(want.as_str()));
            }
        }
    }
    prop_assert_eq!(endpoint.seen.lock().unwrap().len(), answers.len());
    Ok(())
}
