use std::{
    env,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tokio::sync::OnceCell;

/// Names another endpoint to test against: dynalite, moto, DynamoDB Local, or AWS itself.
pub const ENDPOINT_VARIABLE: &str = "TOKEN_STORAGE_DYNAMODB_ENDPOINT";

/// Whether the tests run against an endpoint that was named.
pub fn is_external() -> bool {
    env::var_os(ENDPOINT_VARIABLE).is_some()
}

/// The endpoint to test against: the one that [`ENDPOINT_VARIABLE`] names, or an emulator with an empty memory of its
/// own, started by the first call in this process and ending with it.
///
/// # Panics
/// If the emulator cannot be built or started; the message holds what cargo said.
pub async fn emulator() -> String {
    static RUNNING: OnceCell<Emulator> = OnceCell::const_new();
    if let Ok(endpoint) = env::var(ENDPOINT_VARIABLE) {
        return endpoint;
    }
    let start = || async {
        tokio::task::spawn_blocking(Emulator::start)
            .await
            .expect("starting does not panic")
    };
    RUNNING.get_or_init(start).await.endpoint.clone()
}

struct Emulator {
    endpoint: String,
    /// Holds the other end of the emulator's standard input. It is never dropped, being static; the system closes the
    /// pipe when this process ends, however it ends, and that ends the emulator.
    _child: Child,
}

impl Emulator {
    fn start() -> Self {
        let program = build();
        let mut child = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let port = first_line(&mut child).unwrap_or_else(|error| panic!("the emulator did not say its port: {error}"));
        Self {
            endpoint: format!("http://127.0.0.1:{}", port.trim()),
            _child: child,
        }
    }
}

fn first_line(child: &mut Child) -> io::Result<String> {
    let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    Ok(line)
}

/// Builds the emulator if it is not up to date. Cargo's own lock lets several test processes do so at once.
fn build() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dynamodb-emulator");
    let target = target_folder().join("dynamodb-emulator");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--locked", "--manifest-path"])
        .arg(workspace.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .stdin(Stdio::null());
    // What was meant for the crate under test would build the emulator anew each time.
    for variable in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_TARGET",
    ] {
        cargo.env_remove(variable);
    }
    let output = cargo
        .output()
        .unwrap_or_else(|error| panic!("cannot run cargo to build the emulator: {error}"));
    assert!(
        output.status.success(),
        "building the DynamoDB emulator failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    target
        .join("debug")
        .join(format!("dynamodb-emulator{}", env::consts::EXE_SUFFIX))
}

/// Cargo's target folder, which the running test is in.
fn target_folder() -> PathBuf {
    let program = env::current_exe().unwrap_or_default();
    let tagged = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    tagged.map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        Path::to_path_buf,
    )
}
