//! The members of an object in their order, found by decoded name.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, OnceLock},
};

use token_storage_core::record::push_json_string;

use crate::text::{RawText, Text};

/// One member: its name as it stands in the text, and its value.
#[derive(Debug)]
pub(crate) struct Member<V> {
    pub(crate) raw_name: RawText,
    /// `None`: the name is not valid Unicode (a lone surrogate), so no key can name it. It is kept.
    pub(crate) name: Option<Arc<str>>,
    pub(crate) value: V,
}

/// An object's members. Cloning is cheap, and a clone that only replaces values shares the index.
#[derive(Debug)]
pub(crate) struct Members<V> {
    /// Removed members leave a gap, so that the positions in the index stay right.
    list: Vec<Option<Arc<Member<V>>>>,
    index: Arc<HashMap<Arc<str>, usize>>,
    unnameable: usize,
    sorted: OnceLock<Vec<Arc<str>>>,
}

impl<V> Clone for Members<V> {
    fn clone(&self) -> Self {
        Self {
            list: self.list.clone(),
            index: Arc::clone(&self.index),
            unnameable: self.unnameable,
            sorted: self.sorted.clone(),
        }
    }
}

impl<V> Default for Members<V> {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            index: Arc::default(),
            unnameable: 0,
            sorted: OnceLock::new(),
        }
    }
}

impl<V> Members<V> {
    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        let member = self.list[*self.index.get(name)?].as_deref();
        member.map(|member| &member.value)
    }

    /// The value of a name, to be changed; the member is copied if a clone shares it.
    pub(super) fn value_mut(&mut self, name: &str) -> Option<&mut V>
    where
        V: Clone,
    {
        let at = *self.index.get(name)?;
        let member = self.list[at].as_mut()?;
        if Arc::get_mut(member).is_none() {
            *member = Arc::new(Member {
                raw_name: member.raw_name.clone(),
                name: member.name.clone(),
                value: member.value.clone(),
            });
        }
        Arc::get_mut(member).map(|member| &mut member.value)
    }

    /// Replaces the value of a name and returns the old member, or appends a new member.
    pub(crate) fn set(&mut self, name: &str, value: V) -> Option<Arc<Member<V>>> {
        match self.index.get(name) {
            Some(&at) => {
                let slot = &mut self.list[at];
                let old = slot.take()?;
                *slot = Some(Arc::new(Member {
                    raw_name: old.raw_name.clone(),
                    name: old.name.clone(),
                    value,
                }));
                Some(old)
            }
            None => {
                let mut raw_name = String::with_capacity(name.len() + 2);
                push_json_string(&mut raw_name, name);
                self.push(RawText::new(raw_name), Some(name.into()), value);
                None
            }
        }
    }

    /// Removes a member and returns it.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Arc<Member<V>>> {
        let at = Arc::make_mut(&mut self.index).remove(name)?;
        self.sorted = OnceLock::new();
        let removed = self.list[at].take();
        if self.list.len() > 2 * (self.index.len() + self.unnameable) + 8 {
            self.close_gaps();
        }
        removed
    }

    /// Adds a member as it stands in a text. Of duplicates the last value wins and the first place is kept, as in
    /// Python.
    pub(super) fn read(&mut self, source: &Arc<Text>, raw_name: Range<usize>, value: V) {
        let raw_name = RawText::piece(source, raw_name);
        let name = decode_name(raw_name.as_str());
        match &name {
            Some(known) if self.index.contains_key(known) => drop(self.set(known, value)),
            _ => self.push(raw_name, name, value),
        }
    }

    /// Takes over a member of another object, without a check for duplicates.
    pub(super) fn adopt(&mut self, member: &Member<V>)
    where
        V: Clone,
    {
        self.push(member.raw_name.clone(), member.name.clone(), member.value.clone());
    }

    /// The members in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Member<V>>> {
        self.list.iter().flatten()
    }

    /// How many members there are, those without a valid name included.
    pub(crate) fn len(&self) -> usize {
        self.index.len() + self.unnameable
    }

    /// How many members have a name that is not valid Unicode.
    pub(crate) fn unnameable(&self) -> usize {
        self.unnameable
    }

    /// All valid names in byte order.
    pub(crate) fn sorted_names(&self) -> &[Arc<str>] {
        self.sorted.get_or_init(|| {
            let mut names: Vec<Arc<str>> = self.index.keys().cloned().collect();
            names.sort_unstable();
            names
        })
    }

    /// Makes every member anew, its name and its value.
    pub(super) fn rewrite(&mut self, name: &impl Fn(&RawText) -> RawText, value: impl Fn(&V) -> V) {
        for member in self.list.iter_mut().flatten() {
            *member = Arc::new(Member {
                raw_name: name(&member.raw_name),
                name: member.name.clone(),
                value: value(&member.value),
            });
        }
    }

    fn push(&mut self, raw_name: RawText, name: Option<Arc<str>>, value: V) {
        match &name {
            Some(name) => {
                Arc::make_mut(&mut self.index).insert(Arc::clone(name), self.list.len());
                self.sorted = OnceLock::new();
            }
            None => self.unnameable += 1,
        }
        self.list.push(Some(Arc::new(Member { raw_name, name, value })));
    }

    fn close_gaps(&mut self) {
        self.list.retain(Option::is_some);
        let index = Arc::make_mut(&mut self.index);
        for (at, member) in self.list.iter().flatten().enumerate() {
            if let Some(place) = member.name.as_deref().and_then(|name| index.get_mut(name)) {
                *place = at;
            }
        }
    }
}

