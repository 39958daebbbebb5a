//! Text that holds tokens: shared, cut into pieces without copying, wiped when the last piece is dropped.

use std::{fmt, ops::Range, sync::Arc};

use zeroize::Zeroize;

/// A buffer that is wiped when dropped, at the speed of filling it (`Zeroizing<String>` wipes byte by byte).
#[derive(Default)]
pub(crate) struct Buffer(Vec<u8>);

impl Buffer {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// A buffer of that many zeros, to read into.
    pub(crate) fn zeroed(len: usize) -> Self {
        Self(vec![0; len])
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Room that is left before appending would move the content and leave an unwiped copy behind.
    pub(crate) fn room(&self) -> usize {
        self.0.capacity() - self.0.len()
    }

    /// Appends; the caller has made sure that there is room.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        debug_assert!(bytes.len() <= self.room(), "would leave a copy behind");
        self.0.extend_from_slice(bytes);
    }

    /// Empties the buffer without wiping: what comes next overwrites it, and dropping wipes the whole capacity.
    pub(crate) fn restart(&mut self) {
        self.0.clear();
    }

    /// Cuts off what a read did not fill.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.0[len..].zeroize();
        self.0.truncate(len);
    }

    /// Makes room for `more` bytes in a new allocation, wiping the old one.
    pub(crate) fn grow(&mut self, more: usize) {
        let mut bigger = Self::zeroed(self.0.len() + more);
        bigger.0[..self.0.len()].copy_from_slice(&self.0);
        *self = bigger;
    }

    /// The text; `Err` gives what comes before the first byte that is not UTF-8.
    pub(crate) fn into_text(mut self) -> Result<Arc<Text>, Arc<Text>> {
        match String::from_utf8(std::mem::take(&mut self.0)) {
            Ok(text) => Ok(Arc::new(Text(text))),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let mut rest = Self(error.into_bytes());
                rest.truncate(valid);
                Err(rest.into_text().unwrap_or_else(|shorter| shorter))
            }
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // Beyond the length, too, there may be what was there before a restart.
        self.0.resize(self.0.capacity(), 0);
        self.0.as_mut_slice().zeroize();
    }
}

/// Text that is wiped when dropped.
pub(crate) struct Text(String);

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        self.0.as_mut_str().zeroize();
    }
}

/// Tells nothing of the text.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(***)")
    }
}

/// A piece of a text, kept alive by it: the raw JSON of a name or a value.
#[derive(Clone, Debug)]
pub(crate) struct RawText {
    source: Arc<Text>,
    start: usize,
    end: usize,
}

impl RawText {
    pub(crate) fn piece(source: &Arc<Text>, range: Range<usize>) -> Self {
        Self {
            source: Arc::clone(source),
            start: range.start,
            end: range.end,
        }
    }

    pub(crate) fn new(text: String) -> Self {
        let source = Arc::new(Text::from(text));
        let end = source.as_str().len();
        Self { source, start: 0, end }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.source.as_str()[self.start..self.end]
    }

    pub(crate) fn is_piece_of(&self, source: &Arc<Text>) -> bool {
        Arc::ptr_eq(&self.source, source)
    }

    /// The same text in an allocation of its own.
    pub(crate) fn detached(&self) -> Self {
        Self::new(self.as_str().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_debug_tells_nothing() {
        let text = RawText::new("canary".to_owned());
        assert!(!format!("{text:?}").contains("canary"));
    }

    #[test]
    fn what_is_before_invalid_utf8_is_there() {
        let mut buffer = Buffer::with_capacity(8);
        buffer.append(b"ab\xffcd");
        assert_eq!(buffer.into_text().unwrap_err().as_str(), "ab");
    }

    #[test]
    fn growing_keeps_the_content() {
        let mut buffer = Buffer::zeroed(2);
        buffer.bytes_mut().copy_from_slice(b"ab");
        buffer.grow(3);
        assert_eq!(buffer.bytes(), b"ab\0\0\0");
        buffer.truncate(1);
        assert_eq!(buffer.bytes(), b"a");
    }
}
