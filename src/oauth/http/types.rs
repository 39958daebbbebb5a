use std::fmt;

use token_storage_core::Secret;
use zeroize::Zeroizing;

/// A request of this module. Headers and body may hold secrets, so `Debug` shows method and address without its query.
#[derive(Clone)]
pub struct HttpRequest {
    method: &'static str,
    url: String,
    headers: Vec<(String, Secret)>,
    body: Secret,
}

impl HttpRequest {
    pub(super) fn get(url: &str) -> Self {
        Self {
            method: "GET",
            url: url.to_owned(),
            headers: vec![
                ("accept".into(), "application/json".into()),
                // Said by nobody, it means that a server may choose (RFC 9110 section 12.5.3).
                ("accept-encoding".into(), "identity".into()),
                (
                    "user-agent".into(),
                    concat!("token-storage/", env!("CARGO_PKG_VERSION")).into(),
                ),
            ],
            body: Secret::from(""),
        }
    }

    pub(super) fn post(url: &str, form: &[(&str, &str)]) -> Self {
        // All at once: growing would leave pieces behind that are not wiped. A byte takes three at most.
        let room = form
            .iter()
            .map(|(name, value)| 3 * (name.len() + value.len()) + 2)
            .sum();
        let mut body = url::form_urlencoded::Serializer::new(String::with_capacity(room));
        body.extend_pairs(form);
        Self {
            method: "POST",
            body: Secret::new(body.finish()),
            ..Self::get(url)
        }
        .with_header("content-type", Secret::from("application/x-www-form-urlencoded"))
    }

    /// `GET` or `POST`.
    pub fn method(&self) -> &str {
        self.method
    }

    /// The address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The headers, names in lower case.
    pub fn headers(&self) -> &[(String, Secret)] {
        &self.headers
    }

    /// The body: a form, or nothing.
    pub fn body(&self) -> &Secret {
        &self.body
    }

    /// Sets a header, in place of one of the same name.
    pub fn with_header(mut self, name: &str, value: Secret) -> Self {
        let name = name.to_ascii_lowercase();
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value));
        self
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.split(['?', '#']).next().unwrap_or_default();
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &url)
            .finish_non_exhaustive()
    }
}

/// An answer, whatever its status. Its body may hold tokens: it is wiped when dropped, and `Debug` does not show it.
pub struct HttpAnswer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
}

impl HttpAnswer {
    /// An answer with this status and body.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body(Zeroizing::new(body.into())),
        }
    }

    /// Adds a header. `retry-after`, `content-type` (its `charset`), `content-encoding` and `location` are looked at.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// Changes the body, in place of what the server sent.
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Body(Zeroizing::new(body.into()));
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    pub(super) fn into_body(self) -> Body {
        self.body
    }
}

impl fmt::Debug for HttpAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpAnswer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Wiped when dropped, and `Debug` shows nothing.
pub(in crate::oauth) struct Body(Zeroizing<Vec<u8>>);

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body(***)")
    }
}

impl std::ops::Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
