//! The parser against serde_json's own idea of the same text, under random layouts, duplicates and damage.

use proptest::{collection::vec, prelude::*};
use serde_json::{Value, value::RawValue};
use token_storage_core::{TokenData, WriteMark};

use super::*;

/// A JSON value as text in a random layout.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        Just("123456789012345678901234567890".to_owned()),
        Just("-0.5e+7".to_owned()),
        string(),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" ,"))),
            object(string(), inner),
        ]
    })
}

/// A string literal, sometimes with needless escapes.
fn string() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]{0,2}".prop_map(|text| format!("\"{text}\"")),
        "[a-c]{1,2}".prop_map(|text| {
            let escaped: String = text.chars().map(|c| format!("\\u{:04X}", u32::from(c))).collect();
            format!("\"{escaped}\"")
        }),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ]
}

fn object(name: impl Strategy<Value = String>, value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (vec((name, value), 0..5), "[ \n\r\t]{0,2}").prop_map(|(members, space)| {
        let members: Vec<String> = members
            .iter()
            .map(|(n, v)| format!("{space}{n}{space}:{v}{space}"))
            .collect();
        format!("{{{}}}", members.join(","))
    })
}

fn file() -> impl Strategy<Value = String> {
    let namespace = prop_oneof![5 => object(string(), json()), 1 => json()];
    let data = object(string(), namespace);
    let other = (string(), json()).prop_filter("a name the format uses", |(name, _)| {
        !["data", "by_rs", "format_version", VERSION_MEMBER].contains(&&*serde_json::from_str::<String>(name).unwrap())
    });
    (data, vec(other, 0..3), any::<bool>()).prop_map(|(data, others, first)| {
        let others: String = others.iter().map(|(name, value)| format!("{name}: {value},")).collect();
        let fixed = format!("\"data\":{data}, \"format_version\" : \"2.0\", \"globus-sdk.version\":\"x\"");
        if first {
            format!("{{{others}{fixed}}}\n")
        } else {
            format!("{{{}}}", format!("{fixed},{others}").trim_end_matches(','))
        }
    })
}

fn parse(text: &str) -> Result<Document, Damage> {
    Document::parse(Arc::new(Text::from(text.to_owned())))
}

fn emitted(document: &Document) -> String {
    let mut out = Vec::new();
    document.write_to(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

proptest! {
    #[test]
    fn what_is_written_means_what_was_read(text in file()) {
        let document = parse(&text).unwrap();
        let out = emitted(&document);
        prop_assert_eq!(value(&out), value(&text));
        prop_assert!(document.equals(text.as_bytes()).unwrap());
        // Written once, it is laid out as it stays.
        prop_assert_eq!(emitted(&parse(&out).unwrap()), out);
    }

    #[test]
    fn changes_do_what_they_do_to_a_map(
        text in file(),
        changes in vec(("[a-c]{0,2}", "[a-c]{0,2}", any::<bool>()), 1..20),
    ) {
        let mut document = parse(&text).unwrap();
        let mut model = value(&text);
        let record = record::encode(&TokenData::new("rs", "s", "at"), &WriteMark::from_bytes([1; 16])).to_string();
        for (namespace, resource_server, store) in changes {
            let key = TokenKey::new(namespace.clone(), resource_server.clone());
            let data = model["data"].as_object_mut().unwrap();
            if store {
                document.set(&key, RawText::new(record.clone()));
                let records = data.entry(namespace).or_insert(Value::Null);
                if !records.is_object() {
                    *records = serde_json::json!({});
                }
                records[resource_server] = value(&record);
            } else {
                let was_there = document.remove(&key);
                let records = data.get_mut(&namespace).and_then(Value::as_object_mut);
                let removed = records.and_then(|records| records.remove(&resource_server));
                prop_assert_eq!(was_there, removed.is_some());
            }
            document.tidy();
            prop_assert_eq!(value(&emitted(&document)), model.clone());
        }
    }

    #[test]
    fn what_is_not_json_is_refused_or_said_to_be_torn(text in file(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        check(bytes.clone())?;
        bytes.truncate(at);
        check(bytes)?;
    }

    #[test]
    fn nothing_panics(bytes in vec(any::<u8>(), 0..64), braces in "[{}\\[\\]\":, a0\\\\]{0,64}") {
        check(bytes)?;
        check(braces.into_bytes())?;
    }
}

fn check(bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let mut buffer = Buffer::with_capacity(bytes.len());
    buffer.append(&bytes);
    let text = std::str::from_utf8(&bytes).unwrap_or("?");
    let is_json = serde_json::from_str::<&RawValue>(text).is_ok();
    match Document::read(buffer) {
        Ok(document) => {
            prop_assert_ne!(record::is_value_of_python(text), document.is_torn());
            // Odd values stay as they are, and where they are.
            let out = emitted(&document);
            prop_assert_eq!(emitted(&parse(&out).unwrap()), out);
        }
        Err(damage) => {
            // What is JSON can only be refused for what the format asks of its root.
            let of_the_root = ["root", "member", "format_version"]
                .iter()
                .any(|part| damage.message.contains(part));
            prop_assert!(!is_json || of_the_root, "{}", damage.message);
        }
    }
    Ok(())
}
