use std::fmt;

use crate::{Error, ErrorKind, Operation, Result};

/// 128 random bits that each of our writes puts into the record, under the member
/// [`MARK_MEMBER`](crate::record::MARK_MEMBER).
///
/// It makes every write distinguishable, equal values included: compare-and-swap, lost answers, late duplicates and
/// records that were changed and changed back all come down to comparing marks. It is not a secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct WriteMark([u8; 16]);

impl WriteMark {
    /// A new mark from the operating system's random source.
    ///
    /// # Errors
    /// - [`ErrorKind::Unavailable`] if that source fails.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| {
            Error::new(ErrorKind::Unavailable, "the operating system's random source failed")
                .with_operation(Operation::Store)
        })?;
        Ok(Self(bytes))
    }

    /// The mark with these bits.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bits.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads back what `Display` writes. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        // `from_str_radix` alone would take a sign.
        let plain = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        plain
            .then(|| u128::from_str_radix(text, 16).ok())
            .flatten()
            .map(|bits| Self(bits.to_be_bytes()))
    }
}

/// 32 lower-case hexadecimal digits.
impl fmt::Display for WriteMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for WriteMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteMark({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        let mark = WriteMark::random().unwrap();
        assert_eq!(WriteMark::parse(&mark.to_string()), Some(mark));
        assert_eq!(WriteMark::from_bytes([0; 16]).to_string(), "0".repeat(32));
        assert_eq!(format!("{mark:?}"), format!("WriteMark({mark})"));
        for bad in ["", "0", "+0000000000000000000000000000000", &"g".repeat(32)] {
            assert_eq!(WriteMark::parse(bad), None, "{bad}");
        }
    }
}
