//! The token endpoint, revocation and introspection.

use std::time::Instant;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    AuthServer, Outcome, Shared, assertion,
    grants::{self, Login},
    http::{Answer, Request},
    profile::Client,
    state::{Code, Decision},
};

pub(super) const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const DEPENDENT_GRANT: &str = "urn:globus:auth:grant_type:dependent_token";

type Refused = Box<Answer>;

pub(super) fn token(shared: &Shared, request: &Request) -> Answer {
    let profile = &shared.config.profile;
    let served = checked(shared, request).and_then(|client| match request.param("grant_type") {
        Some("authorization_code") => redeem_code(shared, request, &client),
        Some("refresh_token") => refresh(shared, request, &client),
        Some("client_credentials") => client_credentials(shared, request, &client),
        Some(DEVICE_GRANT) => redeem_device_code(shared, request, &client),
        Some(DEPENDENT_GRANT) => dependent_tokens(shared, request, &client),
        Some(_) => refuse(400, "unsupported_grant_type"),
        None => refuse(400, "invalid_request"),
    });
    let token = request.param("refresh_token");
    match served {
        Ok(body) => profile.write(body, token.is_some(), super::jwt::now()),
        Err(answer) if is_refusal(&answer) => profile.refuse(*answer, token.unwrap_or_default()),
        Err(answer) => *answer,
    }
}

fn is_refusal(answer: &Answer) -> bool {
    matches!(
        answer.outcome,
        Outcome::Refused("invalid_grant") | Outcome::ReuseDetected
    )
}

fn refuse<T>(status: u16, error: &'static str) -> Result<T, Refused> {
    Err(Box::new(Answer::refuse(status, error)))
}

/// The client of a well-formed request (RFC 6749 sections 2.3 and 3.2).
fn checked(shared: &Shared, request: &Request) -> Result<String, Refused> {
    let by_secret = request.basic.is_some() || request.param("client_secret").is_some();
    let by_jwt = assertion::is_in(request);
    let allowed = match shared.config.profile.client {
        // RFC 6749 section 2.3: not in two ways at once.
        None => !(by_secret && by_jwt),
        Some(Client::Public) => !by_secret && !by_jwt,
        Some(Client::Basic) => request.basic.is_some() && request.param("client_secret").is_none() && !by_jwt,
        Some(Client::Post) => request.basic.is_none() && request.param("client_secret").is_some() && !by_jwt,
        Some(Client::SecretJwt | Client::KeyJwt) => by_jwt && !by_secret,
    };
    if !allowed {
        return refuse(401, "invalid_client");
    }
    if !request.post || !request.form || request.repeated {
        return refuse(400, "invalid_request");
    }
    if by_jwt {
        return assertion::client(shared, request).map_err(assertion::refused);
    }
    match &request.basic {
        Some((id, secret)) if id == AuthServer::SERVICE_CLIENT && *secret == shared.config.service_secret => {
            Ok(id.clone())
        }
        Some(_) => refuse(401, "invalid_client"),
        None => client_in_body(shared, request),
    }
}

fn client_in_body(shared: &Shared, request: &Request) -> Result<String, Refused> {
    match (request.param("client_id"), request.param("client_secret")) {
        (Some(AuthServer::SERVICE_CLIENT), Some(secret)) if secret == shared.config.service_secret => {
            Ok(AuthServer::SERVICE_CLIENT.into())
        }
        (Some(AuthServer::SERVICE_CLIENT), _) | (_, Some(_)) | (None, _) => refuse(401, "invalid_client"),
        (Some(public), None) => Ok(public.to_owned()),
    }
}

fn required<'a>(request: &'a Request, name: &str) -> Result<&'a str, Refused> {
    match request.param(name) {
        Some(value) if !value.is_empty() => Ok(value),
        _ => refuse(400, "invalid_request"),
    }
}

/// RFC 8707 section 2.2: a token request names only what the login named.
fn only_granted(request: &Request, granted: &[String]) -> Result<(), Refused> {
    match request.target_names().iter().all(|target| granted.contains(target)) {
        true => Ok(()),
        false => refuse(400, "invalid_target"),
    }
}

fn redeem_code(shared: &Shared, request: &Request, client: &str) -> Result<Value, Refused> {
    let code = required(request, "code")?;
    let redirect_uri = required(request, "redirect_uri")?;
    let mut state = shared.state();
    let state = &mut *state;
    let Some(known) = state.codes.get_mut(code) else {
        return refuse(400, "invalid_grant");
    };
    if let Some(grants) = &known.used_for {
        // RFC 6749 section 4.1.2: a code that comes twice costs the tokens that were issued for it.
        for grant in grants {
            state.grants[*grant].revoked = true;
        }
        return refuse(400, "invalid_grant");
    }
    let fresh = known.issued.elapsed() < Code::LIFETIME;
    let same = known.login.client == client && known.redirect_uri == redirect_uri;
    if !fresh || !same || !verifier_fits(known.challenge.as_deref(), request.param("code_verifier")) {
        return refuse(400, "invalid_grant");
    }
    let login = known.login.clone();
    only_granted(request, &login.targets)?;
    let (body, grants) = grants::issue_in(shared, state, &login);
    if let Some(known) = state.codes.get_mut(code) {
        known.used_for = Some(grants);
    }
    Ok(body)
}

/// RFC 7636 section 4.6; a verifier has 43 to 128 characters.
fn verifier_fits(challenge: Option<&str>, verifier: Option<&str>) -> bool {
    match (challenge, verifier) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) => {
            let legal = (43..=128).contains(&verifier.len())
                && verifier
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
            legal && URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) == challenge
        }
        _ => false,
    }
}

