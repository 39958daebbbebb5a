//! The pages a person sees. Plain HTML; everything from outside is escaped.

use std::{collections::BTreeMap, fmt::Write as _};

use super::grants::Login;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:12vh auto;padding:0 1rem;color:#1c2733}\
h1{font-size:1.4rem}button{font:inherit;padding:.5rem 1.2rem;margin-right:.6rem;border-radius:.4rem;border:1px solid #8796a5}\
#approve{background:#175ca4;border-color:#175ca4;color:#fff}code{font-size:1.1rem;background:#eef2f6;padding:.3rem .5rem;word-break:break-all}";

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{STYLE}</style>\
         <h1>{title}</h1>{body}</html>",
        title = escape(title)
    )
}

pub(super) fn message(title: &str, text: &str) -> String {
    page(title, &format!("<p>{}</p>", escape(text)))
}

pub(super) fn code(code: &str) -> String {
    let body = format!(
        "<p>Copy this code and paste it where you started:</p><p><code id=code>{}</code></p>",
        escape(code)
    );
    page("You are almost logged in", &body)
}

pub(super) fn consent(login: &Login, params: &BTreeMap<String, String>, press: bool) -> String {
    let mut body = format!("<p><b>{}</b> asks for:</p><ul>", escape(&login.client));
    for scope in login.scope.split(' ').filter(|scope| !scope.is_empty()) {
        let _ = write!(body, "<li>{}</li>", escape(scope));
    }
    let _ = write!(body, "</ul>{}", form("/v2/oauth2/authorize/decision", params, press));
    page("Log in to the test server", &body)
}

pub(super) fn device(user_code: &str, press: bool) -> String {
    let params = BTreeMap::from([("user_code".to_owned(), user_code.to_owned())]);
    let body = format!(
        "<p>Does your device show this code?</p><p><code>{}</code></p>",
        escape(user_code)
    );
    // Without a code there is nothing to approve yet.
    let press = press && !user_code.is_empty();
    page("Log in a device", &format!("{body}{}", form("/device", &params, press)))
}

fn form(action: &str, params: &BTreeMap<String, String>, press: bool) -> String {
    let mut form = format!("<form method=post action={action}>");
    for (name, value) in params {
        let _ = write!(
            form,
            "<input type=hidden name=\"{}\" value=\"{}\">",
            escape(name),
            escape(value)
        );
    }
    form.push_str("<button id=approve name=decision value=approve>Allow</button>");
    form.push_str("<button name=decision value=deny>Deny</button></form>");
    if press {
        form.push_str("<script>document.getElementById('approve').click()</script>");
    }
    form
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
