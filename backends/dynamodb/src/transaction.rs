//! One request that changes several items, all or none.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
    types::{CancellationReason, TransactWriteItem},
};
use token_storage_aws::quiet;
use token_storage_core::{Error, ErrorKind, Result, TokenKey, WriteMark};

use crate::{attempts::Attempts, error::from_sdk, inner::Inner, item::Item};

/// A change of one item, under a condition.
pub(crate) struct Part<'a> {
    pub(crate) write: TransactWriteItem,
    /// The item's key.
    pub(crate) id: String,
    /// Whose it is, for errors.
    pub(crate) key: &'a TokenKey,
}

/// What became of one transaction.
pub(crate) enum Answer {
    Applied,
    /// The items that refused it, by position.
    Refused(HashMap<usize, Option<Item>>),
    Contended,
    /// The service has none. Of attempts before it whose answers were lost this says nothing.
    Unsupported(Error),
    Failed(Error),
}

impl Inner {
    /// `token`: ten minutes long, AWS answers a repetition with the outcome of the first; then the marks decide.
    pub(crate) async fn transact(&self, parts: Vec<Part<'_>>, token: &WriteMark, attempts: &Attempts) -> Answer {
        let (items, places): (Vec<_>, Vec<_>) = parts.into_iter().map(|part| (part.write, (part.id, part.key))).unzip();
        let request = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items))
            .client_request_token(token.to_string());
        let error = match quiet(request.customize().interceptor(attempts.clone()).send()).await {
            Ok(_) => return Answer::Applied,
            Err(error) => error,
        };
        match error.code() {
            Some("TransactionInProgressException") => Answer::Contended,
            Some("UnknownOperationException") => Answer::Unsupported(from_sdk(&error, &self.place)),
            Some("TransactionCanceledException") => match reasons(error) {
                Some(reasons) => self.cancelled(&places, reasons).await,
                None => Answer::Contended,
            },
            _ => Answer::Failed(from_sdk(&error, &self.place)),
        }
    }

    /// One reason for each part, in their order.
    async fn cancelled(&self, places: &[(String, &TokenKey)], reasons: Vec<CancellationReason>) -> Answer {
        let mut refusals = HashMap::new();
        let mut other = None;
        for (i, reason) in reasons.into_iter().enumerate() {
            let (id, key) = &places[i];
            match reason.code() {
                None | Some("None") => {}
                Some("ConditionalCheckFailed") => {
                    let refusal = match reason.item.filter(|attributes| !attributes.is_empty()) {
                        Some(attributes) => Some(Item::new(attributes)),
                        None => match self.read(id).await {
                            Ok(item) => item,
                            Err(error) => return Answer::Failed(error),
                        },
                    };
                    refusals.insert(i, refusal);
                }
                Some("TransactionConflict") => other = other.or(Some(Answer::Contended)),
                Some(code) => other = Some(Answer::Failed(self.reason(code, key))),
            }
        }
        match other {
            _ if !refusals.is_empty() => Answer::Refused(refusals),
            Some(answer) => answer,
            None => Answer::Contended,
        }
    }

    fn reason(&self, code: &str, key: &TokenKey) -> Error {
        let place = self.place.describe();
        let message = |advice: &str| format!("{place} cancelled the transaction with {code}: {advice}");
        let error = match code {
            "ThrottlingError" | "ProvisionedThroughputExceeded" | "RequestLimitExceeded" => {
                Error::new(ErrorKind::Busy, message("it is throttled; try again later"))
            }
            "ItemCollectionSizeLimitExceeded" => Error::new(ErrorKind::StorageFull, message("there is no room")),
            "ValidationError" => Error::new(ErrorKind::Misconfigured, message("is it a table made for tokens?")),
            _ => Error::new(ErrorKind::Unavailable, message("the service refused it")),
        };
        error.with_key(key)
    }
}

fn reasons(
    error: SdkError<TransactWriteItemsError, aws_sdk_dynamodb::config::http::HttpResponse>,
) -> Option<Vec<CancellationReason>> {
    match error {
        SdkError::ServiceError(service) => match service.into_err() {
            TransactWriteItemsError::TransactionCanceledException(cancelled) => cancelled.cancellation_reasons,
            _ => None,
        },
        _ => None,
    }
}

/// What the SDK's builders say of a part that lacks something.
pub(crate) fn built<T, E>(part: std::result::Result<T, E>) -> Result<T> {
    part.map_err(|_| Error::new(ErrorKind::InvalidInput, "the transaction could not be built"))
}
