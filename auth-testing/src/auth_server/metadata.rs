use serde_json::json;

use super::{
    Shared,
    http::{AUTHORIZE_PATH, Answer, DEVICE_PATH, INTROSPECT_PATH, REVOKE_PATH, TOKEN_PATH},
};

/// One document serves for RFC 8414 and for OpenID discovery.
pub(super) fn document(shared: &Shared) -> Answer {
    let base = shared.url();
    let at = |path: &str| format!("{base}{path}");
    let mut document = json!({
        "issuer": base,
        "authorization_endpoint": at(AUTHORIZE_PATH),
        "token_endpoint": at(TOKEN_PATH),
        "revocation_endpoint": at(REVOKE_PATH),
        "introspection_endpoint": at(INTROSPECT_PATH),
        "device_authorization_endpoint": at(DEVICE_PATH),
        "userinfo_endpoint": at("/v2/oauth2/userinfo"),
        "jwks_uri": at("/jwk.json"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "code_challenge_methods_supported": ["S256"],
        "id_token_signing_alg_values_supported": ["RS512"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials", super::token::DEVICE_GRANT],
        "token_endpoint_auth_methods_supported": shared.config.profile.methods(),
        "authorization_response_iss_parameter_supported": shared.config.issuer_in_redirects,
        "scopes_supported": ["openid", "profile", "email"],
    });
    if let (false, Some(members)) = (shared.config.profile.revokes, document.as_object_mut()) {
        members.remove("revocation_endpoint");
    }
    Answer::json(&document)
}
