//! What tests in another process switch on: faults, and the end of tokens.

use std::time::Duration;

use super::{
    Endpoint, Fault, Shared,
    http::{Answer, Request},
};

/// `POST /_test/fault` with `endpoint` and `fault`; `POST /_test/expire` and `POST /_test/revoke` without members.
pub(super) fn answer(shared: &Shared, request: &Request) -> Answer {
    if !request.post {
        return Answer::refuse(405, "invalid_request");
    }
    match request.path.as_str() {
        "/_test/expire" => shared.state().expire_access_tokens(),
        "/_test/revoke" => shared.state().revoke_everything(),
        "/_test/fault" => {
            let endpoint = request.param("endpoint").and_then(endpoint);
            let Some((endpoint, fault)) = endpoint.zip(request.param("fault").and_then(fault)) else {
                return Answer::refuse(400, "invalid_request");
            };
            shared.faults().push(endpoint, fault);
        }
        _ => return Answer::refuse(404, "not_found"),
    }
    Answer::json(&serde_json::json!({"done": true}))
}

fn endpoint(name: &str) -> Option<Endpoint> {
    Some(match name {
        "token" => Endpoint::Token,
        "revoke" => Endpoint::Revoke,
        "device" => Endpoint::DeviceAuthorization,
        "metadata" => Endpoint::Metadata,
        "openid" => Endpoint::OpenIdConfiguration,
        "keys" => Endpoint::Keys,
        "userinfo" => Endpoint::UserInfo,
        _ => return None,
    })
}

/// `hang`, `hang-after`, `hang-within`, `drop-connection`, `drop-answer`, `truncate`, `garbage`, `delay-SECONDS`,
/// `status-CODE`, `invalid_grant`.
fn fault(name: &str) -> Option<Fault> {
    Some(match name {
        "hang" => Fault::Hang,
        "hang-after" => Fault::HangAfter,
        "hang-within" => Fault::HangWithin,
        "drop-connection" => Fault::DropConnection,
        "drop-answer" => Fault::DropAnswer,
        "truncate" => Fault::TruncateAnswer,
        "garbage" => Fault::Garbage,
        "invalid_grant" => Fault::Refuse {
            status: 400,
            error: "invalid_grant",
        },
        _ => match name.split_once('-')? {
            ("delay", seconds) => Fault::Delay(Duration::from_secs(seconds.parse().ok()?)),
            ("status", code) => Fault::Status {
                status: code.parse().ok().filter(|code| (200..600).contains(code))?,
                retry_after: None,
            },
            _ => return None,
        },
    })
}
