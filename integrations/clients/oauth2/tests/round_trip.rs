//! Tokens of the crate `oauth2`, to and fro.

use std::collections::BTreeMap;

use oauth2::{
    AccessToken, EmptyExtraTokenFields, ExtraTokenFields, StandardTokenResponse, TokenResponse as _,
    basic::{BasicTokenResponse, BasicTokenType},
};
use serde::{Deserialize, Serialize};
use token_storage::{ErrorKind, Extra, Result, TokenData};
use token_storage_oauth2::{response_of, to_oauth2};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Everything(BTreeMap<String, serde_json::Value>);
impl ExtraTokenFields for Everything {}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wanted {
    tenant: u32,
}
impl ExtraTokenFields for Wanted {}

const NOW: i64 = 1_795_649_003;

fn record() -> TokenData {
    let mut extra = Extra::new();
    extra.insert("id_token", r#""eyJ\"é""#).unwrap();
    extra.insert("tenant", "7").unwrap();
    extra
        .insert("token_storage_issuer", r#""https://login.example.org""#)
        .unwrap();
    TokenData::new("api", "read write", "a \"canary\"\u{7f}é")
        .with_refresh_token("rt")
        .with_token_type("Bearer")
        .with_expires_at(NOW + 3600)
        .with_extra(extra)
}

#[test]
fn everything_comes_back() {
    let there: StandardTokenResponse<Everything, BasicTokenType> = to_oauth2(&record(), NOW).unwrap();
    assert_eq!(
        there.extra_fields().0.keys().collect::<Vec<_>>(),
        ["id_token", "tenant"]
    );
    let back = response_of(&there, NOW).unwrap().with_resource_server("api").unwrap();
    let back = back.primary().to_data().unwrap();
    let mut want = record();
    want.extra.remove("token_storage_issuer");
    want.token_type = Some("bearer".to_owned());
    assert_eq!(back, want);
}

#[test]
fn k8_what_is_not_known_stays_so() {
    let plain = TokenData::new("api", "", "at");
    let there: BasicTokenResponse = to_oauth2(&plain, NOW).unwrap();
    assert_eq!(
        (there.expires_in(), there.scopes(), there.refresh_token().is_none()),
        (None, None, true)
    );
    assert_eq!(there.token_type(), &BasicTokenType::Bearer);
    let back = response_of(&there, NOW).unwrap();
    assert_eq!(back.primary().expires_at, None);
    let expired: BasicTokenResponse = to_oauth2(&plain.with_expires_at(i64::MIN), NOW).unwrap();
    assert_eq!(expired.expires_in().unwrap().as_secs(), 0);
}

#[test]
fn s1_what_does_not_fit_is_not_quoted() {
    let mut data = record();
    data.extra.insert("tenant", r#""canary""#).unwrap();
    let fits: Result<StandardTokenResponse<Wanted, BasicTokenType>> = to_oauth2(&data, NOW);
    let error = fits.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(!format!("{error:?} {error}").contains("canary"));
    let empty = StandardTokenResponse::new(
        AccessToken::new(String::new()),
        BasicTokenType::Bearer,
        EmptyExtraTokenFields {},
    );
    assert_eq!(response_of(&empty, NOW).unwrap_err().kind(), ErrorKind::InvalidInput);
}
