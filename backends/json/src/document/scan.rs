//! Walks through the outer objects of a JSON text. Only their punctuation is read here; every name and every value is
//! left to serde_json, which checks it without decoding: big integers, lone surrogates, duplicates and any depth pass.
//!
//! A value that is not JSON (Python's `NaN`, a slip of somebody's editor) is passed too, as long as it can be told where
//! it ends: it is then its record that is damaged, and not the file.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;
use token_storage_core::record;

/// The text is not JSON from this byte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) at: usize,
}

pub(crate) type Scanned<T> = Result<T, SyntaxError>;

/// A position in a JSON text.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    torn: bool,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            torn: false,
        }
    }

    /// The raw text of a range that this cursor returned.
    pub(crate) fn raw(&self, range: &Range<usize>) -> &'a str {
        &self.text[range.clone()]
    }

    /// The first byte of the next value or punctuation mark.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let space = rest.iter().take_while(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t'));
        self.at += space.count();
        self.text.as_bytes().get(self.at).copied()
    }

    /// Where the cursor stands.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Whether a value was passed that neither JSON nor Python knows: perhaps a write is under way.
    pub(crate) fn is_torn(&self) -> bool {
        self.torn
    }

    /// Passes a whole value of any kind, sound or not.
    pub(crate) fn value(&mut self) -> Scanned<Range<usize>> {
        let (start, sound) = (self.at, self.sound_value());
        // `01` and `nullx` begin with a sound value.
        let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.' | b'_');
        if sound.is_ok() && !self.text.as_bytes().get(self.at).is_some_and(goes_on) {
            return sound;
        }
        self.at = start;
        let odd = self.odd_value()?;
        self.torn |= !record::is_value_of_python(self.raw(&odd));
        Ok(odd)
    }

    /// Passes a value that must be JSON.
    pub(crate) fn sound_value(&mut self) -> Scanned<Range<usize>> {
        if self.peek().is_none() {
            return Err(self.error());
        }
        let rest = &self.text[self.at..];
        match <&RawValue>::deserialize(&mut serde_json::Deserializer::from_str(rest)) {
            Ok(raw) => {
                // There is no leading white space, so the value starts here.
                let range = self.at..self.at + raw.get().len();
                self.at = range.end;
                Ok(range)
            }
            Err(error) if error.is_eof() => Err(SyntaxError { at: self.text.len() }),
            Err(error) => Err(SyntaxError {
                at: self.at + offset(rest, error.line(), error.column()),
            }),
        }
    }

    /// Passes what is no JSON up to its end: strings end at a quote, brackets come in pairs, and everything else ends
    /// where the object around it goes on.
    fn odd_value(&mut self) -> Scanned<Range<usize>> {
        let bytes = self.text.as_bytes();
        let mut open = Vec::new();
        self.peek();
        let start = self.at;
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'"' => self.string()?,
                b'{' | b'[' => open.push(*byte),
                b'}' | b']' if open.is_empty() => break,
                // The codes of a pair differ by two.
                b'}' | b']' if open.pop() != Some(byte - 2) => return Err(self.error()),
                b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' if open.is_empty() => break,
                _ => {}
            }
            self.at += 1;
        }
        match open.is_empty() && self.at > start {
            true => Ok(start..self.at),
            false => Err(self.error()),
        }
    }

    /// Goes to the quote that ends a string.
    fn string(&mut self) -> Scanned<()> {
        let bytes = self.text.as_bytes();
        self.at += 1;
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'"' => return Ok(()),
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at = bytes.len();
        Err(self.error())
    }

    /// Passes an object, calling `member` with the raw name of each member; it must pass the member's value.
    pub(crate) fn object(&mut self, mut member: impl FnMut(&mut Self, Range<usize>) -> Scanned<()>) -> Scanned<()> {
        self.expect(b'{')?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.error());
            }
            let name = self.value()?;
            self.expect(b':')?;
            member(self, name)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.error()),
            }
        }
    }

    /// Nothing but white space may be left.
    pub(crate) fn end(&mut self) -> Scanned<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error()),
        }
    }

    fn expect(&mut self, byte: u8) -> Scanned<()> {
        if self.peek() != Some(byte) {
            return Err(self.error());
        }
        self.at += 1;
        Ok(())
    }

    fn error(&self) -> SyntaxError {
        SyntaxError { at: self.at }
    }
}

/// Line and column, both from 1, of a byte; the column counts bytes.
pub(crate) fn line_and_column(text: &[u8], at: usize) -> (usize, usize) {
    let before = &text[..at.min(text.len())];
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let start = before
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |newline| newline + 1);
    (line, before.len() - start + 1)
}