/// The content of a string literal; `None` if it is no string, not valid Unicode or holds what must be escaped.
pub(super) fn decode_name(raw: &str) -> Option<Arc<str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.bytes().any(|byte| byte == b'\\' || byte < b' ') {
        serde_json::from_str::<String>(raw).ok().map(Arc::from)
    } else {
        Some(inner.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(members: &Members<u32>) -> Vec<&str> {
        members.iter().map(|member| member.raw_name.as_str()).collect()
    }

    #[test]
    fn order_survives_replacing_removing_and_closing_gaps() {
        let mut members = Members::default();
        for n in 0..100 {
            members.set(&n.to_string(), n);
        }
        members.set("5", 500);
        for n in 10..100 {
            assert!(members.remove(&n.to_string()).is_some());
        }
        assert!(members.remove("10").is_none());
        members.set("new", 1);
        assert_eq!(members.get("5"), Some(&500));
        assert_eq!(members.get("9"), Some(&9));
        assert_eq!(members.get("10"), None);
        assert_eq!(members.get("new"), Some(&1));
        assert_eq!(members.len(), 11);
        assert!(members.list.len() < 40, "the gaps were closed");
        assert_eq!(names(&members)[8..], ["\"8\"", "\"9\"", "\"new\""]);
        assert_eq!(&*members.sorted_names()[10], "new");
    }

    #[test]
    fn a_clone_is_independent() {
        let mut members = Members::default();
        members.set("a", 1);
        let before = members.clone();
        members.set("a", 2);
        members.set("b", 3);
        assert_eq!((before.get("a"), before.get("b")), (Some(&1), None));
        assert_eq!(before.sorted_names().len(), 1);
        members.remove("a");
        assert_eq!(before.get("a"), Some(&1));
    }

    #[test]
    fn duplicates_and_names_that_are_no_unicode() {
        let source = Arc::new(Text::from(r#""a""\u0061""\ud800""\ud800""#.to_owned()));
        let mut members = Members::default();
        for (value, range) in [0..3, 3..11, 11..19, 19..27].into_iter().enumerate() {
            members.read(&source, range, value as u32);
        }
        assert_eq!(members.get("a"), Some(&1), "the last one wins");
        assert_eq!(names(&members), [r#""a""#, r#""\ud800""#, r#""\ud800""#]);
        assert_eq!((members.len(), members.unnameable()), (3, 2));
    }
}
