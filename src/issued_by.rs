//! Which authorization server a token came from. A refresh token is a secret between a client and one server, so a
//! record that does not say which one cannot be used without being told.

use token_storage_core::{Error, ErrorKind, Extra, Operation, Result, TokenData, record::Outline};

use crate::{TokenResponse, lifetime, renewal};

/// The members of a record's [`extra`](TokenData::extra) that hold it, JSON strings all.
const ISSUER: &str = "token_storage_issuer";
const TOKEN_ENDPOINT: &str = "token_storage_token_endpoint";
const CLIENT_ID: &str = "token_storage_client_id";
const REVOCATION_ENDPOINT: &str = "token_storage_revocation_endpoint";
const TOKEN_PATH: &str = "token_storage_token_path";
const CLIENT_AUTH: &str = "token_storage_client_auth";
const OURS: [&str; 6] = [
    ISSUER,
    TOKEN_ENDPOINT,
    CLIENT_ID,
    REVOCATION_ENDPOINT,
    TOKEN_PATH,
    CLIENT_AUTH,
];

/// The authorization server that issued a token, and the client that it was issued to, as the record itself says.
///
/// An `OAuthClient` writes it into everything that it is answered, refuses to redeem or revoke what another server
/// issued, and a refresh keeps it, whatever the answer says. Where a record comes from elsewhere (another program,
/// another library), it may say nothing.
///
/// What a storage says is only as good as the storage: send nothing to an address that was found here without the checks
/// of `oauth::Provider`, which take https only, and nothing that the record does not hold, such as a client's secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IssuedBy {
    /// The server's name for itself.
    pub issuer: Option<String>,
    /// Where its refresh tokens are redeemed.
    pub token_endpoint: Option<String>,
    /// The client's id. A refresh token is good for this client only (RFC 6749 section 6).
    pub client_id: Option<String>,
    /// Where its tokens are revoked. With this and the token endpoint a record is all that a refresh and a logout need.
    pub revocation_endpoint: Option<String>,
    /// Where in its answers the token is ([`TokenPath`](crate::TokenPath)), if it wraps it.
    pub token_path: Option<String>,
    /// How the client proved who it is, by its name in RFC 7591 section 2 and OpenID Connect Core section 9:
    /// `client_secret_basic`, `client_secret_post`, `client_secret_jwt` or `private_key_jwt`. `None`: a public client, or not
    /// known. Never the secret or the key itself, so a refresh has to be given that.
    pub client_auth: Option<String>,
}

