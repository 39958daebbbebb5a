//! Standard output: results, and nothing else.

use std::io::{self, ErrorKind, Write as _};

use comfy_table::{Table, presets};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

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

    /// Adds elements, each the text of a JSON value.
    pub(crate) fn add<'a>(&mut self, values: impl Iterator<Item = &'a str>) -> Result<()> {
        let mut text = String::new();
        for value in values {
            text.push_str(if self.first { "\n    " } else { ",\n    " });
            self.first = false;
            text.push_str(value);
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

/// The cells of a row, one behind the other in one text: a listing may have a million of them. They must have gone through
/// [`text::push_name`](crate::text::push_name) or be our own words.
pub(crate) struct Cells<const N: usize> {
    text: String,
    ends: [usize; N],
    filled: usize,
}

impl<const N: usize> Cells<N> {
    pub(crate) fn new() -> Self {
        Self {
            text: String::with_capacity(32 * N),
            ends: [0; N],
            filled: 0,
        }
    }

    /// Fills the next cell; those that are not filled are empty.
    pub(crate) fn cell(mut self, write: impl FnOnce(&mut String)) -> Self {
        write(&mut self.text);
        self.ends[self.filled..].fill(self.text.len());
        self.filled += 1;
        self
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = [0].into_iter().chain(self.ends);
        starts.zip(self.ends).map(|(start, end)| &self.text[start..end])
    }
}

/// A table without lines that is written a page at a time: the first one says how wide the columns are at least.
pub(crate) struct Rows<const N: usize> {
    header: Option<Cells<N>>,
    widths: Option<[usize; N]>,
}

impl<const N: usize> Rows<N> {
    pub(crate) fn new(header: [&'static str; N]) -> Self {
        let cells = |cells: Cells<N>, word: &&str| cells.cell(|text| text.push_str(word));
        Self {
            header: Some(header.iter().fold(Cells::new(), cells)),
            widths: None,
        }
    }

    pub(crate) fn add(&mut self, rows: &[Cells<N>]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let header = self.header.take();
        let rows = || header.iter().chain(rows);
        let mut widths = self.widths.unwrap_or([0; N]);
        for row in rows() {
            for (widest, cell) in widths.iter_mut().zip(row.iter()) {
                *widest = (*widest).max(width(cell));
            }
        }
        self.widths.get_or_insert(widths);
        let mut text = String::new();
        for row in rows() {
            let start = text.len();
            for (column, cell) in widths.iter().zip(row.iter()) {
                text.push_str(cell);
                text.extend(std::iter::repeat_n(' ', column - width(cell) + 2));
            }
            text.truncate(start + text[start..].trim_end().len());
            text.push('\n');
        }
        print(&text)
    }
}

/// How many columns of a terminal it takes.
fn width(cell: &str) -> usize {
    if cell.is_ascii() { cell.len() } else { cell.width() }
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
