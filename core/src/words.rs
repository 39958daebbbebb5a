//! Words of messages.

use std::fmt::Display;

/// So many of something, as a message says it: `1 record`, `2 records`. For nouns whose plural takes an `s`.
///
/// ```
/// use token_storage_core::backend::counted;
///
/// assert_eq!([counted(0, "record"), counted(1, "record"), counted(2, "record")], ["0 records", "1 record", "2 records"]);
/// ```
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    let plural = if count == N::from(1) { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