impl IssuedBy {
    /// A server that is known by its name alone.
    pub fn named(issuer: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            issuer: Some(issuer.into()),
            client_id: Some(client_id.into()),
            ..Self::default()
        }
    }

    /// What a record says; `None` if it names no server.
    ///
    /// # Errors
    /// - [`ErrorKind::Corrupt`] if what stands there is not text: nothing may be sent on a guess.
    pub fn of(data: &TokenData) -> Result<Option<Self>> {
        Self::of_extra(&data.extra)
    }

    /// What the outline of a record says, as [`IssuedBy::of`] the record.
    ///
    /// # Errors
    /// - As [`IssuedBy::of`].
    pub fn of_outline(outline: &Outline<'_>) -> Result<Option<Self>> {
        Self::of_members(|name| outline.extra(name))
    }

    pub(crate) fn of_extra(extra: &Extra) -> Result<Option<Self>> {
        Self::of_members(|name| extra.get(name))
    }

    fn of_members<'a>(member: impl Fn(&str) -> Option<&'a str>) -> Result<Option<Self>> {
        let text = |name| text(member(name), name);
        let found = Self {
            issuer: text(ISSUER)?,
            token_endpoint: text(TOKEN_ENDPOINT)?,
            client_id: text(CLIENT_ID)?,
            revocation_endpoint: text(REVOCATION_ENDPOINT)?,
            token_path: text(TOKEN_PATH)?,
            client_auth: text(CLIENT_AUTH)?,
        };
        Ok(found.names_a_server().then_some(found))
    }

    fn names_a_server(&self) -> bool {
        self.issuer.is_some() || self.token_endpoint.is_some()
    }

    /// Whether both are the same server: by the name if both have one (a slash at its end does not matter), else by the
    /// token endpoint. False if they cannot be compared.
    pub fn is_same_server(&self, other: &Self) -> bool {
        let name = |of: &Self| of.issuer.as_deref().map(|name| name.trim_end_matches('/').to_owned());
        match (name(self), name(other)) {
            (Some(one), Some(another)) => one == another,
            _ => self.token_endpoint.is_some() && self.token_endpoint == other.token_endpoint,
        }
    }

    /// Whether both are the same client. One that is not known may be any.
    pub fn is_same_client(&self, other: &Self) -> bool {
        match (&self.client_id, &other.client_id) {
            (Some(one), Some(another)) => one == another,
            _ => true,
        }
    }

    /// Whether the tokens of a record may be sent to this server by this client. A record that names no server is taken
    /// for one of theirs; one whose members make no sense is not.
    pub fn accepts(&self, data: &TokenData) -> bool {
        match Self::of(data) {
            Ok(Some(theirs)) => self.is_same_server(&theirs) && self.is_same_client(&theirs),
            Ok(None) => true,
            Err(_) => false,
        }
    }

    /// Whether a record belongs to this server and this client, as far as anybody can tell; its tokens may then be replaced
    /// by what this server answers.
    ///
    /// Stricter than [`accepts`](Self::accepts): of a record that names no server it is only known where both are Globus's,
    /// whose Python SDK does not say so in its records.
    pub fn owns(&self, data: &TokenData) -> bool {
        match Self::of(data) {
            Ok(Some(theirs)) => self.is_same_server(&theirs) && self.is_same_client(&theirs),
            Ok(None) => self.is_globus() && looks_like_globus(data),
            Err(_) => false,
        }
    }

    #[cfg(feature = "globus")]
    fn is_globus(&self) -> bool {
        let named = self.issuer.as_deref();
        named.is_some_and(|issuer| {
            let here = crate::globus::Environment::from_variables().ok();
            here.is_some_and(|environment| environment.is_issuer(issuer))
                || crate::globus::Environment::of_issuer(issuer).is_some()
        })
    }

    #[cfg(not(feature = "globus"))]
    fn is_globus(&self) -> bool {
        false
    }

    /// What to store tokens of this server under that name no resource server: host, port and path of its issuer, so that
    /// realms, tenants and ports are told apart. Of a server without a name it is host and port of its token endpoint, whose
    /// path tells nothing.
    ///
    /// ```
    /// use token_storage::IssuedBy;
    ///
    /// let name = |issuer| IssuedBy::named(issuer, "id").default_name();
    /// assert_eq!(name("https://auth.example.org/").as_deref(), Some("auth.example.org"));
    /// assert_eq!(name("https://auth.example.org:8443/realms/a").as_deref(), Some("auth.example.org:8443/realms/a"));
    /// ```
    pub fn default_name(&self) -> Option<String> {
        let (_, name) = self.server_name()?.split_once("://")?;
        let name = match self.issuer {
            Some(_) => name.trim_end_matches('/'),
            None => name.split('/').next().unwrap_or_default(),
        };
        Some(name.to_owned()).filter(|name| !name.is_empty())
    }

    /// The host of the token endpoint, or of the issuer, without its port.
    #[cfg(feature = "manager")]
    pub(crate) fn host(&self) -> Option<&str> {
        let name = self.token_endpoint.as_deref().or(self.issuer.as_deref())?;
        let authority = name.split_once("://")?.1.split(['/', '?', '#']).next()?;
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        match host.strip_prefix('[') {
            Some(_) => host.find(']').map(|end| &host[..=end]),
            None => host.split(':').next(),
        }
    }

    /// The server's name for people: its issuer, or its token endpoint, cut to what an address can be.
    pub fn server_name(&self) -> Option<&str> {
        let name = self.issuer.as_deref().or(self.token_endpoint.as_deref())?;
        let plain = name.len() <= 300 && name.bytes().all(|b| b.is_ascii_graphic());
        plain.then_some(name)
    }

    /// Writes it into a record, in place of what was there.
    pub(crate) fn write(&self, extra: &mut Extra) {
        for (name, value) in [
            (ISSUER, &self.issuer),
            (TOKEN_ENDPOINT, &self.token_endpoint),
            (CLIENT_ID, &self.client_id),
            (REVOCATION_ENDPOINT, &self.revocation_endpoint),
            (TOKEN_PATH, &self.token_path),
            (CLIENT_AUTH, &self.client_auth),
        ] {
            extra.remove(name);
            if let Some(value) = value {
                // The name is free, and this is JSON.
                let _ = extra.insert(name, &serde_json::Value::from(value.as_str()).to_string());
            }
        }
    }
}

impl TokenResponse {
    /// Says which server answered, for every token of the response, whatever the response itself says of it. What else a
    /// server says in the words of this library is left out.
    pub fn with_issued_by(mut self, issued_by: &IssuedBy) -> Self {
        for token in self.tokens_mut() {
            issued_by.write(&mut token.extra);
            renewal::remove(&mut token.extra);
            lifetime::remove(&mut token.extra);
        }
        self
    }
}

#[cfg(feature = "globus")]
fn looks_like_globus(data: &TokenData) -> bool {
    crate::globus::scopes::is_globus(data)
}

