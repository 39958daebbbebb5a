use std::{fmt, sync::Arc};

use crate::{Error, ErrorKind, Operation, Result};

use super::{ActionInfo, Location};

/// A kind of storage that URLs name: one for each backend. `SCHEME:REST` is a storage URL.
///
/// No method has a default, as for [`TokenStorage`](crate::TokenStorage): what a backend does not say, nobody would notice.
pub trait Scheme: fmt::Debug + Send + Sync {
    /// What it is called, how its URLs look, what it can do. Costs nothing, and never changes.
    fn describe(&self) -> SchemeInfo;

    /// Reads what stands behind the scheme and its colon. Nothing is opened, no file and no server is looked at.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`]: no storage is named so; [`unusable`] makes such an error. The message says what
    ///   would be right and quotes nothing of `rest`, since that may be a secret which somebody pasted (S1).
    fn parse(&self, rest: &str) -> Result<Arc<dyn Location>>;
}

/// What a [`Scheme`] is called and can do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SchemeInfo {
    /// The scheme in lower case, without the colon: `sqlite`. 2 to 16 letters, digits, `+`, `-` and `.`, a letter first.
    pub name: &'static str,
    /// How its URLs look, the usual form first. Never empty.
    pub forms: Vec<UrlForm>,
    /// Why a storage of this kind cannot list what is in it, as half a sentence; `None` if it can.
    pub cannot_list: Option<&'static str>,
    /// What can be done to such a storage as a whole, each a command of its own; see [`Location::action`].
    pub actions: Vec<ActionInfo>,
}

impl SchemeInfo {
    /// A scheme whose URLs look like `form` and name what `meaning` says, as in `"sqlite:PATH"`, `"a SQLite database"`.
    pub fn new(name: &'static str, form: &'static str, meaning: &'static str) -> Self {
        Self {
            name,
            forms: vec![UrlForm { form, meaning }],
            cannot_list: None,
            actions: Vec::new(),
        }
    }

    /// Another form that its URLs may have.
    pub fn with_form(mut self, form: &'static str, meaning: &'static str) -> Self {
        self.forms.push(UrlForm { form, meaning });
        self
    }

    /// Says that such storages cannot list what is in them, and why: half a sentence, for example "finding all keys would
    /// mean reading the whole table".
    pub fn without_listing(mut self, why: &'static str) -> Self {
        self.cannot_list = Some(why);
        self
    }

    /// Something that can be done to such a storage as a whole.
    pub fn with_action(mut self, action: ActionInfo) -> Self {
        self.actions.push(action);
        self
    }
}

/// How the URLs of a scheme look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UrlForm {
    /// With words in capitals for what is to be filled in: `sqlite:PATH`.
    pub form: &'static str,
    /// What it names, with an article: "a SQLite database".
    pub meaning: &'static str,
}

/// The scheme of a storage URL in lower case, and what follows the colon. `None`: there is no scheme in front.
///
/// One letter is no scheme but a Windows drive, and what is longer than 16 characters might be a token.
pub fn split(url: &str) -> Option<(String, &str)> {
    let (scheme, rest) = url.split_once(':')?;
    let mut bytes = scheme.bytes();
    let starts_well = bytes.next()?.is_ascii_alphabetic();
    let goes_on_well = bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    (starts_well && goes_on_well && (2..=16).contains(&scheme.len())).then(|| (scheme.to_ascii_lowercase(), rest))
}

/// The error for a storage URL that names nothing. `why` must not quote what may be a secret.
pub fn unusable(why: impl fmt::Display) -> Error {
    let message = format!("the storage URL is not usable: {why}");
    Error::new(ErrorKind::Misconfigured, message).with_operation(Operation::Open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_scheme() {
        assert_eq!(split("SQLite::memory:"), Some(("sqlite".to_owned(), ":memory:")));
        assert_eq!(split("x+y-1.z:"), Some(("x+y-1.z".to_owned(), "")));
        for none in [
            "",
            "x",
            "c:\\tokens",
            ":memory:",
            "1a:x",
            "a b:x",
            "a-very-long-scheme:x",
            "é.:x",
        ] {
            assert_eq!(split(none), None, "{none}");
        }
    }
}
