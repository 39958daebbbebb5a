//! The thread of the server, and the way of a request through faults, endpoint and log.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, State as Extract},
    http::{HeaderMap, HeaderValue, Method, Response, Uri},
};
use futures_util::{Stream, StreamExt as _, stream};
use tokio::sync::oneshot;

use super::{
    Endpoint, Fault, Outcome, Shared, authorize, control, device,
    http::{Answer, Request},
    listener::{Scissors, bind},
    metadata, resources, token,
};

const GATEWAY: &str = "<html>the gateway is unhappy</html>";

pub(super) fn run(listener: std::net::TcpListener, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else {
        eprintln!("the authorization server for tests cannot start its runtime");
        return;
    };
    runtime.block_on(async move {
        let (listener, _) = bind(listener).expect("the bound socket belongs to this runtime");
        let service = Router::new()
            .fallback(handle)
            .with_state(shared)
            .into_make_service_with_connect_info::<Scissors>();
        tokio::select! {
            _ = axum::serve(listener, service) => {}
            _ = stopped => {}
        }
    });
    // Dropping the runtime ends the requests that hang.
}

async fn handle(
    Extract(shared): Extract<Arc<Shared>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let request = Request::new(&method, &uri, &headers, &body);
    let index = shared.log().begin(&request);
    let fault = shared.faults().next(request.endpoint);
    let Some(fault) = fault else {
        return respond(finish(&shared, index, answer(&shared, &request)));
    };
    if let Some(answer) = instead(&fault, &request, &scissors).await {
        return respond(finish(&shared, index, answer));
    }
    let answer = finish(&shared, index, answer(&shared, &request));
    afterwards(fault, answer, &scissors).await
}

fn finish(shared: &Shared, index: usize, answer: Answer) -> Answer {
    shared.log().finish(index, answer.outcome.clone());
    answer
}

fn answer(shared: &Shared, request: &Request) -> Answer {
    match request.endpoint {
        Endpoint::Authorize => authorize::page(shared, request),
        Endpoint::Decision => authorize::decide(shared, request),
        Endpoint::CodePage => authorize::code_page(request),
        Endpoint::Token => token::token(shared, request),
        Endpoint::Revoke => token::revoke(shared, request),
        Endpoint::Introspect => token::introspect(shared, request),
        Endpoint::DeviceAuthorization => device::authorize(shared, request),
        Endpoint::DevicePage => device::page(shared, request),
        Endpoint::Metadata | Endpoint::OpenIdConfiguration => metadata::document(shared),
        Endpoint::Keys => Answer::json(&super::jwt::key_set()),
        Endpoint::UserInfo => resources::user_info(shared, request),
        Endpoint::Groups => resources::groups(shared, request),
        Endpoint::Log => Answer::json(&shared.log().as_json()),
        Endpoint::Control => control::answer(shared, request),
        Endpoint::Unknown => Answer::refuse(404, "not_found"),
    }
}

/// What comes instead of an answer; `None` if the request is served after all.
async fn instead(fault: &Fault, request: &Request, scissors: &Scissors) -> Option<Answer> {
    match fault {
        Fault::Delay(time) => tokio::time::sleep(*time).await,
        Fault::Hang => std::future::pending().await,
        Fault::GateBefore(gate) => gate.pass().await,
        Fault::DropConnection => {
            scissors.cut();
            return Some(Answer::refuse(500, "cut").with_outcome(Outcome::Faulted));
        }
        Fault::Status { status, retry_after } => {
            let mut answer = Answer::new(*status, "text/html", GATEWAY.into(), Outcome::Faulted);
            if let Some(seconds) = retry_after {
                answer.headers.push(("retry-after", seconds.to_string()));
            }
            return Some(answer);
        }
        Fault::Answer {
            status,
            content_type,
            body,
        } => {
            let body = (*body).to_owned();
            return Some(Answer::new(*status, content_type, body, Outcome::Faulted));
        }
        Fault::Refuse { status, error } => return Some(Answer::refuse(*status, error)),
        Fault::Echo { status, error } => return Some(echo(*status, error, request)),
        _ => {}
    }
    None
}

fn echo(status: u16, error: &'static str, request: &Request) -> Answer {
    let quoted = format!("cannot serve {:?}", request.params);
    if error.is_empty() {
        return Answer::new(status, "text/html", format!("<html>{quoted}</html>"), Outcome::Faulted);
    }
    let mut answer = Answer::refuse(status, error);
    answer.body = serde_json::json!({"error": error, "error_description": quoted}).to_string();
    answer
}

/// What happens to an answer on its way.
async fn afterwards(fault: Fault, mut answer: Answer, scissors: &Scissors) -> Response<Body> {
    match fault {
        Fault::HangAfter => std::future::pending().await,
        Fault::GateAfter(gate) => gate.pass().await,
        Fault::DropAnswer => scissors.cut(),
        Fault::TruncateAnswer => return half_of(answer, broken_off()),
        Fault::HangWithin => return half_of(answer, stream::pending()),
        Fault::Encoded { body, headers } => return encoded(answer, body, headers),
        Fault::StatusAfter(status) => {
            answer = Answer::new(status, "text/html", GATEWAY.into(), answer.outcome);
        }
        Fault::Garbage => answer.body = "<html>surprise</html>".into(),
        Fault::Omit(names) => edit(&mut answer, |members| {
            for name in names {
                members.remove(*name);
            }
        }),
        Fault::IdToken(flaw) => edit(&mut answer, |members| {
            let good = members.get("id_token").and_then(serde_json::Value::as_str);
            let bad = good.map(|good| flaw.apply(good));
            members.extend(bad.map(|bad| ("id_token".to_owned(), bad.into())));
        }),
        Fault::Member(name, json) => edit(&mut answer, |members| {
            let value = serde_json::from_str(json).expect("a scripted member is JSON");
            members.insert(name.to_owned(), value);
        }),
        _ => {}
    }
    respond(answer)
}

fn edit(answer: &mut Answer, change: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>)) {
    if let Ok(serde_json::Value::Object(mut members)) = serde_json::from_str(&answer.body) {
        change(&mut members);
        answer.body = serde_json::Value::Object(members).to_string();
    }
}

type Part = std::io::Result<String>;

/// Half of the body, then this.
fn half_of(mut answer: Answer, rest: impl Stream<Item = Part> + Send + 'static) -> Response<Body> {
    let body = std::mem::take(&mut answer.body);
    let half = body[..body.len() / 2].to_owned();
    let mut response = respond(answer);
    *response.body_mut() = Body::from_stream(stream::iter([Ok(half)]).chain(rest));
    response
}

fn broken_off() -> impl Stream<Item = Part> {
    stream::iter([Err(std::io::ErrorKind::BrokenPipe.into())])
}

fn encoded(mut answer: Answer, body: fn(&str) -> Vec<u8>, headers: &'static [(&str, &str)]) -> Response<Body> {
    let bytes = body(&std::mem::take(&mut answer.body));
    let mut response = respond(answer);
    for (name, value) in headers {
        response.headers_mut().insert(*name, HeaderValue::from_static(value));
    }
    *response.body_mut() = Body::from(bytes);
    response
}

fn respond(answer: Answer) -> Response<Body> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response
        .body(Body::from(answer.body))
        .expect("the headers are plain text")
}
