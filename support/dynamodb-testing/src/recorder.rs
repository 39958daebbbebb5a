use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_sdk_dynamodb::{
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextRef},
    error::BoxError,
};
use serde_json::Value;

/// The hash key of tables made for tokens.
const KEY: &str = "token_data_id";

/// Records the action of every request that is sent, retries included, and the partition keys it names.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    seen: Arc<Mutex<Seen>>,
    allowed: Option<&'static [&'static str]>,
}

#[derive(Debug, Default)]
struct Seen {
    actions: BTreeMap<String, usize>,
    keys: BTreeSet<String>,
}

impl Recorder {
    /// One that lets only these actions through; any other fails its call.
    pub fn allowing(actions: &'static [&'static str]) -> Self {
        Self {
            allowed: Some(actions),
            ..Self::default()
        }
    }

    /// How often each action was sent so far, those that were not let through included.
    pub fn actions(&self) -> BTreeMap<String, usize> {
        self.seen().actions.clone()
    }

    /// How many requests were sent so far.
    pub fn requests(&self) -> usize {
        self.seen().actions.values().sum()
    }

    /// Every partition key that a request named so far.
    pub fn keys(&self) -> BTreeSet<String> {
        self.seen().keys.clone()
    }

    /// Forgets what was recorded.
    pub fn clear(&self) {
        *self.seen() = Seen::default();
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    /// Here the body is still in memory.
    fn read_after_serialization(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.request().body().bytes().ok_or("the body is not in memory")?;
        collect_keys(&serde_json::from_slice(body)?, &mut self.seen().keys);
        Ok(())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let target = context.request().headers().get("x-amz-target").unwrap_or_default();
        let action = target.rsplit('.').next().unwrap_or_default();
        *self.seen().actions.entry(action.to_owned()).or_default() += 1;
        match self.allowed {
            Some(allowed) if !allowed.contains(&action) => Err(format!("{action} must never be sent").into()),
            _ => Ok(()),
        }
    }
}

/// Wherever an item or a primary key is in a request.
fn collect_keys(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(key) = members.get(KEY).and_then(|key| key["S"].as_str()) {
                keys.insert(key.to_owned());
            }
            members.values().for_each(|value| collect_keys(value, keys));
        }
        Value::Array(values) => values.iter().for_each(|value| collect_keys(value, keys)),
        _ => {}
    }
}
