//! A mount namespace of one's own for one test: the test starts itself again within it.

use std::{
    env, fs,
    path::Path,
    process::{Command, ExitStatus},
};

use token_storage::Result;

/// Set within the namespace, to what is to be done there.
const INSIDE: &str = "TOKEN_STORAGE_TEST_SANDBOX";
/// Whether a test that cannot be run here fails: for CI, where nothing is skipped.
const REQUIRED: &str = "TOKEN_STORAGE_REQUIRE_MOUNTS";
/// `nobody`.
pub(crate) const SOMEBODY: u32 = 65_534;

/// Runs the work in a namespace where mounting is allowed and nobody else sees it. `test` is the name of the calling test.
pub(crate) fn in_mount_namespace(test: &str, work: impl FnOnce(&Path)) {
    if env::var_os(INSIDE).is_some() {
        let folder = tempfile::tempdir().unwrap();
        return work(&folder.path().canonicalize().unwrap());
    }
    // Not as root of a user namespace of its own, if there is a choice: there is only one user in that.
    let options = if rustix::process::geteuid().is_root() {
        "-m"
    } else {
        "-rm"
    };
    let can = |command: &mut Command| command.status().is_ok_and(|status| status.success());
    if !can(Command::new("unshare").args([options, "true"])) {
        return skip(test, "mount namespaces (unshare -m)");
    }
    let mut command = Command::new("unshare");
    command.arg(options).arg(env::current_exe().unwrap());
    let status = command.args([test, "--exact", "--nocapture"]).env(INSIDE, "1").status();
    assert!(status.unwrap().success(), "within the namespace {test} failed");
}

pub(crate) fn skip(test: &str, needs: &str) {
    assert!(env::var_os(REQUIRED).is_none(), "{test} needs {needs}");
    eprintln!("{test}: SKIPPED, it needs {needs}");
}

pub(crate) fn run(program: &str, arguments: &[&str]) -> ExitStatus {
    Command::new(program).args(arguments).status().unwrap()
}

pub(crate) fn mount(arguments: &[&str]) {
    assert!(run("mount", arguments).success(), "mount {arguments:?}");
}

/// Mounts a file or a folder in another place, as container engines do.
pub(crate) fn bind(from: &Path, to: &Path) {
    mount(&["--bind", from.to_str().unwrap(), to.to_str().unwrap()]);
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap().block_on(future)
}

/// The error of something that must fail.
pub(crate) fn refusal<T>(result: Result<T>) -> token_storage::Error {
    result.map(drop).expect_err("this must be refused")
}
