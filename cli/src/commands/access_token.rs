use serde_json::json;
use token_storage::Secret;
use zeroize::Zeroizing;

use super::get;
use crate::{
    Context, Exit, Failure, Result,
    output::{print, print_json},
    text, time,
};

/// Print a valid access token alone, for `$(token-storage access-token RS)`
///
/// A token that expires within a minute is refreshed first, once for however many processes ask. One that has expired
/// and cannot be refreshed is not printed; the exit code is then 4. A token of unknown expiry is taken for good.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The resource server that the token is for
    resource_server: String,

    #[command(flatten)]
    wanted: Wanted,
}

/// Which token is good enough, and where to get another.
#[derive(Debug, clap::Args)]
pub(crate) struct Wanted {
    /// How many seconds the token must still be good for
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    valid_for: u32,

    /// How many seconds before it expires a token is refreshed; of a short-lived one at most a quarter of its lifetime
    #[cfg(feature = "oauth")]
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    skew: u32,

    /// Do not refresh: the stored token or none
    #[cfg(feature = "oauth")]
    #[arg(long, conflicts_with_all = ["refresh", "rejected"])]
    no_refresh: bool,

    /// End with code 4 rather than use a token that is probably dead although it has not expired: its refresh token was spent,
    /// the answer was lost, and the server refused to repeat it
    #[cfg(feature = "oauth")]
    #[arg(long, conflicts_with = "no_refresh")]
    refuse_doubtful: bool,

    #[cfg(feature = "oauth")]
    #[command(flatten)]
    fresh: crate::manager::Fresh,

    #[cfg(feature = "oauth")]
    #[command(flatten)]
    server: crate::server::ServerArgs,
}

impl Wanted {
    /// Whether a token that expires then is good for long enough.
    fn accepts(&self, expires_at: Option<i64>, now: i64) -> bool {
        expires_at.is_none_or(|expires_at| now <= expires_at.saturating_sub(self.valid_for.into()))
    }
}

/// A token to hand out.
pub(super) struct Token {
    pub(super) secret: Secret,
    pub(super) token_type: Option<String>,
    /// Whether it may be sent as a bearer token.
    pub(super) is_bearer: bool,
    pub(super) expires_at: Option<i64>,
    /// Whether it is probably dead although it has not expired.
    pub(super) doubtful: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let resource_server = context.resource_server(args.resource_server)?;
    let token = obtain(&resource_server, &args.wanted, context).await?;
    if context.json {
        let secret = token.secret.expose();
        print_json(&json!({
            "access_token": secret,
            "token_type": token.token_type,
            "expires_at_seconds": token.expires_at,
            "doubtful": token.doubtful,
        }))?;
    } else {
        print(&Zeroizing::new(format!("{}\n", token.line()?)))?;
    }
    Ok(Exit::Success)
}

impl Token {
    /// For `$(...)` and variables, where a line break or NUL would make another token of it, and with which a header
    /// could be forged. Whoever finds it there sends it as a bearer token, so it has to be one.
    pub(super) fn line(&self) -> Result<&str> {
        if !self.is_bearer {
            return Err(not_bearer("; `access-token --json` gives it together with its type"));
        }
        let secret = self.secret.expose();
        if secret.contains(['\n', '\r', '\0']) {
            let message = "the token contains a line break or NUL, so it is not one for `$(...)`; \
                           `access-token --json` shows it";
            return Err(Failure::new(Exit::Corrupt, message));
        }
        Ok(secret)
    }
}

/// A token of another type than bearer is of no use without a proof of possession.
pub(crate) fn not_bearer(hint: &str) -> Failure {
    let message = format!(
        "the token is not a bearer token (its token_type says so), so it is of no use without a proof that this command \
         does not make, and is not sent or handed out as one{hint}"
    );
    Failure::new(Exit::Failure, message)
}

/// The token, refreshed if need be and if that is wanted.
pub(super) async fn obtain(resource_server: &str, wanted: &Wanted, context: &Context) -> Result<Token> {
    #[cfg(feature = "oauth")]
    let token = match wanted.no_refresh {
        true => stored(resource_server, context).await?,
        false => refreshed(resource_server, wanted, context).await?,
    };
    #[cfg(not(feature = "oauth"))]
    let token = stored(resource_server, context).await?;
    refuse_expired(resource_server, &token, wanted, context)?;
    Ok(token)
}

