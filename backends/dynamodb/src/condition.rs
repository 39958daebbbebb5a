//! The state that a write expects, as a condition expression. Every write has one (clause A5): a late duplicate of it
//! then finds another state and does nothing.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use token_storage_core::{Error, ErrorKind, Result, Revision, TokenKey, WriteMark};

use crate::{
    item::{EXPIRES_AT, Item, KEY, MARK},
    revision::marked,
};

/// DynamoDB allows 300 operators in an expression; each attribute needs a comparison and an AND.
const MAX_COMPARED: usize = 140;

/// The state that a write expects to find.
pub(crate) enum Expected {
    /// No item.
    Absent,
    /// The item of our write with this mark. The expiry is compared too: it gives away a program that changed the token
    /// in place and left the mark.
    Marked(WriteMark, Option<i64>),
    /// Exactly this item, which another program wrote.
    Exactly(Item),
}

impl Expected {
    /// The state that was just read.
    pub(crate) fn of(item: Option<Item>) -> Self {
        let Some(item) = item else {
            return Self::Absent;
        };
        let expires_at = item.number(EXPIRES_AT).map(str::parse);
        match (item.mark(), expires_at) {
            (Some(mark), Some(Ok(0))) if item.text(crate::item::EXPIRY) == Some("unknown") => Self::Marked(mark, None),
            (Some(mark), Some(Ok(expires_at))) => Self::Marked(mark, Some(expires_at)),
            _ => Self::Exactly(item),
        }
    }

    /// The state of a revision, if it can be told without reading.
    pub(crate) fn of_revision(revision: &Revision) -> Option<Self> {
        marked(revision).map(|(mark, expires_at)| Self::Marked(mark, expires_at))
    }

    pub(crate) fn mark(&self) -> Option<WriteMark> {
        match self {
            Self::Marked(mark, _) => Some(*mark),
            _ => None,
        }
    }

    /// The condition expression with its names and values.
    pub(crate) fn condition(&self, key: &TokenKey) -> Result<Condition> {
        match self {
            Self::Absent => Ok(Condition::absent()),
            Self::Marked(mark, expires_at) => Ok(Condition::marked(*mark, *expires_at)),
            Self::Exactly(item) if item.iter().count() > MAX_COMPARED => {
                let message = format!(
                    "the item was written by another program and has more than {MAX_COMPARED} attributes, more than \
                     one condition can compare; remove some of them"
                );
                Err(Error::new(ErrorKind::Corrupt, message).with_key(key))
            }
            Self::Exactly(item) => Ok(Condition::exactly(item)),
        }
    }
}

/// A condition expression with its names and values.
#[derive(Default)]
pub(crate) struct Condition {
    pub(crate) expression: String,
    pub(crate) names: HashMap<String, String>,
    pub(crate) values: HashMap<String, AttributeValue>,
}

impl Condition {
    fn absent() -> Self {
        Self::default().and("attribute_not_exists(#key)").name("#key", KEY)
    }

    fn marked(mark: WriteMark, expires_at: Option<i64>) -> Self {
        Self::default()
            .and("#mark = :mark AND #expires = :expires")
            .name("#mark", MARK)
            .name("#expires", EXPIRES_AT)
            .value(":mark", AttributeValue::S(mark.to_string()))
            .value(":expires", AttributeValue::N(expires_at.unwrap_or(0).to_string()))
    }

    fn exactly(item: &Item) -> Self {
        let mut condition = Self::default().and("attribute_exists(#key)").name("#key", KEY);
        if !item.has(MARK) {
            condition = condition.and("attribute_not_exists(#mark)").name("#mark", MARK);
        }
        for (i, (name, value)) in item.iter().filter(|(name, _)| *name != KEY).enumerate() {
            condition = condition
                .and(&format!("#a{i} = :a{i}"))
                .name(&format!("#a{i}"), name)
                .value(&format!(":a{i}"), value.clone());
        }
        condition
    }

    fn and(mut self, part: &str) -> Self {
        if !self.expression.is_empty() {
            self.expression.push_str(" AND ");
        }
        self.expression.push_str(part);
        self
    }

    pub(crate) fn name(mut self, placeholder: &str, name: &str) -> Self {
        self.names.insert(placeholder.to_owned(), name.to_owned());
        self
    }

    pub(crate) fn value(mut self, placeholder: &str, value: AttributeValue) -> Self {
        self.values.insert(placeholder.to_owned(), value);
        self
    }

    /// The values; an empty map is refused by the service.
    pub(crate) fn values(self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then_some(self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_words_only_appear_as_placeholders() {
        let item = Item::new(HashMap::from([
            (KEY.to_owned(), AttributeValue::S("k".to_owned())),
            ("scope".to_owned(), AttributeValue::S("s".to_owned())),
            ("name".to_owned(), AttributeValue::S("x".to_owned())),
        ]));
        let condition = Expected::of(Some(item)).condition(&TokenKey::in_default("rs")).unwrap();
        assert!(!condition.expression.contains("name") && !condition.expression.contains("scope"));
        assert_eq!(condition.expression.matches(" = :a").count(), 2);
        assert!(condition.expression.contains("attribute_not_exists(#mark)"));
    }

    #[test]
    fn too_many_foreign_attributes_are_an_error_and_no_weaker_condition() {
        let attributes = (0..200)
            .map(|i| (format!("a{i}"), AttributeValue::Bool(true)))
            .collect();
        let expected = Expected::of(Some(Item::new(attributes)));
        let error = expected.condition(&TokenKey::in_default("rs")).err();
        assert_eq!(error.unwrap().kind(), ErrorKind::Corrupt);
    }
}
