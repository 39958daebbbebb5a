//! How keys become the table's partition key, and the space in it that leases use.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use token_storage_core::TokenKey;

/// `esc(namespace):resource_server`. The escaped namespace holds no colon, so the first one splits, and distinct keys
/// never meet (clause K5). A namespace without `%` and `:` keeps the plain form of the Globus documentation's example.
pub(crate) fn item_key(key: &TokenKey) -> String {
    let mut text = String::with_capacity(key.namespace().len() + 1 + key.resource_server().len());
    escape_into(&mut text, key.namespace());
    text.push(':');
    text.push_str(key.resource_server());
    text
}

/// `%lease/esc(namespace)%/` and the SHA-256 of the resource server in hexadecimal.
///
/// It holds no colon, while every token key has one, ours and those of the Python example alike: so a lease can neither
/// collide with a token nor be read as one. The namespace stays readable and is ended by `%/`, which no escaped
/// namespace contains, so that an IAM policy can grant the leases of one namespace by prefix. The digest keeps the key
/// within 2,048 bytes.
pub(crate) fn lease_key(key: &TokenKey) -> String {
    let mut text = String::with_capacity(key.namespace().len() + 80);
    text.push_str("%lease/");
    escape_into(&mut text, key.namespace());
    text.push_str("%/");
    for byte in Sha256::digest(key.resource_server().as_bytes()) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn escape_into(text: &mut String, namespace: &str) {
    for c in namespace.chars() {
        match c {
            '%' => text.push_str("%25"),
            ':' => text.push_str("%3A"),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn plain_namespaces_keep_the_form_of_the_example() {
        assert_eq!(
            item_key(&TokenKey::in_default("groups.api.globus.org")),
            "DEFAULT:groups.api.globus.org"
        );
        assert_eq!(item_key(&TokenKey::new("", "a:b")), ":a:b");
        assert_eq!(item_key(&TokenKey::new("a%3A:", "b")), "a%253A%3A:b");
    }

    #[test]
    fn k5_short_hostile_keys_never_collide() {
        let alphabet = [
            "", ":", "%", "%3A", "%25", "a", "/", "%/", "%lease/", "::", "%:", ":%", "a:", ":a", "3A",
        ];
        let mut parts: Vec<String> = Vec::new();
        for a in alphabet {
            parts.extend(alphabet.iter().map(|b| format!("{a}{b}")));
        }
        parts.sort();
        parts.dedup();
        let mut seen = HashSet::new();
        for namespace in &parts {
            for resource_server in &parts {
                let key = TokenKey::new(namespace.as_str(), resource_server.as_str());
                assert!(seen.insert(item_key(&key)), "{key}");
                assert!(seen.insert(lease_key(&key)), "{key}");
            }
        }
    }

    #[test]
    fn a_lease_key_is_never_a_token_key() {
        for key in [
            TokenKey::new(":", ":"),
            TokenKey::new("%lease/", "x"),
            TokenKey::new("", ""),
        ] {
            assert!(
                !lease_key(&key).contains(':'),
                "every token key has a colon, the Python example's too"
            );
            assert!(item_key(&key).contains(':'));
        }
    }

    #[test]
    fn the_longest_keys_fit_the_partition_key() {
        let key = TokenKey::new(":".repeat(512), "x".repeat(511));
        assert_eq!(item_key(&key).len(), 2_048);
        assert!(lease_key(&key).len() <= 2_048);
    }

    #[test]
    fn a_prefix_grants_the_leases_of_one_namespace_only() {
        let prefix = "%lease/a%/";
        assert!(lease_key(&TokenKey::new("a", "rs")).starts_with(prefix));
        for other in ["a%", "a%/", "a/", "ab", "", "a%/b"] {
            assert!(!lease_key(&TokenKey::new(other, "rs")).starts_with(prefix), "{other}");
        }
    }
}
