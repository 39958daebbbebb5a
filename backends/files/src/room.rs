use std::path::Path;

/// How many bytes this user can still write to the file system of a path, which must exist; `None` if it does not say.
/// What quotas and other programs take is not known.
#[cfg(unix)]
pub fn free_bytes(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    // Some network and user-space file systems know no sizes, and say 0.
    if found.f_blocks == 0 {
        return None;
    }
    let blocks = if rustix::process::geteuid().is_root() {
        found.f_bfree
    } else {
        found.f_bavail
    };
    Some(blocks.saturating_mul(found.f_frsize))
}

/// Not known how to tell on this platform.
#[cfg(not(unix))]
pub fn free_bytes(_path: &Path) -> Option<u64> {
    None
}
