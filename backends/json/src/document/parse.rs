//! Reading the formats 0.4.1, 1.0 and 2.0 in one pass over the text.

use std::{ops::Range, sync::Arc};

use token_storage_core::DEFAULT_NAMESPACE;

use super::{
    Document, Format, Members, Namespace, OUR_VERSION, Record, RootValue, VERSION_MEMBER,
    members::decode_name,
    scan::{Cursor, Scanned, SyntaxError, line_and_column},
};
use crate::text::{Buffer, RawText, Text};

/// Why a file's content is no token file. The message names the place and quotes nothing.
#[derive(Clone, Debug)]
pub(crate) struct Damage {
    pub(crate) kind: DamageKind,
    pub(crate) message: String,
    /// What can be read of it all the same: a program that was killed while it wrote in place leaves the records before
    /// the cut whole. `None`: nothing.
    rest: Option<Box<Document>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DamageKind {
    /// A token file once, but damaged: a write may put it aside and start anew.
    Corrupt,
    /// Sound, but of another kind, or of a later version: never touched.
    NotOurs,
}

/// Files are kept in memory, and nobody's tokens take that much; what does was named by mistake.
pub(crate) const MOST_BYTES: u64 = 1024 * 1024 * 1024;

impl Damage {
    /// The file is larger than [`MOST_BYTES`].
    pub(crate) fn too_large() -> Self {
        Self::not_ours("it is larger than 1 GiB, as no token file is")
    }

    fn corrupt(message: impl Into<String>) -> Self {
        Self {
            kind: DamageKind::Corrupt,
            message: message.into(),
            rest: None,
        }
    }

    fn not_ours(message: impl Into<String>) -> Self {
        Self {
            kind: DamageKind::NotOurs,
            message: message.into(),
            rest: None,
        }
    }

    fn with_rest(mut self, rest: Option<Box<Document>>) -> Self {
        self.rest = rest;
        self
    }

    /// What a file that takes the place of the damaged one goes on with.
    pub(crate) fn rest(&self) -> Document {
        self.rest.as_deref().map_or_else(Document::empty, Document::clone)
    }

    fn syntax(text: &str, error: SyntaxError) -> Self {
        let (line, column) = line_and_column(text.as_bytes(), error.at);
        let place = format!("byte {} (line {line}, column {column})", error.at);
        let rest = text.as_bytes().get(error.at..).unwrap_or_default();
        Self::corrupt(match rest {
            [] => format!("it ends too early, at {place}: it was cut off"),
            [0, ..] => format!("there is a NUL at {place}"),
            _ => format!("it is not JSON from {place} on"),
        })
    }
}

impl Document {
    /// Reads the content of a file.
    pub(crate) fn read(content: Buffer) -> Result<Self, Damage> {
        if content.bytes().starts_with(b"SQLite format 3\0") {
            return Err(Damage::not_ours(
                "it is a SQLite database; open it as one, with `sqlite:` in front of its path",
            ));
        }
        if content.bytes().starts_with(b"\xef\xbb\xbf") {
            let mut behind = Buffer::with_capacity(content.bytes().len());
            behind.append(&content.bytes()[3..]);
            let damage = Damage::corrupt(
                "it starts with a byte order mark, which JSON does not allow; remove its first three bytes",
            );
            return Err(damage.with_rest(rest_of(Self::read(behind))));
        }
        match content.into_text() {
            Ok(text) => Self::parse(text),
            Err(before) => {
                let damage = Damage::corrupt(format!("it is not valid UTF-8 from byte {} on", before.as_str().len()));
                Err(damage.with_rest(rest_of(Self::parse(before))))
            }
        }
    }

    /// Reads a text.
    pub(crate) fn parse(text: Arc<Text>) -> Result<Self, Damage> {
        if text.as_str().bytes().all(|byte| b" \n\r\t".contains(&byte)) {
            return Ok(Self {
                source: Some(text),
                // Python empties the file before it writes.
                is_torn: true,
                ..Self::empty()
            });
        }
        let mut root = Root::default();
        let mut cursor = Cursor::new(text.as_str());
        let range = match root.scan(&text, &mut cursor) {
            Ok(range) => range,
            Err(error) => return Err(Damage::syntax(text.as_str(), error).with_rest(root.rest(text))),
        };
        let document = root.into_document(&text, range).map(|document| Self {
            base: Some(Arc::clone(&text)),
            ..document
        });
        if let Err(error) = cursor.end() {
            // All of it was read, and there is something behind it.
            return Err(Damage::syntax(text.as_str(), error).with_rest(rest_of(document)));
        }
        let mut document = document?;
        document.is_torn = cursor.is_torn();
        document.source = Some(text);
        Ok(document)
    }
}

/// What the part of a damaged content that was read by itself has.
fn rest_of(read: Result<Document, Damage>) -> Option<Box<Document>> {
    match read {
        Ok(document) => Some(Box::new(document)),
        Err(damage) => damage.rest,
    }
}

/// The root object while it is read: the format is only known at its end.
#[derive(Default)]
struct Root {
    is_object: bool,
    members: Members<RootValue>,
    data: Option<Members<Namespace>>,
    by_rs: Option<Members<Record>>,
}

impl Root {
    fn scan(&mut self, text: &Arc<Text>, cursor: &mut Cursor<'_>) -> Scanned<Range<usize>> {
        self.is_object = cursor.peek() == Some(b'{');
        let start = cursor.position();
        if self.is_object {
            cursor.object(|cursor, name| self.member(text, cursor, name))?;
        } else {
            cursor.sound_value()?;
        }
        Ok(start..cursor.position())
    }

