//! As git's and Docker's credential helper: with the real git at a server on loopback, and by Docker's protocol.
#![cfg(all(unix, feature = "oauth", any(feature = "json", feature = "sqlite")))]

mod common;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use common::{CANARY, Cli, Ran, beside, in_files, world::World};
use token_storage_auth_testing::auth_server::{AuthServer, Config};

/// A server whose answers name no resource server, as most.
fn world() -> World {
    let mut config = Config::default();
    config.name_resource_server = false;
    World::empty(Cli::new(in_files()[0]), config)
}

/// Stored under the name of this host, as if there had been a login.
fn log_in(world: &World, host: &str) {
    let answer = world.server.issue(AuthServer::NATIVE_CLIENT, "read");
    let mut store = world.command(&["store", "--resource-server", host]);
    ask(&mut store, &answer).succeeded();
}

/// Runs a helper, which is asked on its standard input.
fn ask(helper: &mut Command, question: &str) -> Ran {
    let mut child = helper
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may refuse before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(question.as_bytes());
    Ran::of(child.wait_with_output().unwrap())
}

fn git_asks(world: &World, arguments: &[&str], question: &str) -> Ran {
    let arguments = [&["credential", "git"], arguments].concat();
    ask(&mut world.command(&arguments), question)
}

fn value<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let values = answer.lines().filter_map(|line| line.split_once('='));
    values
        .filter(|(known, _)| *known == name)
        .map(|(_, value)| value)
        .next()
}

