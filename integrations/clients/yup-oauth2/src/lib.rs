//! Storages of token-storage for `with_storage` of [yup-oauth2](yup_oauth2), version 12.
//!
//! ```
//! use std::sync::Arc;
//!
//! use token_storage::TokenStorage;
//! use token_storage_yup_oauth2::YupTokens;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> token_storage::Result<()> {
//! let storage: Arc<dyn TokenStorage> = token_storage::open("memory:").await?;
//! let tokens = YupTokens::new(storage, "alice");
//! // InstalledFlowAuthenticator::builder(secret, method).with_storage(Box::new(tokens)).build().await
//! # let _ = tokens;
//! # Ok(()) }
//! ```
//!
//! yup-oauth2 refreshes by itself, each process for itself. At a server that takes each refresh token once (rotation) that
//! logs people out. With [`YupTokens::managed`] a [`TokenManager`] refreshes in its place, once for all processes: what
//! yup-oauth2 then finds has not expired. Google's servers do not rotate; many others do.

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use time::OffsetDateTime;
use token_storage::{
    Error, ErrorKind, Namespaced, Result, TokenData, TokenResponse, TokenStorage, async_trait,
    backend::record::push_json_string,
    manager::{ManagerError, ManagerErrorKind, ReauthReason, TokenManager},
    refuse_sealed,
};
use yup_oauth2::storage::{TokenInfo, TokenStorage as YupStorage, TokenStorageError};
use zeroize::Zeroizing;

/// Keeps the tokens of an authenticator in a namespace, under their scopes: sorted, with a space between them.
///
/// A token without an access token (an ID token alone) cannot be kept. For yup-oauth2 a token that cannot be read is one that
/// is not there, and it logs in anew; [`on_error`](Self::on_error) tells the reason.
pub struct YupTokens<S = Arc<dyn TokenStorage>> {
    tokens: Namespaced<S>,
    manager: Option<TokenManager<S>>,
    on_error: Option<OnError>,
}

