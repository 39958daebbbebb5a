use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;

use crate::{Error, ErrorKind, Operation, Result};

/// Something that can be done to a storage as a whole and is not storing tokens: creating the table, compacting the file.
///
/// A value of this type means that it can be done; it comes from [`Location::action`](super::Location::action). The command
/// `token-storage` has a command of that name for every action that a scheme describes.
#[async_trait]
pub trait Action: fmt::Debug + Send + Sync {
    /// Does it. Work that blocks goes to a thread of its own.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidInput`]: arguments that make no sense, of themselves or together; nothing was changed.
    /// - What else it fails with.
    async fn run(&self, arguments: &Arguments, progress: &mut Progress<'_>) -> Result<Outcome>;
}

/// Is told what a person who waits for an [`Action`] wants to know, in half-sentences such as "the table is ACTIVE".
pub type Progress<'a> = dyn FnMut(&str) + Send + 'a;

/// What an [`Action`] is called, and what it takes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ActionInfo {
    /// Its name, in lower case with hyphens: `create-table`.
    pub name: &'static str,
    /// Another name for it.
    pub alias: Option<&'static str>,
    /// What it does, in a line without a full stop.
    pub about: &'static str,
    /// What else to know about it, in whole sentences; may be empty.
    pub details: &'static str,
    /// What it takes.
    pub options: Vec<ActionOption>,
    /// If tokens are lost by it: how to say so behind "this", for example "deletes the table with every token in it". Then a
    /// person has to confirm it.
    pub destroys: Option<&'static str>,
}

impl ActionInfo {
    /// An action without options that destroys nothing.
    pub fn new(name: &'static str, about: &'static str, details: &'static str) -> Self {
        Self {
            name,
            alias: None,
            about,
            details,
            options: Vec::new(),
            destroys: None,
        }
    }

    /// Another name for it.
    pub fn with_alias(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }

    /// An option that is there or not.
    pub fn with_switch(mut self, name: &'static str, help: &'static str) -> Self {
        let value = None;
        self.options.push(ActionOption { name, value, help });
        self
    }

    /// An option with a value, which `value` names in capitals.
    pub fn with_option(mut self, name: &'static str, value: &'static str, help: &'static str) -> Self {
        let value = Some(value);
        self.options.push(ActionOption { name, value, help });
        self
    }

    /// Says that tokens are lost by it; see [`destroys`](ActionInfo::destroys).
    pub fn destroying(mut self, what: &'static str) -> Self {
        self.destroys = Some(what);
        self
    }
}

/// An option of an [`Action`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActionOption {
    /// Its name, in lower case with hyphens: `no-wait`.
    pub name: &'static str,
    /// A word in capitals for its value; `None`: a switch, which is there or not.
    pub value: Option<&'static str>,
    /// What it does, in a line without a full stop.
    pub help: &'static str,
}

/// The options that were given to an [`Action`].
#[derive(Clone, Debug, Default)]
pub struct Arguments(BTreeMap<String, Option<String>>);

impl Arguments {
    /// Turns a switch on.
    pub fn switch(mut self, name: impl Into<String>) -> Self {
        self.0.insert(name.into(), None);
        self
    }

    /// Gives an option its value.
    pub fn value(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(name.into(), Some(value.into()));
        self
    }

    /// Whether the option was given.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The value of an option.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_deref()
    }

    /// Refuses options that the action does not have: they are another storage's.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidInput`], naming the first.
    pub fn check(&self, info: &ActionInfo) -> Result<()> {
        let known = |name: &str| info.options.iter().any(|option| option.name == name);
        let Some(unknown) = self.0.keys().find(|name| !known(name)) else {
            return Ok(());
        };
        let message = format!(
            "`{}` has no option `--{unknown}` for this storage; nothing was changed",
            info.name
        );
        Err(Error::new(ErrorKind::InvalidInput, message).with_operation(Operation::Manage))
    }
}

/// What came of an [`Action`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// For programs: a JSON object.
    pub json: String,
    /// For people.
    pub shown: Shown,
    /// Whether what it is about was there. `false` is no error: there was nothing to delete.
    pub found: bool,
}

/// What is shown of an [`Outcome`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A line.
    Line(String),
    /// Labels and values.
    Rows(Vec<(String, String)>),
}

impl Outcome {
    /// Something was done, or there was no need to.
    pub fn done(json: impl Into<String>, line: impl Into<String>) -> Self {
        Self::new(json, Shown::Line(line.into()))
    }

    /// A description, as labels and values.
    pub fn described(json: impl Into<String>, rows: Vec<(String, String)>) -> Self {
        Self::new(json, Shown::Rows(rows))
    }

    fn new(json: impl Into<String>, shown: Shown) -> Self {
        let json = json.into();
        Self {
            json,
            shown,
            found: true,
        }
    }

    /// Says that what it is about was not there.
    pub fn of_nothing(mut self) -> Self {
        self.found = false;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_another_storage_are_refused() {
        let info = ActionInfo::new("create-table", "Create it", "").with_switch("no-wait", "Do not wait");
        let given = Arguments::default().switch("no-wait");
        given.check(&info).unwrap();
        let error = given.value("region", "x").check(&info).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("`--region`"), "{error}");
    }
}
