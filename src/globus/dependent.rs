use token_storage_core::Secret;

use super::Access;
use crate::{
    TokenResponse,
    oauth::{LoginError, OAuthClient},
};

/// Trades a token that this service was called with for tokens of the services that it calls itself. One token for each
/// resource server, and no id_token. Without a scope: for all that the service may ask for.
///
/// # Errors
/// - [`LoginErrorKind::Server`](crate::oauth::LoginErrorKind::Server).
pub async fn dependent_tokens(
    client: &OAuthClient,
    token: &Secret,
    scope: Option<&str>,
    access: Access,
) -> Result<TokenResponse, LoginError> {
    let mut form = vec![
        ("grant_type", "urn:globus:auth:grant_type:dependent_token"),
        ("token", token.expose()),
    ];
    if access == Access::Offline {
        form.push(("access_type", access.as_str()));
    }
    form.extend(scope.map(|scope| ("scope", scope)));
    Ok(client.tokens(form).await?)
}
