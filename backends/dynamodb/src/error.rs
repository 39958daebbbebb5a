//! What DynamoDB's errors mean for a table of tokens.

use std::error::Error as StdError;

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use token_storage_aws::{Answered, Place};
use token_storage_core::{Error, ErrorKind};

use crate::actions::CREATE;

/// The error of a failed request. Whether a write may have happened all the same is for the caller to add.
pub(crate) fn from_sdk<E>(error: &SdkError<E, HttpResponse>, place: &Place) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let ours = token_storage_aws::from_sdk(error, place, meaning);
    match error.code() {
        Some(NO_TABLE) => ours.with_action(CREATE),
        _ => ours,
    }
}

const NO_TABLE: &str = "ResourceNotFoundException";

fn meaning(answered: Answered<'_>) -> Option<(ErrorKind, &'static str)> {
    Some(match answered.code {
        NO_TABLE => (
            ErrorKind::Misconfigured,
            "there is no such table; create it, or check table, region and endpoint",
        ),
        "ValidationException" => of_validation(answered.message),
        "AccessDeniedException" => (
            ErrorKind::PermissionDenied,
            "AWS refuses it; compare the IAM policy with the one in docs/dynamodb.md",
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
        _ => return None,
    })
}

/// A validation error's message may quote values, so only what it is about is told.
fn of_validation(message: &str) -> (ErrorKind, &'static str) {
    let message = message.to_lowercase();
    if message.contains("size") && message.contains("exceeded") {
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
    }
}
