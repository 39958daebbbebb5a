//! The HTML file of a command that writes a page, too.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::PathBuf,
};

use crate::{Exit, Failure, Result, text};

/// Opened before the work is done: a place that cannot be written is told at once, not after a minute.
pub(crate) struct HtmlFile {
    path: PathBuf,
    file: File,
}

impl HtmlFile {
    pub(crate) fn create(path: PathBuf) -> Result<Self> {
        // What is there stays until the new page is there.
        let opened = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        match opened {
            Ok(file) => Ok(Self { path, file }),
            Err(error) => Err(unwritable(&path.display().to_string(), &error)),
        }
    }

    pub(crate) fn write(mut self, html: &str) -> Result<()> {
        let written = self.file.set_len(0).and_then(|()| self.file.write_all(html.as_bytes()));
        written.map_err(|error| unwritable(&self.path.display().to_string(), &error))
    }
}

fn unwritable(path: &str, error: &io::Error) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("{}: cannot be written: {error}", text::one_line(path)),
    )
}
