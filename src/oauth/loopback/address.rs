use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
};

use super::super::{LoginError, LoginErrorKind};

/// A redirect address on this machine. It is kept as it was written, because servers compare it letter by letter.
#[derive(Debug)]
pub(super) struct LoopbackAddress {
    host: &'static str,
    ip: IpAddr,
    port: u16,
    /// With its slash, or empty.
    path: String,
}

/// What may be bound. A name is not what RFC 8252 recommends, but what some servers want to see.
const HOSTS: [(&str, IpAddr); 3] = [
    ("127.0.0.1", IpAddr::V4(Ipv4Addr::LOCALHOST)),
    ("[::1]", IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ("localhost", IpAddr::V4(Ipv4Addr::LOCALHOST)),
];

impl LoopbackAddress {
    pub(super) fn parse(redirect_uri: &str) -> Result<Self, LoginError> {
        Self::read(redirect_uri).ok_or_else(|| {
            LoginError::configuration(
                "the redirect address of a login with a browser must be http://127.0.0.1, with a port and a path if needed",
            )
        })
    }

    fn read(redirect_uri: &str) -> Option<Self> {
        let rest = redirect_uri.strip_prefix("http://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, ip) = *HOSTS.iter().find(|(host, _)| authority.starts_with(host))?;
        let port = match &authority[host.len()..] {
            "" => 0,
            port => port
                .strip_prefix(':')
                .filter(|port| !port.starts_with('+'))?
                .parse()
                .ok()?,
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~%".contains(&b);
        path.bytes().all(plain).then(|| Self {
            host,
            ip,
            port,
            path: path.to_owned(),
        })
    }

    /// Takes the port, or a free one.
    pub(super) fn bind(&mut self) -> Result<TcpListener, LoginError> {
        let listener = TcpListener::bind(SocketAddr::new(self.ip, self.port)).map_err(|error| {
            let message = format!("no port of this machine can be listened on for the browser to come back: {error}");
            LoginError::new(LoginErrorKind::Local, message)
        })?;
        if let Ok(bound) = listener.local_addr() {
            self.port = bound.port();
        }
        Ok(listener)
    }

    /// What requests for it ask for.
    pub(super) fn path(&self) -> String {
        if self.path.is_empty() {
            "/".into()
        } else {
            self.path.clone()
        }
    }
}

impl fmt::Display for LoopbackAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}{}", self.host, self.port, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_is_filled_in_and_nothing_else_changes() {
        for (written, path) in [
            ("http://127.0.0.1", "/"),
            ("http://127.0.0.1:0/", "/"),
            ("http://localhost/a/b", "/a/b"),
        ] {
            let mut address = LoopbackAddress::parse(written).expect(written);
            let port = address.bind().unwrap().local_addr().unwrap().port();
            let (before, after) = (written.replace(":0", ""), format!(":{port}"));
            assert_eq!(address.to_string().replace(&after, ""), before);
            assert_eq!(address.path(), path);
        }
    }

    #[test]
    fn other_machines_are_not_listened_for() {
        for wrong in [
            "https://127.0.0.1/",
            "http://0.0.0.0/",
            "http://127.0.0.1.example.org/",
            "http://127.0.0.1@example.org/",
            "http://localhost.example.org",
            "http://127.0.0.1:+80/",
            "http://127.0.0.1:65536",
            "http://127.0.0.1/?a=b",
            "http://127.0.0.1/#a",
            "http://127.0.0.1?a",
            "127.0.0.1",
            "",
        ] {
            let error = LoopbackAddress::parse(wrong).expect_err(wrong);
            assert_eq!(error.kind(), LoginErrorKind::Configuration, "{wrong}");
        }
    }

    #[test]
    fn a_port_that_is_taken_is_an_error_of_this_machine() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let mut address = LoopbackAddress::parse(&format!("http://127.0.0.1:{port}")).unwrap();
        assert_eq!(address.bind().unwrap_err().kind(), LoginErrorKind::Local);
    }
}
