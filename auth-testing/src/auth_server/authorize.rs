//! The consent page, its decision, and the page that shows a code to be pasted.

use std::time::Instant;

use super::{
    Shared,
    grants::{Login, random},
    http::{Answer, CODE_PAGE_PATH, Request},
    pages,
    state::Code,
};

/// A checked authorization request. What is wrong before the redirect address is known to be good is told to the person,
/// not to that address (RFC 6749 section 4.1.2.1).
struct Asked {
    login: Login,
    redirect_uri: String,
    state: String,
    challenge: Option<String>,
}

fn check(shared: &Shared, request: &Request) -> Result<Asked, &'static str> {
    if request.repeated {
        return Err("a parameter was given twice");
    }
    let redirect_uri = request.param("redirect_uri").ok_or("redirect_uri is missing")?;
    if !redirect_allowed(shared, redirect_uri) {
        return Err("redirect_uri is not registered for this client");
    }
    let client = request.param("client_id").ok_or("client_id is missing")?;
    if request.param("response_type") != Some("code") {
        return Err("response_type must be code");
    }
    let state = request.param("state").filter(|state| state.len() >= 16);
    let challenge = request.param("code_challenge");
    if request.param("code_challenge_method") != challenge.map(|_| "S256") {
        return Err("code_challenge_method must be S256");
    }
    if challenge.is_none() && client != super::AuthServer::SERVICE_CLIENT {
        return Err("this client is public and must use PKCE");
    }
    let mut login = Login::offline(client, request.param("scope").unwrap_or_default());
    login.offline = request.param("access_type") != Some("online");
    login.targets = request.target_names();
    login.nonce = request.param("nonce").map(str::to_owned);
    Ok(Asked {
        login,
        redirect_uri: redirect_uri.to_owned(),
        state: state.ok_or("state is missing or too short to be random")?.to_owned(),
        challenge: challenge.map(str::to_owned),
    })
}

/// RFC 8252 section 7.3: a loopback address may have any port. Else it is the page that shows the code.
fn redirect_allowed(shared: &Shared, uri: &str) -> bool {
    let loopback = ["http://127.0.0.1", "http://[::1]"]
        .iter()
        .find_map(|base| uri.strip_prefix(base));
    let port_and_path = loopback.and_then(|rest| rest.strip_prefix(':'));
    let port = port_and_path.map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
    uri == format!("{}{CODE_PAGE_PATH}", shared.url()) || port.is_some_and(|port| port.parse::<u16>().is_ok())
}

pub(super) fn page(shared: &Shared, request: &Request) -> Answer {
    match check(shared, request) {
        Err(why) => Answer::html(400, pages::message("This request cannot be served", why)),
        Ok(asked) => Answer::html(
            200,
            pages::consent(&asked.login, &request.params, shared.config.auto_approve),
        ),
    }
}

pub(super) fn decide(shared: &Shared, request: &Request) -> Answer {
    if !request.post {
        return Answer::refuse(405, "invalid_request");
    }
    let asked = match check(shared, request) {
        Err(why) => return Answer::html(400, pages::message("This request cannot be served", why)),
        Ok(asked) => asked,
    };
    Answer::redirect(&decided(shared, asked, request.param("decision") == Some("approve")))
}

/// As at the consent page, without one.
pub(super) fn decide_alone(shared: &Shared, query: &str, approve: bool) -> String {
    match check(shared, &Request::of_query(query)) {
        Ok(asked) => decided(shared, asked, approve),
        Err(why) => panic!("the authorization request cannot be served: {why}"),
    }
}

/// Where the browser is sent.
fn decided(shared: &Shared, asked: Asked, approve: bool) -> String {
    let mut target = form_urlencoded::Serializer::new(String::new());
    if approve {
        let code = random("code");
        target.append_pair("code", &code);
        target.append_pair("state", &asked.state);
        let known = Code {
            login: asked.login,
            redirect_uri: asked.redirect_uri.clone(),
            challenge: asked.challenge,
            issued: Instant::now(),
            used_for: None,
        };
        shared.state().codes.insert(code, known);
    } else {
        target.append_pair("error", "access_denied");
        target.append_pair("state", &asked.state);
    }
    if shared.config.issuer_in_redirects {
        target.append_pair("iss", &shared.url());
    }
    let separator = if asked.redirect_uri.contains('?') { '&' } else { '?' };
    format!("{}{separator}{}", asked.redirect_uri, target.finish())
}

pub(super) fn code_page(request: &Request) -> Answer {
    match (request.param("code"), request.param("error")) {
        (Some(code), _) => Answer::html(200, pages::code(code)),
        (None, Some(error)) => Answer::html(200, pages::message("You did not log in", error)),
        (None, None) => Answer::html(400, pages::message("There is no code", "This page shows codes.")),
    }
}
