//! What the library says of a failure, and what helps in the words of this command.

use token_storage::{
    IssuedBy, TokenData,
    globus::scopes,
    manager::{Advice, ManagerError},
    oauth::{LoginError, LoginErrorKind},
};

use crate::{Context, Failure, failure, manager::exit};

impl Failure {
    /// Of the token manager: what happened, and the command or the option that helps.
    pub(crate) fn of_manager(error: &ManagerError, context: &Context) -> Self {
        Self::new(exit(error), told(error, context))
    }
}

/// What happened, and what helps.
pub(crate) fn told(error: &ManagerError, context: &Context) -> String {
    with_advice(error, context, "")
}

/// As [`told`], where nobody was asked and the server is not known by itself: a login has to name what this record does not.
pub(crate) fn told_of(error: &ManagerError, data: Option<&TokenData>, context: &Context) -> String {
    let is_named = |variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    let is_known = data.is_none_or(|data| !matches!(IssuedBy::of(data), Ok(None)) || scopes::is_globus(data));
    match is_known || is_named("TOKEN_STORAGE_ISSUER") {
        true => told(error, context),
        false => with_advice(error, context, " --issuer URL --client-id ID"),
    }
}

fn with_advice(error: &ManagerError, context: &Context, more: &str) -> String {
    let mut message = error.problem();
    failure::add_causes(&mut message, error);
    if let Some(advice) = error.advice() {
        message += "; ";
        message += &words(advice, error.key().resource_server(), context, more);
    }
    message
}

fn words(advice: Advice, resource_server: &str, context: &Context, more: &str) -> String {
    let again = || context.login_again(Some(resource_server)) + more;
    match advice {
        Advice::LogIn => format!("log in with `{}`", context.login_again(None)),
        Advice::LogInAgain => format!("log in again with `{}`", again()),
        Advice::LogInAgainOrCheckClient => format!(
            "log in again with `{}`, and if that does not help, check --client-id, the client's secret and the scopes",
            again()
        ),
        Advice::NameServer => format!(
            "leave out the options and variables that name another server or client, or log in again with `{}`",
            again()
        ),
        Advice::RemoveOnly => "try again, or remove it without revoking with --local-only".to_owned(),
        Advice::ReplaceOrRename => "store it under another name with --resource-server, or say --replace".to_owned(),
        other => options(other).map_or_else(|| other.to_string(), str::to_owned),
    }
}

/// What helps, where that is an option of this command, whatever the command is about.
fn options(advice: Advice) -> Option<&'static str> {
    Some(match advice {
        Advice::CheckClient => "check --client-id, the client's secret and the scopes",
        Advice::GiveAddresses => "check --issuer, or give the addresses with --token-endpoint and its like",
        Advice::GiveTokenPath => "say so with --token-path, and try again",
        _ => return None,
    })
}

/// Of a login, or of what is asked of a server outside a refresh: what happened, and what helps.
pub(crate) fn told_of_login(error: &LoginError) -> String {
    let server = error.server().filter(|_| error.kind() == LoginErrorKind::Server);
    let helped = server.and_then(|server| Some((server, options(server.advice()?)?)));
    match helped {
        Some((server, option)) => format!("{}; {option}", server.problem()),
        None => failure::chain(error),
    }
}
