//! A server that issued tokens, and a command line that keeps them.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use token_storage::Schemes;
use token_storage_auth_testing::auth_server::{AuthServer, Config, Gate};

use super::{Cli, Ran};

pub(crate) const GROUPS: &str = "groups.api.globus.org";
pub(crate) const GROUPS_SCOPE: &str = "urn:globus:auth:scope:groups.api.globus.org:view_my_groups_and_memberships";

/// What the default groups of the server are as CSV: RFC 4180 with everything that breaks careless writers.
pub(crate) const GROUPS_CSV: &str = "ID,Name,Type,Session Enforcement,Roles\r\n\
    3c1f3d6e-3f0e-11ef-9d0c-0242ac120001,\"Ada's \"\"Engines\"\", Ltd\",regular,not strict,\"admin,member\"\r\n\
    3c1f3d6e-3f0e-11ef-9d0c-0242ac120002,\"Línea\nnueva\",plus,strict,manager\r\n";

/// A command line on a new storage of each kind that keeps what it is given.
pub(crate) fn on_each_storage(test: impl Fn(World)) {
    for scheme in Schemes::builtin().describe() {
        let cli = match (scheme.name, scheme.forms[0].form.split_once(':')) {
            // It is gone with the command.
            (_, Some((_, ""))) => continue,
            (name, Some((_, "PATH"))) => Cli::new(name),
            ("dynamodb", _) => table(),
            (name, _) => panic!("nobody says how to make a storage of the kind `{name}`"),
        };
        test(World::empty(cli, Config::default()));
    }
    #[cfg(all(feature = "encryption", feature = "sqlite"))]
    test(World::empty(Cli::encrypted("sqlite"), Config::default()));
}

/// On a new table of the emulator.
fn table() -> Cli {
    use std::sync::atomic::{AtomicUsize, Ordering};

    static TABLES: AtomicUsize = AtomicUsize::new(0);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let endpoint = runtime.block_on(token_storage_dynamodb_testing::emulator());
    let number = TABLES.fetch_add(1, Ordering::Relaxed);
    let mut cli = Cli::new("memory");
    cli.url = format!(
        "dynamodb:groups-{}-{number}?region=eu-central-1&endpoint={endpoint}",
        std::process::id()
    );
    let world = World::empty(cli, Config::default());
    world.run(&["create-table"]).succeeded();
    world.cli
}

/// The server is discovered, as by `--issuer`.
pub(crate) struct World {
    pub(crate) cli: Cli,
    pub(crate) server: AuthServer,
}

impl World {
    /// Nobody has logged in yet.
    pub(crate) fn empty(cli: Cli, config: Config) -> Self {
        let server = AuthServer::start_with(config);
        Self { cli, server }
    }

    /// Logged in at the groups service.
    pub(crate) fn new(scheme: &str) -> Self {
        let world = Self::empty(Cli::new(scheme), Config::default());
        world.log_in(GROUPS_SCOPE);
        world
    }

    /// Logged in, and the access token has expired meanwhile.
    pub(crate) fn expired(scheme: &str) -> Self {
        let world = Self::empty(Cli::new(scheme), Config::default());
        world.log_in_expired(GROUPS_SCOPE);
        world
    }

    pub(crate) fn log_in(&self, scope: &str) {
        let response = self.server.issue(AuthServer::NATIVE_CLIENT, scope);
        self.store(&response);
    }

    pub(crate) fn log_in_expired(&self, scope: &str) {
        self.store(&expired(self.issue(scope)).to_string());
    }

    pub(crate) fn issue(&self, scope: &str) -> Value {
        serde_json::from_str(&self.server.issue(AuthServer::NATIVE_CLIENT, scope)).unwrap()
    }

    pub(crate) fn store(&self, response: &str) {
        use std::io::Write as _;

        let mut child = self.spawn_with_input(&["store"]);
        child.stdin.take().unwrap().write_all(response.as_bytes()).unwrap();
        Ran::of(child.wait_with_output().unwrap()).succeeded().quiet();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.cli.command(arguments);
        command
            .env("TOKEN_STORAGE_ISSUER", self.server.url())
            .env("TOKEN_STORAGE_CLIENT_ID", AuthServer::NATIVE_CLIENT)
            .env("GLOBUS_SDK_SERVICE_URL_GROUPS", self.server.url())
            // For the storages on DynamoDB.
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    fn spawn_with_input(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdin(Stdio::piped()).spawn().unwrap()
    }

    /// What is stored, in full.
    pub(crate) fn record(&self, resource_server: &str) -> Value {
        self.run(&["get", resource_server, "--reveal", "--json"])
            .succeeded()
            .json()
    }
}

/// The response of a while ago.
pub(crate) fn expired(mut response: Value) -> Value {
    response.as_object_mut().unwrap().remove("expires_in");
    response["expires_at_seconds"] = 1000.into();
    response
}

/// Waits until a request is at the gate.
pub(crate) fn arrived(gate: &Gate) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    // Only so that a command that never asks fails the test rather than stopping it.
    let most = std::time::Duration::from_secs(120);
    let arrived = async { tokio::time::timeout(most, gate.arrived()).await };
    runtime.unwrap().block_on(arrived).expect("a request comes to the gate");
}

/// What a browser is shown that is sent to this address.
pub(crate) fn visit(address: &str) -> String {
    let rest = address.strip_prefix("http://").unwrap();
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap());
    let slash = if target.starts_with('/') { "" } else { "/" };
    let mut stream = TcpStream::connect(authority).unwrap();
    write!(stream, "GET {slash}{target} HTTP/1.1\r\nhost: {authority}\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}