fn refresh(shared: &Shared, request: &Request, client: &str) -> Result<Value, Refused> {
    let presented = required(request, "refresh_token")?;
    let mut state = shared.state();
    let state = &mut *state;
    let Some(token) = state.refresh_tokens.get_mut(presented) else {
        return refuse(400, "invalid_grant");
    };
    let grant = token.grant;
    if token.revoked || state.grants[grant].revoked || state.grants[grant].client != client {
        return refuse(400, "invalid_grant");
    }
    if token.spent.is_some_and(|spent| spent.elapsed() >= shared.config.grace) {
        state.grants[grant].revoked = true;
        let answer = Answer::refuse(400, "invalid_grant").with_outcome(Outcome::ReuseDetected);
        return Err(Box::new(answer));
    }
    only_granted(request, &state.grants[grant].targets)?;
    if shared.config.rotate {
        token.spent.get_or_insert_with(Instant::now);
    }
    let mut body = grants::issue_for(shared, state, grant, shared.config.rotate);
    if shared.config.name_resource_server {
        // As Globus does; its SDK insists on it.
        body.insert("other_tokens".into(), json!([]));
    }
    Ok(Value::Object(body))
}

fn client_credentials(shared: &Shared, request: &Request, client: &str) -> Result<Value, Refused> {
    if client != AuthServer::SERVICE_CLIENT {
        return refuse(400, "unauthorized_client");
    }
    let mut login = Login::offline(client, request.param("scope").unwrap_or_default());
    login.offline = false;
    login.targets = request.target_names();
    Ok(grants::issue(shared, &login))
}

fn redeem_device_code(shared: &Shared, request: &Request, client: &str) -> Result<Value, Refused> {
    let code = required(request, "device_code")?;
    let mut state = shared.state();
    let state = &mut *state;
    let known = state.devices.iter_mut().find(|device| device.device_code == code);
    let Some(device) = known.filter(|device| device.login.client == client) else {
        return refuse(400, "invalid_grant");
    };
    let interval = std::time::Duration::from_secs(shared.config.device_interval);
    // A little less than the interval is fine: the answer was on its way for a while.
    let hasty = device
        .last_poll
        .is_some_and(|last| last.elapsed() < interval.mul_f32(0.9));
    device.last_poll = Some(Instant::now());
    match device.decision {
        Decision::Waiting if device.expires <= Instant::now() => refuse(400, "expired_token"),
        Decision::Waiting if hasty => refuse(400, "slow_down"),
        Decision::Waiting => refuse(400, "authorization_pending"),
        Decision::Denied => refuse(400, "access_denied"),
        Decision::Used => refuse(400, "invalid_grant"),
        Decision::Approved => {
            only_granted(request, &device.login.targets)?;
            device.decision = Decision::Used;
            let login = device.login.clone();
            Ok(grants::issue_in(shared, state, &login).0)
        }
    }
}

/// Globus: a service trades the token that it was called with for tokens of the services that it calls itself.
fn dependent_tokens(shared: &Shared, request: &Request, client: &str) -> Result<Value, Refused> {
    let token = required(request, "token")?;
    if client != AuthServer::SERVICE_CLIENT || !shared.state().is_active(token) {
        return refuse(400, "invalid_grant");
    }
    let scope = request
        .param("scope")
        .unwrap_or("urn:globus:auth:scope:transfer.api.globus.org:all");
    let mut login = Login::offline(client, scope);
    login.offline = request.param("access_type") == Some("offline");
    let mut body = grants::issue(shared, &login);
    let mut tokens = vec![];
    if let Some(Value::Array(others)) = body.get_mut("other_tokens").map(Value::take) {
        tokens.extend(others);
    }
    if let Value::Object(members) = &mut body {
        members.remove("other_tokens");
    }
    tokens.insert(0, body);
    Ok(Value::Array(tokens))
}

/// RFC 7009: unknown tokens are answered like known ones; those of another client are left alone.
pub(super) fn revoke(shared: &Shared, request: &Request) -> Answer {
    if !shared.config.profile.revokes {
        return Answer::refuse(404, "not_found");
    }
    let (client, token) = match checked(shared, request).and_then(|client| Ok((client, required(request, "token")?))) {
        Ok(found) => found,
        Err(answer) => return *answer,
    };
    let mut state = shared.state();
    let state = &mut *state;
    if let Some(refresh) = state.refresh_tokens.get_mut(token) {
        let grant = &mut state.grants[refresh.grant];
        if grant.client == client && (refresh.spent.is_none() || shared.config.revocation_spreads) {
            refresh.revoked = true;
            grant.revoked = true;
        }
    } else if let Some(access) = state.access_tokens.get_mut(token)
        && state.grants[access.grant].client == client
    {
        access.revoked = true;
    }
    Answer::json(&json!({"active": false}))
}

/// RFC 7662.
pub(super) fn introspect(shared: &Shared, request: &Request) -> Answer {
    let token = match checked(shared, request).and_then(|_| required(request, "token")) {
        Ok(token) => token,
        Err(answer) => return *answer,
    };
    let state = shared.state();
    if !state.is_active(token) {
        return Answer::json(&json!({"active": false}));
    }
    let access = state.access_tokens.get(token).map(|token| token.grant);
    let grant = access.or_else(|| state.refresh_tokens.get(token).map(|token| token.grant));
    let grant = &state.grants[grant.unwrap_or_default()];
    Answer::json(&json!({
        "active": true,
        "scope": grant.scope,
        "client_id": grant.client,
        "sub": AuthServer::IDENTITY,
        "aud": match grant.targets.is_empty() {
            true => vec![&grant.resource_server],
            false => grant.targets.iter().collect(),
        },
    }))
}
