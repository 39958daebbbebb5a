//! Which authorization server a command talks to, and as which client.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use token_storage::{
    Grant, IssuedBy, Renewal, TokenData, TokenPath, TokenResponse, async_trait,
    globus::Environment,
    manager::{EndpointError, RefreshRequest, RevokeRequest, TokenEndpoint},
    oauth::{HttpClient, LoginError, OAuthClient, Provider},
};
use tokio::sync::OnceCell;

use self::credentials::{CredentialArgs, Credentials};
use crate::{
    Exit, Failure, Result,
    args::unless_empty,
    interrupt::{self, Sent},
};

mod credentials;
mod each;
mod stored;

pub(crate) use self::each::EachServer;

/// The public client that the Globus documentation shows in its examples.
const TUTORIAL_CLIENT: &str = "61338d24-54d5-408f-a10d-66c06b59f6d2";

/// The options that name an authorization server and a client. Without any, it is the one that the record names, or
/// Globus.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Authorization server")]
pub(crate) struct ServerArgs {
    /// The server that issued the tokens; it is asked for its addresses [default: the record's own, or Globus]
    #[arg(long, value_name = "URL", env = unless_empty("TOKEN_STORAGE_ISSUER"), hide_env_values = true)]
    issuer: Option<String>,

    /// The id that the server knows this client by [default: the record's own; with Globus that of its tutorials]
    #[arg(long, value_name = "ID", env = unless_empty("TOKEN_STORAGE_CLIENT_ID"), hide_env_values = true)]
    client_id: Option<String>,

    #[command(flatten)]
    credentials: CredentialArgs,

    /// The token endpoint of a server that does not tell its addresses; nothing is then asked for
    #[arg(long, value_name = "URL")]
    token_endpoint: Option<String>,

    /// Its revocation endpoint
    #[arg(long, value_name = "URL", requires = "token_endpoint")]
    revocation_endpoint: Option<String>,

    /// Its authorization endpoint
    #[arg(long, value_name = "URL", requires = "token_endpoint")]
    authorization_endpoint: Option<String>,

    /// Its device authorization endpoint
    #[arg(long, value_name = "URL", requires = "token_endpoint")]
    device_authorization_endpoint: Option<String>,

    /// Its userinfo endpoint
    #[arg(long, value_name = "URL", requires = "token_endpoint")]
    userinfo_endpoint: Option<String>,

    /// Where the keys are that it signs id_tokens with
    #[arg(long, value_name = "URL", requires = "token_endpoint")]
    jwks_uri: Option<String>,

    /// Where in its answers the token is, if not at the top: names separated by dots (`authed_user`), or a JSON Pointer
    /// [default: what the record says]
    #[arg(long, value_name = "PATH")]
    token_path: Option<String>,
}

/// A server and a client, understood but not yet asked anything.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    addresses: Addresses,
    client_id: String,
    credentials: Credentials,
    token_path: Option<TokenPath>,
    /// As far as the record goes, which is enough to refresh and to revoke.
    recorded: Option<Box<Provider>>,
    /// How long each request may take, if that was said.
    timeout: Option<Duration>,
}

#[derive(Clone, Debug)]
enum Addresses {
    Known(Box<Provider>),
    Globus(Box<Provider>),
    /// The server of this issuer tells them.
    Discovered(String),
}

impl ServerArgs {
    /// The server to log in at, without the network.
    pub(crate) fn server(&self) -> Result<Server> {
        self.server_for(None)
    }

    /// The server that the options name, or Globus, for this client if they name none.
    fn server_for(&self, client_id: Option<&str>) -> Result<Server> {
        let globus = self.globus()?;
        let addresses = match (&self.token_endpoint, globus, &self.issuer) {
            (Some(token_endpoint), ..) => Addresses::Known(Box::new(self.given(token_endpoint)?)),
            (None, None, Some(issuer)) => Addresses::of_issuer("--issuer", issuer)?,
            (None, globus, _) => Addresses::globus(&globus.map_or_else(Environment::from_variables, Ok)?),
        };
        self.at(addresses, client_id)
    }

