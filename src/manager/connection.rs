use std::fmt;

/// What is wrong with the connection to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionProblem {
    /// Nobody listens there.
    Refused,
    /// There is no host of this name, or no network that knows it.
    UnknownName,
    /// The host cannot be reached, or does not take the connection in time.
    Unreachable,
    /// Its certificate comes from an authority that this machine does not know.
    UnknownAuthority,
    /// Its certificate is for another name.
    WrongName,
    /// Its certificate has expired, or is not valid yet.
    CertificateExpired,
    /// Its certificate, or its TLS, is wrong in another way.
    Tls,
    /// It answers without TLS: plain HTTP on the port of an https address.
    NotTls,
    /// There was no answer in time.
    TimedOut,
    /// The connection broke before the answer was complete.
    Broken,
    /// The answer is longer than anything that is read.
    TooLong,
}

impl ConnectionProblem {
    /// Whether it arose before anything was sent that the server could act on.
    pub fn is_before_sending(self) -> bool {
        !matches!(self, Self::TimedOut | Self::Broken | Self::TooLong)
    }

    pub(super) fn tell(self, f: &mut fmt::Formatter<'_>, server: &str) -> fmt::Result {
        let (what, advice) = match self {
            Self::Refused => ("refuses connections", "check its address, and whether it runs"),
            Self::UnknownName => ("is not found by its name", "check its address and the network"),
            Self::Unreachable => ("cannot be reached", "check the network, firewalls and proxies"),
            Self::UnknownAuthority => (
                "has a certificate of an authority that is not known here",
                "add the authority to the system's, or name its file in SSL_CERT_FILE",
            ),
            Self::WrongName => ("has a certificate for another name", "check its address"),
            Self::CertificateExpired => (
                "has a certificate that is expired or not valid yet",
                "check the clock of this machine, or tell whoever runs it",
            ),
            Self::Tls => ("does not agree on TLS", "check its address and its certificate"),
            Self::NotTls => (
                "answers without TLS",
                "check whether its address begins with https rightly, and the port",
            ),
            Self::TimedOut => ("did not answer in time", "try again later"),
            Self::Broken => (
                "broke off the connection before its answer was complete",
                "try again later",
            ),
            Self::TooLong => ("gave an answer that is too long", "check its address"),
        };
        match self.is_before_sending() {
            true => write!(f, "no connection to {server}: it {what}; {advice}"),
            false => write!(f, "{server} {what}; {advice}"),
        }
    }
}
