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