/// A repository behind HTTP, for whoever has a token that is active at the authorization server.
struct GitServer {
    host: String,
    /// The schemes and user names that requests came with.
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

impl GitServer {
    fn start(repository: PathBuf, server: Arc<World>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let seen = Arc::<Mutex<Vec<_>>>::default();
        let noted = seen.clone();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(&mut stream.unwrap(), &repository, &server, &noted);
            }
        });
        Self { host, seen }
    }

    fn seen(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// The dumb protocol is files.
fn serve(stream: &mut TcpStream, repository: &Path, world: &World, seen: &Mutex<Vec<(String, String)>>) {
    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let head: Vec<String> = lines.map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
    let target = head[0].split(' ').nth(1).unwrap();
    let path = target.trim_start_matches("/repo.git/").split('?').next().unwrap();
    let authorization = head.iter().find_map(|line| line.strip_prefix("Authorization: "));
    let given = authorization.and_then(|value| value.split_once(' '));
    let given = given.map(|(scheme, value)| match scheme {
        "Basic" => {
            let pair = String::from_utf8(BASE64_STANDARD.decode(value).unwrap()).unwrap();
            let (user, password) = pair.split_once(':').unwrap();
            (scheme.to_owned(), user.to_owned(), password.to_owned())
        }
        _ => (scheme.to_owned(), String::new(), value.to_owned()),
    });
    let may = given
        .as_ref()
        .is_some_and(|(_, _, token)| world.server.is_active(token));
    if let Some((scheme, user, _)) = given {
        seen.lock().unwrap().push((scheme, user));
    }
    let answer = |status: &str, header: &str, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 {status}\r\n{header}content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    let answer = match (may, std::fs::read(repository.join(path))) {
        (false, _) => answer("401 Unauthorized", "www-authenticate: Basic realm=\"git\"\r\n", b""),
        (true, Ok(content)) => answer("200 OK", "", &content),
        (true, Err(_)) => answer("404 Not Found", "", b""),
    };
    let _ = stream.write_all(&answer);
}

/// git with the command's environment, and no configuration but ours.
fn git(world: &World, arguments: &[&str]) -> Command {
    let mut git = beside("git", &world.command(&[]));
    git.args(arguments)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0");
    git
}

fn succeeded(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A repository with one commit, as files that the dumb protocol serves.
fn repository(world: &World) -> PathBuf {
    let who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
    succeeded(&mut git(world, &["init", "--quiet", "work"]));
    let commit = ["-C", "work", "commit", "--quiet", "--allow-empty", "--message", "first"];
    succeeded(&mut git(world, &[&who[..], &commit].concat()));
    succeeded(&mut git(world, &["clone", "--quiet", "--bare", "work", "repo.git"]));
    succeeded(&mut git(world, &["-C", "repo.git", "update-server-info"]));
    world.cli.folder().join("repo.git")
}

fn clone(world: &World, server: &GitServer, options: &str, to: &str) -> Output {
    ask_git(world, server, options, &["clone", "--quiet"], &[to])
}

/// Runs git, with the command as its helper, on the server's repository.
fn ask_git(world: &World, server: &GitServer, options: &str, before: &[&str], behind: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_token-storage");
    let helper = format!("credential.helper=!'{program}' credential git {options}");
    let url = format!("http://{}/repo.git", server.host);
    let ours = ["-c", "credential.helper=", "-c", &helper];
    let arguments = [&ours[..], before, &[&url], behind].concat();
    git(world, &arguments).output().unwrap()
}

#[test]
fn git_clones_with_a_token_that_is_refreshed_when_it_is_refused() {
    let Ok(version) = Command::new("git").arg("version").output() else {
        println!("SKIPPED: there is no git on this machine");
        return;
    };
    let world = Arc::new(world());
    let server = GitServer::start(repository(&world), world.clone());
    let refused = clone(&world, &server, "", "nobody");
    assert!(!refused.status.success(), "nobody is logged in");
    log_in(&world, &server.host);
    server.seen();

    let cloned = clone(&world, &server, "", "first");
    assert!(cloned.status.success(), "{}", String::from_utf8_lossy(&cloned.stderr));
    assert!(world.cli.folder().join("first/.git").exists());
    let seen = server.seen();
    assert!(
        seen.iter()
            .all(|seen| *seen == ("Basic".to_owned(), "oauth2".to_owned())),
        "{seen:?}"
    );
    assert_eq!(world.server.refresh_requests(), 0);
    let record = world.record(&server.host);
    assert!(
        record["refresh_token"].is_string() && record.get("credential_username").is_none(),
        "it is as it was"
    );

    // The server ends the token early. git tells that it was refused, and the next one is good.
    world.server.expire_access_tokens();
    assert!(!clone(&world, &server, "", "second").status.success());
    assert_eq!(world.server.refresh_requests(), 1);
    let cloned = clone(&world, &server, "--username ada", "second");
    assert!(cloned.status.success(), "{}", String::from_utf8_lossy(&cloned.stderr));
    assert!(server.seen().contains(&("Basic".to_owned(), "ada".to_owned())));
    assert_eq!(world.server.refresh_requests(), 1);

    let version = String::from_utf8(version.stdout).unwrap();
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty());
    let version: (u32, u32) = (
        numbers.next().unwrap().parse().unwrap(),
        numbers.next().unwrap().parse().unwrap(),
    );
    if version < (2, 46) {
        println!("SKIPPED: this git knows no bearer tokens");
        return;
    }
    // Of the dumb protocol, git sends such a token with the first request only.
    server.seen();
    let asked = ask_git(&world, &server, "--bearer", &["ls-remote"], &["HEAD"]);
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    let seen = server.seen();
    assert!(
        !seen.is_empty() && seen.iter().all(|(scheme, _)| scheme == "Bearer"),
        "{seen:?}"
    );
}

#[test]
fn a_token_goes_to_its_host_only() {
    let world = world();
    log_in(&world, "git.example.org");
    let asked = |arguments: &[&str], question: &str| {
        let ran = git_asks(&world, &[arguments, &["get"]].concat(), question).succeeded();
        value(&ran.stdout, "password").is_some()
    };
    let named: &[&str] = &["--rs", "git.example.org"];
    assert!(asked(&[], "protocol=https\nhost=git.example.org\n\n"));
    assert!(asked(named, "protocol=https\nhost=git.example.org\n\n"));
    assert!(asked(
        &["--rs", "git.example.org", "--host", "code.example.org:8443"],
        "protocol=https\nhost=code.example.org:8443\n\n"
    ));
    for (arguments, question) in [
        (&[][..], "protocol=http\nhost=git.example.org\n\n"),
        (&[], "protocol=https\nhost=elsewhere.example.org\n\n"),
        (&[], "protocol=https\nhost=git.example.org:8443\n\n"),
        (named, "protocol=https\nhost=elsewhere.example.org\n\n"),
        (
            &["--host", "code.example.org"],
            "protocol=https\nhost=git.example.org\n\n",
        ),
        (&[], "\n"),
    ] {
        assert!(!asked(arguments, question), "{arguments:?} {question:?}");
    }
}

#[test]
fn what_git_is_told() {
    let world = world();
    log_in(&world, "git.example.org");
    let question = "protocol=https\nhost=git.example.org\n";
    let answer = git_asks(&world, &["get"], question).succeeded().stdout;
    assert_eq!(value(&answer, "username"), Some("oauth2"));
    let expires_at = world.record("git.example.org")["expires_at_seconds"].to_string();
    assert_eq!(value(&answer, "password_expiry_utc"), Some(&*expires_at));
    // A git that does not know other kinds than passwords gets one.
    let answer = git_asks(&world, &["--bearer", "get"], question).succeeded().stdout;
    assert!(value(&answer, "password").is_some());
    let answer = git_asks(
        &world,
        &["--bearer", "get"],
        &format!("{question}capability[]=authtype\n"),
    );
    assert_eq!(value(&answer.succeeded().stdout, "authtype"), Some("Bearer"));
    let answer = git_asks(&world, &["get"], &format!("{question}username=bob\n"))
        .succeeded()
        .stdout;
    assert_eq!(value(&answer, "username"), Some("bob"));
    // What a newer git may say.
    assert_eq!(git_asks(&world, &["capability"], question).succeeded().stdout, "");
}

#[test]
fn git_keeps_a_password_and_forgets_it_and_never_touches_a_login() {
    let world = world();
    let question = "protocol=https\nhost=git.example.org\n";
    let typed = format!("{question}username=ada\npassword={CANARY}\n");
    assert_eq!(git_asks(&world, &["store"], &typed).succeeded().stdout, "");
    let answer = git_asks(&world, &["get"], question).succeeded().stdout;
    assert_eq!(
        (value(&answer, "username"), value(&answer, "password")),
        (Some("ada"), Some(CANARY))
    );
    git_asks(
        &world,
        &["erase"],
        &format!("{question}username=ada\npassword=another\n"),
    )
    .succeeded();
    assert!(
        !git_asks(&world, &["get"], question).stdout.is_empty(),
        "another password was refused"
    );
    git_asks(&world, &["erase"], &typed).succeeded();
    assert_eq!(git_asks(&world, &["get"], question).succeeded().stdout, "");

    log_in(&world, "git.example.org");
    let before = world.record("git.example.org");
    git_asks(&world, &["store"], &typed).succeeded();
    git_asks(&world, &["erase"], &typed).succeeded();
    git_asks(&world, &["erase"], question).succeeded();
    assert_eq!(world.record("git.example.org"), before);
    assert_eq!(world.server.refresh_requests(), 0);
}

/// Docker runs a program of this name.
fn docker(world: &World, action: &str, question: &str) -> Ran {
    let link = world.cli.folder().join("docker-credential-token-storage");
    if !link.exists() {
        symlink(env!("CARGO_BIN_EXE_token-storage"), &link).unwrap();
    }
    ask(beside(&link, &world.command(&[])).arg(action), question)
}

#[test]
fn docker_keeps_lists_and_forgets() {
    let world = world();
    let absent = docker(&world, "get", "https://registry.example.org");
    assert_eq!(absent.code, Some(1));
    assert_eq!(absent.stdout, "credentials not found in native keychain\n");
    let given = serde_json::json!({"ServerURL": "https://index.docker.io/v1/", "Username": "ada", "Secret": CANARY});
    assert_eq!(docker(&world, "store", &given.to_string()).succeeded().stdout, "");
    assert_eq!(
        docker(&world, "get", "https://index.docker.io/v1/\n")
            .succeeded()
            .json(),
        given
    );
    let listed = docker(&world, "list", "").succeeded().quiet().json();
    assert_eq!(listed, serde_json::json!({"https://index.docker.io/v1/": "ada"}));
    docker(&world, "erase", "https://index.docker.io/v1/").succeeded();
    assert_eq!(docker(&world, "list", "").succeeded().json(), serde_json::json!({}));
}

#[test]
fn docker_gets_the_token_of_a_login_and_leaves_it_alone() {
    let world = world();
    log_in(&world, "registry.example.org");
    let answer = docker(&world, "get", "registry.example.org").succeeded().json();
    assert_eq!(answer["Username"], "oauth2");
    assert!(world.server.is_active(answer["Secret"].as_str().unwrap()));
    let before = world.record("registry.example.org");
    let given = serde_json::json!({"ServerURL": "registry.example.org", "Username": "ada", "Secret": CANARY});
    for (action, question) in [
        ("store", given.to_string()),
        ("erase", "registry.example.org".to_owned()),
    ] {
        let ran = docker(&world, action, &question).ended(2).quiet();
        assert!(
            ran.stdout.contains("token-storage logout registry.example.org"),
            "Docker shows it: {ran:?}"
        );
    }
    assert_eq!(world.record("registry.example.org"), before);
    docker(&world, "get", "http://registry.example.org").ended(2).quiet();
    docker(&world, "store", CANARY).ended(2).quiet();
}
