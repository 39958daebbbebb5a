use token_storage_core::Result;

use super::{
    invalid,
    members::{elements, members},
};

/// Where in a response the token is, for servers that wrap it: the names of members from the top down, separated by dots
/// (`authed_user`, `data.tokens`), or a JSON Pointer (`/data/a.b/0`, RFC 6901). In an array the name is an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenPath {
    text: String,
    names: Vec<String>,
}

/// Members that servers are known to wrap a token in: Slack, Withings, TikTok and others. For advice: what else a
/// response names may be a secret, and is not repeated.
const WRAPPERS: [&str; 9] = [
    "authed_user",
    "body",
    "credentials",
    "data",
    "response",
    "result",
    "token",
    "token_response",
    "tokens",
];

impl TokenPath {
    /// Understands a path.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if it is empty, or a name in it is.
    pub fn parse(path: &str) -> Result<Self> {
        let names: Vec<String> = match path.strip_prefix('/') {
            Some(pointer) => pointer
                .split('/')
                .map(|name| name.replace("~1", "/").replace("~0", "~"))
                .collect(),
            None => path.split('.').map(str::to_owned).collect(),
        };
        if names.iter().any(String::is_empty) {
            return Err(invalid(
                "a path to the token is names separated by dots, or a JSON Pointer; a name in it is empty",
            ));
        }
        Ok(Self {
            text: path.to_owned(),
            names,
        })
    }

    /// The path as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The JSON text that it leads to; `None` if it leads nowhere, or to null.
    pub(super) fn follow<'a>(&self, json: &'a str) -> Option<&'a str> {
        let found = self.names.iter().try_fold(json, |json, name| step(json, name))?;
        (found != "null").then_some(found)
    }
}

fn step<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    if json.starts_with('[') {
        return elements(json)?.get(name.parse::<usize>().ok()?).copied();
    }
    let named = |member: &&(Option<std::borrow::Cow<'a, str>>, &'a str)| member.0.as_deref() == Some(name);
    members(json)?.iter().rfind(named).map(|member| member.1)
}

/// A member of a wrapper's usual name that holds a token, for advice.
pub(super) fn wrapper(json: &str) -> Option<&'static str> {
    let is_token = |json: &str| step(json, "access_token").is_some();
    WRAPPERS.into_iter().find(|name| step(json, name).is_some_and(is_token))
}