async fn stored(resource_server: &str, context: &Context) -> Result<Token> {
    let data = get::required(resource_server, context).await?.data;
    if token_storage::is_sealed(&data) {
        let message = "the token is encrypted, and the storage was opened without the key; put `encrypted+` in front of its \
                       URL, and say where the key is with --key-from";
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(Token {
        is_bearer: token_storage::is_bearer(&data),
        token_type: data.token_type,
        secret: data.access_token,
        expires_at: data.expires_at,
        doubtful: false,
    })
}

#[cfg(feature = "oauth")]
async fn refreshed(resource_server: &str, wanted: &Wanted, context: &Context) -> Result<Token> {
    use std::time::Duration;

    use token_storage::manager::{
        ManagerErrorKind,
        ReauthReason::{NoRefreshToken, NoToken},
    };

    use crate::manager::{Margin, Session};

    let rejected = wanted.fresh.rejected()?;
    let margin = Margin {
        skew: Duration::from_secs(wanted.skew.into()),
        valid_for: Duration::from_secs(wanted.valid_for.into()),
    };
    let session = Session::with_margin(context, &wanted.server, resource_server, margin).await?;
    let key = session.tokens.key(resource_server);
    match session.access_token(&key, &wanted.fresh, rejected.as_ref()).await {
        Ok(token) => match token.failure() {
            Some(why) if wanted.refuse_doubtful && token.is_doubtful() => Err(session.failed(why)),
            // Only a new login helps, and the expiry says why.
            Some(why)
                if why.kind() == ManagerErrorKind::ReauthRequired(NoRefreshToken)
                    && !wanted.accepts(token.expires_at(), time::now()) =>
            {
                stored(resource_server, context).await
            }
            // It is not the expiry that is in the way: with a server that refreshes there may be one for that long.
            Some(why) if !wanted.accepts(token.expires_at(), time::now()) => Err(session.failed(why)),
            // Just refreshed; neither another refresh nor a login brings one that is good for longer.
            None if !wanted.accepts(token.expires_at(), time::now()) => {
                let name = text::mention(resource_server);
                let expiry = time::expiry(token.expires_at(), time::now());
                let message = format!(
                    "the token for {name} is new, and expires {expiry}: its server issues none for as long as --valid-for \
                     says; ask for less"
                );
                Err(Failure::new(Exit::Expired, message))
            }
            _ => {
                session.warn_of(&token);
                Ok(Token {
                    secret: token.secret().clone(),
                    token_type: token.token_type().map(str::to_owned),
                    is_bearer: token.is_bearer(),
                    expires_at: token.expires_at(),
                    doubtful: token.is_doubtful(),
                })
            }
        },
        // What is said of these is the same with and without refreshing.
        Err(error)
            if !wanted.fresh.is_forced()
                && matches!(error.kind(), ManagerErrorKind::ReauthRequired(NoToken | NoRefreshToken)) =>
        {
            stored(resource_server, context).await
        }
        Err(error) => Err(session.failed(&error)),
    }
}

/// A service refused this token: another is had, unless that has happened already. Without `oauth` nothing can be done.
pub(super) async fn replace(resource_server: &str, refused: &Secret, wanted: &Wanted, context: &Context) -> Result<()> {
    #[cfg(feature = "oauth")]
    if !wanted.no_refresh {
        let session = crate::manager::Session::open(context, &wanted.server, resource_server).await?;
        let replaced = session.replace(&session.tokens.key(resource_server), refused).await;
        replaced.map_err(|error| session.failed(&error))?;
    }
    #[cfg(not(feature = "oauth"))]
    let _ = (resource_server, refused, wanted, context);
    Ok(())
}

fn refuse_expired(resource_server: &str, token: &Token, wanted: &Wanted, context: &Context) -> Result<()> {
    let now = time::now();
    if wanted.accepts(token.expires_at, now) {
        return Ok(());
    }
    #[cfg(feature = "oauth")]
    let with = format!(" with `{}`", context.login_again(Some(resource_server)));
    #[cfg(not(feature = "oauth"))]
    let with = {
        let _ = context;
        ""
    };
    let message = format!(
        "the token for {} expires {}; log in again{with}, or store a refreshed one with `store --refresh`",
        text::mention(resource_server),
        time::expiry(token.expires_at, now)
    );
    Err(Failure::new(Exit::Expired, message))
}
