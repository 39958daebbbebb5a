//! Faults of network and service, injected below the SDK's retries.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::{
    config::{AsyncSleep, HttpClient, RuntimeComponents, SharedAsyncSleep, SharedHttpClient, Sleep},
    error::ConnectorError,
};
use aws_smithy_runtime_api::{
    client::{
        connector_metadata::ConnectorMetadata,
        http::{HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
    },
    http::StatusCode,
    shared::IntoShared,
};
use tokio::sync::Notify;

type Hook = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What happens to one attempt.
#[derive(Clone)]
pub enum Fault {
    /// Nothing: it gets through.
    Pass,
    /// The service answers with this status and error code, without doing anything.
    Refuse(u16, &'static str),
    /// The connection breaks before the request gets through.
    DropBefore,
    /// Something else happens first; then it gets through.
    PassAfter(Hook),
    /// The request gets through, the answer is lost.
    DropAfter,
    /// The request gets through; then something else happens; then the answer is lost.
    DropAfterThen(Hook),
    /// The connection breaks now; the request arrives all the same, once this future has ended.
    Late(Hook),
    /// The request gets through and is carried out; its answer takes longer than the client waits. The attempt times out
    /// as soon as it was carried out: a test waits for no clock, and a slow machine makes nothing else time out.
    Unanswered,
    /// The request gets through; the service answers 500 all the same.
    ErrorAfter,
    /// The connection breaks now; the request arrives with [`Faults::deliver`].
    HeldBack,
    /// The request gets through and is answered; it arrives once more with [`Faults::deliver`].
    Twice,
}

impl Fault {
    /// See [`Fault::DropAfterThen`].
    pub fn drop_after_then<F: Future<Output = ()> + Send + 'static>(
        hook: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Self::DropAfterThen(Arc::new(move || Box::pin(hook())))
    }

    /// See [`Fault::PassAfter`].
    pub fn pass_after<F: Future<Output = ()> + Send + 'static>(hook: impl Fn() -> F + Send + Sync + 'static) -> Self {
        Self::PassAfter(Arc::new(move || Box::pin(hook())))
    }

    /// See [`Fault::Late`].
    pub fn late<F: Future<Output = ()> + Send + 'static>(
        arrives_after: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Self::Late(Arc::new(move || Box::pin(arrives_after())))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Pass => "Pass",
            Self::Refuse(_, code) => code,
            Self::DropBefore => "DropBefore",
            Self::PassAfter(_) => "PassAfter",
            Self::DropAfter => "DropAfter",
            Self::DropAfterThen(_) => "DropAfterThen",
            Self::Late(_) => "Late",
            Self::Unanswered => "Unanswered",
            Self::ErrorAfter => "ErrorAfter",
            Self::HeldBack => "HeldBack",
            Self::Twice => "Twice",
        };
        f.write_str(name)
    }
}

/// What happens to an attempt, by its action and its body; `None`: what is planned.
type Decide = Box<dyn Fn(&str, &str) -> Option<Fault> + Send + Sync>;

type Arrival = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The faults that are planned for one kind of action, one for each attempt; afterwards everything gets through.
#[derive(Clone, Default)]
pub struct Faults {
    plans: Arc<Mutex<Vec<Plan>>>,
    decide: Arc<OnceLock<Decide>>,
    held_back: Arc<Mutex<VecDeque<Arrival>>>,
    late: Arc<Notify>,
    unanswered: Arc<Notify>,
    cut: Arc<AtomicBool>,
    struck: Arc<AtomicUsize>,
}

/// An action and what happens to its next attempts.
type Plan = (String, VecDeque<Fault>);

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("plans", &self.plans)
            .finish_non_exhaustive()
    }
}

impl Faults {
    /// No faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Faults that are decided for each attempt, by its action, for example `PutItem`, and its body.
    pub fn deciding(decide: impl Fn(&str, &str) -> Option<Fault> + Send + Sync + 'static) -> Self {
        Self {
            decide: Arc::new(OnceLock::from(Box::new(decide) as Decide)),
            ..Self::default()
        }
    }

    /// Carries out what is [held back](Fault::HeldBack), in its order.
    pub async fn deliver(&self) {
        loop {
            let next = self
                .held_back
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_front();
            match next {
                Some(arrival) => {
                    arrival.await;
                    self.struck.fetch_add(1, Ordering::SeqCst);
                }
                None => return,
            }
        }
    }

    fn hold_back(&self, connector: SharedHttpConnector, request: HttpRequest) {
        let arrival: Arrival = Box::pin(async move { drop(connector.call(request).await) });
        self.held_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(arrival);
    }

    /// Plans what happens to the next attempts of an action, for example `PutItem`.
    pub fn plan(&self, action: &str, faults: impl IntoIterator<Item = Fault>) {
        self.planned().push((action.to_owned(), faults.into_iter().collect()));
    }

