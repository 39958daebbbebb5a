use std::fmt;

use super::ConnectionProblem;

/// What helps after a failure: data, so that a program can say it in words of its own, such as a whole command or the name
/// of a button. `Display` has plain words, which name no program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Advice {
    /// Nobody is logged in.
    LogIn,
    /// What a login brought is of no use any more.
    LogInAgain,
    /// The same, or the client is not what the server knows; it does not say which.
    LogInAgainOrCheckClient,
    /// Begin the same login anew.
    StartAgain,
    /// The server does not take the client: its id, its secret, what it asks for.
    CheckClient,
    /// It is not known, or not the right one: which server and which client the token came from.
    NameServer,
    /// The server's address, which may be that of something else.
    CheckAddress,
    /// The server does not tell its addresses.
    GiveAddresses,
    /// The server wraps its tokens: where in its answers they are.
    GiveTokenPath,
    /// What the token may do, or where it was sent.
    CheckPermissions,
    /// Something between this machine and the server.
    Connection(ConnectionProblem),
    /// The storage; what it is short of, its own error says.
    CheckStorage,
    /// At once.
    TryAgain,
    /// It may pass.
    TryAgainLater,
    /// The token cannot be revoked: remove it without that, or try again.
    RemoveOnly,
    /// A record of another server or client has that name: another name, or no longer that record.
    ReplaceOrRename,
    /// The token is in the error, and nowhere else.
    TakeToken,
}

impl Advice {
    /// Whether a login is what helps.
    pub fn is_login(self) -> bool {
        matches!(
            self,
            Self::LogIn | Self::LogInAgain | Self::LogInAgainOrCheckClient | Self::StartAgain
        )
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LogIn => "log in",
            Self::LogInAgain => "log in again",
            Self::LogInAgainOrCheckClient => {
                "log in again, and if that does not help, check client id, secret and scopes"
            }
            Self::StartAgain => "start again",
            Self::CheckClient => "check client id, secret and scopes",
            Self::NameServer => "name the server and the client that the token came from, or log in again",
            Self::CheckAddress => "check its address, or try again later",
            Self::GiveAddresses => "check the issuer, or give the addresses of its endpoints",
            Self::GiveTokenPath => "say that its tokens are there, by the path to them, and try again",
            Self::CheckPermissions => "check scopes, permissions and the address",
            Self::Connection(problem) => problem.advice(),
            Self::CheckStorage => "check the storage, and try again",
            Self::TryAgain => "try again",
            Self::TryAgainLater => "try again later",
            Self::RemoveOnly => "try again, or remove it without revoking",
            Self::ReplaceOrRename => {
                "store it under another name, log out of that one first, or say that it is to be replaced"
            }
            Self::TakeToken => "take the token that this error carries, and mend the storage",
        })
    }
}
