//! The SDK's errors as ours.
//!
//! None of them is kept as a source: some hold what was stored or what a request brought (clause S1). What is kept is the
//! service's error code, which is a fixed word, and the request id.

use std::{error::Error as StdError, io, time::Duration};

use aws_smithy_runtime_api::client::{
    orchestrator::{HttpResponse, OrchestratorError},
    result::SdkError,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId as _;
use token_storage_core::{Error, ErrorKind};

use crate::Place;

/// After how long a throttled call is worth repeating.
const THROTTLED: Duration = Duration::from_secs(1);

/// What a service answered in place of a result.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// The error's name, such as `AccessDeniedException`.
    pub code: &'a str,
    /// Its words, which may quote what was sent.
    pub message: &'a str,
}

/// The error of a failed request. `meaning` says what kind an answer is that means something particular to a service, and what to
/// do about it; of others the usual meaning is told. Whether a write may have happened all the same is for the caller to add.
pub fn from_sdk<E>(
    error: &SdkError<E, HttpResponse>,
    place: &Place,
    meaning: impl FnOnce(Answered<'_>) -> Option<(ErrorKind, &'static str)>,
) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let place = place.describe();
    match error {
        SdkError::ServiceError(service) => {
            let id = service.raw().request_id().map(|id| format!(" (request {id})"));
            let id = id.unwrap_or_default();
            let answered = Answered {
                code: service.err().code().unwrap_or("unknown"),
                message: service.err().message().unwrap_or_default(),
            };
            let status = service.raw().status().as_u16();
            let (kind, advice) = meaning(answered).unwrap_or_else(|| usual(answered.code, status));
            let error = Error::new(kind, format!("{place} answered {}{id}: {advice}", answered.code));
            match kind {
                ErrorKind::Busy => error.with_retry_after(THROTTLED),
                _ => error,
            }
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

/// What answers mean that any service gives.
fn usual(code: &str, status: u16) -> (ErrorKind, &'static str) {
    match code {
        "ExpiredTokenException" | "ExpiredToken" => (
            ErrorKind::PermissionDenied,
            "the AWS credentials have expired; log in to AWS again",
        ),
        "AccessDeniedException" => (ErrorKind::PermissionDenied, "AWS refuses it; look at the IAM policy"),
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
        "ThrottlingException"
        | "Throttling"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "TooManyRequestsException" => (ErrorKind::Busy, "it is throttled; try again later"),
        "UnknownOperationException" => (ErrorKind::Misconfigured, "the service does not know this operation"),
        _ if status >= 500 => (ErrorKind::Unavailable, "the service failed; try again"),
        _ => (ErrorKind::Unavailable, "the service refused the request"),
    }
}

/// Whether an attempt certainly never reached the service: its connection was refused.
pub fn never_connected<E: std::fmt::Debug>(error: &OrchestratorError<E>) -> bool {
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
