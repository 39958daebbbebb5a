//! The command that repeats a case.

use std::path::Path;

use crate::Report;

/// The command; `prefix` is what stands before the case's name where several suites share a program.
pub(crate) fn command(report: &Report, prefix: &str) -> String {
    let program = std::env::args_os().next().unwrap_or_default();
    let package = std::env::var("CARGO_PKG_NAME").ok();
    let run = how_to_run(Path::new(&program), package.as_deref());
    format!(
        "TOKEN_STORAGE_CONFORMANCE_SEED={} {run} --exact {prefix}{}",
        report.seed, report.name
    )
}

/// Cargo names the program of a test target `target/PROFILE/deps/NAME-HASH`, and tells it its package.
fn how_to_run(program: &Path, package: Option<&str>) -> String {
    let name = program.file_stem().unwrap_or_default().to_string_lossy();
    let is_hash = |hash: &str| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    match (name.rsplit_once('-'), package) {
        (Some((target, hash)), Some(package)) if is_hash(hash) => format!("cargo test -p {package} --test {target} --"),
        _ => program.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_the_real_one() {
        let of = |program: &str, package| how_to_run(Path::new(program), package);
        let built = "/somewhere/target/debug/deps/my_suite-0123456789abcdef";
        assert_eq!(of(built, Some("mine")), "cargo test -p mine --test my_suite --");
        assert_eq!(of(built, None), built);
        assert_eq!(of("bin/check-storage", Some("mine")), "bin/check-storage");
    }
}
