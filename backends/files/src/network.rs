use std::path::Path;

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
    let mounts = std::fs::read("/proc/self/mountinfo").ok()?;
    linux::known_type(linux::type_at(&mounts, &existing.canonicalize().ok()?)?)
}

/// Not known how to tell on this platform.
#[cfg(not(target_os = "linux"))]
pub fn network_file_system(_path: &Path) -> Option<&'static str> {
    None
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        ffi::OsString,
        os::unix::ffi::OsStringExt as _,
        path::{Path, PathBuf},
    };

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

    /// The type of the file system that is mounted where the path is, as `/proc/self/mountinfo` has it:
    /// `36 35 98:0 /root /mount\040point rw,noatime master:1 - fuse.sshfs source rw`. Of several mounts on one place the
    /// last one covers the others.
    pub(super) fn type_at<'a>(mounts: &'a [u8], path: &Path) -> Option<&'a str> {
        let mounted = mounts.split(|byte| *byte == b'\n').filter_map(|line| {
            let mut fields = line.split(|byte| *byte == b' ');
            let point = unescape(fields.nth(4)?);
            let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
            path.starts_with(&point)
                .then_some((point.components().count(), std::str::from_utf8(kind).ok()?))
        });
        mounted.max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
    }

    /// Blank, tab, newline and backslash stand there as a backslash and three octal digits.
    fn unescape(field: &[u8]) -> PathBuf {
        let mut bytes = Vec::with_capacity(field.len());
        let mut rest = field;
        while let [first, behind @ ..] = rest {
            let (byte, behind) = match behind {
                [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', behind @ ..] if *first == b'\\' => {
                    ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), behind)
                }
                behind => (*first, behind),
            };
            bytes.push(byte);
            rest = behind;
        }
        OsString::from_vec(bytes).into()
    }

    pub(super) fn known_type(kind: &str) -> Option<&'static str> {
        let name = kind.strip_prefix("fuse.")?;
        BY_TYPE.into_iter().find(|known| *known == name)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        const MOUNTS: &[u8] = b"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
            60 27 0:50 / /home/a/remote rw,nosuid shared:7 master:1 - fuse.sshfs me@host:/home rw,user_id=0\n\
            61 27 0:51 / /mnt/with\\040blank\\134and\\011tab rw - fuse.rclone cloud: rw\n\
            62 60 0:52 / /home/a/remote/local rw - tmpfs none rw\n\
            63 27 0:53 / /mnt/\xff rw - fuse.s3fs bucket rw\n\
            64 27 8:1 / /mnt/covered rw - ext4 /dev/sda1 rw\n\
            65 64 0:54 / /mnt/covered rw - fuse.glusterfs host:/volume rw\n\
            66 27 0:55 / /mnt/ntfs rw - fuseblk /dev/sdb1 rw\n\
            a line that is cut\n";

        fn found(path: &[u8]) -> Option<&'static str> {
            type_at(MOUNTS, &unescape(path)).and_then(known_type)
        }

        #[test]
        fn the_innermost_mount_counts() {
            assert_eq!(found(b"/home/a/remote/x/tokens.db"), Some("sshfs"));
            assert_eq!(found(b"/home/a/remote"), Some("sshfs"));
            assert_eq!(found(b"/home/a/remote/local/tokens.db"), None);
            assert_eq!(found(b"/home/a/remotely/tokens.db"), None, "whole names only");
            assert_eq!(type_at(MOUNTS, Path::new("/etc")), Some("ext4"));
        }

        #[test]
        fn the_last_mount_on_one_place_counts() {
            assert_eq!(found(b"/mnt/covered/tokens.db"), Some("glusterfs"));
        }

        #[test]
        fn odd_names_of_mount_points_are_read() {
            assert_eq!(found(b"/mnt/with blank\\and\ttab/tokens.db"), Some("rclone"));
            assert_eq!(found(b"/mnt/\xff/tokens.db"), Some("s3fs"));
            assert_eq!(unescape(b"\\12\\400\\"), Path::new("\\12\\400\\"), "no escapes");
        }

        #[test]
        fn local_file_systems_in_programs_are_local() {
            assert_eq!(type_at(MOUNTS, Path::new("/mnt/ntfs/tokens.db")), Some("fuseblk"));
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
