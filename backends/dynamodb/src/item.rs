//! Items of the table, raw and as records.
//!
//! The layout is that of the Globus documentation's example, so that both read each other's items; what the example does
//! not know is in further attributes, which it ignores, and loses when it replaces an item.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use token_storage_core::{Error, ErrorKind, Members, Result, Secret, StoredToken, TokenData, TokenKey, WriteMark};
use zeroize::Zeroize;

use crate::{extra, key::item_key, revision::revision_of};

/// The partition key.
pub(crate) const KEY: &str = "token_data_id";
/// The write mark of the write that left the item as it is. Missing: another program wrote it.
pub(crate) const MARK: &str = "token-storage.mark";
/// The write mark of the item that this one replaced, to tell a lost answer from a lost race; `none` if it was created.
pub(crate) const PREVIOUS: &str = "token-storage.previous";
/// `unknown` where the expiry of 0 stands for an unknown one.
pub(crate) const EXPIRY: &str = "token-storage.expiry";
/// The members without an attribute of their own, as the text of a JSON object.
pub(crate) const EXTRA: &str = "token-storage.extra";
/// When DynamoDB may remove an abandoned item, in seconds since the Unix epoch. For cleaning up only.
pub(crate) const CLEAN_UP: &str = "token-storage.clean-up";
pub(crate) const EXPIRES_AT: &str = "expires_at_seconds";

/// What a number counts at most towards the size of an item, in bytes.
const NUMBER_BYTES: usize = 21;

/// An item as DynamoDB has it. What is still in it when it is dropped is wiped (clause S2).
pub(crate) struct Item(HashMap<String, AttributeValue>);

impl Item {
    pub(crate) fn new(attributes: HashMap<String, AttributeValue>) -> Self {
        Self(attributes)
    }

    /// A copy of the attributes, for a request.
    pub(crate) fn attributes(&self) -> HashMap<String, AttributeValue> {
        self.0.clone()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &AttributeValue)> {
        self.0.iter()
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_s().ok().map(String::as_str)
    }

    pub(crate) fn number(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_n().ok().map(String::as_str)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name)?.as_b().ok().map(AsRef::as_ref)
    }

    pub(crate) fn mark(&self) -> Option<WriteMark> {
        WriteMark::parse(self.text(MARK)?)
    }

    pub(crate) fn previous(&self) -> Option<WriteMark> {
        WriteMark::parse(self.text(PREVIOUS)?)
    }

    /// The size that DynamoDB's limit is about: names and values, numbers at their largest.
    pub(crate) fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value_size(value)).sum()
    }

    /// Reads the record out of the item, moving the strings.
    pub(crate) fn into_record(mut self, key: &TokenKey) -> Result<StoredToken> {
        let corrupt = |problem: Problem| {
            let message = format!(
                "the stored item is damaged: {}; remove it or log in again",
                problem.describe()
            );
            Error::new(ErrorKind::Corrupt, message).with_key(key)
        };
        let mark = self.mark();
        self.decode()
            .map(|data| StoredToken {
                revision: revision_of(&data, mark.as_ref()),
                data,
            })
            .map_err(corrupt)
    }

    fn decode(&mut self) -> Result<TokenData, Problem> {
        let resource_server = self.required("resource_server")?;
        let scope = self.required("scope")?;
        let access_token = Secret::new(self.required("access_token")?);
        let mut data = TokenData::new(resource_server, scope, access_token);
        data.refresh_token = self.optional("refresh_token")?.map(Secret::new);
        data.token_type = self.optional("token_type")?;
        data.identity_id = self.optional("identity_id")?;
        data.expires_at = self.expires_at()?;
        data.extra = extra::from_attributes(&self.0).ok_or(Problem("token-storage.extra", "is not a JSON object"))?;
        read_whole(&data);
        Ok(data)
    }

    /// Null, as boto3 writes `None`, is the same as absent (K8).
    fn optional(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        match self.0.remove(name) {
            None | Some(AttributeValue::Null(_)) => Ok(None),
            Some(AttributeValue::S(text)) => Ok(Some(text)),
            Some(_) => Err(Problem(name, "is not a string")),
        }
    }

    fn required(&mut self, name: &'static str) -> Result<String, Problem> {
        self.optional(name)?.ok_or(Problem(name, "is missing"))
    }

    fn expires_at(&self) -> Result<Option<i64>, Problem> {
        match self.0.get(EXPIRES_AT) {
            None | Some(AttributeValue::Null(_)) => Ok(None),
            Some(AttributeValue::N(number)) if number == "0" && self.text(EXPIRY) == Some("unknown") => Ok(None),
            Some(AttributeValue::N(number)) => match number.parse() {
                Ok(seconds) => Ok(Some(seconds)),
                Err(_) => Err(Problem(EXPIRES_AT, "is not an integer of 64 bits")),
            },
            Some(_) => Err(Problem(EXPIRES_AT, "is not a number")),
        }
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.0.values_mut().for_each(wipe);
    }
}

impl std::fmt::Debug for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Item({} attributes)", self.0.len())
    }
}

fn wipe(value: &mut AttributeValue) {
    match value {
        AttributeValue::S(text) => text.zeroize(),
        AttributeValue::L(list) => list.iter_mut().for_each(wipe),
        AttributeValue::M(map) => map.values_mut().for_each(wipe),
        _ => {}
    }
}