    fn at(&self, addresses: Addresses, client_id: Option<&str>) -> Result<Server> {
        let client_id = match self.client_id.as_deref().or(client_id) {
            Some(id) => id.to_owned(),
            None if addresses.is_globus() => TUTORIAL_CLIENT.to_owned(),
            None => {
                let message = "say which client this is, with --client-id or TOKEN_STORAGE_CLIENT_ID";
                return Err(Failure::new(Exit::Usage, message));
            }
        };
        Ok(Server {
            addresses,
            client_id,
            credentials: self.credentials.read()?,
            token_path: self.token_path.as_deref().map(TokenPath::parse).transpose()?,
            recorded: None,
            timeout: None,
        })
    }

    /// Whether a server is named.
    fn names_a_server(&self) -> bool {
        self.issuer.is_some() || self.token_endpoint.is_some()
    }

    /// Globus, if that is meant: by its address, or because no server is named.
    pub(crate) fn globus(&self) -> Result<Option<Environment>> {
        match (&self.issuer, &self.token_endpoint) {
            (_, Some(_)) => Ok(None),
            (Some(issuer), None) => Ok(globus_at(issuer)),
            (None, None) => Ok(Some(Environment::from_variables()?)),
        }
    }

    fn given(&self, token_endpoint: &str) -> Result<Provider> {
        type Set = fn(Provider, &str) -> Result<Provider, LoginError>;
        let given: [(&str, &Option<String>, Set); 6] = [
            ("--issuer", &self.issuer, Provider::with_issuer),
            (
                "--revocation-endpoint",
                &self.revocation_endpoint,
                Provider::with_revocation_endpoint,
            ),
            (
                "--authorization-endpoint",
                &self.authorization_endpoint,
                Provider::with_authorization_endpoint,
            ),
            (
                "--device-authorization-endpoint",
                &self.device_authorization_endpoint,
                Provider::with_device_authorization_endpoint,
            ),
            (
                "--userinfo-endpoint",
                &self.userinfo_endpoint,
                Provider::with_userinfo_endpoint,
            ),
            ("--jwks-uri", &self.jwks_uri, Provider::with_jwks_uri),
        ];
        let named = |option: &str, error| Failure::from(error).at(option);
        let mut provider = Provider::new(token_endpoint).map_err(|error| named("--token-endpoint", error))?;
        for (option, given, set) in given {
            if let Some(given) = given {
                provider = set(provider, given).map_err(|error| named(option, error))?;
            }
        }
        Ok(provider)
    }
}

impl Addresses {
    fn globus(environment: &Environment) -> Self {
        Self::Globus(Box::new(environment.provider()))
    }

    /// The addresses of Globus are known. Others are asked for, and what is no address is refused before anything else.
    fn of_issuer(named_by: &str, issuer: &str) -> Result<Self> {
        if let Some(environment) = globus_at(issuer) {
            return Ok(Self::globus(&environment));
        }
        Provider::check_issuer(issuer).map_err(|error| Failure::from(error).at(named_by))?;
        Ok(Self::Discovered(issuer.to_owned()))
    }

    fn is_globus(&self) -> bool {
        matches!(self, Self::Globus(_))
    }
}

/// The environment of Globus with this address, that of the variables first.
fn globus_at(issuer: &str) -> Option<Environment> {
    let here = Environment::from_variables().ok();
    here.filter(|environment| environment.is_issuer(issuer))
        .or_else(|| Environment::of_issuer(issuer))
}

impl Server {
    /// The client; asks the server for its addresses if they are not known.
    pub(crate) async fn client(&self) -> Result<OAuthClient, LoginError> {
        let http = self.http()?;
        let provider = match &self.addresses {
            Addresses::Known(provider) | Addresses::Globus(provider) => (**provider).clone(),
            Addresses::Discovered(issuer) => Provider::discover(&http, issuer).await?,
        };
        Ok(self.client_of(http, provider))
    }

    /// The client that refreshes and revokes: the record is enough for it, if there is one.
    async fn renewing_client(&self) -> Result<OAuthClient, LoginError> {
        match &self.recorded {
            Some(provider) => Ok(self.client_of(self.http()?, (**provider).clone())),
            None => self.client().await,
        }
    }

