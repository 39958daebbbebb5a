//! The answers of KMS have keys in them, so they go over TLS, or not beyond this machine, wherever an endpoint was set.

use std::{fmt, net::IpAddr};

use aws_sdk_kms::{
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextRef},
    error::BoxError,
};

/// Refuses requests that others on the way could read.
#[derive(Debug)]
pub(crate) struct Private;

/// A request was refused so.
#[derive(Debug)]
pub(crate) struct Readable;

pub(crate) const READABLE: &str = "the endpoint is http:// and not on this machine; keys would go over the network as they are, so it \
                                   has to be https://";

impl Intercept for Private {
    fn name(&self) -> &'static str {
        "Private"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        match is_private(context.request().uri()) {
            true => Ok(()),
            false => Err(Readable.into()),
        }
    }
}

/// Whether nobody on the way can read what goes to and comes from this URL.
pub(crate) fn is_private(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    if scheme.eq_ignore_ascii_case("https") {
        return true;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

impl fmt::Display for Readable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(READABLE)
    }
}

impl std::error::Error for Readable {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_tls_or_not_beyond_this_machine() {
        for good in [
            "https://kms.eu-central-1.amazonaws.com/",
            "HTTPS://example.org",
            "http://127.0.0.1:5000",
            "http://127.8.8.8/x",
            "http://[::1]:5000/",
            "http://LocalHost/",
        ] {
            assert!(is_private(good), "{good}");
        }
        for bad in [
            "http://kms.example.org",
            "http://localhost.example.org",
            "http://127.0.0.1.example.org/",
            "http://10.0.0.1:5000",
            "http://127.0.0.1@example.org/",
            "http://[fe80::1]/",
            "http:///",
            "kms.example.org",
        ] {
            assert!(!is_private(bad), "{bad}");
        }
    }
}