/// Which attribute is wrong, and how. Quotes no value.
struct Problem(&'static str, &'static str);

impl Problem {
    fn describe(&self) -> String {
        format!("the attribute `{}` {}", self.0, self.1)
    }
}

/// The item of a record, without the attribute [`PREVIOUS`], which is known only when it is sent.
pub(crate) fn encode(key: &TokenKey, data: &TokenData, mark: &WriteMark, clean_up_at: Option<i64>) -> Item {
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
    let string = |text: &str| AttributeValue::S(text.to_owned());
    let mut item = HashMap::with_capacity(12);
    let mut set = |name: &str, value: AttributeValue| item.insert(name.to_owned(), value);
    set(KEY, AttributeValue::S(item_key(key)));
    set("resource_server", string(resource_server));
    set("scope", string(scope));
    set("access_token", string(access_token.expose()));
    if let Some(refresh_token) = refresh_token {
        set("refresh_token", string(refresh_token.expose()));
    }
    set(EXPIRES_AT, AttributeValue::N(expires_at.unwrap_or(0).to_string()));
    if expires_at.is_none() {
        set(EXPIRY, string("unknown"));
    }
    if let Some(token_type) = token_type {
        set("token_type", string(token_type));
    }
    if let Some(identity_id) = identity_id {
        set("identity_id", string(identity_id));
    }
    if !extra.is_empty() {
        set(EXTRA, AttributeValue::S(extra::to_json(extra)));
    }
    if let Some(seconds) = clean_up_at {
        set(CLEAN_UP, AttributeValue::N(seconds.to_string()));
    }
    set(MARK, AttributeValue::S(mark.to_string()));
    Item(item)
}

/// Does nothing. It names each member that [`Item::decode`] reads, so that a new one is not forgotten there.
fn read_whole(data: &TokenData) {
    let Members {
        resource_server: _,
        scope: _,
        access_token: _,
        refresh_token: _,
        expires_at: _,
        token_type: _,
        identity_id: _,
        extra: _,
    } = data.members();
}

/// What [`PREVIOUS`] adds to the size of an item.
pub(crate) const PREVIOUS_BYTES: usize = PREVIOUS.len() + 32;

fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(_) => NUMBER_BYTES,
        AttributeValue::B(blob) => blob.as_ref().len(),
        // Not written by us.
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use token_storage_core::Extra;

    use super::*;

    const MARKED: WriteMark = WriteMark::from_bytes([7; 16]);

    fn foreign() -> HashMap<String, AttributeValue> {
        let s = |text: &str| AttributeValue::S(text.to_owned());
        HashMap::from([
            (KEY.to_owned(), s("DEFAULT:rs")),
            ("resource_server".to_owned(), s("rs")),
            ("access_token".to_owned(), s("at")),
            ("scope".to_owned(), s("a b")),
            (EXPIRES_AT.to_owned(), AttributeValue::N("5".to_owned())),
        ])
    }

    fn read(attributes: HashMap<String, AttributeValue>) -> Result<StoredToken> {
        Item::new(attributes).into_record(&TokenKey::in_default("rs"))
    }

    #[test]
    fn k1_every_field_round_trips() {
        let mut extra = Extra::new();
        extra.insert("id_token", "\"x\\ud800\"").unwrap();
        extra.insert("\u{0}odd \"name\"", "[1e400, {}]").unwrap();
        for expires_at in [None, Some(0), Some(i64::MIN), Some(i64::MAX)] {
            let mut data = TokenData::new("rs", "", "at")
                .with_refresh_token("rt")
                .with_token_type("")
                .with_identity_id("me")
                .with_extra(extra.clone());
            data.expires_at = expires_at;
            let item = encode(&TokenKey::in_default("rs"), &data, &MARKED, Some(9));
            let stored = item.into_record(&TokenKey::in_default("rs")).unwrap();
            assert_eq!(stored.data, data);
            assert_eq!(stored.revision, revision_of(&data, Some(&MARKED)));
        }
    }

    #[test]
    fn an_item_of_the_example_is_read() {
        let stored = read(foreign()).unwrap();
        assert_eq!(stored.data, TokenData::new("rs", "a b", "at").with_expires_at(5));
    }

    #[test]
    fn k8_null_and_absent_are_the_same() {
        let mut item = foreign();
        item.insert("refresh_token".to_owned(), AttributeValue::Null(true));
        assert_eq!(read(item).unwrap().data.refresh_token, None);
    }

    #[test]
    fn d3_damage_is_named_without_quoting() {
        let wrong = [
            ("scope", AttributeValue::N("4711".to_owned())),
            (EXPIRES_AT, AttributeValue::N("9223372036854775808".to_owned())),
            (EXPIRES_AT, AttributeValue::N("4711.5".to_owned())),
            (EXPIRES_AT, AttributeValue::S("4711".to_owned())),
            ("access_token", AttributeValue::Null(true)),
            (EXTRA, AttributeValue::S("4711".to_owned())),
        ];
        for (name, value) in wrong {
            let mut item = foreign();
            item.insert(name.to_owned(), value);
            let error = read(item).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}");
            let text = format!("{error} {error:?}");
            assert!(text.contains(name) && !text.contains("4711"), "{text}");
        }
    }

    #[test]
    fn s1_debug_of_an_item_shows_no_value() {
        assert_eq!(format!("{:?}", Item::new(foreign())), "Item(5 attributes)");
    }
}
