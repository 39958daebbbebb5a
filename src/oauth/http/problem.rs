//! What went wrong on the way, found in the causes of an error. The error itself is not kept: it may hold the address.

use std::{error::Error, io};

use rustls::CertificateError;

use crate::manager::ConnectionProblem;

/// The problem of a connection that could not be made.
pub(super) fn connecting(error: &(dyn Error + 'static)) -> ConnectionProblem {
    let mut cause = Some(error);
    let mut found = ConnectionProblem::Unreachable;
    while let Some(error) = cause {
        if let Some(problem) = known(error) {
            found = problem;
        }
        cause = error.source();
    }
    found
}

/// The problem of an answer that did not come, or not whole. The connection was there.
pub(super) fn answering(error: &(dyn Error + 'static)) -> ConnectionProblem {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(problem) = of_answer(error) {
            return problem;
        }
        cause = error.source();
    }
    ConnectionProblem::Broken
}

fn of_answer(error: &(dyn Error + 'static)) -> Option<ConnectionProblem> {
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return match () {
            () if error.is_parse_too_large() => Some(ConnectionProblem::HeadersTooLarge),
            () if error.is_parse() || spoke_unasked(error) => Some(ConnectionProblem::NotHttp),
            () => None,
        };
    }
    if error.is::<rustls::Error>() {
        return Some(ConnectionProblem::TlsBroken);
    }
    let error = error.downcast_ref::<io::Error>()?;
    match (error.get_ref().and_then(|inner| of_answer(inner)), error.kind()) {
        (Some(problem), _) => Some(problem),
        // hyper's words for chunks that make no sense.
        (None, io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => Some(ConnectionProblem::NotHttp),
        (None, _) => None,
    }
}

/// Whether a greeting came before anything was asked, as from SSH or SMTP. It is the only kind of these errors that has
/// neither a cause nor a question for it.
fn spoke_unasked(error: &hyper::Error) -> bool {
    let is_another = error.is_user()
        || error.is_canceled()
        || error.is_closed()
        || error.is_incomplete_message()
        || error.is_shutdown()
        || error.is_timeout();
    error.source().is_none() && !is_another
}

fn known(error: &(dyn Error + 'static)) -> Option<ConnectionProblem> {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(tls(error));
    }
    // What no host can be called.
    if error.is::<rustls::pki_types::InvalidDnsNameError>() {
        return Some(ConnectionProblem::UnknownName);
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        // What it wraps is not among its sources, and may itself be one of these.
        if let Some(inner) = error.get_ref() {
            return known(inner);
        }
        return match error.kind() {
            io::ErrorKind::ConnectionRefused => Some(ConnectionProblem::Refused),
            io::ErrorKind::TimedOut => Some(ConnectionProblem::Unreachable),
            _ => None,
        };
    }
    // The connector's own type cannot be named.
    error
        .to_string()
        .starts_with("dns error")
        .then_some(ConnectionProblem::UnknownName)
}

fn tls(error: &rustls::Error) -> ConnectionProblem {
    match error {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::UnknownIssuer => ConnectionProblem::UnknownAuthority,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                ConnectionProblem::WrongName
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => ConnectionProblem::CertificateExpired,
            _ => ConnectionProblem::Tls,
        },
        rustls::Error::InvalidMessage(_) => ConnectionProblem::NotTls,
        _ => ConnectionProblem::Tls,
    }
}

#[cfg(test)]
mod tests {
    use hyper_util::client::legacy::connect::HttpConnector;
    use tower_service::Service as _;

    use super::*;

    #[tokio::test]
    async fn a_name_that_nobody_knows_is_told() {
        // Longer than a part of a name can be, so that no name server is asked.
        let uri = format!("http://{}.invalid/", "a".repeat(64));
        let error = HttpConnector::new().call(uri.parse().unwrap()).await.unwrap_err();
        assert_eq!(connecting(&error), ConnectionProblem::UnknownName, "{error:?}");
    }

    #[test]
    fn tls_that_ends_after_a_request_is_told() {
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired);
        let error = io::Error::new(io::ErrorKind::InvalidData, alert);
        assert_eq!(answering(&io::Error::other(error)), ConnectionProblem::TlsBroken);
        let closed = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert_eq!(answering(&closed), ConnectionProblem::Broken);
    }

    #[test]
    fn certificates_are_told_apart() {
        let nested = |error| io::Error::other(io::Error::other(error));
        for (why, problem) in [
            (CertificateError::UnknownIssuer, ConnectionProblem::UnknownAuthority),
            (CertificateError::NotValidForName, ConnectionProblem::WrongName),
            (CertificateError::Expired, ConnectionProblem::CertificateExpired),
            (CertificateError::BadSignature, ConnectionProblem::Tls),
        ] {
            let error = nested(rustls::Error::InvalidCertificate(why));
            assert_eq!(connecting(&error), problem);
        }
    }
}
