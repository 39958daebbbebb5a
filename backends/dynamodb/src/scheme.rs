//! `dynamodb:TABLE?region=R&endpoint=URL&profile=P`

use std::sync::Arc;

use token_storage_core::{
    ErrorKind, Finding, Result, Severity, async_trait,
    backend::{Action, Location, Named, Opened, Scheme, SchemeInfo, counted, split, unusable},
};

use crate::{DynamoDbBuilder, DynamoDbStorage, TableDescription, actions, config};

const NAME: &str = "dynamodb";
const TABLE: &str = "TABLE";
const REGION: &str = "region";
const ENDPOINT: &str = "endpoint";
const PROFILE: &str = "profile";

/// `dynamodb:TABLE?region=R&endpoint=URL&profile=P`, an Amazon DynamoDB table; all parameters may be left out, and come
/// from AWS's standard places then. [`Named`] tells how parameters are written.
///
/// Actions: `create-table`, `describe-table`, `delete-table`, which are those of [`DynamoDbStorage`].
#[derive(Clone, Copy, Debug, Default)]
pub struct DynamoDbScheme;

impl Scheme for DynamoDbScheme {
    fn describe(&self) -> SchemeInfo {
        let form = "dynamodb:TABLE?region=R&endpoint=URL&profile=P";
        let mut info = SchemeInfo::new(
            NAME,
            form,
            "an Amazon DynamoDB table; what is left out comes from AWS's own places",
        )
        .without_listing("finding all keys would mean reading the whole table");
        for action in actions::all() {
            info = info.with_action(action);
        }
        info
    }

    fn parse(&self, rest: &str) -> Result<Arc<dyn Location>> {
        Ok(Arc::new(Table::parse(rest)?))
    }
}

/// A table that a URL names.
#[derive(Clone, Debug)]
pub(crate) struct Table(Named);

impl Table {
    /// Reads a whole URL.
    pub(crate) fn of_url(url: &str) -> Result<Self> {
        match split(url) {
            Some((scheme, rest)) if scheme == NAME => Self::parse(rest),
            _ => Err(unusable(
                "it does not begin with `dynamodb:`; write `dynamodb:TABLE?region=R`",
            )),
        }
    }

    fn parse(rest: &str) -> Result<Self> {
        let named = Named::parse(NAME, rest, TABLE, &[REGION, ENDPOINT, PROFILE])?;
        config::check_table(named.name())?;
        if let Some(endpoint) = named.get(ENDPOINT) {
            token_storage_aws::is_plain_http(endpoint)?;
        }
        Ok(Self(named))
    }

    pub(crate) fn builder(&self) -> DynamoDbBuilder {
        let mut builder = DynamoDbStorage::builder(self.0.name());
        if let Some(region) = self.0.get(REGION) {
            builder = builder.region(region);
        }
        if let Some(endpoint) = self.0.get(ENDPOINT) {
            builder = builder.endpoint(endpoint);
        }
        if let Some(profile) = self.0.get(PROFILE) {
            builder = builder.profile(profile);
        }
        builder
    }
}

#[async_trait]
impl Location for Table {
    fn rest(&self) -> String {
        self.0.to_string()
    }

    /// No request is sent to the table.
    async fn open(&self) -> Result<Opened> {
        Ok(Opened::new(self.builder().open().await?))
    }

    /// What the table's description tells. A table that cannot be reached is an error.
    async fn examine(&self) -> Result<Vec<Finding>> {
        let place = format!("{NAME}:{}", self.0);
        match self.builder().open().await?.describe_table().await {
            Ok(table) => Ok(findings(&place, &table)),
            Err(error) if error.kind() == ErrorKind::Misconfigured => {
                let message = error.message().to_owned();
                let finding = Finding::new(Severity::Error, place, message, "");
                Ok(vec![match error.action() {
                    Some(action) => finding.with_action(action),
                    None => finding,
                }])
            }
            Err(error) => Err(error),
        }
    }

    fn action(&self, name: &str) -> Option<Box<dyn Action>> {
        actions::of(self, name)
    }
}

fn findings(place: &str, table: &TableDescription) -> Vec<Finding> {
    let active = table.status == "ACTIVE";
    let (severity, advice) = if active {
        (Severity::Info, "")
    } else {
        (Severity::Warning, "wait until it is active")
    };
    let message = format!(
        "the table is {} and holds about {} in {}, as counted every six hours",
        table.status,
        counted(table.items, "item"),
        counted(table.bytes, "byte")
    );
    let mut findings = vec![Finding::new(severity, place, message, advice)];
    if !table.deletion_protection {
        let message = "the table is not protected against deletion";
        let advice = "enable deletion protection if losing it would log people out";
        findings.push(Finding::new(Severity::Info, place, message, advice));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_grammar_with_everything_in_it() {
        let url = "DynamoDB:my.tokens?region=eu-west-1&endpoint=http%3A%2F%2F127.0.0.1:8000/&profile=a+b";
        let shown = "my.tokens?endpoint=http://127.0.0.1:8000/&profile=a%20b&region=eu-west-1";
        let table = Table::of_url(url).unwrap();
        assert_eq!(table.rest(), shown);
        assert_eq!(DynamoDbScheme.parse(shown).unwrap().rest(), shown);
        let builder = format!("{:?}", table.builder());
        for part in ["my.tokens", "eu-west-1", "http://127.0.0.1:8000/", "a b"] {
            assert!(builder.contains(part), "{builder}");
        }
        assert_eq!(Table::of_url("dynamodb://tokens").unwrap().rest(), "tokens");
    }

    #[test]
    fn what_is_refused_is_refused_by_all_and_quotes_nothing() {
        for (rest, hint) in [
            ("", "names no table; write `dynamodb:TABLE`"),
            ("?region=x", "names no table"),
            ("tokens?canary=canary", "`region`, `endpoint` and `profile`"),
            ("tokens?region=canary&region=canary", "twice"),
            ("tokens?region=", "empty"),
            ("tokens#canary", "%23"),
            ("ab", "3 to 255"),
            ("can ary", "3 to 255"),
            ("tokens?endpoint=canary", "http://"),
            ("tokens?endpoint=http://user:canary@127.0.0.1", "password"),
        ] {
            for error in [
                DynamoDbScheme.parse(rest).unwrap_err(),
                Table::of_url(&format!("dynamodb:{rest}")).unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::Misconfigured, "{rest}");
                assert!(error.to_string().contains(hint), "{rest}: {error}");
                assert!(!format!("{error} {error:?}").contains("canary"), "{rest}");
            }
        }
        for other in ["", "tokens", "sqlite:tokens", "http://x"] {
            assert!(Table::of_url(other).is_err(), "{other}");
        }
    }
}
