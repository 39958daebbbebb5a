//! How a client says who it is (RFC 6749 section 2.3).

use token_storage_core::Secret;

use super::{
    ClientKey,
    assertion::{ASSERTION_TYPE, Assertion},
};
use crate::manager::EndpointError;

/// How a client with a secret says who it is (RFC 6749 section 2.3). A client with a key has
/// [`OAuthClient::with_key`](super::OAuthClient::with_key).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientAuth {
    /// An `Authorization: Basic` header where there is a secret (`client_secret_basic`); the recommended way.
    #[default]
    Header,
    /// Members of the form (`client_secret_post`).
    Form,
    /// A JWT that proves that the client knows the secret, without sending it (`client_secret_jwt`, HS256).
    SecretJwt,
}

impl ClientAuth {
    /// Its name in RFC 7591 section 2 and OpenID Connect Core section 9: `client_secret_basic`, for instance.
    pub fn name(self) -> &'static str {
        match self {
            Self::Header => "client_secret_basic",
            Self::Form => "client_secret_post",
            Self::SecretJwt => "client_secret_jwt",
        }
    }

    /// The way of this name; `None` for any other, such as `private_key_jwt`, which shows no secret.
    ///
    /// ```
    /// use token_storage::oauth::ClientAuth;
    ///
    /// assert_eq!(ClientAuth::by_name("client_secret_post"), Some(ClientAuth::Form));
    /// assert_eq!(ClientAuth::by_name("none"), None);
    /// ```
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Header, Self::Form, Self::SecretJwt]
            .into_iter()
            .find(|way| way.name() == name)
    }
}

/// The name of authentication by a key.
const PRIVATE_KEY_JWT: &str = "private_key_jwt";

/// What a client has to prove itself with.
#[derive(Clone)]
pub(super) enum Credentials {
    /// A public client.
    None,
    /// The empty text is a secret, too: some servers give none and still want the member.
    Secret(Secret, ClientAuth),
    Key(ClientKey),
}

/// What goes into a request.
pub(super) enum Proof<'a> {
    Basic(&'a str),
    /// Members of the form besides `client_id`.
    Form(Vec<(&'static str, Secret)>),
}

impl Credentials {
    pub(super) fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Secret(secret, _) => Some(secret),
            Self::None | Self::Key(_) => None,
        }
    }

    /// How the client proves itself, by its name in RFC 7591; `None` for a public client.
    pub(super) fn method(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Secret(_, way) => Some(way.name()),
            Self::Key(_) => Some(PRIVATE_KEY_JWT),
        }
    }

    pub(super) fn prove(&self, assertion: &Assertion<'_>) -> Result<Proof<'_>, EndpointError> {
        let by = |jwt| {
            Proof::Form(vec![
                ("client_assertion_type", Secret::from(ASSERTION_TYPE)),
                ("client_assertion", jwt),
            ])
        };
        Ok(match self {
            Self::None => Proof::Form(Vec::new()),
            Self::Secret(secret, ClientAuth::Header) => Proof::Basic(secret.expose()),
            Self::Secret(secret, ClientAuth::Form) => Proof::Form(vec![("client_secret", secret.clone())]),
            Self::Secret(secret, ClientAuth::SecretJwt) => by(assertion.authenticated(secret)?),
            Self::Key(key) => by(assertion.signed(key)?),
        })
    }
}
