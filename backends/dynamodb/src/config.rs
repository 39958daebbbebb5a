use std::{sync::Arc, time::Duration};

use aws_config::{BehaviorVersion, Region, profile::ProfileFileCredentialsProvider, provider_config::ProviderConfig};
use aws_sdk_dynamodb::{
    Client,
    config::{SharedHttpClient, retry::RetryConfig, timeout::TimeoutConfig},
};
use aws_smithy_http_client::{
    Builder as HttpClientBuilder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use token_storage_core::{
    Error, ErrorKind, Operation, Result,
    backend::{Clock, SystemClock},
};
use url::Url;

use crate::{
    DynamoDbStorage,
    error::Place,
    inner::{Inner, Options},
    lease::Observations,
};

/// For one attempt, the connection included. The SDK's own default is none.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// For an operation with all its attempts and the pauses between them. The SDK's own default is none.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

const LEASE_TTL: Duration = Duration::from_secs(30);
/// Shorter ones would be renewed more often than the service should be asked.
const SHORTEST_LEASE_TTL: Duration = Duration::from_millis(100);
const CONTENTION: Duration = Duration::from_secs(10);

/// Settings of a [`DynamoDbStorage`]; from [`DynamoDbStorage::builder`].
///
/// Region, profile and endpoint that are not set come from AWS's standard places, and so do the credentials.
#[derive(Clone, Debug)]
#[must_use]
pub struct DynamoDbBuilder {
    table: String,
    region: Option<String>,
    endpoint: Option<String>,
    profile: Option<String>,
    options: Options,
    clock: Option<Arc<dyn Clock>>,
}

impl DynamoDbBuilder {
    pub(crate) fn new(table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            region: None,
            endpoint: None,
            profile: None,
            options: Options {
                lease_ttl: LEASE_TTL,
                contention: CONTENTION,
                clean_up_after: None,
            },
            clock: None,
        }
    }

    /// The AWS region, for example `eu-central-1`.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Another service than AWS's own of that region: an emulator, a VPC endpoint. `http://` or `https://`.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// The profile in AWS's shared configuration files. Its credentials are used even if there are others in the
    /// environment.
    pub fn profile(mut self, profile: impl Into<String>) -> Self {
        self.profile = Some(profile.into());
        self
    }

    /// The time to live of refresh leases; 30 s unless set, 100 ms at least. If a holder dies, others wait this long.
    pub fn lease_ttl(mut self, ttl: Duration) -> Self {
        self.options.lease_ttl = ttl.max(SHORTEST_LEASE_TTL);
        self
    }

    /// How long a write goes on trying while others keep changing its record, before it is
    /// [`Busy`](ErrorKind::Busy); 10 s unless set. Requests have time-outs of their own.
    pub fn contention_timeout(mut self, timeout: Duration) -> Self {
        self.options.contention = timeout;
        self
    }

    /// Lets DynamoDB remove items that were not written for this long, if the table's time to live is enabled on the
    /// attribute `token-storage.clean-up` (see [`TableOptions`](crate::TableOptions)). It is for cleaning up what was
    /// abandoned, and no expiry: such items stay readable until DynamoDB gets to them, which may take days. Off unless
    /// set; make it far longer than refresh tokens live.
    pub fn clean_up_after(mut self, unwritten: Duration) -> Self {
        self.options.clean_up_after = Some(unwritten);
        self
    }

    /// Replaces the clocks that leases are measured by, for tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// A storage over a client that is ready; region, endpoint and profile of the builder do not count.
    pub fn with_client(self, client: Client) -> DynamoDbStorage {
        let region = client.config().region().map(ToString::to_string);
        DynamoDbStorage::new(Inner {
            client,
            place: Place {
                table: self.table,
                endpoint: self.endpoint,
                region,
            },
            options: self.options,
            clock: self.clock.unwrap_or_else(|| Arc::new(SystemClock::default())),
            observations: Observations::default(),
            no_transactions: Default::default(),
        })
    }

    /// Finds region and credentials in AWS's standard places and makes the client. No request is sent to the table.
    ///
    /// # Errors
    /// - [`Misconfigured`](ErrorKind::Misconfigured): no such table name or endpoint, or no region is known.
    pub async fn open(self) -> Result<DynamoDbStorage> {
        check_table(&self.table)?;
        let plain = match self.endpoint.as_deref() {
            Some(endpoint) => is_plain_http(endpoint)?,
            None => false,
        };
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            // Credentials may have to be fetched by HTTPS even if the table's endpoint is plain.
            .http_client(https())
            .retry_config(retries())
            .timeout_config(timeouts());
        if let Some(region) = self.region.clone() {
            loader = loader.region(Region::new(region));
        }
        if let Some(profile) = &self.profile {
            loader = loader
                .profile_name(profile)
                .credentials_provider(self.credentials_of(profile));
        }
        if let Some(endpoint) = &self.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        let shared = loader.load().await;
        if shared.region().is_none() {
            return Err(misconfigured(
                "no AWS region is known; set AWS_REGION, or `region` in the URL or the profile",
            ));
        }
        let mut config = aws_sdk_dynamodb::config::Builder::from(&shared);
        if plain {
            config = config.http_client(HttpClientBuilder::new().build_http());
        }
        Ok(self.with_client(Client::from_conf(config.build())))
    }
}

