use std::{
    fs::{self, DirBuilder},
    io,
    path::{Path, PathBuf},
};

/// Follows symbolic links to the file that is meant, which need not exist yet. A bare name is taken in the current
/// directory; the answer is absolute, so a later change of directory does not matter.
///
/// Lock and temporary files then live beside the target and the link stays a link (clause D4).
///
/// # Errors
/// - [`io::ErrorKind::IsADirectory`] if it is a directory; [`io::ErrorKind::InvalidInput`] for an empty path
///   and for links that lead in a circle.
pub fn resolve(path: &Path) -> io::Result<PathBuf> {
    const MOST_LINKS: usize = 40;
    let mut path = std::path::absolute(path)?;
    let mut links = 0;
    while let Ok(target) = fs::read_link(&path) {
        links += 1;
        if links > MOST_LINKS {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "its symbolic links lead in a circle",
            ));
        }
        path = path.parent().unwrap_or(Path::new("/")).join(target);
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::IsADirectory.into());
    };
    // A directory that does not exist yet has no links to follow.
    let resolved = fs::canonicalize(parent).map_or_else(|_| path.clone(), |parent| parent.join(name));
    if resolved.is_dir() {
        Err(io::ErrorKind::IsADirectory.into())
    } else {
        Ok(resolved)
    }
}

/// The path of a file beside another: `tokens.json` and `.lock` give `tokens.json.lock`.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Creates the directories above a file, those that are missing with mode 0700. Existing ones are left as they are.
///
/// # Errors
/// Those of the operating system.
pub fn create_parents(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => create_private_directory(parent),
        None => Ok(()),
    }
}

pub(crate) fn create_private_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_private_directory(parent)?;
    }
    #[cfg_attr(not(unix), expect(unused_mut))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => allow_owner_in(path),
    }
}

/// Gives the owner of a new directory what a strict umask took.
#[cfg_attr(not(unix), expect(unused_variables))]
fn allow_owner_in(directory: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(directory)?.permissions().mode() & 0o7777;
        if mode & 0o700 != 0o700 {
            fs::set_permissions(directory, fs::Permissions::from_mode(mode | 0o700))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_in_the_current_directory() {
        let resolved = resolve(Path::new("no-such-file.json")).unwrap();
        assert_eq!(
            resolved,
            std::env::current_dir()
                .unwrap()
                .canonicalize()
                .unwrap()
                .join("no-such-file.json")
        );
    }

    #[test]
    fn directories_and_empty_paths_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(resolve(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(resolve(Path::new("/")).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(resolve(Path::new("")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[cfg(unix)]
    #[test]
    fn d4_links_are_followed_even_to_nothing() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("real")).unwrap();
        symlink("real", root.join("directory")).unwrap();
        symlink("directory/later.json", root.join("first")).unwrap();
        symlink("first", root.join("second")).unwrap();
        assert_eq!(resolve(&root.join("second")).unwrap(), root.join("real/later.json"));
        symlink("circle", root.join("circle")).unwrap();
        assert_eq!(
            resolve(&root.join("circle")).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }

    #[test]
    fn a_file_in_the_place_of_a_directory_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = create_private_directory(&file).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    }

    #[cfg(unix)]
    #[test]
    fn d4_new_directories_are_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/b/tokens.json");
        create_parents(&file).unwrap();
        create_parents(&file).unwrap();
        for directory in ["a", "a/b"] {
            let mode = fs::metadata(folder.path().join(directory))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o700, "{directory}");
        }
    }
}
