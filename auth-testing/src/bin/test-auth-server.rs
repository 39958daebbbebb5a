//! The strict authorization server as a program, for tests of applications in any language; see
//! `docs/test-auth-server.md`. It listens on loopback only.

use std::{io::Write as _, process::ExitCode, time::Duration};

use token_storage_auth_testing::auth_server::{AuthServer, Config, provider_habits};

const USAGE: &str = "usage: test-auth-server serve [--port PORT] [--like PROVIDER] [--lifetime SECONDS]
           [--grace SECONDS] [--no-rotation] [--auto-approve] [--issue SCOPES]...";

struct Asked {
    config: Config,
    issue: Vec<String>,
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
    if arguments.next().as_deref() != Some("serve") {
        return Err(USAGE.to_owned());
    }
    let mut asked = Asked {
        config: Config::default(),
        issue: Vec::new(),
    };
    asked.config.name_resource_server = false;
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .ok_or_else(|| format!("{argument} takes a value\n{USAGE}"))
        };
        match argument.as_str() {
            "--auto-approve" => asked.config.auto_approve = true,
            "--no-rotation" => asked.config.rotate = false,
            "--lifetime" => asked.config.access_token_lifetime = Some(number(&value()?)?),
            "--grace" => asked.config.grace = Duration::from_secs(number(&value()?)?),
            "--port" => asked.config.port = number(&value()?)?,
            "--issue" => asked.issue.push(value()?),
            "--like" => asked.config = like(&value()?, asked.config)?,
            other => return Err(format!("unknown argument {other}\n{USAGE}")),
        }
    }
    Ok(asked)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is no such number\n{USAGE}"))
}

fn like(name: &str, before: Config) -> Result<Config, String> {
    let mut all = provider_habits().iter();
    let Some(habits) = all.find(|habits| habits.provider.eq_ignore_ascii_case(name)) else {
        let names: Vec<&str> = provider_habits().iter().map(|habits| habits.provider).collect();
        return Err(format!(
            "no provider is called {name:?}; there are {}",
            names.join(", ")
        ));
    };
    let mut config = habits.config();
    config.auto_approve = before.auto_approve;
    config.port = before.port;
    Ok(config)
}

fn main() -> ExitCode {
    let asked = match parse(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    let server = AuthServer::start_with(asked.config);
    println!("{}", server.url());
    for scope in asked.issue {
        println!("{}", server.issue(AuthServer::NATIVE_CLIENT, &scope));
    }
    // Whoever reads it may have gone away; the server is there all the same.
    let _ = std::io::stdout().flush();
    // Until a signal ends it: there is nothing to tidy up.
    loop {
        std::thread::park();
    }
}
