//! Tokens for programs that ask a helper for a password: git and Docker, each by its own protocol.

use clap::Subcommand;

use crate::{Context, Exit, Result};

mod docker;
mod git;
mod kept;

/// Hand tokens to git or Docker, as their credential helper
///
/// A token of `login` is refreshed as need be, and never replaced or removed by them. A password that a person gave git or
/// Docker is kept beside.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    program: Program,
}

#[derive(Debug, Subcommand)]
enum Program {
    Git(git::Args),
    Docker(docker::Args),
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    match args.program {
        Program::Git(args) => git::run(args, context).await,
        Program::Docker(args) => docker::run(args, context).await,
    }
}

/// What a server calls the user of an access token, if nothing else is said: GitLab, and many that do not look.
const USERNAME: &str = "oauth2";

/// A token in place of a password goes over https, or to this machine.
fn may_go_to(protocol: &str, host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let here = || {
        let address = address.parse();
        name == "localhost" || address.is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    };
    protocol == "https" || protocol == "http" && here()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_token_may_go() {
        for (protocol, host, want) in [
            ("https", "git.example.org", true),
            ("https", "git.example.org:8443", true),
            ("http", "127.0.0.1:8080", true),
            ("http", "[::1]:8080", true),
            ("http", "localhost", true),
            ("http", "git.example.org", false),
            ("http", "localhost.example.org", false),
            ("ssh", "localhost", false),
            ("", "localhost", false),
        ] {
            assert_eq!(may_go_to(protocol, host), want, "{protocol} {host}");
        }
    }
}
