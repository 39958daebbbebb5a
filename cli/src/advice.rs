//! What the library says of a failure, and what helps in the words of this command.

use token_storage::manager::{Advice, ManagerError};

use crate::{Context, Failure, failure, manager::exit};

impl Failure {
    /// Of the token manager: what happened, and the command or the option that helps.
    pub(crate) fn of_manager(error: &ManagerError, context: &Context) -> Self {
        Self::new(exit(error), told(error, context))
    }
}

/// What happened, and what helps.
pub(crate) fn told(error: &ManagerError, context: &Context) -> String {
    let mut message = error.problem();
    failure::add_causes(&mut message, error);
    if let Some(advice) = error.advice() {
        message += "; ";
        message += &words(advice, error.key().resource_server(), context);
    }
    message
}

fn words(advice: Advice, resource_server: &str, context: &Context) -> String {
    let again = || context.login_again(Some(resource_server));
    match advice {
        Advice::LogIn => format!("log in with `{}`", context.login_again(None)),
        Advice::LogInAgain => format!("log in again with `{}`", again()),
        Advice::LogInAgainOrCheckClient => format!(
            "log in again with `{}`, and if that does not help, check --client-id, the client's secret and the scopes",
            again()
        ),
        Advice::CheckClient => "check --client-id, the client's secret and the scopes".to_owned(),
        Advice::NameServer => format!(
            "leave out the options and variables that name another server or client, or log in again with `{}`",
            again()
        ),
        Advice::GiveAddresses => "check --issuer, or give the addresses with --token-endpoint and its like".to_owned(),
        Advice::RemoveOnly => "try again, or remove it without revoking with --local-only".to_owned(),
        Advice::ReplaceOrRename => "store it under another name with --resource-server, or say --replace".to_owned(),
        other => other.to_string(),
    }
}
