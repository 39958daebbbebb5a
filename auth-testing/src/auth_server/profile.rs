//! How real servers differ from RFC 6749, one by one.

use serde_json::{Map, Value, json};

use super::http::Answer;

/// How the token endpoint and its neighbours speak. The default is as RFC 6749 says, and takes any kind of client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// The only way in which clients may authenticate; `None`: any that there is.
    pub client: Option<Client>,
    /// Whether a client's key is known by the thumbprint of its certificate alone (`x5t#S256`).
    pub by_certificate: bool,
    /// The HTTP status of an answer with tokens.
    pub status: u16,
    /// Whether such an answer is form-encoded and not JSON.
    pub form_encoded: bool,
    /// The member that the tokens are in; the answer itself if `None`.
    pub nested: Option<&'static str>,
    /// Whether a refresh is answered with the tokens in the answer itself, wherever those of a login are.
    pub refreshed_plain: bool,
    /// How an answer says when the access token expires.
    pub expiry: Expiry,
    /// How an answer writes scopes.
    pub scopes: Scopes,
    /// How a refresh token is refused.
    pub refusal: Option<Refusal>,
    /// Whether there is an endpoint for revocation (RFC 7009); else it is not found, and not in the metadata.
    pub revokes: bool,
}

/// How a client authenticates (RFC 6749 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Client {
    /// Not at all: it is public.
    Public,
    /// A header: `client_secret_basic`.
    Basic,
    /// Two members of the form: `client_secret_post`.
    Post,
    /// A JWT that proves that it knows its secret: `client_secret_jwt`.
    SecretJwt,
    /// A JWT that is signed with its key: `private_key_jwt`.
    KeyJwt,
}

impl Client {
    /// Its name in RFC 7591 section 2 and OpenID Connect Core section 9.
    pub fn method(self) -> &'static str {
        match self {
            Self::Public => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::SecretJwt => "client_secret_jwt",
            Self::KeyJwt => "private_key_jwt",
        }
    }
}

/// How the expiry is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expiry {
    /// `expires_in`, a number.
    In,
    /// `expires_in`, a number in quotes.
    InText,
    /// `expires_at` besides, seconds since the Unix epoch.
    InAndAt,
    /// Not at all.
    Untold,
}

/// How scopes are separated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scopes {
    /// By spaces.
    Spaces,
    /// By commas.
    Commas,
    /// They are elements of an array.
    Array,
    /// The member is an empty text, whatever was given.
    Empty,
    /// Not told: there is no such member.
    Untold,
}

/// An answer that says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The body, JSON. Where it has [`Refusal::TOKEN`], the refresh token is repeated that was refused.
    pub body: &'static str,
}

impl Refusal {
    /// Stands for the refresh token of the request.
    pub const TOKEN: &'static str = "<refresh_token>";
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            client: None,
            by_certificate: false,
            status: 200,
            form_encoded: false,
            nested: None,
            refreshed_plain: false,
            expiry: Expiry::In,
            scopes: Scopes::Spaces,
            refusal: None,
            revokes: true,
        }
    }
}

impl Profile {
    /// The only token endpoint authentication, or all, for the metadata.
    pub(super) fn methods(&self) -> Value {
        match self.client {
            None => json!([
                "client_secret_basic",
                "client_secret_post",
                "client_secret_jwt",
                "private_key_jwt",
                "none"
            ]),
            Some(client) => json!([client.method()]),
        }
    }

    /// An answer with tokens, to a refresh or to a login, as this server would write it; `now` is seconds since the Unix
    /// epoch.
    pub(super) fn write(&self, tokens: Value, refreshed: bool, now: u64) -> Answer {
        let tokens = match tokens {
            Value::Object(members) => self.members(members, now),
            other => other,
        };
        let outcome = super::Outcome::Issued;
        if self.form_encoded {
            let body = form_encoded(&tokens);
            return Answer::new(self.status, "application/x-www-form-urlencoded", body, outcome);
        }
        let body = match self.nested.filter(|_| !(refreshed && self.refreshed_plain)) {
            Some(name) => json!({ "ok": true, "status": 0, name: tokens }),
            None => tokens,
        };
        Answer::new(self.status, "application/json", body.to_string(), outcome)
    }

    fn members(&self, mut members: Map<String, Value>, now: u64) -> Value {
        let seconds = members.get("expires_in").and_then(Value::as_u64);
        match (self.expiry, seconds) {
            (Expiry::InText, Some(seconds)) => drop(members.insert("expires_in".into(), json!(seconds.to_string()))),
            (Expiry::InAndAt, Some(seconds)) => drop(members.insert("expires_at".into(), json!(now + seconds))),
            (Expiry::Untold, _) => drop(members.remove("expires_in")),
            _ => {}
        }
        let scope = members.get("scope").and_then(Value::as_str).map(str::to_owned);
        if let Some(scope) = scope {
            match self.scopes {
                Scopes::Spaces => {}
                Scopes::Commas => drop(members.insert("scope".into(), json!(scope.replace(' ', ",")))),
                Scopes::Array => {
                    let each: Vec<&str> = scope.split(' ').collect();
                    members.insert("scope".into(), json!(each));
                }
                Scopes::Empty => drop(members.insert("scope".into(), json!(""))),
                Scopes::Untold => drop(members.remove("scope")),
            }
        }
        Value::Object(members)
    }

    /// What comes instead of `invalid_grant`, if this server says it in its own way; `token` was refused.
    pub(super) fn refuse(&self, mut answer: Answer, token: &str) -> Answer {
        if let Some(refusal) = self.refusal {
            answer.status = refusal.status;
            answer.body = refusal.body.replace(Refusal::TOKEN, token);
        }
        answer
    }
}

fn form_encoded(tokens: &Value) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in tokens.as_object().into_iter().flatten() {
        match value {
            Value::String(text) => form.append_pair(name, text),
            other => form.append_pair(name, &other.to_string()),
        };
    }
    form.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_is_nested_as_a_login_or_not() {
        let mut profile = Profile {
            nested: Some("user"),
            ..Profile::default()
        };
        let at = |profile: &Profile, refreshed| -> Value {
            serde_json::from_str(&profile.write(json!({"access_token": "a"}), refreshed, 0).body).unwrap()
        };
        assert_eq!(at(&profile, true)["user"]["access_token"], "a");
        profile.refreshed_plain = true;
        assert_eq!(at(&profile, false)["user"]["access_token"], "a");
        assert_eq!(at(&profile, true)["access_token"], "a");
    }
}
