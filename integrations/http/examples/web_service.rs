//! A web service with axum whose users log in with a browser. Each user's tokens are in a namespace of their own, and the service
//! calls an API for whoever asks.
//!
//! `cargo run -p token-storage-http --features reqwest --example web_service` starts a strict authorization server and the
//! service on this machine, logs two people in as a browser would, and prints:
//!
//! ```text
//! before a login: 401 Unauthorized, go to /login
//! ada logs in: hello
//! bob logs in: hello
//! ada asks: 2 groups
//! bob asks: 2 groups
//! somebody else's state: 400 Bad Request
//! namespaces: 2, refreshes after all tokens were ended: 2
//! ```
//!
//! With `-- serve` it stays, and prints the address for a browser of yours.

mod server;

use std::{
    collections::HashMap,
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use token_storage::{
    EnumerateExt as _, TokenStorage as _,
    manager::TokenManager,
    oauth::{LoginOptions, OAuthClient, PendingLogin},
};
use token_storage_http::Authorize;

/// What every request handler works with.
struct Service {
    client: OAuthClient,
    manager: TokenManager,
    /// Sends with the token of the user whose key is in the request.
    api: ClientWithMiddleware,
    groups_url: String,
    redirect_uri: String,
    /// By the session, which is what the browser's cookie says. In a service with several instances: `PendingLogin::seal`.
    logins: Mutex<HashMap<String, PendingLogin>>,
    /// Who has logged in, by the session.
    users: Mutex<HashMap<String, String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The value of the cookie `session`.
fn session(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    let value = cookies.split("; ").find_map(|cookie| cookie.strip_prefix("session="))?;
    Some(value.to_owned())
}

/// Sends the browser to the authorization server, with a new session. The state of the login is random, so it does as its name.
async fn login(State(service): State<Arc<Service>>) -> Response {
    let options = LoginOptions::new(server::SCOPE);
    let login = match service.client.begin_login(&options, &service.redirect_uri) {
        Ok(login) => login,
        Err(error) => return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    };
    let session = login.state().to_owned();
    // Add `Secure` where the service has https.
    let cookie = format!("session={session}; HttpOnly; SameSite=Lax; Path=/");
    let to = Redirect::to(login.url());
    lock(&service.logins).insert(session, login);
    ([(header::SET_COOKIE, cookie)], to).into_response()
}

/// Where the authorization server sends the browser back to.
async fn callback(State(service): State<Arc<Service>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let begun = session(&headers).and_then(|session| Some((lock(&service.logins).remove(&session)?, session)));
    let Some((login, session)) = begun else {
        return (StatusCode::BAD_REQUEST, "this browser has begun no login; go to /login").into_response();
    };
    match finish(&service, login, &session, &query.unwrap_or_default()).await {
        Ok(()) => "hello".into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

async fn finish(service: &Service, login: PendingLogin, session: &str, query: &str) -> Result<(), Box<dyn Error>> {
    let response = login.finish_with_redirect(&format!("?{query}")).await?;
    // A service with accounts has a name for its user; here each session is one.
    let user = format!("user-{session}");
    service.manager.store_login(&user, &response).await?;
    lock(&service.users).insert(session.to_owned(), user);
    Ok(())
}

/// Calls the API for the user.
async fn groups(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response {
    let user = session(&headers).and_then(|session| lock(&service.users).get(&session).cloned());
    let Some(user) = user else {
        return (StatusCode::UNAUTHORIZED, "go to /login").into_response();
    };
    let request = service
        .api
        .get(&service.groups_url)
        .with_extension(server::groups_of(&user));
    match request.send().await {
        Ok(answer) => count(answer).await.into_response(),
        // No token is in an error.
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

async fn count(answer: reqwest::Response) -> Result<String, (StatusCode, String)> {
    let failed = |error: &dyn Error| (StatusCode::BAD_GATEWAY, error.to_string());
    let body = answer.bytes().await.map_err(|error| failed(&error))?;
    let count = server::count(&body).map_err(|error| failed(&error))?;
    Ok(format!("{count} groups"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let world = server::without_login().await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let authorize = Authorize::per_request(world.manager.clone(), &world.server.url())?;
    let service = Arc::new(Service {
        client: world.client.clone(),
        manager: world.manager.clone(),
        api: ClientBuilder::new(reqwest::Client::new()).with(authorize).build(),
        groups_url: world.groups_url(),
        redirect_uri: format!("{address}/callback"),
        logins: Mutex::default(),
        users: Mutex::default(),
    });
    let routes = Router::new()
        .route("/login", get(login))
        .route("/callback", get(callback))
        .route("/groups", get(groups))
        .with_state(service);
    let serving = tokio::spawn(async move { axum::serve(listener, routes).await });
    if std::env::args().nth(1).as_deref() == Some("serve") {
        println!("visit {address}/login, then {address}/groups; Ctrl-C ends it");
        serving.await??;
        return Ok(());
    }
    as_browsers_do(&world, &address).await
}

/// What two people do.
async fn as_browsers_do(world: &server::World, address: &str) -> Result<(), Box<dyn Error>> {
    let browser = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let visit = async |path: &str, cookie: &str| browser.get(path).header("cookie", cookie).send().await;
    let answer = visit(&format!("{address}/groups"), "").await?;
    println!("before a login: {}, {}", answer.status(), answer.text().await?);
    let mut cookies = Vec::new();
    for user in ["ada", "bob"] {
        let answer = visit(&format!("{address}/login"), "").await?;
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let cookie = header("set-cookie")
            .and_then(|value| value.split(';').next())
            .ok_or("no cookie")?;
        let location = header("location").ok_or("no redirect")?;
        // The person says yes.
        let back = world.server.decide(location, true);
        println!("{user} logs in: {}", visit(&back, cookie).await?.text().await?);
        cookies.push((user, cookie.to_owned()));
    }
    for (user, cookie) in &cookies {
        println!(
            "{user} asks: {}",
            visit(&format!("{address}/groups"), cookie).await?.text().await?
        );
    }
    let forged = format!("{address}/callback?code=x&state=0123456789abcdef");
    println!(
        "somebody else's state: {}",
        visit(&forged, "session=unknown").await?.status()
    );
    world.server.expire_access_tokens();
    for (_, cookie) in &cookies {
        visit(&format!("{address}/groups"), cookie).await?.error_for_status()?;
    }
    let listing = world.manager.storage().enumerate().ok_or("memory can list")?;
    let namespaces = listing.all_namespaces().await?.items.len();
    let refreshes = world.server.refresh_requests();
    println!("namespaces: {namespaces}, refreshes after all tokens were ended: {refreshes}");
    Ok(())
}