#[cfg(not(feature = "globus"))]
fn looks_like_globus(_: &TokenData) -> bool {
    false
}

/// For a merge: the server does not change with a refresh, and an answer must not send the next one elsewhere.
pub(crate) fn stays(name: &str, stored: &Extra) -> bool {
    OURS.contains(&name) && [ISSUER, TOKEN_ENDPOINT].iter().any(|name| stored.get(name).is_some())
}

fn text(json: Option<&str>, name: &str) -> Result<Option<String>> {
    let Some(json) = json else {
        return Ok(None);
    };
    serde_json::from_str(json).map_err(|_| {
        let message = format!("the member {name} of the record is not text; store the token again, or log in again");
        Error::new(ErrorKind::Corrupt, message).with_operation(Operation::Parse)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge;

    fn server(issuer: Option<&str>, token_endpoint: Option<&str>, client_id: Option<&str>) -> IssuedBy {
        IssuedBy {
            issuer: issuer.map(str::to_owned),
            token_endpoint: token_endpoint.map(str::to_owned),
            client_id: client_id.map(str::to_owned),
            ..IssuedBy::default()
        }
    }

    fn answer(json: &str) -> TokenResponse {
        TokenResponse::parse(json, 0).unwrap()
    }

    fn record(json: &str) -> TokenData {
        answer(json)
            .with_resource_server("rs")
            .unwrap()
            .primary()
            .to_data()
            .unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let one = server(Some("https://a.example/\"\n"), Some("https://a.example/t"), Some("id"));
        let marked = answer(r#"{"access_token":"at","resource_server":"rs","token_storage_issuer":"https://evil"}"#)
            .with_issued_by(&one);
        let data = marked.primary().to_data().unwrap();
        assert_eq!(IssuedBy::of(&data).unwrap(), Some(one.clone()));
        assert_eq!(IssuedBy::of_outline(&Outline::of(&data)).unwrap(), Some(one));
        assert_eq!(IssuedBy::of(&record(r#"{"access_token":"at"}"#)).unwrap(), None);
    }

    #[test]
    fn servers_are_compared_by_name_then_by_endpoint() {
        let (a, t) = (Some("https://a.example"), Some("https://a.example/t"));
        let slash = Some("https://a.example/");
        for (one, another, same) in [
            ((a, None), (slash, t), true),
            ((a, t), (Some("https://b.example"), t), false),
            ((None, t), (a, t), true),
            ((None, t), (None, Some("https://b.example/t")), false),
            ((a, None), (None, t), false),
            ((None, None), (None, None), false),
        ] {
            let [one, another] = [one, another].map(|(issuer, endpoint)| server(issuer, endpoint, None));
            assert_eq!(one.is_same_server(&another), same, "{one:?} {another:?}");
            assert_eq!(another.is_same_server(&one), same, "{one:?} {another:?}");
        }
    }

    #[test]
    fn where_a_server_is_asked_stays_too() {
        let mut all = server(Some("https://a.example"), Some("https://a.example/t"), Some("id"));
        all.revocation_endpoint = Some("https://a.example/r".into());
        all.token_path = Some("authed_user".into());
        all.client_auth = Some("private_key_jwt".into());
        let marked = answer(r#"{"access_token":"at","resource_server":"rs"}"#).with_issued_by(&all);
        let stored = marked.primary().to_data().unwrap();
        assert_eq!(IssuedBy::of(&stored).unwrap(), Some(all.clone()));
        let evil = answer(
            r#"{"access_token":"new","token_storage_revocation_endpoint":"https://evil","token_storage_token_path":"x",
                "token_storage_client_auth":"none"}"#,
        );
        assert_eq!(IssuedBy::of(&merge(&stored, evil.primary())).unwrap(), Some(all));
    }

    /// L8, and more: here the answer's members do not win.
    #[test]
    fn a_refresh_does_not_move_a_record_to_another_server() {
        let stored = record(r#"{"access_token":"at","token_storage_issuer":"https://a.example"}"#);
        let evil =
            answer(r#"{"access_token":"new","token_storage_issuer":"https://evil","token_storage_client_id":"x"}"#);
        let merged = merge(&stored, evil.primary());
        assert_eq!(
            IssuedBy::of(&merged).unwrap(),
            Some(server(Some("https://a.example"), None, None))
        );
        let unmarked = record(r#"{"access_token":"at"}"#);
        assert!(IssuedBy::of(&merge(&unmarked, evil.primary())).unwrap().is_some());
    }

    #[test]
    fn what_is_not_text_is_damage() {
        let odd = record(r#"{"access_token":"at","token_storage_issuer":7}"#);
        assert_eq!(IssuedBy::of(&odd).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
