//! Standard output: results, and nothing else.

use std::{
    fmt::Write as _,
    io::{self, ErrorKind, Write as _},
};

use comfy_table::{ColumnConstraint, Table, Width, presets};
use serde::Serialize;
use serde_json::Value;

use crate::{
    context::Context,
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

/// Tells what has been done: a JSON value, or lines. If that cannot be written, it is said on standard error, because it is
/// done all the same.
pub(crate) fn print_done(context: &Context, value: &impl Serialize, lines: &str) -> Result<()> {
    let printed = if context.json { print_json(value) } else { print(lines) };
    printed.map_err(|failure| {
        let done: Vec<&str> = lines.lines().collect();
        if failure.message().is_empty() || done.is_empty() {
            return failure;
        }
        failure.with_advice(&format!("this has been done all the same: {}", done.join("; ")))
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

/// A JSON object with one long array, written as it comes.
pub(crate) struct Elements {
    first: bool,
}

impl Elements {
    pub(crate) fn start(name: &str) -> Result<Self> {
        print(&format!("{{\n  \"{name}\": ["))?;
        Ok(Self { first: true })
    }

    pub(crate) fn add(&mut self, values: impl Iterator<Item = Value>) -> Result<()> {
        let mut text = String::new();
        for value in values {
            let comma = if self.first { "" } else { "," };
            self.first = false;
            let _ = write!(text, "{comma}\n    {value}");
        }
        print(&text)
    }

    /// Ends the array and the object, with one more member if there is one.
    pub(crate) fn end(self, member: Option<(&str, u64)>) -> Result<()> {
        let end = if self.first { "]" } else { "\n  ]" };
        print(&match member {
            Some((name, value)) => format!("{end},\n  \"{name}\": {value}\n}}\n"),
            None => format!("{end}\n}}\n"),
        })
    }
}

/// A table that is written a page at a time: the first one says how wide the columns are at least.
pub(crate) struct Rows<const N: usize> {
    header: Option<[&'static str; N]>,
    widths: Vec<u16>,
}

impl<const N: usize> Rows<N> {
    pub(crate) fn new(header: [&'static str; N]) -> Self {
        let header = Some(header);
        let widths = Vec::new();
        Self { header, widths }
    }

    pub(crate) fn add(&mut self, rows: impl Iterator<Item = [String; N]>) -> Result<()> {
        let mut rows = rows.peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        let mut table = plain(self.header.take(), rows);
        for (column, width) in table.column_iter_mut().zip(&self.widths) {
            // With the blanks behind it.
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width + 2)));
        }
        let text = lines(&table);
        if self.widths.is_empty() {
            self.widths = table.column_max_content_widths();
        }
        print(&text)
    }
}

/// A table without lines, for people. Cells must have gone through [`text::name`](crate::text::name) or be our own words.
pub(crate) fn table<const N: usize>(header: Option<[&str; N]>, rows: impl IntoIterator<Item = [String; N]>) -> String {
    lines(&plain(header, rows))
}

fn plain<const N: usize>(header: Option<[&str; N]>, rows: impl IntoIterator<Item = [String; N]>) -> Table {
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
    table
}

fn lines(table: &Table) -> String {
    let mut text: String = table.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    if text == "\n" {
        text.clear();
    }
    text
}
