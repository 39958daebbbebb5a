use std::path::Path;

/// The name of the network file system that a path is on, if it is on one that is known here: locks and file stamps
/// cannot be trusted there. The path or a directory above it must exist. Linux only; elsewhere always `None`.
#[cfg(target_os = "linux")]
pub fn network_file_system(path: &Path) -> Option<&'static str> {
    // From linux/magic.h and the manual page statfs(2).
    const KNOWN: [(u32, &str); 11] = [
        (0x6969, "NFS"),
        (0x517b, "SMB"),
        (0xff53_4d42, "CIFS"),
        (0xfe53_4d42, "SMB2"),
        (0x5346_414f, "AFS"),
        (0x7375_7245, "Coda"),
        (0x0102_1997, "9P"),
        (0x00c3_6400, "Ceph"),
        (0x4750_4653, "GPFS"),
        (0x0bd0_0bd0, "Lustre"),
        (0x564c, "NCP"),
    ];
    let found = path.ancestors().find_map(|path| rustix::fs::statfs(path).ok())?;
    let kind = found.f_type as u32;
    KNOWN.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name)
}

/// Not known how to tell on this platform.
#[cfg(not(target_os = "linux"))]
pub fn network_file_system(_path: &Path) -> Option<&'static str> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_directory_is_not_on_the_network() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(network_file_system(&folder.path().join("not/there/yet")), None);
    }
}
