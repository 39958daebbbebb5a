//! Standard output: results, and nothing else.

use std::io::{self, ErrorKind, Write as _};

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::{
    exit::Exit,
    failure::{Failure, Result},
};

/// Writes the whole text. If the reader has gone (`| head`), the command ends without a word.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::silent(),
        _ => Failure::new(Exit::Failure, format!("cannot write to standard output: {error}")),
    })
}

/// Writes one JSON value and a newline.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    // None of our values can fail: all keys are strings.
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|_| Failure::new(Exit::Failure, "cannot write the result as JSON"))?;
    text.push('\n');
    print(&text)
}

/// A table without lines, for people. Cells must have gone through [`text::name`](crate::text::name) or be our own words.
pub(crate) fn table<const N: usize>(header: Option<[&str; N]>, rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(header) = header {
        table.set_header(header);
    }
    table.add_rows(rows);
    table.discover_columns();
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text: String = table.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    if text == "\n" {
        text.clear();
    }
    text
}
