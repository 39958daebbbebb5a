//! id_tokens that a client must refuse.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::jwt::{self, KEY_ID};

/// What is wrong with an id_token. All but the last four are signed as they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IdTokenFlaw {
    /// Of another issuer.
    Issuer,
    /// For another client.
    Audience,
    /// For two other clients.
    Audiences,
    /// For this client and another, without saying which of them asked. Not in [`ALL`](Self::ALL): OpenID Connect Core
    /// leaves it to the client whether it trusts the others.
    NoParty,
    /// Asked for by another client.
    Party,
    /// Expired an hour ago.
    Expired,
    /// Not valid for an hour yet.
    NotYet,
    /// Of another login, or of none.
    Nonce,
    /// Names nobody.
    Nobody,
    /// Demands an extension that nobody knows.
    Critical,
    /// Signed with a key that is not among the server's.
    UnknownKey,
    /// Its claims were changed after signing.
    Signature,
    /// Not signed, and says so: `alg` is `none`.
    Unsigned,
    /// Says that it is signed with a shared secret, and takes the public key for it.
    SharedSecret,
    /// Not a JWT.
    Garbage,
}

impl IdTokenFlaw {
    /// All that every client must refuse.
    pub const ALL: [Self; 14] = [
        Self::Issuer,
        Self::Audience,
        Self::Audiences,
        Self::Party,
        Self::Expired,
        Self::NotYet,
        Self::Nonce,
        Self::Nobody,
        Self::Critical,
        Self::UnknownKey,
        Self::Signature,
        Self::Unsigned,
        Self::SharedSecret,
        Self::Garbage,
    ];

    /// The flawed form of a good id_token.
    pub(super) fn apply(self, good: &str) -> String {
        let parts: Vec<&str> = good.split('.').collect();
        let mut header = json!({"typ": "JWT", "alg": "RS512", "kid": KEY_ID});
        let mut claims = decoded(parts[1]);
        let now = claims["iat"].as_u64().unwrap_or_default();
        match self {
            Self::Issuer => claims["iss"] = "https://elsewhere.example.org".into(),
            Self::Audience => claims["aud"] = "another-client".into(),
            Self::Audiences => claims["aud"] = json!(["another-client", "a-third"]),
            Self::NoParty => claims["aud"] = json!([claims["aud"], "another-client"]),
            Self::Party => claims["azp"] = "another-client".into(),
            Self::Expired => claims["exp"] = (now - 3600).into(),
            Self::NotYet => claims["nbf"] = (now + 3600).into(),
            Self::Nonce => claims["nonce"] = "another-nonce".into(),
            Self::Nobody => claims["sub"] = "".into(),
            Self::Critical => header["crit"] = json!(["exp"]),
            Self::UnknownKey => header["kid"] = "another-key".into(),
            Self::Signature => {
                claims["sub"] = "mallory".into();
                return format!("{}.{}.{}", parts[0], encoded(&claims), parts[2]);
            }
            Self::Unsigned => return format!("{}.{}.", encoded(&json!({"alg": "none"})), parts[1]),
            Self::SharedSecret => {
                header["alg"] = "HS256".into();
                let message = format!("{}.{}", encoded(&header), parts[1]);
                return format!("{message}.{}", jwt::authenticated_with_public_key(&message));
            }
            Self::Garbage => return "garbage".into(),
        }
        jwt::sign(&header, &claims)
    }
}

fn decoded(part: &str) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}