type OnError = Arc<dyn Fn(&(dyn std::error::Error + 'static)) + Send + Sync>;

impl<S: TokenStorage + Clone + 'static> YupTokens<S> {
    /// yup-oauth2 refreshes.
    pub fn new(storage: S, namespace: &str) -> Self {
        Self {
            tokens: Namespaced::new(storage, namespace),
            manager: None,
            on_error: None,
        }
    }

    /// The manager refreshes, once for all processes: yup-oauth2 finds tokens that have not expired and sees no refresh token.
    /// The manager's endpoint must be the server, and its client the one, that the authenticator logs in with.
    pub fn managed(manager: TokenManager<S>, namespace: &str) -> Self {
        let mut tokens = Self::new(manager.storage().clone(), namespace);
        tokens.manager = Some(manager);
        tokens
    }

    /// Calls this with the reason when a token that is there could not be had: yup-oauth2 takes it for absent.
    pub fn on_error(mut self, callback: impl Fn(&(dyn std::error::Error + 'static)) + Send + Sync + 'static) -> Self {
        self.on_error = Some(Arc::new(callback));
        self
    }

    fn tell(&self, error: &(dyn std::error::Error + 'static)) {
        if let Some(callback) = &self.on_error {
            callback(error);
        }
    }

    async fn put(&self, name: &str, token: &TokenInfo) -> Result<()> {
        let now = now();
        let response = TokenResponse::parse(as_response(token, name, now)?.as_bytes(), now)?;
        // What it does not say stays: the refresh token above all.
        self.tokens
            .merge_response(&response.with_resource_server(name)?)
            .await?;
        if let Some(manager) = &self.manager {
            manager.invalidate(&self.tokens.key(name));
        }
        Ok(())
    }

    async fn managed_token(&self, manager: &TokenManager<S>, name: &str) -> Option<TokenInfo> {
        let token = match manager.access_token(&self.tokens.key(name)).await {
            Ok(token) => token,
            Err(error) => {
                if !is_absent(&error) {
                    self.tell(&error);
                }
                return None;
            }
        };
        Some(TokenInfo {
            access_token: Some(token.expose().to_owned()),
            // Nobody else is to redeem it.
            refresh_token: None,
            expires_at: token.expires_at().and_then(time),
            id_token: self.stored(name).await.as_ref().and_then(id_token),
        })
    }

    async fn stored(&self, name: &str) -> Option<TokenData> {
        let read = self.tokens.get(name).await;
        match read.and_then(|stored| refuse_sealed(&self.tokens.key(name), stored)) {
            Ok(stored) => stored.map(|stored| stored.data),
            Err(error) => {
                self.tell(&error);
                None
            }
        }
    }
}

#[async_trait]
impl<S: TokenStorage + Clone + 'static> YupStorage for YupTokens<S> {
    async fn set(&self, scopes: &[&str], token: TokenInfo) -> Result<(), TokenStorageError> {
        let kept = self.put(&name(scopes), &token).await;
        kept.map_err(|error| TokenStorageError::Other(error.to_string().into()))
    }

    async fn get(&self, scopes: &[&str]) -> Option<TokenInfo> {
        let name = name(scopes);
        if let Some(manager) = &self.manager {
            return self.managed_token(manager, &name).await;
        }
        let data = self.stored(&name).await?;
        Some(TokenInfo {
            id_token: id_token(&data),
            access_token: Some(data.access_token.expose().to_owned()),
            refresh_token: data.refresh_token.map(|token| token.expose().to_owned()),
            expires_at: data.expires_at.and_then(time),
        })
    }
}

fn is_absent(error: &ManagerError) -> bool {
    let absent = [ReauthReason::NoToken, ReauthReason::LoggedOut].map(ManagerErrorKind::ReauthRequired);
    absent.contains(&error.kind())
}

/// The name of the record for these scopes, in whatever order they come.
fn name(scopes: &[&str]) -> String {
    let mut scopes = scopes.to_vec();
    scopes.sort_unstable();
    scopes.dedup();
    scopes.join(" ")
}

/// The same as a token response that came at `now`.
fn as_response(token: &TokenInfo, scope: &str, now: i64) -> Result<Zeroizing<String>> {
    let Some(access_token) = &token.access_token else {
        let message = "a token without an access token, an ID token alone, cannot be kept";
        return Err(Error::new(ErrorKind::InvalidInput, message));
    };
    let others = [
        ("refresh_token", token.refresh_token.as_deref()),
        ("id_token", token.id_token.as_deref()),
        ("scope", Some(scope)),
    ];
    let size: usize = others.iter().filter_map(|(_, value)| Some(value.as_ref()?.len())).sum();
    // What is left behind when it grows is not wiped.
    let mut json = Zeroizing::new(String::with_capacity(2 * (access_token.len() + size) + 256));
    json.push_str(r#"{"token_type":"Bearer","access_token":"#);
    push_json_string(&mut json, access_token);
    for (member, value) in others {
        if let Some(value) = value {
            json.push(',');
            push_json_string(&mut json, member);
            json.push(':');
            push_json_string(&mut json, value);
        }
    }
    if let Some(expires_at) = token.expires_at {
        let left = expires_at.unix_timestamp().saturating_sub(now).max(0);
        json.push_str(&format!(r#","expires_in":{left}"#));
    }
    json.push('}');
    Ok(json)
}

fn id_token(data: &TokenData) -> Option<String> {
    serde_json::from_str(data.extra.get("id_token")?).ok()
}

/// A time that is too far away to be told is none.
fn time(seconds: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

fn now() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_1970.as_secs().try_into().unwrap_or(i64::MAX)
}

impl<S> fmt::Debug for YupTokens<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("YupTokens")
            .field("managed", &self.manager.is_some())
            .finish_non_exhaustive()
    }
}
