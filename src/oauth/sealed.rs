//! A login that waits somewhere else than in this process: in a cookie, or a database that several instances share.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{aead, hkdf};
use serde::{Deserialize, Serialize};
use token_storage_core::Secret;
use url::Url;
use zeroize::Zeroizing;

use super::{LoginError, LoginErrorKind, OAuthClient, PendingLogin, client::unix_now, redirect::Expected};
use crate::Renewal;

/// Also the version: another form gets another name.
const PURPOSE: &[u8] = b"token-storage pending login 1";
const SALT: usize = 32;

/// The key that seals logins that wait: 32 random bytes that all instances of a program share. `Debug` does not show it.
pub struct LoginKey(Zeroizing<[u8; 32]>);

impl LoginKey {
    /// This key. It has to be random, not a password.
    pub fn new(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// Each sealed login has a key of its own, from a random salt, so that no nonce is used twice.
    fn for_one(&self, salt: &[u8]) -> Result<aead::LessSafeKey, LoginError> {
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(&*self.0);
        let okm = extracted.expand(&[PURPOSE], &aead::CHACHA20_POLY1305);
        let okm = okm.map_err(|_| LoginError::new(LoginErrorKind::Local, "no key can be made"))?;
        Ok(aead::LessSafeKey::new(aead::UnboundKey::from(okm)))
    }
}

impl fmt::Debug for LoginKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginKey(***)")
    }
}

#[derive(Serialize, Deserialize)]
struct Content {
    expires_at: i64,
    scope: String,
    /// Those of token requests ([`Renewal`]).
    parameters: Vec<(String, String)>,
    url: String,
    redirect_uri: String,
    state: String,
    issuer: Option<String>,
    issuer_required: bool,
    nonce: Option<String>,
    verifier: String,
}

impl PendingLogin {
    /// The login as text (letters, digits, `-`, `_`) that only [`OAuthClient::resume_login`] with the same key can read, for
    /// `lifetime_seconds` from now. It may be kept by the browser itself, in a cookie that is `HttpOnly` and `Secure`: that
    /// also makes sure that the browser that ends the login is the one that began it.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Local`] if this machine gives no random numbers.
    pub fn seal(&self, key: &LoginKey, lifetime_seconds: u32) -> Result<Secret, LoginError> {
        let text = |secret: &Secret| secret.expose().to_owned();
        let content = Content {
            expires_at: unix_now().saturating_add(lifetime_seconds.into()),
            scope: self.scope.clone(),
            parameters: self.renewal.parameters.clone(),
            url: self.url.to_string(),
            redirect_uri: self.redirect_uri.clone(),
            state: text(&self.expected.state),
            issuer: self.expected.issuer.clone(),
            issuer_required: self.expected.issuer_required,
            nonce: self.nonce.as_ref().map(text),
            verifier: text(&self.verifier),
        };
        let failed = || LoginError::new(LoginErrorKind::Local, "the login cannot be sealed: no random numbers");
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(|_| failed())?;
        let mut sealed = serde_json::to_vec(&content).map_err(|_| failed())?;
        key.for_one(&salt)?
            .seal_in_place_append_tag(nonce(), aead::Aad::from(self.client.seal_of()), &mut sealed)
            .map_err(|_| failed())?;
        Ok(Secret::new(URL_SAFE_NO_PAD.encode([&salt[..], &sealed].concat())))
    }
}

impl OAuthClient {
    /// Goes on with a login that [`PendingLogin::seal`] has sealed, here or in another process. The client must be the same,
    /// at the same server.
    ///
    /// # Errors
    /// - [`LoginErrorKind::TimedOut`] if its time is over.
    /// - [`LoginErrorKind::StateMismatch`] if it was changed, or sealed by another key or for another client.
    pub fn resume_login(&self, sealed: &str, key: &LoginKey) -> Result<PendingLogin, LoginError> {
        let content = self.unsealed(sealed, key)?.ok_or_else(|| {
            let message = "was not asked with this: it is no login that was begun here; start again";
            LoginError::about(self.provider.server_name(), LoginErrorKind::StateMismatch, message)
        })?;
        if content.expires_at <= unix_now() {
            return Err(LoginError::late(self.provider.server_name(), "finished"));
        }
        Ok(PendingLogin {
            client: self.clone(),
            scope: content.scope,
            renewal: Renewal {
                parameters: content.parameters,
                ..Renewal::default()
            },
            url: Url::parse(&content.url).map_err(|_| LoginError::configuration("the login's address is not a URL"))?,
            redirect_uri: content.redirect_uri,
            expected: Expected {
                server: self.provider.server_name().to_owned(),
                state: content.state.into(),
                issuer: content.issuer,
                issuer_required: content.issuer_required,
            },
            nonce: content.nonce.map(Secret::from),
            verifier: content.verifier.into(),
        })
    }

    fn unsealed(&self, sealed: &str, key: &LoginKey) -> Result<Option<Content>, LoginError> {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(sealed) else {
            return Ok(None);
        };
        let mut bytes = Zeroizing::new(bytes);
        let Some((salt, rest)) = bytes.split_at_mut_checked(SALT) else {
            return Ok(None);
        };
        let opened = key
            .for_one(salt)?
            .open_in_place(nonce(), aead::Aad::from(self.seal_of()), rest);
        Ok(opened.ok().and_then(|json| serde_json::from_slice(json).ok()))
    }

    /// What a sealed login is bound to.
    fn seal_of(&self) -> Vec<u8> {
        format!("{}\n{}", self.client_id, self.provider.token_endpoint).into_bytes()
    }
}

/// Each key is used once.
fn nonce() -> aead::Nonce {
    aead::Nonce::assume_unique_for_key([0; aead::NONCE_LEN])
}
