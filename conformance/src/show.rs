//! How values are shown in messages: short, and so that two of them can be told apart.

use token_storage_core::{Members, StoredToken, TokenData, TokenKey};

use crate::history::{short, shown};

/// Shows test data, secrets included: they are the suite's own.
pub(crate) trait Show {
    fn show(&self) -> String;

    /// This and another one that is not equal, by what differs.
    fn apart(&self, other: &Self) -> (String, String) {
        (self.show(), other.show())
    }
}

/// What a message has of one value at most, in characters.
const MOST: usize = 2000;
/// The items of a list that are shown.
const ITEMS: usize = 8;
/// How much of a long text is shown from where it differs.
const PIECE: usize = 40;

/// Cut, if it is long: a message is read by people.
pub(crate) fn bounded(text: String) -> String {
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

/// Two texts, where they differ: the equal beginning of long ones is only counted.
fn texts_apart(one: &str, other: &str) -> (String, String) {
    let equal = one.char_indices().zip(other.chars()).find(|((_, a), b)| a != b);
    let at = equal.map_or(one.len().min(other.len()), |((at, _), _)| at);
    let long = |text: &str| text.chars().nth(PIECE).is_some();
    if at < PIECE || !(long(one) || long(other)) {
        return (short(one), short(other));
    }
    let from_there = |text: &str| format!("({at} equal bytes)… » {}", short(&text[at..]));
    (from_there(one), from_there(other))
}

/// The members of a record: each has a name, and most have a text.
fn members(data: &TokenData) -> Vec<(String, String)> {
    let Members {
        resource_server,
        scope,
        access_token,
        refresh_token,
        expires_at,
        token_type,
        identity_id,
        extra,
    } = data.members();
    let text = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let mut all = vec![
        text("resource_server", resource_server),
        text("scope", scope),
        text("access_token", access_token.expose()),
    ];
    all.extend(refresh_token.map(|token| text("refresh_token", token.expose())));
    all.extend(expires_at.map(|at| text("expires_at", &at.to_string())));
    all.extend(token_type.map(|kind| text("token_type", kind)));
    all.extend(identity_id.map(|id| text("identity_id", id)));
    all.extend(
        extra
            .iter()
            .map(|(name, json)| (format!("extra {}", short(name)), json.to_owned())),
    );
    all
}

impl Show for TokenData {
    fn show(&self) -> String {
        let shown = members(self)
            .into_iter()
            .map(|(name, text)| format!("{name} {}", short(&text)));
        shown.collect::<Vec<_>>().join(", ")
    }

    /// Only the members that differ.
    fn apart(&self, other: &Self) -> (String, String) {
        let (ours, theirs) = (members(self), members(other));
        let (mut one, mut two) = (Vec::new(), Vec::new());
        let of =
            |all: &[(String, String)], name: &str| all.iter().find(|(n, _)| n == name).map(|(_, text)| text.clone());
        let only_there = theirs.iter().filter(|(name, _)| of(&ours, name).is_none());
        for (name, _) in ours.iter().chain(only_there) {
            let (mine, its) = (of(&ours, name), of(&theirs, name));
            if mine == its {
                continue;
            }
            let (mine, its) = match (mine, its) {
                (Some(mine), Some(its)) => texts_apart(&mine, &its),
                (mine, its) => [mine, its]
                    .map(|text| text.map_or("absent".to_owned(), |text| short(&text)))
                    .into(),
            };
            one.push(format!("{name} {mine}"));
            two.push(format!("{name} {its}"));
        }
        (one.join(", "), two.join(", "))
    }
}

impl Show for TokenKey {
    fn show(&self) -> String {
        format!("{}/{}", short(self.namespace()), short(self.resource_server()))
    }

    fn apart(&self, other: &Self) -> (String, String) {
        let namespaces = texts_apart(self.namespace(), other.namespace());
        let servers = texts_apart(self.resource_server(), other.resource_server());
        (
            format!("{}/{}", namespaces.0, servers.0),
            format!("{}/{}", namespaces.1, servers.1),
        )
    }
}

impl Show for StoredToken {
    fn show(&self) -> String {
        format!("{} at {}", self.data.show(), shown(&self.revision))
    }

    fn apart(&self, other: &Self) -> (String, String) {
        let (one, two) = match self.data == other.data {
            true => ("the same record".to_owned(), "the same record".to_owned()),
            false => self.data.apart(&other.data),
        };
        (
            format!("{one} at {}", shown(&self.revision)),
            format!("{two} at {}", shown(&other.revision)),
        )
    }
}

impl<T: Show + ?Sized> Show for &T {
    fn show(&self) -> String {
        (**self).show()
    }

    fn apart(&self, other: &Self) -> (String, String) {
        (**self).apart(*other)
    }
}

impl<T: Show> Show for Option<T> {
    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "nothing".to_owned(), Show::show)
    }

    fn apart(&self, other: &Self) -> (String, String) {
        match (self, other) {
            (Some(one), Some(two)) => one.apart(two),
            _ => (self.show(), other.show()),
        }
    }
}

