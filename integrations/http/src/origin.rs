use std::{net::IpAddr, str::FromStr};

use http::{Uri, uri::Scheme};

/// Where a token may be sent: scheme, host and port (RFC 6454). `https` only, or `http` to this machine: whoever reads a bearer
/// token on its way can use it.
///
/// ```
/// use token_storage_http::Origin;
///
/// assert!("https://api.example.org".parse::<Origin>().is_ok());
/// assert!("http://127.0.0.1:8080".parse::<Origin>().is_ok());
/// assert!("http://api.example.org".parse::<Origin>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    is_https: bool,
    /// In lower case.
    host: Box<str>,
    port: u16,
}

/// Why a text is not an [`Origin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// Not `SCHEME://HOST` or `SCHEME://HOST:PORT`.
    #[error("that is no origin; write scheme, host and port alone, such as https://api.example.org")]
    NotAnOrigin,
    /// `http` to another machine.
    #[error("a token must not be sent there in the clear; use https, or http to this machine")]
    InTheClear,
}

impl Origin {
    /// Whether a request to that address goes there. An address without scheme and host goes nowhere in particular.
    pub fn is_of(&self, uri: &Uri) -> bool {
        Self::of(uri).as_ref() == Some(self)
    }

    fn of(uri: &Uri) -> Option<Self> {
        let is_https = match uri.scheme()? {
            scheme if *scheme == Scheme::HTTPS => true,
            scheme if *scheme == Scheme::HTTP => false,
            _ => return None,
        };
        Some(Self {
            is_https,
            host: uri.host()?.to_ascii_lowercase().into(),
            port: uri.port_u16().unwrap_or(if is_https { 443 } else { 80 }),
        })
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let uri: Uri = text.parse().map_err(|_| OriginError::NotAnOrigin)?;
        let has_user = uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'));
        if has_user || uri.path() != "/" || uri.query().is_some() || text.contains('#') {
            return Err(OriginError::NotAnOrigin);
        }
        let origin = Self::of(&uri).filter(|origin| !origin.host.is_empty());
        let origin = origin.ok_or(OriginError::NotAnOrigin)?;
        if !origin.is_https && !is_loopback(&origin.host) {
            return Err(OriginError::InTheClear);
        }
        Ok(origin)
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_an_origin() {
        for (text, want) in [
            ("https://api.example.org", None),
            ("https://api.example.org/", None),
            ("https://api.example.org:8443", None),
            ("http://localhost:80", None),
            ("http://[::1]:8080", None),
            ("http://api.example.org", Some(OriginError::InTheClear)),
            ("http://localhost.example.org", Some(OriginError::InTheClear)),
            ("http://127.0.0.1.example.org", Some(OriginError::InTheClear)),
            ("https://api.example.org/v1", Some(OriginError::NotAnOrigin)),
            ("https://ada@api.example.org", Some(OriginError::NotAnOrigin)),
            ("https://api.example.org?x", Some(OriginError::NotAnOrigin)),
            ("https://api.example.org#x", Some(OriginError::NotAnOrigin)),
            ("ftp://api.example.org", Some(OriginError::NotAnOrigin)),
            ("api.example.org", Some(OriginError::NotAnOrigin)),
            ("", Some(OriginError::NotAnOrigin)),
        ] {
            assert_eq!(text.parse::<Origin>().err(), want, "{text}");
        }
    }

    #[test]
    fn which_addresses_are_there() {
        let origin: Origin = "https://api.example.org".parse().unwrap();
        for (uri, want) in [
            ("https://api.example.org/v1?x", true),
            ("https://API.example.org:443", true),
            ("https://ada@api.example.org/", true),
            ("http://api.example.org/", false),
            ("https://api.example.org:444/", false),
            ("https://api.example.org.evil.example/", false),
            ("https://api.example.org@evil.example/", false),
            ("/v1", false),
        ] {
            assert_eq!(origin.is_of(&uri.parse().unwrap()), want, "{uri}");
        }
    }
}
