//! What the tokens are for.

use serde_json::json;

use super::{
    AuthServer, Shared,
    grants::AUTH_SERVER_NAME,
    http::{Answer, Request},
};

const GROUPS_RESOURCE_SERVER: &str = "groups.api.globus.org";

pub(super) fn groups(shared: &Shared, request: &Request) -> Answer {
    match guard(shared, request, GROUPS_RESOURCE_SERVER, "view_my_groups") {
        Some(refusal) => refusal,
        None => Answer::json(&shared.config.groups),
    }
}

pub(super) fn user_info(shared: &Shared, request: &Request) -> Answer {
    match guard(shared, request, AUTH_SERVER_NAME, "openid") {
        Some(refusal) => refusal,
        None => Answer::json(&json!({
            "sub": AuthServer::IDENTITY,
            "preferred_username": "ada@example.org",
            "name": "Ada Example",
        })),
    }
}

/// RFC 6750 section 3.1: 401 for a token that is not good, 403 for one that is not enough.
fn guard(shared: &Shared, request: &Request, resource_server: &str, scope: &str) -> Option<Answer> {
    let state = shared.state();
    let grant = request.bearer.as_deref().and_then(|token| state.grant_of_access(token));
    let Some(grant) = grant else {
        return Some(Answer::refuse(401, "invalid_token"));
    };
    let named = !shared.config.name_resource_server || grant.resource_server == resource_server;
    (!named || !grant.scope.contains(scope)).then(|| Answer::refuse(403, "insufficient_scope"))
}
