//! Writing a document: raw pieces as they stand, punctuation laid out as Python's `json.dump` does.

use std::io;

use super::{Document, Members, Namespace, RootValue, members::Member};
use crate::text::Buffer;

type Put<'a> = dyn FnMut(&str) -> io::Result<()> + 'a;

impl Document {
    /// Hands out the text of the file in pieces.
    pub(crate) fn emit(&self, put: &mut Put<'_>) -> io::Result<()> {
        object(&self.root, put, |value, put| match value {
            RootValue::Data => object(&self.namespaces, put, |namespace, put| match namespace {
                Namespace::Damaged(text) => put(text.as_str()),
                Namespace::Records(records) => object(records, put, |record, put| put(record.text.as_str())),
            }),
            RootValue::FormatVersion => put("\"2.0\""),
            RootValue::Other(text) => put(text.as_str()),
        })
    }

    /// Writes the text of the file in large blocks through a buffer that is wiped afterwards.
    pub(crate) fn write_to(&self, out: &mut impl io::Write) -> io::Result<()> {
        const BLOCK: usize = 128 * 1024;
        let mut len = 0;
        self.emit(&mut |piece| {
            len += piece.len();
            Ok(())
        })?;
        let mut buffer = Buffer::with_capacity(len.min(BLOCK));
        self.emit(&mut |piece| {
            if piece.len() > buffer.room() {
                out.write_all(buffer.bytes())?;
                buffer.restart();
            }
            if piece.len() > buffer.room() {
                return out.write_all(piece.as_bytes());
            }
            buffer.append(piece.as_bytes());
            Ok(())
        })?;
        out.write_all(buffer.bytes())
    }

    /// Compares the text of the file with what `read` yields, a block at a time: no second copy of it is made.
    pub(crate) fn equals(&self, read: impl io::Read) -> io::Result<bool> {
        let mut comparison = Comparison::new(read, 64 * 1024);
        match &self.source {
            Some(source) => comparison.next(source.as_str().as_bytes())?,
            None => self.emit(&mut |piece| comparison.next(piece.as_bytes()))?,
        }
        comparison.ends_equal()
    }
}

/// Compares pieces of what is expected with what is read.
struct Comparison<R> {
    read: R,
    block: Buffer,
    start: usize,
    end: usize,
    equal: bool,
}

impl<R: io::Read> Comparison<R> {
    fn new(read: R, block: usize) -> Self {
        Self {
            read,
            block: Buffer::zeroed(block),
            start: 0,
            end: 0,
            equal: true,
        }
    }

    /// Reads on if everything so far is compared; says whether there is more.
    fn fill(&mut self) -> io::Result<bool> {
        while self.start == self.end {
            match self.read.read(self.block.bytes_mut()) {
                Ok(0) => return Ok(false),
                Ok(len) => (self.start, self.end) = (0, len),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn next(&mut self, mut expected: &[u8]) -> io::Result<()> {
        while self.equal && !expected.is_empty() {
            self.equal = self.fill()?;
            let len = expected.len().min(self.end - self.start);
            let (head, rest) = expected.split_at(len);
            self.equal &= self.block.bytes()[self.start..self.start + len] == *head;
            self.start += len;
            expected = rest;
        }
        Ok(())
    }

    fn ends_equal(mut self) -> io::Result<bool> {
        Ok(self.equal && !self.fill()?)
    }
}

fn object<V>(
    members: &Members<V>,
    put: &mut Put<'_>,
    mut value: impl FnMut(&V, &mut Put<'_>) -> io::Result<()>,
) -> io::Result<()> {
    put("{")?;
    for (at, member) in members.iter().enumerate() {
        let member: &Member<V> = member;
        if at > 0 {
            put(", ")?;
        }
        put(member.raw_name.as_str())?;
        put(": ")?;
        value(&member.value, put)?;
    }
    put("}")
}
