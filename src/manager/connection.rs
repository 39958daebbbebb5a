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
    /// The answer has more headers, or longer ones, than are read.
    HeadersTooLarge,
    /// What came is not valid HTTP/1: no status line, a length or a chunk that makes no sense, another protocol.
    NotHttp,
    /// TLS was agreed on, and failed after the request was sent: an alert, or what nobody can decrypt.
    TlsBroken,
}

impl ConnectionProblem {
    /// Whether it arose before anything was sent that the server could act on.
    pub fn is_before_sending(self) -> bool {
        match self {
            Self::Refused
            | Self::UnknownName
            | Self::Unreachable
            | Self::UnknownAuthority
            | Self::WrongName
            | Self::CertificateExpired
            | Self::Tls
            | Self::NotTls => true,
            Self::TimedOut | Self::Broken | Self::TooLong | Self::HeadersTooLarge | Self::NotHttp | Self::TlsBroken => {
                false
            }
        }
    }

    /// What it is, as a sentence about this server.
    pub(super) fn told(self, server: &str) -> String {
        let what = match self {
            Self::Refused => "refuses connections",
            Self::UnknownName => "is not found by its name",
            Self::Unreachable => "cannot be reached",
            Self::UnknownAuthority => "has a certificate of an authority that is not known here",
            Self::WrongName => "has a certificate for another name",
            Self::CertificateExpired => "has a certificate that is expired or not valid yet",
            Self::Tls => "does not agree on TLS",
            Self::NotTls => "answers without TLS",
            Self::TimedOut => "did not answer in time",
            Self::Broken => "broke off the connection before its answer was complete",
            Self::TooLong => "gave an answer that is too long",
            Self::HeadersTooLarge => "gave an answer whose headers are too many or too long",
            Self::NotHttp => "answered with what is not valid HTTP/1.1",
            Self::TlsBroken => "ended TLS with an error after the request was sent",
        };
        match self.is_before_sending() {
            true => format!("no connection to {server}: it {what}"),
            false => format!("{server} {what}"),
        }
    }

    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Refused => "check its address, and whether it runs",
            Self::UnknownName => "check its address and the network",
            Self::Unreachable => "check the network, firewalls and proxies",
            Self::UnknownAuthority => "add the authority to the system's, or name its file in SSL_CERT_FILE",
            Self::WrongName | Self::TooLong | Self::HeadersTooLarge => "check its address",
            Self::CertificateExpired => "check the clock of this machine, or tell whoever runs it",
            Self::Tls => "check its address and its certificate",
            Self::NotTls => "check whether its address begins with https rightly, and the port",
            Self::NotHttp => "check its address: http or https, and the port",
            Self::TlsBroken => "check its address, and whether it wants a certificate of the client, as none is sent",
            Self::TimedOut | Self::Broken => "try again later",
        }
    }
}
