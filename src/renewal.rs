//! How the token of a record is asked for anew: what a login was asked with that a refresh must repeat.

use token_storage_core::{Error, ErrorKind, Extra, Operation, Result, TokenData};

use crate::TokenResponse;

/// The members of a record's [`extra`](TokenData::extra) that hold it.
const GRANT: &str = "token_storage_grant";
const SCOPE: &str = "token_storage_request_scope";
const PARAMETERS: &str = "token_storage_parameters";

/// What belongs to the protocol itself. A record must not be able to change it.
const PROTOCOL: [&str; 14] = [
    "assertion",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "grant_type",
    "password",
    "redirect_uri",
    "refresh_token",
    "scope",
    "username",
];

/// How a token is asked for anew, as its record says; a refresh keeps it, whatever the answer says.
///
/// ```
/// use token_storage::{Grant, Renewal, TokenResponse};
///
/// let renewal = Renewal::new(Grant::ClientCredentials)
///     .with_scope("read")
///     .with_parameter("resource", "https://api.example.org")?;
/// let answer = TokenResponse::parse(br#"{"access_token":"at","resource_server":"rs"}"#, 0)?.with_renewal(&renewal);
/// assert_eq!(Renewal::of(&answer.primary().to_data()?)?, renewal);
/// # Ok::<(), token_storage::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Renewal {
    /// What is presented for a new token.
    pub grant: Grant,
    /// The scope to ask for. `None`: as it was granted (a refresh then says nothing, RFC 6749 section 6).
    pub scope: Option<String>,
    /// Other parameters of the token request, such as `resource` (RFC 8707) and `audience`, in this order; a name may come
    /// several times.
    pub parameters: Vec<(String, String)>,
}

/// What is presented for a new token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grant {
    /// The record's refresh token.
    #[default]
    RefreshToken,
    /// The client's own credentials (RFC 6749 section 4.4); there is no refresh token.
    ClientCredentials,
}

impl Renewal {
    /// By this grant, with nothing else to say.
    pub fn new(grant: Grant) -> Self {
        Self {
            grant,
            ..Self::default()
        }
    }

    /// Asks for this scope each time.
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Adds a parameter to each token request.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidInput`] for the parameters that the protocol has for itself, such as `grant_type` and
    ///   `client_secret`.
    pub fn with_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Result<Self> {
        let name = name.into();
        if is_of_protocol(&name) {
            let message = format!("the parameter {name:?} of a token request is not for a record to set");
            return Err(Error::new(ErrorKind::InvalidInput, message).with_operation(Operation::Store));
        }
        self.parameters.push((name, value.into()));
        Ok(self)
    }

    /// What a record says; without a word it is its refresh token alone.
    ///
    /// # Errors
    /// - [`ErrorKind::Corrupt`] if what stands there makes no sense, or sets a parameter that the protocol has for itself:
    ///   nothing may be sent on a guess.
    pub fn of(data: &TokenData) -> Result<Self> {
        let grant = match member::<String>(&data.extra, GRANT)?.as_deref() {
            None => Grant::RefreshToken,
            Some("client_credentials") => Grant::ClientCredentials,
            Some(_) => return Err(senseless(GRANT)),
        };
        let parameters: Vec<(String, String)> = member(&data.extra, PARAMETERS)?.unwrap_or_default();
        if parameters.iter().any(|(name, _)| is_of_protocol(name)) {
            return Err(senseless(PARAMETERS));
        }
        Ok(Self {
            grant,
            scope: member(&data.extra, SCOPE)?,
            parameters,
        })
    }

    pub(crate) fn write(&self, extra: &mut Extra) {
        remove(extra);
        let mut set = |name: &str, value: serde_json::Value| {
            // The name is free, and this is JSON.
            let _ = extra.insert(name, &value.to_string());
        };
        if self.grant == Grant::ClientCredentials {
            set(GRANT, "client_credentials".into());
        }
        if let Some(scope) = &self.scope {
            set(SCOPE, scope.as_str().into());
        }
        if !self.parameters.is_empty() {
            set(PARAMETERS, serde_json::json!(self.parameters));
        }
    }
}

impl TokenResponse {
    /// Says how each token of the response is asked for anew.
    pub fn with_renewal(mut self, renewal: &Renewal) -> Self {
        for token in self.tokens_mut() {
            renewal.write(&mut token.extra);
        }
        self
    }
}

/// Takes it out of what a server said: it is not for an answer to say.
pub(crate) fn remove(extra: &mut Extra) {
    for name in [GRANT, SCOPE, PARAMETERS] {
        extra.remove(name);
    }
}

fn is_of_protocol(name: &str) -> bool {
    PROTOCOL.contains(&name)
}

fn member<T: serde::de::DeserializeOwned>(extra: &Extra, name: &str) -> Result<Option<T>> {
    let Some(json) = extra.get(name) else {
        return Ok(None);
    };
    serde_json::from_str(json).map(Some).map_err(|_| senseless(name))
}

fn senseless(name: &str) -> Error {
    let message = format!("the member {name} of the record makes no sense; store the token again, or log in again");
    Error::new(ErrorKind::Corrupt, message).with_operation(Operation::Parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(members: &[(&str, &str)]) -> TokenData {
        let mut data = TokenData::new("rs", "read", "at");
        for (name, json) in members {
            data.extra.insert(*name, json).unwrap();
        }
        data
    }

    #[test]
    fn a_record_that_says_nothing_is_refreshed() {
        assert_eq!(Renewal::of(&record(&[])).unwrap(), Renewal::default());
    }

    #[test]
    fn what_makes_no_sense_or_is_the_protocols_own_is_damage() {
        for (name, json) in [
            (GRANT, "7"),
            (GRANT, "\"password\""),
            (SCOPE, "[]"),
            (PARAMETERS, "{}"),
            (PARAMETERS, "[[\"resource\"]]"),
            (PARAMETERS, "[[\"client_secret\",\"x\"]]"),
            (PARAMETERS, "[[\"audience\",\"x\"],[\"grant_type\",\"password\"]]"),
        ] {
            let error = Renewal::of(&record(&[(name, json)])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{name} {json}");
        }
        for name in PROTOCOL {
            assert!(Renewal::default().with_parameter(name, "x").is_err(), "{name}");
        }
    }

    #[test]
    fn a_server_does_not_say_it_for_itself() {
        let json = r#"{"access_token":"at","resource_server":"rs","token_storage_grant":"client_credentials",
            "token_storage_request_scope":"x","token_storage_parameters":[["audience","x"]]}"#;
        let answer = TokenResponse::parse(json, 0).unwrap();
        let answer = answer.with_issued_by(&crate::IssuedBy::named("https://a.example", "id"));
        assert_eq!(
            Renewal::of(&answer.primary().to_data().unwrap()).unwrap(),
            Renewal::default()
        );
    }
}