/// The byte that serde_json means by a line (from 1) and a column (the bytes of that line read so far).
fn offset(text: &str, line: usize, column: usize) -> usize {
    let newlines = text
        .bytes()
        .enumerate()
        .filter(|(_, b)| *b == b'\n')
        .map(|(i, _)| i + 1);
    let start = std::iter::once(0)
        .chain(newlines)
        .nth(line.saturating_sub(1))
        .unwrap_or(0);
    (start + column.saturating_sub(1)).min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Scanned<Vec<String>> {
        let mut names = Vec::new();
        let mut cursor = Cursor::new(text);
        cursor.object(|cursor, name| {
            names.push(cursor.raw(&name).to_owned());
            cursor.value().map(drop)
        })?;
        cursor.end()?;
        Ok(names)
    }

    #[test]
    fn members_in_order_whatever_the_white_space() {
        for text in [
            r#"{"a":1,"\u0062":[{}]}"#,
            "\n{ \"a\"\t: 1 ,\r\n \"\\u0062\" :[ {} ] } \n",
        ] {
            assert_eq!(names(text).unwrap(), ["\"a\"", "\"\\u0062\""], "{text}");
        }
        assert_eq!(names("{}").unwrap(), [""; 0]);
        assert_eq!(names(" { } ").unwrap(), [""; 0]);
    }

    #[test]
    fn syntax_errors_say_where() {
        for (text, at) in [
            ("", 0),
            ("{", 1),
            ("[]", 0),
            ("{}}", 2),
            ("{,}", 1),
            ("{\"a\"}", 4),
            ("{\"a\":}", 5),
            ("{\"a\":1,}", 7),
            ("{\"a\":1 \"b\":2}", 7),
            ("{\"a\":tru", 8),
            ("{\"a\":\"b", 7),
            ("{a:1}", 1),
            ("{\n\"a\":\n[1,\n}", 12),
        ] {
            let error = names(text).unwrap_err();
            assert!(error.at.abs_diff(at) <= 1, "{text:?}: got {}, want {at}", error.at);
        }
    }

    #[test]
    fn an_odd_value_ends_where_the_object_goes_on() {
        let pieces = |text: &str| {
            let (mut values, mut cursor) = (Vec::new(), Cursor::new(text));
            cursor.object(|cursor, _| {
                let value = cursor.value()?;
                values.push(cursor.raw(&value).to_owned());
                Ok(())
            })?;
            cursor.end()?;
            Ok((values, cursor.is_torn()))
        };
        for odd in ["Infinity", "-Infinity", "NaN", r#"{"x":[NaN,1]}"#] {
            let found: Scanned<_> = pieces(&format!(r#"{{"a": {odd} , "b": 1}}"#));
            assert_eq!(found, Ok((vec![odd.to_owned(), "1".to_owned()], false)), "{odd}");
        }
        for odd in [
            "tru",
            "1.",
            "01",
            "+1",
            "0x1F",
            "'x'",
            "\"\n\"",
            r#""\q""#,
            r#""\""#,
            "[1,]",
            r#"{"x":1,}"#,
            r#"{x:"]}"}"#,
            "[1 2]",
            "nan",
            "\0\0",
            "ä",
            "nullx",
            "\"x\"y",
        ] {
            let found: Scanned<_> = pieces(&format!(r#"{{"a": {odd} , "b": 1}}"#));
            let want = if odd == r#""\""# {
                None
            } else {
                Some((vec![odd.to_owned(), "1".to_owned()], true))
            };
            assert_eq!(found.ok(), want, "{odd}");
        }
        for cut in [
            "{\"a\":[",
            "{\"a\":[1,}",
            "{\"a\":{]}",
            "{\"a\":\"x\\",
            "{\"a\":NaN",
            "{\"a\":}",
            "{\"a\": ,\"b\":1}",
            "{\"a\":1 2}",
        ] {
            let found: Scanned<_> = pieces(cut);
            assert!(found.is_err(), "{cut}");
        }
    }

    #[test]
    fn lines_and_columns_count_from_one() {
        assert_eq!(line_and_column(b"", 0), (1, 1));
        assert_eq!(line_and_column(b"ab\ncd", 4), (2, 2));
        assert_eq!(line_and_column(b"ab\ncd", 2), (1, 3));
        assert_eq!(line_and_column(b"ab\n", 99), (2, 1));
    }

    #[test]
    fn depth_does_not_matter() {
        let text = format!("{{\"a\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(names(&text).unwrap(), ["\"a\""]);
    }
}
