//! git's protocol: attributes in lines, as gitcredentials(7) and git-credential(1) describe it.

use token_storage::Secret;
use zeroize::Zeroizing;

use super::{
    USERNAME, kept,
    kept::{Outcome, Password},
    may_go_to,
};
use crate::{
    Context, Exit, Failure, Result,
    args::unless_empty,
    commands::access_token::{self, Wanted},
    input,
    output::print,
};

/// A credential helper of git
///
/// In git's configuration: `helper = !token-storage credential git`, below `[credential "https://git.example.org"]`. The host
/// is the resource server, unless that is said. git is given the access token as password, refreshed if need be; where the
/// server refuses it, git says so (`erase`), and it is refreshed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What git wants: `get`, `store` or `erase`; it adds that itself
    action: String,

    /// The resource server that the token is for [default: the host]
    #[arg(long, visible_alias = "rs", value_name = "RS")]
    resource_server: Option<String>,

    /// The only host, with its port if it has one, that gets the token [default: the resource server, if that is said]
    #[arg(long, value_name = "HOST")]
    host: Option<String>,

    /// The user name that goes with the token, if git does not name one [default: oauth2]
    #[arg(
        long,
        value_name = "NAME",
        env = unless_empty("TOKEN_STORAGE_CREDENTIAL_USERNAME"),
        hide_env_values = true
    )]
    username: Option<String>,

    /// Send it as a bearer token rather than a password, where git can (2.46 and newer)
    #[arg(long)]
    bearer: bool,

    #[command(flatten)]
    wanted: Wanted,
}

/// What git says about a request.
#[derive(Default)]
struct Asked {
    protocol: String,
    host: String,
    username: Option<String>,
    password: Option<Secret>,
    password_expiry: Option<i64>,
    /// Whether git understands another kind of authentication than a password.
    authtype: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let asked = Asked::read()?;
    let Some(name) = args.name(&asked, context)? else {
        return Ok(Exit::Success);
    };
    match &*args.action {
        "get" => get(&name, &asked, &args, context).await?,
        "store" => store(&name, asked, context).await?,
        "erase" => erase(&name, &asked, &args, context).await?,
        // Helpers are to ignore what a newer git may want.
        _ => {}
    }
    Ok(Exit::Success)
}

impl Args {
    /// The name of the record for this host; `None`: it gets nothing, and git asks its other helpers.
    fn name(&self, asked: &Asked, context: &Context) -> Result<Option<String>> {
        let given = self.resource_server.clone();
        let given = given.map(|name| context.resource_server(name)).transpose()?;
        let only = self.host.as_ref().or(given.as_ref());
        let is_meant = only.is_none_or(|host| *host == asked.host);
        if asked.host.is_empty() || !is_meant || !may_go_to(&asked.protocol, &asked.host) {
            return Ok(None);
        }
        Ok(Some(given.unwrap_or_else(|| asked.host.clone())))
    }
}

impl Asked {
    fn read() -> Result<Self> {
        let (place, bytes) = input::read("-", "git's question")?;
        let text = std::str::from_utf8(&bytes);
        let text = text.map_err(|_| Failure::new(Exit::Usage, format!("{place}: git's question is not UTF-8")))?;
        Ok(Self::of(text))
    }

    fn of(text: &str) -> Self {
        let mut asked = Self::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let value = value.to_owned();
            match name {
                "protocol" => asked.protocol = value,
                "host" => asked.host = value,
                "username" => asked.username = Some(value),
                "password" => asked.password = Some(value.into()),
                "password_expiry_utc" => asked.password_expiry = value.parse().ok(),
                "capability[]" => asked.authtype |= value == "authtype",
                _ => {}
            }
        }
        asked
    }
}

async fn get(name: &str, asked: &Asked, args: &Args, context: &Context) -> Result<()> {
    // Another helper may know more.
    let Some(stored) = context.tokens().await?.get(name).await? else {
        return Ok(());
    };
    let token = access_token::obtain(name, &args.wanted, context).await?;
    let secret = token.line()?;
    let mut answer = Zeroizing::new(String::with_capacity(2 * secret.len() + 256));
    if args.bearer && asked.authtype {
        answer.push_str("capability[]=authtype\nauthtype=Bearer\nephemeral=1\ncredential=");
    } else {
        let kept = kept::username(&stored.data);
        let chosen = [asked.username.as_deref(), args.username.as_deref(), kept.as_deref()];
        let username = chosen.into_iter().flatten().next().unwrap_or(USERNAME);
        if username.contains(['\n', '\r', '\0']) {
            return Err(Failure::new(
                Exit::Usage,
                "git cannot be told a user name with a line break or NUL",
            ));
        }
        answer.push_str("username=");
        answer.push_str(username);
        answer.push_str("\npassword=");
    }
    answer.push_str(secret);
    answer.push('\n');
    if let Some(expires_at) = token.expires_at {
        answer.push_str(&format!("password_expiry_utc={expires_at}\n"));
    }
    print(&answer)
}

/// git says `store` of everything that worked, of what this command gave it too.
async fn store(name: &str, asked: Asked, context: &Context) -> Result<()> {
    let (Some(username), Some(secret)) = (&asked.username, asked.password) else {
        return Ok(());
    };
    let password = Password {
        username,
        secret,
        expires_at: asked.password_expiry,
        server_url: None,
    };
    kept::keep(name, password, context).await.map(|_| ())
}

/// git says `erase` of what a server refused: that is a 401 to a token of a login.
async fn erase(name: &str, asked: &Asked, args: &Args, context: &Context) -> Result<()> {
    let Some(stored) = context.tokens().await?.get(name).await? else {
        return Ok(());
    };
    let refused = asked.password.as_ref();
    if refused.is_some_and(|refused| *refused != stored.data.access_token) {
        return Ok(());
    }
    match (kept::forget(name, &stored, context).await?, refused) {
        (Outcome::IsOfLogin, Some(refused)) => access_token::replace(name, refused, &args.wanted, context).await,
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_says() {
        let asked = Asked::of(
            "capability[]=authtype\ncapability[]=state\nprotocol=https\nhost=git.example.org:8443\npath=a=b\n\
             username=ada\npassword=a=b\npassword_expiry_utc=17\nwwwauth[]=Basic realm=\"x\"\n",
        );
        assert_eq!((&*asked.protocol, &*asked.host), ("https", "git.example.org:8443"));
        assert_eq!(asked.username.as_deref(), Some("ada"));
        assert_eq!(asked.password, Some(Secret::from("a=b")));
        assert_eq!((asked.password_expiry, asked.authtype), (Some(17), true));
    }
}
