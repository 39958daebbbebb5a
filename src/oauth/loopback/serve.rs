//! The listener itself. Anything may connect to it: what a browser sends on its own, other programs, web pages. All of
//! it is bounded in number, size and time, and none of it can end the login but the one redirect that belongs to it.

use std::{
    convert::Infallible,
    net::TcpListener,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hyper::{Method, Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use token_storage_core::Secret;
use tokio::{
    net::TcpStream,
    sync::{oneshot, watch},
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use super::{
    super::{LoginError, LoginErrorKind, redirect::Expected},
    page::Page,
};

/// How many connections are served at once; more of them wait.
const MAX_CONNECTIONS: usize = 64;
/// How long a connection may take to send its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest request line with headers, in bytes. Codes and states have some hundreds.
const MAX_REQUEST: usize = 32 * 1024;
/// How long the last page may take to reach the browser.
const FAREWELL: Duration = Duration::from_secs(2);

type Code = oneshot::Sender<Result<Secret, LoginError>>;

/// The running listener; dropping it closes the port.
pub(super) struct Listening {
    outcome: watch::Sender<Option<Page>>,
    task: JoinHandle<()>,
}

impl Listening {
    /// Shows the page to whoever came with the redirect, then closes the port.
    pub(super) async fn show(mut self, page: Page) {
        self.outcome.send_replace(Some(page));
        let _ = timeout(FAREWELL, &mut self.task).await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What all connections share.
struct Waiting {
    path: String,
    expected: Expected,
    /// Taken by the first redirect that belongs to the login.
    code: Mutex<Option<Code>>,
    outcome: watch::Receiver<Option<Page>>,
}

pub(super) fn listen(
    listener: TcpListener,
    path: String,
    expected: Expected,
    code: Code,
) -> Result<Listening, LoginError> {
    let nonblocking = listener.set_nonblocking(true);
    let listener = nonblocking
        .and_then(|()| tokio::net::TcpListener::from_std(listener))
        .map_err(|error| {
            LoginError::new(
                LoginErrorKind::Local,
                format!("the port cannot be listened on: {error}"),
            )
        })?;
    let (sender, outcome) = watch::channel(None);
    let waiting = Arc::new(Waiting {
        path,
        expected,
        code: Mutex::new(Some(code)),
        outcome,
    });
    Ok(Listening {
        outcome: sender,
        task: tokio::spawn(accept(listener, waiting)),
    })
}

async fn accept(listener: tokio::net::TcpListener, waiting: Arc<Waiting>) {
    let mut connections = JoinSet::new();
    let mut ended = pin!(ended(waiting.outcome.clone()));
    loop {
        tokio::select! {
            () = &mut ended => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, waiting.clone()));
                }
                // Out of descriptors, most likely: they come back when connections end.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
    while connections.join_next().await.is_some() {}
}

/// One connection, until it is idle after the login's end.
async fn serve(stream: TcpStream, waiting: Arc<Waiting>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request: Request<Incoming>| {
        let waiting = waiting.clone();
        async move { Ok::<_, Infallible>(waiting.answer(&request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIMEOUT)
        .max_buf_size(MAX_REQUEST)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut ended = pin!(ended(waiting.outcome.clone()));
    tokio::select! {
        _ = &mut connection => return,
        () = &mut ended => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn ended(mut outcome: watch::Receiver<Option<Page>>) {
    // An error means that the login was given up, which ends it too.
    let _ = outcome.wait_for(Option::is_some).await;
}

impl Waiting {
    async fn answer<B>(&self, request: &Request<B>) -> Response<String> {
        if request.uri().path() != self.path {
            return Page::nothing_here().response();
        }
        if request.method() != Method::GET {
            return Page::not_this_way().response();
        }
        let code = self.expected.code(request.uri().query().unwrap_or_default());
        match code {
            Err(error) if error.kind() == LoginErrorKind::StateMismatch => {
                return Page::stranger(&error.to_string()).response();
            }
            code => self.arrive(code),
        }
        self.outcome().await.response()
    }

    /// Hands over the code. If the browser comes again, it waits for the same outcome.
    fn arrive(&self, code: Result<Secret, LoginError>) {
        let sender = self.code.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            let _ = sender.send(code);
        }
    }

    async fn outcome(&self) -> Page {
        let mut outcome = self.outcome.clone();
        let page = outcome.wait_for(Option::is_some).await;
        let page = page.ok().and_then(|page| page.clone());
        page.unwrap_or_else(|| Page::failed("the program stopped waiting"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_page_that_is_loaded_again_meanwhile_gets_the_same_end() {
        let (code, mut arrived) = oneshot::channel();
        let (outcome, watched) = watch::channel(None);
        let waiting = Waiting {
            path: "/".into(),
            expected: Expected {
                server: "a.example".into(),
                state: Secret::from("state"),
                issuer: None,
                issuer_required: false,
            },
            code: Mutex::new(Some(code)),
            outcome: watched,
        };
        let request = |uri: &str| Request::builder().uri(uri).body(()).unwrap();
        let (first, second) = (request("/?state=state&code=one"), request("/?state=state&code=two"));
        let end = async {
            let code = (&mut arrived).await.unwrap().unwrap();
            assert_eq!(code.expose(), "one");
            outcome.send_replace(Some(Page::logged_in()));
        };
        let (first, second, ()) = tokio::join!(waiting.answer(&first), waiting.answer(&second), end);
        for page in [first, second] {
            assert!(page.body().contains("You are logged in"));
        }
    }
}
