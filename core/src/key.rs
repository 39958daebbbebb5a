use std::{
    fmt,
    hash::{Hash, Hasher},
};

/// The namespace that is used when an application names none, as in the Globus SDK.
pub const DEFAULT_NAMESPACE: &str = "DEFAULT";

/// What a record is stored under: a namespace and a resource server.
///
/// Both parts are exact byte strings (clause K4): nothing is trimmed, folded or normalised, and every UTF-8 string is
/// legal, the empty one included, up to the length that the storage declares in [`Limits`](crate::Limits).
/// Namespaces separate users, applications or tenants that share one storage (K6).
///
/// ```
/// use token_storage_core::TokenKey;
///
/// let key = TokenKey::new("tenant-7", "groups.api.globus.org");
/// assert_eq!(key.namespace(), "tenant-7");
/// assert_eq!(TokenKey::in_default("rs").namespace(), "DEFAULT");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenKey {
    namespace: Box<str>,
    resource_server: Box<str>,
}

impl TokenKey {
    /// A key in the given namespace.
    pub fn new(namespace: impl Into<Box<str>>, resource_server: impl Into<Box<str>>) -> Self {
        Self {
            namespace: namespace.into(),
            resource_server: resource_server.into(),
        }
    }

    /// A key in the namespace [`DEFAULT_NAMESPACE`].
    pub fn in_default(resource_server: impl Into<Box<str>>) -> Self {
        Self::new(DEFAULT_NAMESPACE, resource_server)
    }

    /// The namespace, byte for byte as given.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The resource server, byte for byte as given.
    pub fn resource_server(&self) -> &str {
        &self.resource_server
    }
}

/// The lengths tell where each part ends, also where more is hashed behind a key, in one write less than a mark behind each
/// part: a third of the instructions of handing out a token are those of finding its key.
impl Hash for TokenKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (namespace, resource_server) = (self.namespace.as_bytes(), self.resource_server.as_bytes());
        state.write_usize(namespace.len().rotate_left(usize::BITS / 2) ^ resource_server.len());
        state.write(namespace);
        state.write(resource_server);
    }
}

/// Keys are not secret; control characters are escaped so that a hostile key cannot forge a log line.
impl fmt::Display for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "resource server {:?} in namespace {:?}",
            self.resource_server, self.namespace
        )
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey")
            .field("namespace", &self.namespace)
            .field("resource_server", &self.resource_server)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;

    #[test]
    fn a_key_is_told_on_one_line_whatever_is_in_it() {
        let key = TokenKey::new("a\nb", "rs\u{1b}[2J");
        assert_eq!(key.to_string(), r#"resource server "rs\u{1b}[2J" in namespace "a\nb""#);
        let debug = r#"TokenKey { namespace: "a\nb", resource_server: "rs\u{1b}[2J" }"#;
        assert_eq!(format!("{key:?}"), debug);
    }

    #[test]
    fn each_part_counts_in_the_hash_and_so_does_where_it_ends() {
        fn hash(value: &impl Hash) -> u64 {
            let mut hasher = DefaultHasher::new();
            value.hash(&mut hasher);
            hasher.finish()
        }
        let key = TokenKey::new("ab", "cd");
        assert_eq!(hash(&key), hash(&key.clone()));
        for other in [("ab", "ce"), ("ac", "cd"), ("a", "bcd"), ("abc", "d"), ("cd", "ab")] {
            let other = TokenKey::new(other.0, other.1);
            assert_ne!(hash(&key), hash(&other), "{other}");
        }
        let with = |resource_server, behind| (TokenKey::new("ab", resource_server), behind);
        assert_ne!(
            hash(&with("cd", "e")),
            hash(&with("c", "de")),
            "nor does what follows run into it"
        );
    }
}
