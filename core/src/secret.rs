use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

/// A string that must not be seen: an access token, a refresh token, a member of [`Extra`](crate::Extra).
///
/// `Debug` shows no part of it, not even the length, and there is no `Display` (clause S1). Clones share one
/// allocation, which is wiped when the last of them is dropped (S2). Comparing two secrets of one length takes the same
/// time wherever they differ.
///
/// ```
/// use token_storage_core::Secret;
///
/// let token = Secret::from("eyJhbGciOi");
/// assert_eq!(format!("{token:?}"), "Secret(***)");
/// assert_eq!(token.expose(), "eyJhbGciOi");
/// ```
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes over the string without copying it, so that no second copy stays behind unwiped.
    pub fn new(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }

    /// The secret itself. The name is meant to stand out where it is used.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (self.expose().as_bytes(), other.expose().as_bytes());
        a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_debug_tells_neither_text_nor_length() {
        let (short, long) = (Secret::from("a"), Secret::from("canary-canary"));
        assert_eq!(format!("{short:?}"), format!("{long:?}"));
    }

    #[test]
    fn equality_is_by_content() {
        assert_eq!(Secret::from("ab"), Secret::from("ab".to_owned()));
        assert_ne!(Secret::from("ab"), Secret::from("ac"));
        assert_ne!(Secret::from("ab"), Secret::from("abc"));
    }
}
