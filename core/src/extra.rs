use std::{collections::BTreeMap, fmt};

use serde_json::value::RawValue;

use crate::{Error, ErrorKind, Operation, Result, Secret, python, record::KNOWN_MEMBERS};

/// Members whose name starts with this belong to the framework: they never show up in [`Extra`] and cannot be set.
pub const RESERVED_PREFIX: &str = "token-storage.";

/// The members of a stored token that have no field of their own, each as its JSON text, verbatim.
///
/// Big integers, duplicate members of nested objects and lone surrogates survive, because the text is never decoded.
/// Secret as a whole: an id_token may be in it, so `Debug` tells only how many members there are.
///
/// ```
/// use token_storage_core::Extra;
///
/// let mut extra = Extra::new();
/// extra.insert("state", r#""af0ifjsldkj""#)?;
/// assert_eq!(extra.get("state"), Some(r#""af0ifjsldkj""#));
/// assert!(extra.insert("scope", "1").is_err(), "scope has a field of its own");
/// # Ok::<(), token_storage_core::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Extra(BTreeMap<Box<str>, Secret>);

impl Extra {
    /// No members.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Sets a member to a JSON text, replacing an earlier one of that name. White space around the text is dropped,
    /// within it kept.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidInput`] if the name is that of a field of [`TokenData`](crate::TokenData) in the stored
    ///   record, or starts with [`RESERVED_PREFIX`], or if the text is not one JSON value, or one for which the Globus SDK
    ///   could not read the file that it is in: an integer of more than 4300 digits, more than 512 levels.
    pub fn insert(&mut self, name: impl Into<Box<str>>, json: &str) -> Result<()> {
        let name = name.into();
        if KNOWN_MEMBERS.contains(&&*name) || name.starts_with(RESERVED_PREFIX) {
            return Err(invalid(format!(
                "the extra member {name:?} has a name that the stored record reserves"
            )));
        }
        let Ok(value) = serde_json::from_str::<&RawValue>(json) else {
            return Err(invalid(format!("the extra member {name:?} is not a JSON value")));
        };
        if let Some(refusal) = python::refusal(value.get()) {
            return Err(invalid(format!(
                "the extra member {name:?} {refusal}; Python could not read a file with it"
            )));
        }
        self.insert_checked(name, value.get());
        Ok(())
    }

    /// For members that come out of a parser: the name is known to be free and the text to be JSON.
    pub(crate) fn insert_checked(&mut self, name: Box<str>, json: &str) {
        self.0.insert(name, Secret::from(json));
    }

    /// The JSON text of a member.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(Secret::expose)
    }

    /// Removes a member and says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// All members as name and JSON text, in byte order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, json)| (&**name, json.expose()))
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extra({} members)", self.0.len())
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput, message).with_operation(Operation::Store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_and_known_names_are_refused() {
        let mut extra = Extra::new();
        for name in [
            "token-storage.mark",
            "token-storage.anything",
            "access_token",
            "expires_at_seconds",
        ] {
            let error = extra.insert(name, "1").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}");
        }
        assert!(extra.is_empty());
    }

    #[test]
    fn what_python_could_not_read_is_refused_by_name() {
        let mut extra = Extra::new();
        for value in ["9".repeat(5000), "[".repeat(1100) + &"]".repeat(1100)] {
            let error = extra.insert("odd", &value).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("\"odd\""), "{error}");
        }
        assert!(extra.is_empty());
    }

    #[test]
    fn s1_a_value_that_is_not_json_is_not_quoted() {
        let error = Extra::new().insert("x", "canary").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("canary"));
    }
}