    /// Whether no attempt gets through from now on, whatever is planned.
    pub fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
    }

    /// How many planned faults have not happened yet.
    pub fn left(&self) -> usize {
        self.planned().iter().map(|(_, faults)| faults.len()).sum()
    }

    /// How many attempts something has happened to, those included that were held back and have arrived.
    pub fn struck(&self) -> usize {
        self.struck.load(Ordering::SeqCst)
    }

    /// Waits until a late attempt has arrived and was answered.
    pub async fn late_arrival(&self) {
        self.late.notified().await;
    }

    /// A client that suffers these faults.
    pub fn over(self, client: SharedHttpClient) -> SharedHttpClient {
        FaultyClient { faults: self, client }.into_shared()
    }

    /// The sleeping of that client, whose attempts have this time-out.
    pub(crate) fn sleep(&self, attempt_timeout: Duration) -> SharedAsyncSleep {
        SharedAsyncSleep::new(FaultySleep {
            unanswered: self.unanswered.clone(),
            attempt_timeout,
        })
    }

    fn planned(&self) -> std::sync::MutexGuard<'_, Vec<Plan>> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, request: &HttpRequest) -> Fault {
        if self.cut.load(Ordering::SeqCst) {
            return Fault::DropBefore;
        }
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let action = target.rsplit('.').next().unwrap_or_default();
        if let Some(decide) = self.decide.get() {
            let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default());
            if let Some(fault) = decide(action, &body) {
                return fault;
            }
        }
        let mut planned = self.planned();
        let of_action = planned.iter_mut().filter(|(name, _)| name == action);
        of_action
            .filter_map(|(_, faults)| faults.pop_front())
            .next()
            .unwrap_or(Fault::Pass)
    }
}

/// Sleeps as tokio does, and ends the time-out of an attempt early once that was carried out [unanswered](Fault::Unanswered).
#[derive(Debug)]
struct FaultySleep {
    unanswered: Arc<Notify>,
    attempt_timeout: Duration,
}

impl AsyncSleep for FaultySleep {
    fn sleep(&self, duration: Duration) -> Sleep {
        let slept = tokio::time::sleep(duration);
        if duration != self.attempt_timeout {
            return Sleep::new(slept);
        }
        let unanswered = self.unanswered.clone();
        Sleep::new(async move {
            tokio::select! {
                () = unanswered.notified() => {}
                () = slept => {}
            }
        })
    }
}

#[derive(Debug)]
struct FaultyClient {
    faults: Faults,
    client: SharedHttpClient,
}

impl HttpClient for FaultyClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        FaultyConnector {
            faults: self.faults.clone(),
            connector: self.client.http_connector(settings, components),
        }
        .into_shared()
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.client.connector_metadata()
    }
}

#[derive(Debug)]
struct FaultyConnector {
    faults: Faults,
    connector: SharedHttpConnector,
}

impl HttpConnector for FaultyConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.connector.clone();
        let fault = self.faults.next(&request);
        if !matches!(fault, Fault::Pass) {
            self.faults.struck.fetch_add(1, Ordering::SeqCst);
        }
        match fault {
            Fault::Pass => connector.call(request),
            Fault::Refuse(status, code) => HttpConnectorFuture::ready(Ok(answer(status, code))),
            Fault::DropBefore => HttpConnectorFuture::ready(Err(broken())),
            Fault::PassAfter(hook) => HttpConnectorFuture::new(async move {
                hook().await;
                connector.call(request).await
            }),
            Fault::DropAfter => HttpConnectorFuture::new(async move {
                connector.call(request).await?;
                Err(broken())
            }),
            Fault::DropAfterThen(hook) => HttpConnectorFuture::new(async move {
                connector.call(request).await?;
                hook().await;
                Err(broken())
            }),
            Fault::Late(arrives_after) => {
                let late = self.faults.late.clone();
                tokio::spawn(async move {
                    arrives_after().await;
                    let _ = connector.call(request).await;
                    late.notify_one();
                });
                HttpConnectorFuture::ready(Err(broken()))
            }
            Fault::Unanswered => {
                let unanswered = self.faults.unanswered.clone();
                HttpConnectorFuture::new(async move {
                    connector.call(request).await?;
                    unanswered.notify_one();
                    std::future::pending().await
                })
            }
            Fault::ErrorAfter => HttpConnectorFuture::new(async move {
                connector.call(request).await?;
                Ok(answer(500, "InternalServerError"))
            }),
            Fault::HeldBack => {
                self.faults.hold_back(connector, request);
                HttpConnectorFuture::ready(Err(broken()))
            }
            Fault::Twice => {
                let (faults, again) = (self.faults.clone(), request.try_clone());
                HttpConnectorFuture::new(async move {
                    let answer = connector.call(request).await;
                    faults.hold_back(connector, again.expect("the SDK sends bodies that are in memory"));
                    answer
                })
            }
        }
    }
}

fn answer(status: u16, code: &str) -> HttpResponse {
    let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"injected"}}"#);
    let status = StatusCode::try_from(status).expect("a test plans real status codes");
    let mut response = HttpResponse::new(status, body.into());
    response
        .headers_mut()
        .insert("content-type", "application/x-amz-json-1.0");
    response
}

fn broken() -> ConnectorError {
    ConnectorError::io("injected: the connection broke".into())
}
