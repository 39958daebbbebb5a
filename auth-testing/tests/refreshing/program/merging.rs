//! What becomes of a record and an answer together.

use serde_json::Value;
use token_storage_core::TokenData;

use super::{LIFETIME, Program, now};
use crate::flaw::Flaw;

impl Program {
    pub(super) fn merge(&self, stored: &TokenData, answer: &Value) -> TokenData {
        let text = |name: &str| {
            let text = answer[name].as_str();
            text.filter(|text| !text.is_empty() || self.has(Flaw::TakesEmptyMembers))
        };
        let mut data = stored.clone();
        if self.has(Flaw::LosesMembers) {
            data.extra = Default::default();
        }
        if self.has(Flaw::LosesIdentity) {
            data.identity_id = None;
        }
        if self.has(Flaw::LosesTokenType) {
            data.token_type = None;
        }
        if self.has(Flaw::LosesScope) {
            data.scope = String::new();
        }
        if self.has(Flaw::LosesRefreshToken) {
            data.refresh_token = None;
        }
        data.access_token = text("access_token").unwrap_or_default().into();
        if let Some(token) = text("refresh_token").filter(|_| !self.has(Flaw::KeepsRefreshToken)) {
            data.refresh_token = Some(token.into());
        }
        if let Some(scope) = text("scope").filter(|_| !self.has(Flaw::KeepsScope)) {
            data.scope = scope.into();
        }
        if let Some(token_type) = text("token_type").filter(|_| !self.has(Flaw::KeepsTokenType)) {
            data.token_type = Some(token_type.into());
        }
        let lifetime = self.lifetime(answer);
        match lifetime {
            Some(lifetime) => data.extra.insert(LIFETIME, &lifetime.to_string()).unwrap(),
            None => drop(data.extra.remove(LIFETIME)),
        }
        data.expires_at = match lifetime {
            Some(lifetime) if self.has(Flaw::ExpiryIsALifetime) => Some(lifetime),
            Some(lifetime) => Some(now().saturating_add(lifetime)),
            None if self.has(Flaw::NoExpiryIsForEver) => Some(i64::MAX),
            None if self.has(Flaw::NoExpiryIsNow) => Some(now()),
            None if self.has(Flaw::NoExpiryIsTheOldOne) => stored.expires_at,
            None => None,
        };
        data
    }

    /// `expires_in`, unless it makes no sense: a thousand years are absurd.
    fn lifetime(&self, answer: &Value) -> Option<i64> {
        let lifetime = answer["expires_in"].as_i64()?;
        let believed = match self.flaw {
            Some(Flaw::NegativeExpiryIsBelieved) => i64::MIN..=31_556_952_000,
            Some(Flaw::AbsurdExpiryIsBelieved) => 0..=i64::MAX,
            Some(Flaw::ZeroIsUnknown) => 1..=31_556_952_000,
            _ => 0..=31_556_952_000,
        };
        believed.contains(&lifetime).then_some(lifetime)
    }
}
