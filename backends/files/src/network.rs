use std::path::Path;

#[cfg(target_os = "linux")]
use crate::mounts;

/// The name of the network file system that a path is on, if it is on one that is known here: locks and file stamps
/// cannot be trusted there. The path or a directory above it must exist. Linux only; elsewhere always `None`.
#[cfg(target_os = "linux")]
pub fn network_file_system(path: &Path) -> Option<&'static str> {
    let existing = path.ancestors().find(|path| path.exists())?;
    let magic = rustix::fs::statfs(existing).ok()?.f_type as u32;
    if let Some((_, name)) = linux::BY_MAGIC.iter().find(|(known, _)| *known == magic) {
        return Some(name);
    }
    // One number for all that programs provide. What kind it is stands in the list of mounts.
    const FUSE: u32 = 0x6573_5546;
    if magic != FUSE {
        return None;
    }
    linux::known_type(mounts::type_at(&mounts::list(), &existing.canonicalize().ok()?)?)
}

/// Not known how to tell on this platform.
#[cfg(not(target_os = "linux"))]
pub fn network_file_system(_path: &Path) -> Option<&'static str> {
    None
}

#[cfg(target_os = "linux")]
mod linux {
    /// From linux/magic.h, the manual page statfs(2), and the sources of those that are outside the kernel.
    pub(super) const BY_MAGIC: [(u32, &str); 16] = [
        (0x6969, "NFS"),
        (0x517b, "SMB"),
        (0xff53_4d42, "CIFS"),
        (0xfe53_4d42, "SMB2"),
        (0x5346_414f, "AFS"),
        (0x6b41_4653, "AFS"),
        (0x7375_7245, "Coda"),
        (0x0102_1997, "9P"),
        (0x00c3_6400, "Ceph"),
        (0x4750_4653, "GPFS"),
        (0x0bd0_0bd0, "Lustre"),
        (0x564c, "NCP"),
        (0x2003_0528, "OrangeFS"),
        (0x1983_0326, "BeeGFS"),
        (0xaad7_aaea, "PanFS"),
        (0x786f_4256, "a folder of VirtualBox's host"),
    ];

    /// What stands behind `fuse.` for file systems that other hosts, or a remote service, share.
    const BY_TYPE: [&str; 23] = [
        "sshfs",
        "rclone",
        "s3fs",
        "goofys",
        "mount-s3",
        "gcsfuse",
        "blobfuse",
        "blobfuse2",
        "davfs",
        "davfs2",
        "curlftpfs",
        "smbnetfs",
        "glusterfs",
        "ceph",
        "ceph-fuse",
        "lizardfs",
        "moosefs",
        "mfs",
        "juicefs",
        "seaweedfs",
        "google-drive-ocamlfuse",
        "vmhgfs-fuse",
        "gvfsd-fuse",
    ];

    pub(super) fn known_type(kind: &str) -> Option<&'static str> {
        let name = kind.strip_prefix("fuse.")?;
        BY_TYPE.into_iter().find(|known| *known == name)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn local_file_systems_in_programs_are_local() {
            assert_eq!(known_type("fuse.sshfs"), Some("sshfs"));
            for kind in ["fuseblk", "fuse.gocryptfs", "fuse.encfs", "fuse", "ext4"] {
                assert_eq!(known_type(kind), None, "{kind}");
            }
        }
    }
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
