use std::time::Duration;

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig},
};
use aws_smithy_http_client::{
    Builder as HttpClientBuilder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime::client::retries::RetryPartition;

use crate::{Faults, Recorder};

/// The region of the clients made here; `AWS_REGION` counts for an endpoint that was named.
pub const REGION: &str = "eu-central-1";

// No test waits for these; they end one that hangs. See `Fault::Unanswered` for an attempt that times out.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(300);

/// A client for the endpoint: made-up credentials, quick retries.
pub fn client(endpoint: &str) -> Client {
    ClientBuilder::new(endpoint).build()
}

/// Settings of a client for tests.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientBuilder {
    endpoint: String,
    recorder: Option<Recorder>,
    faults: Option<Faults>,
    attempts: u32,
}

impl ClientBuilder {
    /// A client for this endpoint.
    pub fn new(endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            recorder: None,
            faults: None,
            attempts: 5,
        }
    }

    /// Records what is sent.
    pub fn recorder(mut self, recorder: &Recorder) -> Self {
        self.recorder = Some(recorder.clone());
        self
    }

    /// Suffers the planned faults.
    pub fn faults(mut self, faults: &Faults) -> Self {
        self.faults = Some(faults.clone());
        self
    }

    /// The most attempts for one operation.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Makes the client.
    pub fn build(self) -> Client {
        let var = |name: &str| std::env::var(name).ok().filter(|_| crate::is_external());
        let credentials = Credentials::new(
            var("AWS_ACCESS_KEY_ID").unwrap_or_else(|| "test".to_owned()),
            var("AWS_SECRET_ACCESS_KEY").unwrap_or_else(|| "test".to_owned()),
            var("AWS_SESSION_TOKEN"),
            None,
            "tests",
        );
        let builder = HttpClientBuilder::new();
        let client = if self.endpoint.starts_with("https:") {
            builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
        } else {
            builder.build_http()
        };
        let mut config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .endpoint_url(self.endpoint)
            .region(Region::new(var("AWS_REGION").unwrap_or_else(|| REGION.to_owned())))
            .credentials_provider(credentials)
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(self.attempts)
                    .with_initial_backoff(Duration::from_millis(5)),
            )
            // The bucket of retry tokens is otherwise shared by all clients of the process.
            .retry_partition(RetryPartition::custom("tests").build())
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .operation_timeout(OPERATION_TIMEOUT)
                    .build(),
            );
        config = match self.faults {
            Some(faults) => config
                .sleep_impl(faults.sleep(ATTEMPT_TIMEOUT))
                .http_client(faults.over(client)),
            None => config.http_client(client),
        };
        if let Some(recorder) = self.recorder {
            config = config.interceptor(recorder);
        }
        Client::from_conf(config.build())
    }
}
