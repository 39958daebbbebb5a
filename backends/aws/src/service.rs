use std::time::Duration;

use aws_config::{
    BehaviorVersion, Region, SdkConfig, profile::ProfileFileCredentialsProvider, provider_config::ProviderConfig,
};
use aws_smithy_http_client::{
    Builder as HttpClientBuilder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use token_storage_core::{Error, ErrorKind, Operation, Result};
use url::Url;

/// For one attempt, the connection included. The SDK's own default is none.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// For an operation with all its attempts and the pauses between them. The SDK's own default is none.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Where a service is, and who asks it. What is not set comes from AWS's standard places, and so do the credentials.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// The AWS region, for example `eu-central-1`.
    pub region: Option<String>,
    /// Another service than AWS's own of that region: an emulator, a VPC endpoint. `http://` or `https://`.
    pub endpoint: Option<String>,
    /// The profile in AWS's shared configuration files. Its credentials are used even if there are others in the
    /// environment.
    pub profile: Option<String>,
}

impl Service {
    /// Finds region and credentials. No request is sent to the service. Within a runtime of tokio, as all that is done with what
    /// it returns: five attempts within 20 s, each of them within 5 s, over rustls.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`]: no such endpoint, or no region is known.
    pub async fn load(&self) -> Result<SdkConfig> {
        let plain = match self.endpoint.as_deref() {
            Some(endpoint) => is_plain_http(endpoint)?,
            None => false,
        };
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            // Credentials may have to be fetched by HTTPS even if the service's endpoint is plain.
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
        let config = loader.load().await;
        // An empty variable is set, and names none.
        if config.region().is_none_or(|region| region.as_ref().is_empty()) {
            return Err(misconfigured(
                "no AWS region is known; set AWS_REGION, or `region` in the URL or the profile",
            ));
        }
        Ok(match plain {
            true => config
                .into_builder()
                .http_client(HttpClientBuilder::new().build_http())
                .build(),
            false => config,
        })
    }

    /// A profile that was asked for by name comes before credentials in the environment, as in the AWS command; left to
    /// itself, the SDK takes those first, and so perhaps another account.
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

/// Where a request went, for the messages.
#[derive(Clone, Debug)]
pub struct Place {
    /// What was asked for something: `DynamoDB table tokens`.
    pub what: String,
    /// Where it is.
    pub region: Option<String>,
    /// Where it was asked, if not at AWS's own place.
    pub endpoint: Option<String>,
}

impl Place {
    /// What, region and endpoint, for people.
    pub fn describe(&self) -> String {
        let region = self.region.as_deref().map(|region| format!(" in {region}"));
        let endpoint = self.endpoint.as_deref().map(|endpoint| format!(" at {endpoint}"));
        format!(
            "{}{}{}",
            self.what,
            region.unwrap_or_default(),
            endpoint.unwrap_or_default()
        )
    }
}

/// Whether an endpoint is `http://`.
///
/// # Errors
/// - [`ErrorKind::Misconfigured`]: it is no URL of HTTP, or names a user. Nothing of it is quoted.
pub fn is_plain_http(endpoint: &str) -> Result<bool> {
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

fn misconfigured(message: &str) -> Error {
    Error::new(ErrorKind::Misconfigured, message).with_operation(Operation::Open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        assert!(is_plain_http("http://127.0.0.1:8000").unwrap());
        assert!(!is_plain_http("https://service.eu-central-1.amazonaws.com").unwrap());
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
