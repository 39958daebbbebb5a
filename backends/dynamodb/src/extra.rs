//! Members without an attribute of their own: ours as one JSON text, verbatim; those of other programs' items as the
//! attributes they are.

use std::{borrow::Cow, collections::HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Deserialize;
use serde_json::value::RawValue;
use token_storage_core::{
    Extra, RESERVED_PREFIX,
    record::{KNOWN_MEMBERS, push_json_string},
};
use zeroize::Zeroizing;

use crate::item::{EXTRA, KEY};

/// The text of an object with these members.
pub(crate) fn to_json(extra: &Extra) -> String {
    let size: usize = extra.iter().map(|(name, json)| name.len() + json.len() + 8).sum();
    let mut text = String::with_capacity(size + 2);
    text.push('{');
    for (name, json) in extra.iter() {
        if text.len() > 1 {
            text.push(',');
        }
        push_json_string(&mut text, name);
        text.push(':');
        text.push_str(json);
    }
    text.push('}');
    text
}

/// The unknown members of an item: those in our attribute, and attributes that another program put beside the known
/// ones, as far as JSON can express them (sets and binary values cannot). `None` if ours is no JSON object.
pub(crate) fn from_attributes(attributes: &HashMap<String, AttributeValue>) -> Option<Extra> {
    let mut extra = Extra::new();
    for (name, value) in attributes {
        if name == EXTRA {
            add_members(&mut extra, value.as_s().ok()?)?;
        } else if is_unknown(name)
            && let Some(json) = attribute_json(value)
            && extra.get(name).is_none()
        {
            // A number that JSON does not know is left out like a set.
            let _ = extra.insert(name.as_str(), &json);
        }
    }
    Some(extra)
}

fn is_unknown(name: &str) -> bool {
    name != KEY && !KNOWN_MEMBERS.contains(&name) && !name.starts_with(RESERVED_PREFIX)
}

fn add_members(extra: &mut Extra, json: &str) -> Option<()> {
    #[derive(Deserialize)]
    struct Members<'a>(#[serde(borrow)] HashMap<Cow<'a, str>, &'a RawValue>);

    let Members(members) = serde_json::from_str(json).ok()?;
    for (name, value) in members {
        extra.insert(&*name, value.get()).ok()?;
    }
    Some(())
}

fn attribute_json(value: &AttributeValue) -> Option<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    write_json(&mut text, value).then_some(text)
}

/// Says whether JSON can express the value.
fn write_json(out: &mut String, value: &AttributeValue) -> bool {
    match value {
        AttributeValue::S(text) => push_json_string(out, text),
        AttributeValue::N(number) => out.push_str(number),
        AttributeValue::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        AttributeValue::Null(_) => out.push_str("null"),
        AttributeValue::L(list) => {
            out.push('[');
            for (i, value) in list.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                if !write_json(out, value) {
                    return false;
                }
            }
            out.push(']');
        }
        AttributeValue::M(map) => {
            out.push('{');
            for (i, (name, value)) in map.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                push_json_string(out, name);
                out.push(':');
                if !write_json(out, value) {
                    return false;
                }
            }
            out.push('}');
        }
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::primitives::Blob;

    use super::*;

    #[test]
    fn attributes_of_another_program_are_members() {
        let map = AttributeValue::M(HashMap::from([("n".to_owned(), AttributeValue::N("1.50".to_owned()))]));
        let attributes = HashMap::from([
            (KEY.to_owned(), AttributeValue::S("k".to_owned())),
            ("scope".to_owned(), AttributeValue::S("known".to_owned())),
            ("token-storage.later".to_owned(), AttributeValue::S("ours".to_owned())),
            ("tenant".to_owned(), AttributeValue::S("a\"b".to_owned())),
            (
                "list".to_owned(),
                AttributeValue::L(vec![AttributeValue::Bool(true), AttributeValue::Null(true), map]),
            ),
            ("binary".to_owned(), AttributeValue::B(Blob::new([1, 2]))),
        ]);
        let extra = from_attributes(&attributes).unwrap();
        let members: Vec<_> = extra.iter().collect();
        assert_eq!(
            members,
            [("list", r#"[true,null,{"n":1.50}]"#), ("tenant", r#""a\"b""#)]
        );
    }

    #[test]
    fn our_own_text_wins_whatever_the_order() {
        for _ in 0..20 {
            let attributes = HashMap::from([
                ("same".to_owned(), AttributeValue::S("attribute".to_owned())),
                (EXTRA.to_owned(), AttributeValue::S(r#"{"same":"text"}"#.to_owned())),
            ]);
            assert_eq!(from_attributes(&attributes).unwrap().get("same"), Some("\"text\""));
        }
    }
}