impl DynamoDbBuilder {
    /// A profile that was asked for by name comes before credentials in the environment, as in the AWS command; left to
    /// itself, the SDK takes those first, and so perhaps another account's table.
    fn credentials_of(&self, profile: &str) -> ProfileFileCredentialsProvider {
        let region = self.region.clone().map(Region::new);
        let provider = ProviderConfig::without_region()
            .with_http_client(https())
            .with_region(region);
        ProfileFileCredentialsProvider::builder()
            .configure(&provider)
            .profile_name(profile)
            .build()
    }
}

/// With ring: the default provider would need a C compiler, cmake and minutes of build time.
fn https() -> SharedHttpClient {
    HttpClientBuilder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
}

/// Standard, not adaptive: that one would slow every key down for a hot one.
fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_PAUSE)
        .with_max_backoff(LONGEST_PAUSE)
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

/// Names have 3 to 255 letters, digits and `_.-`; an ARN is left to the service to judge.
pub(crate) fn check_table(table: &str) -> Result<()> {
    let plain = table.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if table.starts_with("arn:") || (plain && (3..=255).contains(&table.len())) {
        return Ok(());
    }
    Err(misconfigured(
        "a DynamoDB table name has 3 to 255 letters, digits, `_`, `.` and `-`",
    ))
}

/// Whether it is `http://`.
pub(crate) fn is_plain_http(endpoint: &str) -> Result<bool> {
    match Url::parse(endpoint) {
        // They would be shown wherever the endpoint is, and never be used.
        Ok(url) if !url.username().is_empty() || url.password().is_some() => Err(misconfigured(
            "the endpoint has a user name or password in it; leave them out, AWS credentials come from AWS's own places",
        )),
        Ok(url) if url.scheme() == "https" => Ok(false),
        Ok(url) if url.scheme() == "http" => Ok(true),
        _ => Err(misconfigured(
            "the endpoint is not a URL that starts with http:// or https://",
        )),
    }
}

fn misconfigured(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Misconfigured, message).with_operation(Operation::Open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names() {
        for good in ["abc", "a.b_c-D9", "arn:aws:dynamodb:eu-central-1:123456789012:table/x"] {
            assert!(check_table(good).is_ok(), "{good}");
        }
        for bad in ["", "ab", "a b c", "a/b/c", &"x".repeat(256)] {
            assert!(check_table(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn endpoints() {
        assert!(is_plain_http("http://127.0.0.1:8000").unwrap());
        assert!(!is_plain_http("https://dynamodb.eu-central-1.amazonaws.com").unwrap());
        for bad in [
            "",
            "127.0.0.1:8000",
            "ftp://x",
            "https://user:canary@x",
            "http://user@x",
        ] {
            let error = is_plain_http(bad).unwrap_err();
            assert!(!format!("{error:?}").contains("canary"), "{bad}");
        }
    }
}
