//! The device flow (RFC 8628).

use std::time::{Duration, Instant};

use serde_json::json;

use super::{
    Shared,
    grants::{Login, random},
    http::{Answer, Request},
    pages,
    state::{Decision, Device},
};

pub(super) fn authorize(shared: &Shared, request: &Request) -> Answer {
    let client = request.basic.as_ref().map(|(id, _)| id.as_str());
    let Some(client) = client.or_else(|| request.param("client_id")) else {
        return Answer::refuse(401, "invalid_client");
    };
    let mut login = Login::offline(client, request.param("scope").unwrap_or_default());
    login.targets = request.target_names();
    let digits = random("");
    let user_code = format!("{}-{}", &digits[1..5], &digits[5..9]).to_uppercase();
    let device = Device {
        device_code: random("device"),
        user_code: user_code.clone(),
        login,
        decision: Decision::Waiting,
        expires: Instant::now() + Duration::from_secs(shared.config.device_lifetime),
        last_poll: None,
    };
    let body = json!({
        "device_code": device.device_code,
        "user_code": user_code,
        "verification_uri": format!("{}/device", shared.url()),
        "verification_uri_complete": format!("{}/device?user_code={user_code}", shared.url()),
        "expires_in": shared.config.device_lifetime,
        "interval": shared.config.device_interval,
    });
    shared.state().devices.push(device);
    Answer::json(&body)
}

/// Shows the form; a post with `user_code` and `decision` decides.
pub(super) fn page(shared: &Shared, request: &Request) -> Answer {
    let user_code = request.param("user_code").unwrap_or_default();
    if !request.post {
        return Answer::html(200, pages::device(user_code, shared.config.auto_approve));
    }
    let approved = request.param("decision") == Some("approve");
    if !decide(shared, user_code, approved) {
        return Answer::html(
            400,
            pages::message("No device waits for this code", "Compare it with your device."),
        );
    }
    let title = if approved {
        "Your device is logged in"
    } else {
        "Your device was not logged in"
    };
    Answer::html(200, pages::message(title, "You can close this window."))
}

/// Whether a device waited for it.
pub(super) fn decide(shared: &Shared, user_code: &str, approve: bool) -> bool {
    let mut state = shared.state();
    let mut waiting = state
        .devices
        .iter_mut()
        .filter(|device| device.decision == Decision::Waiting);
    let Some(device) = waiting.find(|device| device.user_code == user_code) else {
        return false;
    };
    device.decision = if approve { Decision::Approved } else { Decision::Denied };
    true
}
