use std::{fs, io, path::Path};

/// Options that create a file with mode 0600. Reading, writing and creating are for the caller to set. A symbolic link is
/// not followed: in a directory that others may write to, it could lead to any file of this user.
pub fn private_options() -> fs::OpenOptions {
    #[cfg_attr(not(unix), expect(unused_mut))]
    let mut options = fs::OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        let no_link = rustix::fs::OFlags::NOFOLLOW.bits();
        options.mode(0o600).custom_flags(no_link.cast_signed());
    }
    options
}

/// Makes a new file for this user alone, to be read and written, whatever the umask: for
/// [`make_in`](https://docs.rs/tempfile/3/tempfile/struct.Builder.html#method.make_in), whose own `tempfile_in` leaves out
/// the operating system's code of an error.
///
/// # Errors
/// Those of the operating system, and [`io::ErrorKind::AlreadyExists`].
pub fn create_private(path: &Path) -> io::Result<fs::File> {
    let file = private_options().read(true).write(true).create_new(true).open(path)?;
    allow_owner(&file)?;
    Ok(file)
}

/// Opens or creates a file of ours, a lock or a lease, with [`private_options`].
///
/// # Errors
/// - [`io::ErrorKind::PermissionDenied`] if a link, a pipe or another thing that is no file is in its place: in a
///   directory that others may write to, one of them may have put it there.
pub(crate) fn open_own(options: &fs::OpenOptions, path: &Path) -> io::Result<fs::File> {
    let no_file = || {
        io::Error::new(
            io::ErrorKind::PermissionDenied,
            "what is in its place is not a file; remove that",
        )
    };
    match options.open(path) {
        Ok(file) if file.metadata()?.is_file() => allow_owner(&file).map(|()| file),
        Ok(_) => Err(no_file()),
        Err(_) if fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) => Err(no_file()),
        Err(error) => Err(error),
    }
}

/// Gives the owner of a new file what a strict umask (`0777`) took: he could not open it again.
///
/// # Errors
/// Those of the operating system.
#[cfg_attr(not(unix), expect(unused_variables))]
pub fn allow_owner(file: &fs::File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
        let found = file.metadata()?;
        if found.mode() & 0o600 != 0o600 && found.uid() == rustix::process::geteuid().as_raw() {
            file.set_permissions(fs::Permissions::from_mode(found.mode() & 0o7777 | 0o600))?;
        }
    }
    Ok(())
}

/// Refuses what is no directory where one of ours, that of the leases, belongs: see [`open_own`]. What does not exist is
/// no error.
pub(crate) fn check_own_directory(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_dir() => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "what is in its place is not a directory; remove that",
        )),
        _ => Ok(()),
    }
}

/// Takes from group and others what they may do with a file or directory, by path, without opening it. Returns the mode
/// that was too wide, for a warning; `None` if nothing had to be done (clause D4). A symbolic link is left, with what it
/// leads to, and so is whatever else is neither file nor directory. Elsewhere than on Unix it does nothing.
///
/// # Errors
/// Those of the operating system: only the owner may change a mode. What does not exist is no error.
#[cfg_attr(not(unix), expect(unused_variables))]
pub fn tighten(path: &Path) -> io::Result<Option<u32>> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = match fs::symlink_metadata(path) {
            Ok(found) if !found.is_file() && !found.is_dir() => return Ok(None),
            Ok(found) => found.permissions().mode() & 0o7777,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if mode & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7700))?;
            return Ok(Some(mode));
        }
    }
    Ok(None)
}

/// Whether this user may write to a file, as far as the operating system says without opening it. Elsewhere than on Unix it
/// is found out by writing.
#[cfg_attr(not(unix), expect(unused_variables))]
pub fn may_write(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use rustix::{
            fs::{Access, AtFlags, CWD, accessat},
            io::Errno,
        };
        let asked = accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS);
        !matches!(asked, Err(Errno::ACCESS | Errno::PERM | Errno::ROFS))
    }
    #[cfg(not(unix))]
    true
}

/// Gives a new file or directory to the owner of the file it belongs to, if that is somebody else: what root writes in a
/// user's place must not lock the user out. Only root can; for anybody else, and where there is no such file, it does
/// nothing. Nor does it for a file whose owner does not own the directory: in `/tmp`, anybody may have put it there.
#[cfg_attr(not(unix), expect(unused_variables))]
pub(crate) fn adopt_owner(new: &fs::File, like: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let (Ok(wanted), Ok(found)) = (fs::metadata(like), new.metadata()) else {
            return;
        };
        if (wanted.uid(), wanted.gid()) == (found.uid(), found.gid()) {
            return;
        }
        let directory = like.parent().and_then(|directory| fs::metadata(directory).ok());
        if directory.is_some_and(|directory| directory.uid() == wanted.uid()) {
            let _ = fchown(new, Some(wanted.uid()), Some(wanted.gid()));
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn d4_a_wider_mode_is_tightened_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(tighten(&path).unwrap(), Some(0o644));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(tighten(&path).unwrap(), None);
        assert_eq!(tighten(&folder.path().join("absent")).unwrap(), None);
    }

    #[test]
    fn what_a_link_leads_to_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(tighten(&link).unwrap(), None);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
        assert!(crate::examine_mode(&link, "it").is_none());
        assert!(
            crate::examine_mode(Path::new("/dev/null"), "it").is_none(),
            "to close it would harm everybody"
        );
    }
}
