//! What the errors of KMS mean for a wrapped key. No error of the SDK is kept as a source.

use std::error::Error as StdError;

use aws_sdk_kms::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use token_storage_aws::{Answered, Place, from_sdk};
use token_storage_core::{Error, ErrorKind};

use crate::private::{READABLE, Readable};

/// The error of a failed request.
pub(crate) fn of<E>(error: &SdkError<E, HttpResponse>, place: &Place) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    if is_readable(error) {
        return Error::new(
            ErrorKind::Misconfigured,
            format!("{} was not asked: {READABLE}", place.what),
        );
    }
    from_sdk(error, place, meaning)
}

/// The key file was wrapped by another key of KMS than the one that was asked.
pub(crate) const ANOTHER_KEY: &str = "IncorrectKeyException";

/// The caller may not do that with the key that was named, or with the one that wrapped.
pub(crate) const NO_ACCESS: &str = "AccessDeniedException";

fn meaning(answered: Answered<'_>) -> Option<(ErrorKind, &'static str)> {
    Some(match answered.code {
        "NotFoundException" | "InvalidArnException" => (
            ErrorKind::Misconfigured,
            "there is no such key; check its name, the region and the account",
        ),
        ANOTHER_KEY => (
            ErrorKind::Misconfigured,
            "the key file is wrapped by another key of KMS; name that one, or with `old=` beside the new one",
        ),
        "InvalidCiphertextException" => (
            ErrorKind::Misconfigured,
            "what is wrapped in the key file was changed, or wrapped elsewhere or for another `context`; restore the file from a copy",
        ),
        "ValidationException" => (
            ErrorKind::Misconfigured,
            "KMS does not accept the request: what is wrapped in the key file was changed, or the key is named wrongly",
        ),
        "InvalidKeyUsageException" | "UnsupportedOperationException" => (
            ErrorKind::Misconfigured,
            "the key is not one that encrypts symmetrically; make one of the kind SYMMETRIC_DEFAULT",
        ),
        "DisabledException" => (
            ErrorKind::PermissionDenied,
            "the key is disabled; enable it, and until then nothing that it wraps can be read",
        ),
        "KMSInvalidStateException" => (
            ErrorKind::PermissionDenied,
            "the key is in a state in which it cannot be used, such as waiting for its deletion, which can be cancelled",
        ),
        NO_ACCESS => (
            ErrorKind::PermissionDenied,
            "AWS refuses it: policies must allow kms:Decrypt, and kms:GenerateDataKey for the commands that change the key file; or the \
             file is wrapped by a key of somebody else",
        ),
        "KeyUnavailableException" | "DependencyTimeoutException" => {
            (ErrorKind::Unavailable, "KMS cannot use the key now; try again")
        }
        _ => return None,
    })
}

fn is_readable(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause.is::<Readable>() {
            return true;
        }
        next = cause.source();
    }
    false
}
