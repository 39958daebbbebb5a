//! Passphrases: from a variable, or asked for at the terminal itself, so that input and output may be pipes.

use std::env;

use token_storage::Secret;
use zeroize::Zeroizing;

use crate::{
    exit::Exit,
    failure::{Failure, Result},
    interrupt, text,
};

/// The passphrase of what is there already.
pub(crate) fn ask(variable: &str, of: &str) -> Result<Secret> {
    given(variable).map_or_else(|| at_terminal(variable, &format!("Passphrase of {of}: ")), Ok)
}

/// A new passphrase, asked for twice.
pub(crate) fn new(variable: &str, of: &str) -> Result<Secret> {
    if let Some(given) = given(variable) {
        return Ok(given);
    }
    let first = at_terminal(variable, &format!("New passphrase of {of}: "))?;
    if first.expose().is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            "an empty passphrase protects nothing; nothing was made",
        ));
    }
    if at_terminal(variable, "Once more: ")? != first {
        return Err(Failure::new(
            Exit::Usage,
            "these are two different passphrases; nothing was made",
        ));
    }
    Ok(first)
}

fn given(variable: &str) -> Option<Secret> {
    let given = env::var(variable).ok().filter(|given| !given.is_empty());
    given.map(Secret::new)
}

fn at_terminal(variable: &str, prompt: &str) -> Result<Secret> {
    let typed = interrupt::asking(|| rpassword::prompt_password(text::one_line(prompt)));
    let typed = typed.map(Zeroizing::new).map_err(|_| {
        let message = format!(
            "a passphrase is needed, and there is no terminal to ask for it; set {variable}, or use a key without one"
        );
        Failure::new(Exit::Usage, message)
    })?;
    Ok(Secret::from(typed.as_str()))
}
