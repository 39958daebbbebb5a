use std::time::Duration;

use token_storage::{
    Renewal,
    globus::{Access, login_options, scopes},
    oauth::LoginOptions,
};

use crate::{Context, Exit, Failure, Result, server::ServerArgs};

/// How long to wait for a person, unless it is said otherwise.
const PATIENCE: Duration = Duration::from_secs(600);

/// How to log in. Without any of these: with a browser on this machine.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct AskArgs {
    /// Open no browser: print the address, and take the code, or the address that the browser ends at
    #[arg(long)]
    no_browser: bool,

    /// Log in on another device, which shows or takes a short code (RFC 8628)
    #[arg(long, conflicts_with = "no_browser")]
    device: bool,

    /// Where the server sends the browser back: an address of this machine (a port is chosen if it names none) or a page
    /// that shows the code [default: http://127.0.0.1, and with --no-browser the page of Globus]
    #[arg(long, value_name = "URL", conflicts_with = "device")]
    redirect_uri: Option<String>,

    /// One more parameter of the request to log in, such as `prompt=login`; with --device, of the request for a code
    #[arg(long = "parameter", value_name = "NAME=VALUE")]
    parameters: Vec<String>,

    /// The resource server of a token whose response names none [default: the issuer's host, with its port
    /// and its path]
    #[arg(long, value_name = "RS")]
    resource_server: Option<String>,

    /// Replace tokens that another server, or another client, issued and that have the same name
    #[arg(long)]
    replace: bool,

    /// Revoke the tokens that the new ones replace. Some servers then end the new ones, too
    #[arg(long)]
    revoke_replaced: bool,
}

/// Which APIs the token is for, where a server has several and scopes do not say it.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Apis {
    /// The address of an API that the token is for (RFC 8707); may be given several times. A refresh repeats it
    #[arg(long = "resource", value_name = "URI")]
    resources: Vec<String>,

    /// The same, as Auth0 and others have it: a name of the API; may be given several times. A refresh repeats it
    #[arg(long = "audience", value_name = "AUDIENCE")]
    audiences: Vec<String>,

    /// What a record has besides.
    #[arg(skip)]
    others: Vec<(String, String)>,
}

impl Apis {
    /// These, and what they do not say from a record.
    pub(crate) fn or_of(mut self, renewal: Renewal) -> Self {
        let [no_resources, no_audiences] = [self.resources.is_empty(), self.audiences.is_empty()];
        for (name, value) in renewal.parameters {
            match name.as_str() {
                "resource" if no_resources => self.resources.push(value),
                "audience" if no_audiences => self.audiences.push(value),
                "resource" | "audience" => {}
                _ => self.others.push((name, value)),
            }
        }
        self
    }
}

/// What a login is for, and how it goes.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(super) options: LoginOptions,
    pub(super) way: Way,
    /// Whether a browser may be opened.
    pub(super) open: bool,
    pub(super) redirect_uri: Option<String>,
    /// The page of the server that shows codes, if it is known to have one.
    pub(super) code_page: Option<String>,
    pub(super) resource_server: Option<String>,
    pub(super) replace: bool,
    pub(super) revoke_replaced: bool,
    pub(super) patience: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A browser on this machine comes back to a port.
    Browser,
    /// A person brings the code.
    Paste,
    Device,
    /// Nobody is asked: the token is the client's own.
    Client,
}

impl Ask {
    /// Understands the options. An empty scope means the usual ones: with Globus who it is and their groups.
    pub(crate) fn new(scope: &str, args: AskArgs, server: &ServerArgs, context: &Context) -> Result<Self> {
        let globus = server.globus()?;
        let mut options = match &globus {
            Some(_) if scope.trim().is_empty() => globus_options(&usual_scope()),
            Some(_) => globus_options(scope),
            None => LoginOptions::new(scope),
        };
        for parameter in &args.parameters {
            let (name, value) = parameter.split_once('=').ok_or_else(no_parameter)?;
            options = options.with_parameter(name, value)?;
        }
        let resource_server = args.resource_server.map(|given| context.resource_server(given));
        let mut ask = Self {
            options,
            way: Way::Browser,
            open: !args.no_browser,
            redirect_uri: args.redirect_uri,
            code_page: globus.map(|globus| globus.code_page()),
            resource_server: resource_server.transpose()?,
            replace: args.replace,
            revoke_replaced: args.revoke_replaced,
            patience: context.timeout.unwrap_or(PATIENCE),
        };
        if args.device {
            ask.way = Way::Device;
        } else if args.no_browser || !ask.listens() {
            ask.way = Way::Paste;
        }
        Ok(ask)
    }

    /// For these APIs.
    pub(crate) fn of(mut self, apis: &Apis) -> Result<Self> {
        for resource in &apis.resources {
            self.options = self.options.with_resource(resource)?;
        }
        for audience in &apis.audiences {
            self.options = self.options.with_audience(audience.as_str());
        }
        for (name, value) in &apis.others {
            self.options = self.options.with_token_parameter(name, value)?;
        }
        Ok(self)
    }

    /// For the client itself.
    pub(crate) fn without_person(mut self) -> Self {
        self.way = Way::Client;
        self
    }

    /// The name that a token is stored under whose response names none, unless one was given.
    pub(crate) fn under(mut self, resource_server: &str) -> Self {
        self.resource_server.get_or_insert_with(|| resource_server.to_owned());
        self
    }

    /// Whether the browser is sent back to this machine, unless it is said otherwise.
    pub(super) fn listens(&self) -> bool {
        let hosts = ["http://127.0.0.1", "http://[::1]", "http://localhost"];
        let given = self.redirect_uri.as_deref();
        given.is_none_or(|uri| hosts.iter().any(|host| uri.starts_with(host)))
    }

    pub(super) fn greeting(&self) -> &'static str {
        match self.code_page {
            Some(_) => "Please authenticate with Globus here:",
            None => "Please log in here:",
        }
    }
}

/// With refresh tokens, and under a name.
fn globus_options(scope: &str) -> LoginOptions {
    login_options(scope, Access::Offline, Some(&named_grant()))
}

fn no_parameter() -> Failure {
    Failure::new(Exit::Usage, "a --parameter has a name and a value: NAME=VALUE")
}

/// What Globus is asked for if nothing else is said: who it is, and their groups.
pub(crate) fn usual_scope() -> String {
    [scopes::OPENID, scopes::PROFILE, scopes::EMAIL, scopes::VIEW_MY_GROUPS].join(" ")
}

/// The name of a consent, under which its owner finds it again.
fn named_grant() -> String {
    let host = gethostname::gethostname();
    let host = host.to_string_lossy();
    match host.trim_end_matches(".local") {
        "" => "token-storage".to_owned(),
        host => format!("token-storage on {host}"),
    }
}