    /// Lets each request take so long, if that was said.
    pub(crate) fn within(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    fn http(&self) -> Result<HttpClient, LoginError> {
        let http = HttpClient::new()?;
        Ok(match self.timeout {
            Some(timeout) => http.with_timeout(timeout),
            None => http,
        })
    }

    fn client_of(&self, http: HttpClient, provider: Provider) -> OAuthClient {
        let client = OAuthClient::new(http, provider, self.client_id.as_str());
        let client = self.credentials.given_to(client);
        match &self.token_path {
            Some(path) => client.with_token_path(path.clone()),
            None => client,
        }
    }

    /// What a record says of itself that came from here.
    fn issued_by(&self) -> IssuedBy {
        match &self.addresses {
            Addresses::Known(provider) | Addresses::Globus(provider) => provider.issued_by(&self.client_id),
            Addresses::Discovered(issuer) => IssuedBy::named(issuer.as_str(), self.client_id.as_str()),
        }
    }
}

/// A server that nobody has named.
pub(crate) const SOME_SERVER: &str = "the authorization server";

/// A [`TokenEndpoint`] that becomes a client when it is first needed: mostly the stored token is good, and nothing is set
/// up or asked. From the moment a refresh token is sent, signals wait: see [`interrupt`].
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Or why nothing may be sent anywhere.
    server: Result<Server, String>,
    client: OnceCell<OAuthClient>,
    /// What needs fewer addresses.
    renewing: OnceCell<OAuthClient>,
    has_sent: AtomicBool,
    is_closed: AtomicBool,
}

impl Endpoint {
    pub(crate) fn new(server: Result<Server, String>) -> Arc<Self> {
        let [client, renewing] = [OnceCell::new(), OnceCell::new()];
        Arc::new(Self {
            server,
            client,
            renewing,
            has_sent: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
        })
    }

    /// Whether a refresh was begun.
    pub(crate) fn has_sent(&self) -> bool {
        self.has_sent.load(Ordering::Relaxed)
    }

    /// From here on none begins.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    /// The client, made once, with all the addresses that the server tells.
    pub(crate) async fn client(&self) -> Result<&OAuthClient> {
        match &self.server {
            Ok(server) => Ok(self.client.get_or_try_init(|| server.client()).await?),
            Err(why) => Err(Failure::new(Exit::Usage, why.as_str())),
        }
    }

    /// Whether anything may be sent; else why not.
    pub(crate) fn usable(&self) -> Result<()> {
        match &self.server {
            Ok(_) => Ok(()),
            Err(why) => Err(Failure::new(Exit::Usage, why.as_str())),
        }
    }

    /// The server's name for people.
    pub(crate) fn server_name(&self) -> String {
        let issued_by = TokenEndpoint::issued_by(self);
        let name = issued_by.as_ref().and_then(IssuedBy::server_name);
        name.unwrap_or(SOME_SERVER).to_owned()
    }

    /// Whether the client can prove who it is.
    pub(crate) fn has_credentials(&self) -> bool {
        let server = self.server.as_ref();
        server.is_ok_and(|server| server.credentials.are_there())
    }

    async fn ready(&self) -> Result<&OAuthClient, EndpointError> {
        match &self.server {
            Ok(server) => self.renewing(server).await.map_err(|error| EndpointError::from(&error)),
            Err(why) => Err(EndpointError::unconfigured(why.as_str())),
        }
    }

    async fn renewing(&self, server: &Server) -> Result<&OAuthClient, LoginError> {
        match self.client.get() {
            Some(client) => Ok(client),
            None => self.renewing.get_or_try_init(|| server.renewing_client()).await,
        }
    }
}

#[async_trait]
impl TokenEndpoint for Endpoint {
    async fn refresh(&self, request: RefreshRequest<'_>) -> Result<TokenResponse, EndpointError> {
        let client = self.ready().await?;
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(EndpointError::unconfigured("the command is over"));
        }
        self.has_sent.store(true, Ordering::Relaxed);
        interrupt::hold(Sent::Refresh);
        client.refresh(request).await
    }

    fn accepts(&self, data: &TokenData) -> Result<(), EndpointError> {
        match &self.server {
            Ok(server) if !server.issued_by().accepts(data) => {
                Err(EndpointError::misdirected(&server.issued_by(), data))
            }
            _ => Ok(()),
        }
    }

    fn issued_by(&self) -> Option<IssuedBy> {
        match self.client.get() {
            Some(client) => Some(client.issued_by()),
            None => self.server.as_ref().ok().map(Server::issued_by),
        }
    }

    fn renews(&self, data: &TokenData) -> bool {
        // A grant that cannot be read is for `refresh` to complain about.
        data.refresh_token.is_some() || Renewal::of(data).is_ok_and(|renewal| renewal.grant == Grant::ClientCredentials)
    }

    async fn revoke(&self, request: RevokeRequest<'_>) -> Result<(), EndpointError> {
        self.ready().await?.revoke(request).await
    }
}
