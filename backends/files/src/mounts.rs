//! `/proc/self/mountinfo`: what is mounted where, as this process sees it.

use std::{
    ffi::OsString,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
};

/// One line: `36 35 98:0 /root /mount\040point rw,noatime master:1 - fuse.sshfs source rw`.
struct Mount<'a> {
    point: PathBuf,
    kind: &'a str,
}

/// The list, or nothing where `/proc` is not there.
pub(crate) fn list() -> Vec<u8> {
    std::fs::read("/proc/self/mountinfo").unwrap_or_default()
}

fn parse(mounts: &[u8]) -> impl Iterator<Item = Mount<'_>> {
    mounts.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let point = unescape(fields.nth(4)?);
        let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
        Some(Mount {
            point,
            kind: std::str::from_utf8(kind).ok()?,
        })
    })
}

/// Whether something is mounted on this very path.
pub(crate) fn is_point(mounts: &[u8], path: &Path) -> bool {
    parse(mounts).any(|mount| mount.point == path)
}

/// The type of the file system that is mounted where the path is. Of several mounts on one place the last one covers the
/// others.
pub(crate) fn type_at<'a>(mounts: &'a [u8], path: &Path) -> Option<&'a str> {
    parse(mounts)
        .filter(|mount| path.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.components().count())
        .map(|mount| mount.kind)
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
        67 27 254:0 /srv/t.json//deleted /data/t.json rw - ext4 /dev/vda rw\n\
        a line that is cut\n";

    fn found(path: &[u8]) -> Option<&'static str> {
        type_at(MOUNTS, &unescape(path))
    }

    #[test]
    fn the_root_is_mounted_somewhere() {
        assert!(is_point(&list(), Path::new("/")));
    }

    #[test]
    fn the_innermost_mount_counts() {
        assert_eq!(found(b"/home/a/remote/x/tokens.db"), Some("fuse.sshfs"));
        assert_eq!(found(b"/home/a/remote"), Some("fuse.sshfs"));
        assert_eq!(found(b"/home/a/remote/local/tokens.db"), Some("tmpfs"));
        assert_eq!(found(b"/home/a/remotely/tokens.db"), Some("ext4"), "whole names only");
        assert_eq!(found(b"/etc"), Some("ext4"));
        assert_eq!(found(b"/mnt/ntfs/tokens.db"), Some("fuseblk"));
    }

    #[test]
    fn the_last_mount_on_one_place_counts() {
        assert_eq!(found(b"/mnt/covered/tokens.db"), Some("fuse.glusterfs"));
    }

    #[test]
    fn odd_names_of_mount_points_are_read() {
        assert_eq!(found(b"/mnt/with blank\\and\ttab/tokens.db"), Some("fuse.rclone"));
        assert_eq!(found(b"/mnt/\xff/tokens.db"), Some("fuse.s3fs"));
        assert_eq!(unescape(b"\\12\\400\\"), Path::new("\\12\\400\\"), "no escapes");
    }

    #[test]
    fn a_file_that_is_a_mount_point_is_told_from_one_within_a_mount() {
        assert!(is_point(MOUNTS, Path::new("/data/t.json")));
        assert!(is_point(MOUNTS, Path::new("/mnt/with blank\\and\ttab")));
        assert!(!is_point(MOUNTS, Path::new("/mnt/covered/t.json")));
        assert!(!is_point(b"", Path::new("/data/t.json")));
    }
}
