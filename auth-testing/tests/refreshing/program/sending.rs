//! What goes to the server, and what its answers mean.

use std::time::Duration;

use serde_json::Value;
use token_storage_auth_testing::{auth_server::AuthServer, refreshing::slowest_answer};
use token_storage_core::{Secret, TokenData};
use tokio::time::Instant;

use super::Program;
use crate::flaw::Flaw;

pub(super) enum Answer {
    Tokens(Value),
    Refused(String),
    Failed {
        why: String,
        perhaps_done: bool,
        /// What the server asks for.
        pause: Option<Duration>,
    },
}

impl Program {
    pub(super) async fn send(&self, data: &TokenData) -> Answer {
        if self.has(Flaw::Hedges) {
            let first = self.send_once(data);
            let second = async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                self.send_once(data).await
            };
            return tokio::select! { answer = first => answer, answer = second => answer };
        }
        let answer = self.send_once(data).await;
        match answer {
            Answer::Failed { .. } if self.has(Flaw::RetriesAtOnce) => self.send_once(data).await,
            answer => answer,
        }
    }

    async fn send_once(&self, data: &TokenData) -> Answer {
        let token = data.refresh_token.as_ref().map_or("", Secret::expose);
        let mut form = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", AuthServer::NATIVE_CLIENT),
        ];
        if self.has(Flaw::AsksForLess) {
            form.push(("scope", "read"));
        }
        let request = http().post(&self.token_url);
        let request = match self.has(Flaw::TokenInTheUrl) {
            true => request.query(&form).form(&[("client_id", "")]),
            false => request.form(&form),
        };
        let failed = |why: &str, perhaps_done| Answer::Failed {
            why: why.to_owned(),
            perhaps_done,
            pause: None,
        };
        let deadline = Instant::now() + patience();
        let sent = self.in_time(deadline, Flaw::WaitsForEver, request.send()).await;
        let Some(Ok(response)) = sent else {
            return failed("the server cannot be reached", true);
        };
        let status = response.status().as_u16();
        let pause = pause(&response);
        let Some(Ok(text)) = self.in_time(deadline, Flaw::WaitsForTheRest, response.text()).await else {
            return failed("the answer broke off", true);
        };
        let quoted = match self.has(Flaw::QuotesTheAnswer) {
            true => format!("status {status}: {text}"),
            false => format!("the server answered with status {status}"),
        };
        if self.takes_for_a_refusal(status, &text) {
            return Answer::Refused(quoted);
        }
        match (status, serde_json::from_str::<Value>(&text)) {
            (429, _) => Answer::Failed {
                why: quoted,
                perhaps_done: false,
                pause,
            },
            (200, Ok(answer)) if self.is_token(&answer["access_token"]) => Answer::Tokens(answer),
            (400..500, Ok(answer)) if answer["error"] == "invalid_grant" => Answer::Refused(quoted),
            (400..500, Ok(answer)) if answer["error"].is_string() => failed(&quoted, false),
            (500.., _) if self.has(Flaw::ServerErrorIsKnown) => failed(&quoted, false),
            _ => failed(&quoted, true),
        }
    }

    /// What comes before the deadline, or at any time with this flaw.
    async fn in_time<T>(&self, deadline: Instant, flaw: Flaw, work: impl Future<Output = T>) -> Option<T> {
        match self.has(flaw) {
            true => Some(work.await),
            false => tokio::time::timeout_at(deadline, work).await.ok(),
        }
    }

    /// For flaws alone.
    fn takes_for_a_refusal(&self, status: u16, text: &str) -> bool {
        match self.flaw {
            Some(Flaw::ThrottlingIsRefusal) => status == 429,
            Some(Flaw::FailureIsRefusal) => status >= 500,
            Some(Flaw::HtmlIsRefusal) => text.starts_with('<'),
            Some(Flaw::AnyErrorIsRefusal) => status == 401 || text.contains("\"error\""),
            _ => false,
        }
    }

    fn is_token(&self, value: &Value) -> bool {
        let text = value.as_str();
        text.is_some_and(|text| !text.is_empty() || self.has(Flaw::EmptyTokenIsAToken))
    }

    pub(super) async fn revoke(&self, data: &TokenData) {
        if self.has(Flaw::RevokesNothing) {
            return;
        }
        for token in data.refresh_token.iter().chain([&data.access_token]) {
            let form = [("token", token.expose()), ("client_id", AuthServer::NATIVE_CLIENT)];
            let _ = http().post(&self.revocation_url).form(&form).send().await;
        }
    }
}

/// How long an answer is waited for.
pub(crate) fn patience() -> Duration {
    slowest_answer() + Duration::from_secs(8)
}

fn pause(response: &reqwest::Response) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}

/// None is kept for later: each test has a runtime of its own.
fn http() -> reqwest::Client {
    static CLIENT: std::sync::LazyLock<reqwest::Client> =
        std::sync::LazyLock::new(|| reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap());
    CLIENT.clone()
}