impl<T: Show> Show for Vec<T> {
    fn show(&self) -> String {
        let shown: Vec<String> = self.iter().take(ITEMS).map(Show::show).collect();
        let more = self.len().saturating_sub(ITEMS);
        match more {
            0 => format!("[{}]", shown.join("; ")),
            more => format!("[{}; and {more} more]", shown.join("; ")),
        }
    }

    /// Of long ones how many there are, and those that the other has not.
    fn apart(&self, other: &Self) -> (String, String) {
        if self.len().max(other.len()) <= ITEMS {
            return (self.show(), other.show());
        }
        let (ours, theirs) = (texts(self), texts(other));
        (told_apart(&ours, &theirs), told_apart(&theirs, &ours))
    }
}

fn texts<T: Show>(items: &[T]) -> Vec<String> {
    items.iter().map(Show::show).collect()
}

fn told_apart(ours: &[String], theirs: &[String]) -> String {
    let known: std::collections::BTreeSet<&String> = theirs.iter().collect();
    let only_here: Vec<&str> = ours
        .iter()
        .filter(|item| !known.contains(item))
        .map(String::as_str)
        .collect();
    let distinct: std::collections::BTreeSet<&String> = ours.iter().collect();
    let mut text = format!("{} items", ours.len());
    if distinct.len() < ours.len() {
        text += &format!(", {} of them twice or more", ours.len() - distinct.len());
    }
    if !only_here.is_empty() {
        let shown = &only_here[..only_here.len().min(ITEMS)];
        text += &format!(", {} of them only here: {}", only_here.len(), shown.join("; "));
    }
    text
}

impl Show for String {
    fn show(&self) -> String {
        short(self)
    }

    fn apart(&self, other: &Self) -> (String, String) {
        texts_apart(self, other)
    }
}

impl Show for token_storage_core::Revision {
    fn show(&self) -> String {
        shown(self)
    }
}

macro_rules! show_as_debug {
    ($($type:ty),*) => {
        $(impl Show for $type {
            fn show(&self) -> String {
                format!("{self:?}")
            }
        })*
    };
}

show_as_debug!(bool, i32, usize, u32, u64, i64, std::path::PathBuf, std::ffi::OsString);

#[cfg(test)]
mod tests {
    use super::*;

    fn data(access_token: &str) -> TokenData {
        TokenData::new("rs", "scope", access_token)
    }

    #[test]
    fn of_two_records_only_what_differs_is_shown() {
        let (one, two) = (data(&"x".repeat(100_000)), data(&("x".repeat(99_999) + "y")));
        let (got, want) = one.apart(&two);
        assert_eq!(got, "access_token (99999 equal bytes)… » \"x\"");
        assert_eq!(want, "access_token (99999 equal bytes)… » \"y\"");
        let (got, want) = data("a").apart(&data("a").with_identity_id("i"));
        assert_eq!(
            (got.as_str(), want.as_str()),
            ("identity_id absent", "identity_id \"i\"")
        );
    }

    #[test]
    fn long_lists_are_told_apart_in_a_few_lines() {
        let keys = |count: usize| {
            (0..count)
                .map(|n| TokenKey::in_default(n.to_string()))
                .collect::<Vec<_>>()
        };
        let (got, want) = keys(20_000).apart(&keys(20_001));
        assert_eq!(got, "20000 items");
        assert_eq!(want, "20001 items, 1 of them only here: \"DEFAULT\"/\"20000\"");
        assert!(keys(20_000).show().len() < 500 && bounded("é".repeat(1_000_000)).len() < 5_000);
    }
}
