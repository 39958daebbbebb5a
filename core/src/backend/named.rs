//! Names with parameters in storage URLs.

use std::collections::BTreeMap;

use crate::Result;

use super::{percent, unusable};

/// `NAME?parameter=value&...` behind `scheme:`, for storages that have a name and settings: a table, a bucket, a server.
///
/// Two slashes in front of the name may be there or not. In values `%XX` are decoded, and `+` is a space. Each parameter comes
/// once and has a value; a fragment (`#`) is refused, since whoever writes one meant a `%23`.
///
/// ```
/// use token_storage_core::backend::Named;
///
/// let named = Named::parse("redis", "//tokens?user=ada%26co", "NAME", &["user", "database"])?;
/// assert_eq!((named.name(), named.get("user"), named.get("database")), ("tokens", Some("ada&co"), None));
/// assert_eq!(named.to_string(), "tokens?user=ada%26co");
/// # Ok::<(), token_storage_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    name: String,
    parameters: BTreeMap<&'static str, String>,
}

impl Named {
    /// Reads what stands behind `scheme:`. `what` is the word in capitals for the name, `known` are the parameters.
    ///
    /// # Errors
    /// - [`Misconfigured`](crate::ErrorKind::Misconfigured): no name, or a parameter that is unknown, empty or given twice.
    pub fn parse(scheme: &str, rest: &str, what: &str, known: &[&'static str]) -> Result<Self> {
        if rest.contains('#') {
            return Err(unusable(format!("`{scheme}:` takes no `#`; in a value write %23")));
        }
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (name, query) = rest.split_once('?').unwrap_or((rest, ""));
        if name.is_empty() {
            let noun = what.to_ascii_lowercase();
            return Err(unusable(format!(
                "`{scheme}:` names no {noun}; write `{scheme}:{what}`"
            )));
        }
        let mut named = Self {
            name: name.to_owned(),
            parameters: BTreeMap::new(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (parameter, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (parameter, value) = (decoded(parameter)?, decoded(value)?);
            let Some(parameter) = known.iter().find(|known| **known == parameter) else {
                let known = quoted(known);
                return Err(unusable(format!(
                    "`{scheme}:` has a parameter that is unknown; known are {known}"
                )));
            };
            if value.is_empty() || named.parameters.insert(parameter, value).is_some() {
                return Err(unusable(format!("the parameter `{parameter}` is empty or given twice")));
            }
        }
        Ok(named)
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value of a parameter, decoded.
    pub fn get(&self, parameter: &str) -> Option<&str> {
        self.parameters.get(parameter).map(String::as_str)
    }
}

fn decoded(text: &str) -> Result<String> {
    let bytes = percent::decode(&text.replace('+', " "));
    String::from_utf8(bytes).map_err(|_| unusable("a parameter is not UTF-8 once decoded"))
}

fn quoted(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => "none".to_owned(),
    }
}

/// What [`Named::parse`] reads again.
impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // As little as possible is escaped: it is there to be read.
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"%&+#".contains(&byte);
        // Of two slashes in front the first two are taken off.
        let slashes = if self.name.starts_with("//") { "//" } else { "" };
        write!(f, "{slashes}{}", self.name)?;
        for (at, (parameter, value)) in self.parameters.iter().enumerate() {
            let sign = if at == 0 { '?' } else { '&' };
            write!(f, "{sign}{parameter}={}", percent::encode(value.as_bytes(), plain))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rest: &str) -> Result<Named> {
        Named::parse("table", rest, "NAME", &["region", "endpoint"])
    }

    #[test]
    fn it_comes_back_with_everything() {
        for (rest, shown) in [
            ("t", "t"),
            ("//t", "t"),
            ("t?", "t"),
            ("////t", "////t"),
            (
                "t?region=a&endpoint=http%3A%2F%2F127.0.0.1:1/",
                "t?endpoint=http://127.0.0.1:1/&region=a",
            ),
            ("t?region=a+b%2B%26%25%23%c3%a9", "t?region=a%20b%2B%26%25%23%C3%A9"),
        ] {
            let named = parse(rest).unwrap();
            assert_eq!(named.to_string(), shown);
            assert_eq!(parse(shown).unwrap(), named);
        }
    }

    #[test]
    fn what_is_refused_says_what_would_be_right_and_quotes_nothing() {
        for (rest, hint) in [
            ("", "names no name; write `table:NAME`"),
            ("?region=x", "names no name"),
            ("t?canary=x", "known are `region` and `endpoint`"),
            ("t?region=canary&region=canary", "twice"),
            ("t?region=", "empty"),
            ("t?region", "empty"),
            ("t?region=%ff", "UTF-8"),
            ("t#canary", "%23"),
            ("t?region=canary#canary", "%23"),
        ] {
            let error = parse(rest).unwrap_err();
            assert!(error.to_string().contains(hint), "{rest:?}: {error}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{rest:?}");
        }
    }
}
