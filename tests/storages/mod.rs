//! Every kind of storage that is built in: what is promised on top of a storage is tried on all of them. Kinds in memory and
//! in files are found by their description; one on a server needs a row in `SERVERS`.
#![allow(dead_code, reason = "each test binary uses a part of it")]

#[cfg(feature = "dynamodb")]
mod dynamodb;

use std::{path::Path, pin::Pin, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use token_storage::{Schemes, TokenStorage, backend::SchemeInfo};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    name: &'static str,
    place: Place,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Memory,
    File,
    Server(&'static Server),
}

/// How tests come by a storage on a server.
#[derive(Debug)]
struct Server {
    scheme: &'static str,
    /// Makes a new, empty one, and says what is behind the scheme in its place. The directory's name is unique.
    new: for<'a> fn(&'a Path) -> Pin<Box<dyn Future<Output = String> + Send + 'a>>,
    /// Opens it, with leases that last so long.
    open: fn(&str, Duration) -> Arc<dyn TokenStorage>,
}

const SERVERS: &[Server] = &[
    #[cfg(feature = "dynamodb")]
    dynamodb::SERVER,
];

/// All of them.
pub(crate) fn all() -> Vec<Kind> {
    Schemes::builtin().describe().iter().map(Kind::of).collect()
}

/// Those that processes can share.
pub(crate) fn shared() -> Vec<Kind> {
    all().into_iter().filter(|kind| !kind.is_memory()).collect()
}

impl Kind {
    fn of(scheme: &SchemeInfo) -> Self {
        let name = scheme.name;
        let place = match scheme.forms[0].form.split_once(':').map(|(_, rest)| rest) {
            Some("") => Place::Memory,
            Some("PATH") => Place::File,
            _ => match SERVERS.iter().find(|server| server.scheme == name) {
                Some(server) => Place::Server(server),
                None => panic!("tests/storages does not say how to make a storage of the kind `{name}`"),
            },
        };
        Self { name, place }
    }

    pub(crate) fn name(self) -> &'static str {
        self.name
    }

    /// Whether each opening is a storage of its own.
    pub(crate) fn is_memory(self) -> bool {
        matches!(self.place, Place::Memory)
    }

    /// Whether a holder that is stopped loses its lease.
    pub(crate) fn is_timed(self) -> bool {
        matches!(self.place, Place::Server(_))
    }

    /// A new, empty storage: its place, in the words of [`open`].
    pub(crate) async fn place(self, directory: &Path) -> String {
        let rest = match self.place {
            Place::Memory => String::new(),
            Place::File => directory.join("tokens").display().to_string(),
            Place::Server(server) => (server.new)(directory).await,
        };
        format!("{}:{rest}", self.name)
    }
}

/// Opens a storage as another process would; its leases last so long, if they are timed.
pub(crate) fn open(place: &str, lease_ttl: Duration) -> Arc<dyn TokenStorage> {
    let (scheme, rest) = place.split_once(':').expect("a place has a kind");
    match SERVERS.iter().find(|server| server.scheme == scheme) {
        Some(server) => (server.open)(rest, lease_ttl),
        None => {
            let schemes = Schemes::builtin();
            let opened = schemes.open(place).now_or_never();
            opened.expect("nothing is waited for").unwrap()
        }
    }
}
