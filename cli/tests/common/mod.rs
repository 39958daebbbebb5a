//! Runs the real command.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod killer;
#[cfg(unix)]
pub(crate) mod terminal;
#[cfg(feature = "oauth")]
pub(crate) mod world;

use std::{
    ffi::OsStr,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;
use token_storage::Schemes;

/// In every secret of every test, so that one search finds any leak.
pub(crate) const CANARY: &str = "canary";

/// What the command is given of the tests' own environment: what programs, libraries and temporary files need. Anything else
/// may change what it does: `CLICOLOR_FORCE`, `COLUMNS`, a proxy, somebody's own storage.
const KEPT: [&str; 5] = [
    "PATH",
    "LD_LIBRARY_PATH",
    "LLVM_PROFILE_FILE",
    "RUST_BACKTRACE",
    "TMPDIR",
];

/// The kinds of storages in files that are built in.
pub(crate) fn in_files() -> Vec<&'static str> {
    let schemes = Schemes::builtin().describe();
    let in_files = schemes.iter().filter(|scheme| scheme.forms[0].form.ends_with(":PATH"));
    in_files.map(|scheme| scheme.name).collect()
}

/// A command line with a storage of its own.
#[derive(Debug)]
pub(crate) struct Cli {
    pub(crate) url: String,
    /// Where the keys are, if it is encrypted.
    pub(crate) key_from: String,
    folder: TempDir,
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Cli {
    /// On a storage of that scheme in a new folder.
    pub(crate) fn new(scheme: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match scheme {
            "memory" => "memory:".to_owned(),
            _ => format!("{scheme}:{}", folder.path().join("tokens.file").display()),
        };
        Self {
            url,
            key_from: String::new(),
            folder,
        }
    }

    /// On an encrypted one, with a key file beside it.
    #[cfg(feature = "encryption")]
    pub(crate) fn encrypted(scheme: &str) -> Self {
        let mut cli = Self::new(scheme);
        let key = cli.folder().join("keys/key").display().to_string();
        cli.run(&["key", "generate", &key]).succeeded().says("keep a copy");
        cli.url = format!("encrypted+{}", cli.url);
        cli.key_from = format!("file:{key}");
        cli
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("tokens.file")
    }

    /// The command, with a clean environment, on this storage.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = program();
        command
            .args(arguments)
            .env_clear()
            .envs(
                KEPT.into_iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .env("TOKEN_STORAGE_URL", &self.url)
            .env("TOKEN_STORAGE_KEY_FROM", &self.key_from)
            // Nobody listens there: what names no server must not end at Globus.
            .env("GLOBUS_SDK_SERVICE_URL_AUTH", "http://127.0.0.1:9")
            .env("GLOBUS_SDK_SERVICE_URL_GROUPS", "http://127.0.0.1:9")
            .env("HOME", self.folder.path())
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    pub(crate) fn run_with_input<A: AsRef<OsStr>>(&self, arguments: &[A], input: impl AsRef<[u8]>) -> Ran {
        let mut command = self.command(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // The command may refuse before it has read everything.
        let _ = child.stdin.take().unwrap().write_all(input.as_ref());
        Ran::of(child.wait_with_output().unwrap())
    }

    /// Stores a response, which must work.
    pub(crate) fn store(&self, response: &str) {
        self.run_with_input(&["store"], response).succeeded();
    }
}

/// A planted secret, or a token as the test server makes them: a prefix and 32 hexadecimal digits.
pub(crate) fn has_secret(text: &str) -> bool {
    let digits = |rest: &str| rest.bytes().take_while(u8::is_ascii_hexdigit).count();
    let has = |prefix| text.split(prefix).skip(1).any(|rest| digits(rest) >= 32);
    text.contains(CANARY) || ["at-", "rt-"].into_iter().any(has)
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        self.ended(0)
    }

    /// Ended with that code, and without a secret on standard error.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(!has_secret(&self.stderr), "a secret on standard error: {self:#?}");
        assert!(code == 0 || !self.stderr.is_empty(), "a failure without a word");
        self
    }

    /// Without a secret on standard output either.
    #[track_caller]
    pub(crate) fn quiet(self) -> Self {
        assert!(!has_secret(&self.stdout), "a secret on standard output: {self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn says(self, part: &str) -> Self {
        assert!(self.stderr.contains(part), "want {part:?} on standard error: {self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).expect("standard output is one JSON value")
    }
}

/// The command, with the usual effect of signals. The tests may run with them ignored, under nohup or in the background of
/// a script, which children inherit.
fn program() -> Command {
    let program = env!("CARGO_BIN_EXE_token-storage");
    if !cfg!(target_os = "linux") {
        return Command::new(program);
    }
    let mut command = Command::new("/usr/bin/env");
    command.args(["--default-signal=HUP,INT,QUIT,TERM", program]);
    command
}

/// Another program, with the environment and the folder of that command.
pub(crate) fn beside(program: impl AsRef<OsStr>, command: &Command) -> Command {
    let mut other = Command::new(program);
    other
        .env_clear()
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        other.current_dir(folder);
    }
    other
}

/// By way of a shell, which first does what it is told: `ulimit`, `stty`, or closing what is open.
pub(crate) fn by_shell(script: &str, command: &Command) -> Command {
    let mut shell = beside("sh", command);
    shell
        .args(["-c", &format!("set -e\n{script}\nexec \"$0\" \"$@\"")])
        .arg(command.get_program())
        .args(command.get_args());
    shell
}