    fn member(&mut self, text: &Arc<Text>, cursor: &mut Cursor<'_>, name: Range<usize>) -> Scanned<()> {
        let is_object = cursor.peek() == Some(b'{');
        let start = cursor.position();
        match decode_name(cursor.raw(&name)).as_deref() {
            // Of duplicates the last one counts, hence the assignments.
            Some("data") if is_object => namespaces(text, cursor, self.data.insert(Members::default()))?,
            Some("by_rs") if is_object => records(text, cursor, self.by_rs.insert(Members::default()))?,
            known => {
                match known {
                    Some("data") => self.data = None,
                    Some("by_rs") => self.by_rs = None,
                    _ => {}
                }
                cursor.value()?;
            }
        }
        let value = RawText::piece(text, start..cursor.position());
        self.members.read(text, name, RootValue::Other(value));
        Ok(())
    }

    /// After an error: the records that were read before it, if any of them is one. Which format it was stands behind them.
    fn rest(self, text: Arc<Text>) -> Option<Box<Document>> {
        let mut document = Document::empty();
        document.namespaces = self.data.unwrap_or_default();
        if let Some(records) = self.by_rs {
            document
                .namespaces
                .set(DEFAULT_NAMESPACE, Namespace::Records(Arc::new(records)));
        }
        document.base = Some(text);
        document.has_sound_record().then(|| Box::new(document))
    }

    fn into_document(mut self, text: &Arc<Text>, range: Range<usize>) -> Result<Document, Damage> {
        if !self.is_object {
            return Err(Damage::corrupt("the root is not a JSON object"));
        }
        match self.string("format_version").as_deref() {
            Some("2.0") => match self.data.take() {
                Some(namespaces) => Ok(self.document(Format::V2, "data", namespaces)),
                None => Err(Damage::corrupt("the member `data` is missing or not an object")),
            },
            Some("1.0") => match self.by_rs.take() {
                Some(records) => {
                    let mut namespaces = Members::default();
                    namespaces.set(DEFAULT_NAMESPACE, Namespace::Records(Arc::new(records)));
                    self.members.remove("data");
                    Ok(self.document(Format::V1, "by_rs", namespaces))
                }
                None => Err(Damage::corrupt("the member `by_rs` is missing or not an object")),
            },
            None if self.has("globus-sdk-tokenstorage.version") && self.has("access_token") => {
                self.single_token(RawText::piece(text, range))
            }
            Some(_) => Err(Damage::not_ours(
                "its format_version is neither \"1.0\" nor \"2.0\"; a later version may have written it",
            )),
            None if self.has("format_version") => Err(Damage::not_ours("its format_version is not a string")),
            None => Err(Damage::not_ours("it has no format_version, so it is no token file")),
        }
    }

    fn single_token(&self, record: RawText) -> Result<Document, Damage> {
        let Some(resource_server) = self.string("resource_server") else {
            return Err(Damage::corrupt(
                "the member `resource_server` is missing or not a string",
            ));
        };
        let mut records = Members::default();
        records.set(&resource_server, Record::new(record));
        let mut document = Document::empty();
        document
            .namespaces
            .set(DEFAULT_NAMESPACE, Namespace::Records(Arc::new(records)));
        document.format = Format::V041;
        Ok(document)
    }

    /// The document in the current layout: `data` takes the place of the member that held the records, and what Python
    /// requires is there.
    fn document(self, format: Format, records_member: &str, namespaces: Members<Namespace>) -> Document {
        let version_is_string = self.string(VERSION_MEMBER).is_some();
        let mut root = Members::default();
        for member in self.members.iter() {
            match member.name.as_deref() {
                Some(name) if name == records_member => drop(root.set("data", RootValue::Data)),
                Some("format_version") => drop(root.set("format_version", RootValue::FormatVersion)),
                _ => root.adopt(member),
            }
        }
        if !version_is_string {
            root.set(VERSION_MEMBER, RootValue::Other(RawText::new(OUR_VERSION.to_owned())));
        }
        Document {
            format,
            root,
            namespaces,
            source: None,
            base: None,
            dead_bytes: 0,
            is_torn: false,
        }
    }

    fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some()
    }

    fn string(&self, name: &str) -> Option<Arc<str>> {
        match self.members.get(name) {
            Some(RootValue::Other(text)) => decode_name(text.as_str()),
            _ => None,
        }
    }
}

/// After an error `into` has what was read before it.
fn namespaces(text: &Arc<Text>, cursor: &mut Cursor<'_>, into: &mut Members<Namespace>) -> Scanned<()> {
    cursor.object(|cursor, name| {
        if cursor.peek() != Some(b'{') {
            let value = cursor.value()?;
            into.read(text, name, Namespace::Damaged(RawText::piece(text, value)));
            return Ok(());
        }
        let mut found = Members::default();
        let scanned = records(text, cursor, &mut found);
        into.read(text, name, Namespace::Records(Arc::new(found)));
        scanned
    })
}

/// After an error `into` has what was read before it.
fn records(text: &Arc<Text>, cursor: &mut Cursor<'_>, into: &mut Members<Record>) -> Scanned<()> {
    cursor.object(|cursor, name| {
        let value = cursor.value()?;
        into.read(text, name, Record::new(RawText::piece(text, value)));
        Ok(())
    })
}
