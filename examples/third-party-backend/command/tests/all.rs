//! Every command on a backend that the repository does not know, in real processes.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;
use token_storage_auth_testing::auth_server::{AuthServer, Config};

const GROUPS: &str = "groups.api.globus.org";
const GROUPS_SCOPE: &str = "urn:globus:auth:scope:groups.api.globus.org:view_my_groups_and_memberships";

/// A folder of tokens, and the server that issues them.
struct World {
    home: TempDir,
    server: AuthServer,
}

impl World {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let server = AuthServer::start_with(Config::default());
        Self { home, server }
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("tokens")
    }

    fn url(&self) -> String {
        format!("folder:{}", self.folder().display())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_token-storage"));
        for variable in [
            "TOKEN_STORAGE_NAMESPACE",
            "TOKEN_STORAGE_CLIENT_SECRET",
            "GLOBUS_SDK_ENVIRONMENT",
        ] {
            command.env_remove(variable);
        }
        command
            .args(arguments)
            .env("TOKEN_STORAGE_URL", self.url())
            .env("TOKEN_STORAGE_ISSUER", "")
            .env("TOKEN_STORAGE_CLIENT_ID", AuthServer::NATIVE_CLIENT)
            .env("GLOBUS_SDK_SERVICE_URL_AUTH", self.server.url())
            .env("GLOBUS_SDK_SERVICE_URL_GROUPS", self.server.url())
            .env("HOME", self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    #[track_caller]
    fn ended(&self, arguments: &[&str], code: i32) -> (String, String) {
        text(self.command(arguments).output().unwrap(), code)
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        self.ended(arguments, 0).0
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let with_json = [arguments, &["--json"]].concat();
        serde_json::from_str(&self.run(&with_json)).unwrap()
    }

    fn store(&self, response: &str) {
        let mut child = self.command(&["store"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(response.as_bytes()).unwrap();
        text(child.wait_with_output().unwrap(), 0);
    }

    /// A browser that is this test: it goes where the command sends it, and comes back.
    fn log_in(&self) {
        // It starts, and does nothing by itself.
        let mut child = self.command(&["login"]).env("BROWSER", "/bin/true").spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("http") {
            line.clear();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "no address was printed");
        }
        let back = self.server.decide(line.trim_end(), true);
        let rest = back.strip_prefix("http://").unwrap();
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap());
        let slash = if target.starts_with('/') { "" } else { "/" };
        let mut stream = TcpStream::connect(authority).unwrap();
        write!(stream, "GET {slash}{target} HTTP/1.1\r\nhost: {authority}\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        assert!(page.contains("You are logged in"), "{page}");
        let mut said = String::new();
        stderr.read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success(), "{said}");
    }
}

#[track_caller]
fn text(output: Output, code: i32) -> (String, String) {
    let (stdout, stderr) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert_eq!(output.status.code(), Some(code), "{stdout}{stderr}");
    (stdout, stderr)
}

#[test]
fn a_session_from_the_login_to_the_logout() {
    let world = World::new();
    world.log_in();
    assert!(world.folder().join("batch.lock").exists(), "the backend is this one");
    assert!(world.run(&["whoami"]).contains(AuthServer::IDENTITY));
    let groups = world.run(&["groups"]);
    assert!(groups.starts_with("ID,Name,Type"), "{groups}");
    let token = world.run(&["access-token", GROUPS]);
    assert!(world.server.is_active(token.trim_end()));
    let refreshed = world.run(&["access-token", GROUPS, "--refresh"]);
    assert_ne!(token, refreshed);
    assert_eq!(world.server.refresh_requests(), 1);
    let seen = world.run(&[
        "exec",
        "--resource-server",
        GROUPS,
        "--",
        "sh",
        "-c",
        "echo \"$TOKEN_STORAGE_ACCESS_TOKEN\"",
    ]);
    assert_eq!(seen, refreshed);
    world.run(&["logout", "--all"]);
    assert!(!world.server.is_active(refreshed.trim_end()));
    assert_eq!(world.run(&["list"]), "");
    world.ended(&["get", GROUPS], 3);
}

#[test]
fn records_by_hand() {
    let world = World::new();
    world.store(&world.server.issue(AuthServer::NATIVE_CLIENT, GROUPS_SCOPE));
    assert_eq!(world.json(&["list"])["tokens"][0]["resource_server"], GROUPS);
    assert_eq!(world.json(&["namespaces"])["namespaces"][0], "DEFAULT");
    assert_eq!(world.json(&["get", GROUPS])["resource_server"], GROUPS);
    world.run(&["remove", GROUPS]);
    world.ended(&["access-token", GROUPS], 3);
}

#[test]
fn what_it_is_stands_in_the_help_and_in_the_messages() {
    let world = World::new();
    assert_eq!(world.json(&["info"])["backend"], "folder");
    assert!(world.run(&["doctor"]).contains("the first login makes it"));
    let help = world.run(&["get", "--help"]);
    assert!(help.contains("`folder:PATH`: a folder, one file a token"), "{help}");
    assert!(world.run(&["--help"]).contains("clear-damaged"));
    assert!(world.run(&["completions", "bash"]).contains("clear-damaged"));
    assert!(world.run(&["man"]).contains("folder:PATH"));
    assert!(
        world
            .run(&["man", "clear-damaged"])
            .contains("There may be valid tokens in them")
    );
    let (_, said) = world.ended(&["--storage", "postgres:x", "list"], 2);
    assert!(
        said.contains("`folder:PATH`") && said.contains("`postgres:` is unknown"),
        "{said}"
    );
    let (_, said) = world.ended(&["--storage", "folder:", "list"], 2);
    assert!(said.contains("write `folder:PATH`"), "{said}");
    let built_in = format!("json:{}", world.home.path().join("tokens.json").display());
    assert_eq!(
        world.run(&["--storage", &built_in, "list"]),
        "",
        "the others are still there"
    );
}

#[cfg(unix)]
#[test]
fn warnings_are_told_once_and_actions_are_commands() {
    use std::os::unix::fs::PermissionsExt as _;

    let world = World::new();
    let response = world.server.issue(AuthServer::NATIVE_CLIENT, GROUPS_SCOPE);
    world.store(&response);
    std::fs::set_permissions(world.folder(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (_, said) = world.ended(&["remove", GROUPS], 0);
    assert_eq!(said.matches("warning: ").count(), 1, "{said}");
    assert!(said.contains("mode 0755"), "{said}");

    world.store(&response);
    let record = std::fs::read_dir(world.folder())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let record = record
        .into_iter()
        .find(|path| path.extension().is_some_and(|end| end == "json"))
        .unwrap();
    std::fs::write(record, "not a record").unwrap();
    world.ended(&["get", GROUPS], 5);
    world.store(&response);
    assert!(world.run(&["doctor"]).contains("kept aside"));
    let (_, said) = world.ended(&["clear-damaged"], 2);
    assert!(said.contains("--yes"), "{said}");
    assert_eq!(world.json(&["clear-damaged", "--yes"])["deleted"], 1);
    world.ended(&["clear-damaged", "--yes"], 3);
    let (_, said) = world.ended(&["--storage", "memory:", "clear-damaged", "--yes"], 2);
    assert!(said.contains("`folder:PATH`"), "{said}");
}

#[test]
fn the_suite_runs_on_a_storage_in_use() {
    let world = World::new();
    // A part: the whole is what the backend's own test runs.
    let url = world.url();
    let results = world.json(&[
        "conformance",
        &url,
        "--level",
        "core,enumerate,lease",
        "--filter",
        "::a_",
    ]);
    for level in 0..3 {
        let level = &results["levels"][level];
        assert!(level["passed"].as_u64() > Some(2) && level["failed"] == 0, "{level}");
    }
    assert_eq!(results["left"], 0);
}

#[test]
fn the_bench_measures_it_and_leaves_nothing() {
    let world = World::new();
    let url = world.url();
    let report = world.json(&["bench", &url, "memory:", "--budget", "1s"]);
    let storage = &report["storages"][0];
    assert_eq!(storage["promises"]["backend"], "folder");
    assert!(
        storage["measured"].as_array().is_some_and(|all| all.len() > 5),
        "{storage}"
    );
    assert_eq!((&storage["left"], &storage["error"]), (&0.into(), &Value::Null));
    assert_eq!(
        world.json(&["list", "--all-namespaces"])["tokens"],
        Value::Array(Vec::new())
    );
}
