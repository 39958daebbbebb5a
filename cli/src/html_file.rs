//! The HTML file of a command that writes a page, too.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::{Exit, Failure, Result, text};

/// Tried before the work is done: a place that cannot be written is told at once, not after a minute. A run that fails or is ended
/// by a signal leaves what was there, and no empty page where there was nothing.
pub(crate) struct HtmlFile {
    path: PathBuf,
    /// Open where something was there already, which may be a pipe.
    there: Option<File>,
}

impl HtmlFile {
    pub(crate) fn create(path: PathBuf) -> Result<Self> {
        match try_out(&path) {
            Ok(there) => Ok(Self { path, there }),
            Err(error) => Err(unwritable(&path, &error)),
        }
    }

    pub(crate) fn write(self, html: &str) -> Result<()> {
        let written = match self.there {
            Some(file) => overwrite(file, html),
            None => fs::write(&self.path, html),
        };
        written.map_err(|error| unwritable(&self.path, &error))
    }
}

/// A link that leads nowhere yet counts as something that is there: removing the file would remove the link.
fn try_out(path: &Path) -> io::Result<Option<File>> {
    let is_new = fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    if is_new {
        fs::remove_file(path)?;
        return Ok(None);
    }
    Ok(Some(file))
}

fn overwrite(mut file: File, html: &str) -> io::Result<()> {
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    file.write_all(html.as_bytes())
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let place = text::one_line(&path.display().to_string());
    Failure::new(Exit::Usage, format!("{place}: cannot be written: {error}"))
}
