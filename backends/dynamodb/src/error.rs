//! The SDK's errors as ours.
//!
//! None of them is kept as a source: a refused condition holds the whole item, and a validation error may quote a value
//! (clause S1). What is kept is the service's error code, which is a fixed word, and the request id.

use std::{error::Error as StdError, io, time::Duration};

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
};
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use token_storage_core::{Error, ErrorKind};

use crate::actions::CREATE;

/// Where a request went, for the messages.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) table: String,
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
}

impl Place {
    /// Table, region and endpoint, for people.
    pub(crate) fn describe(&self) -> String {
        let region = self.region.as_deref().map(|region| format!(" in {region}"));
        let endpoint = self.endpoint.as_deref().map(|endpoint| format!(" at {endpoint}"));
        format!(
            "DynamoDB table {}{}{}",
            self.table,
            region.unwrap_or_default(),
            endpoint.unwrap_or_default()
        )
    }
}

/// After how long a throttled call is worth repeating.
const THROTTLED: Duration = Duration::from_secs(1);

/// The error of a failed request. Whether a write may have happened all the same is for the caller to add.
pub(crate) fn from_sdk<E>(error: &SdkError<E, HttpResponse>, place: &Place) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let place = place.describe();
    match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let request_id = error
                .request_id()
                .map(|id| format!(" (request {id})"))
                .unwrap_or_default();
            from_code(
                error.code().unwrap_or("unknown"),
                error.message(),
                status,
                &place,
                &request_id,
            )
        }
        SdkError::TimeoutError(_) => unreachable(format!("{place} did not answer in time; try again")),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            unreachable(format!("{place} did not answer in time; try again"))
        }
        SdkError::ResponseError(_) => unreachable(format!("the answer of {place} broke off; try again")),
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) if is_credentials(error) => no_credentials(),
        SdkError::ConstructionFailure(_) => Error::new(
            ErrorKind::Misconfigured,
            format!("no request to {place} could be made; check region, endpoint and profile"),
        ),
        _ => {
            let cause = io_kind(error).map(|kind| format!(" ({kind})")).unwrap_or_default();
            unreachable(format!(
                "{place} cannot be reached{cause}; check the network and the endpoint"
            ))
        }
    }
}

fn unreachable(message: String) -> Error {
    Error::new(ErrorKind::Unavailable, message)
}

fn no_credentials() -> Error {
    Error::new(
        ErrorKind::PermissionDenied,
        "no AWS credentials could be loaded; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a profile, or \
         log in with the AWS command again if they have expired",
    )
}

const NO_TABLE: &str = "ResourceNotFoundException";

fn from_code(code: &str, message: Option<&str>, status: u16, place: &str, id: &str) -> Error {
    let (kind, advice) = match code {
        NO_TABLE => (
            ErrorKind::Misconfigured,
            "there is no such table; create it, or check table, region and endpoint",
        ),
        "ValidationException" => return from_validation(message.unwrap_or_default(), place, id),
        "ExpiredTokenException" | "ExpiredToken" => (
            ErrorKind::PermissionDenied,
            "the AWS credentials have expired; log in to AWS again",
        ),
        "AccessDeniedException" => (
            ErrorKind::PermissionDenied,
            "AWS refuses it; compare the IAM policy with the one in docs/dynamodb.md",
        ),
        "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignatureException"
        | "InvalidClientTokenId"
        | "OptInRequired" => (
            ErrorKind::PermissionDenied,
            "AWS does not accept the credentials; check them and the clock",
        ),
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "Throttling"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "TooManyRequestsException" => (
            ErrorKind::Busy,
            "it is throttled; try again later or raise the table's capacity",
        ),
        "TransactionConflictException" | "TransactionInProgressException" | "ReplicatedWriteConflictException" => {
            (ErrorKind::Busy, "other writers keep the item busy; try again")
        }
        "UnknownOperationException" => (ErrorKind::Misconfigured, "the service does not know this operation"),
        _ if status >= 500 => (ErrorKind::Unavailable, "the service failed; try again"),
        _ => (ErrorKind::Unavailable, "the service refused the request"),
    };
    let error = Error::new(kind, format!("{place} answered {code}{id}: {advice}"));
    match (kind, code) {
        (ErrorKind::Busy, _) => error.with_retry_after(THROTTLED),
        (_, NO_TABLE) => error.with_action(CREATE),
        _ => error,
    }
}

/// A validation error's message may quote values, so only what it is about is told.
fn from_validation(message: &str, place: &str, id: &str) -> Error {
    let message = message.to_lowercase();
    let (kind, advice) = if message.contains("size") && message.contains("exceeded") {
        (ErrorKind::TooLarge, "the item is too large")
    } else if message.contains("key") {
        (
            ErrorKind::Misconfigured,
            "the table has another key schema; it needs the hash key `token_data_id` of type S and no range key",
        )
    } else {
        (
            ErrorKind::Misconfigured,
            "the service does not accept the request; is it a DynamoDB table made for tokens?",
        )
    };
    Error::new(kind, format!("{place} answered ValidationException{id}: {advice}"))
}

/// Whether an attempt certainly never reached the service: its connection was refused.
pub(crate) fn never_connected<E: std::fmt::Debug>(error: &OrchestratorError<E>) -> bool {
    error
        .as_connector_error()
        .is_some_and(|connector| io_kind(connector) == Some(io::ErrorKind::ConnectionRefused))
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .map(io::Error::kind)
        .last()
}

/// A client without any provider of credentials fails with a private type, known by its words alone.
fn is_credentials(error: &(dyn StdError + 'static)) -> bool {
    causes(error).any(|cause| {
        cause.is::<aws_credential_types::provider::error::CredentialsError>()
            || cause.to_string().contains("select an auth scheme")
    })
}
