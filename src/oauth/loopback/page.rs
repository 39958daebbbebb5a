//! What the browser shows at the end. Self-contained: it loads nothing, runs nothing, and holds no token and no code.

use hyper::{
    Response,
    header::{self, HeaderName},
};

#[derive(Clone, Debug)]
pub(super) struct Page {
    status: u16,
    html: String,
}

const STYLE: &str = include_str!("page.css");

/// Nothing is loaded, and nobody may frame it, look over its shoulder or keep it.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONNECTION, "close"),
];

/// A tick, a cross, and nothing at all.
const DONE: &str = r#"<svg class="mark done" viewBox="0 0 48 48" aria-hidden="true"><circle cx="24" cy="24" r="22"/><path d="M14.5 24.8l6.6 6.6 12.6-14"/></svg>"#;
const FAILED: &str = r#"<svg class="mark failed" viewBox="0 0 48 48" aria-hidden="true"><circle cx="24" cy="24" r="22"/><path d="M17 17l14 14M31 17L17 31"/></svg>"#;

impl Page {
    pub(super) fn logged_in() -> Self {
        Self::new(
            200,
            DONE,
            "You are logged in",
            "You can close this window and go back to where you started.",
            "",
        )
    }

    pub(super) fn failed(why: &str) -> Self {
        Self::new(
            200,
            FAILED,
            "You are not logged in",
            "Close this window, go back to where you started and try again.",
            why,
        )
    }

    /// A request that does not belong to the login.
    pub(super) fn stranger(why: &str) -> Self {
        Self::new(
            400,
            FAILED,
            "This page cannot be used",
            "Go back to where you started and follow the newest link there.",
            why,
        )
    }

    pub(super) fn nothing_here() -> Self {
        Self::new(
            404,
            "",
            "There is nothing here",
            "A program waits on this port for the end of a login.",
            "",
        )
    }

    pub(super) fn not_this_way() -> Self {
        Self::new(
            405,
            "",
            "This page can only be visited",
            "A program waits on this port for the end of a login.",
            "",
        )
    }

    fn new(status: u16, mark: &str, title: &str, text: &str, why: &str) -> Self {
        let why = match why {
            "" => String::new(),
            why => format!("<p class=why>{}</p>", escaped(why)),
        };
        let html = format!(
            "<!doctype html><html lang=en><head><meta charset=utf-8><title>{title}</title>\
             <meta name=viewport content=\"width=device-width,initial-scale=1\">\
             <meta name=color-scheme content=\"light dark\"><style>{STYLE}</style></head>\
             <body><main>{mark}<h1>{title}</h1><p>{text}</p>{why}</main></body></html>"
        );
        Self { status, html }
    }

    pub(super) fn response(self) -> Response<String> {
        let mut response = Response::new(self.html);
        *response.status_mut() = hyper::StatusCode::from_u16(self.status).unwrap_or_default();
        for (name, value) in HEADERS {
            response
                .headers_mut()
                .insert(name, header::HeaderValue::from_static(value));
        }
        response
    }
}

/// For the text between two tags, and only there.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_escaped() {
        let page = Page::failed("<script>&lt;");
        assert!(page.html.contains("&lt;script&gt;&amp;lt;"));
        assert!(!page.html.contains("<script"));
    }
}
