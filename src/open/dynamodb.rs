//! DynamoDB tables by URL.

use token_storage_core::{Error, ErrorKind, Finding, Operation, Result, Severity};
use token_storage_dynamodb::{DynamoDbStorage, TableDescription};

use crate::StorageUrl;

/// Opens the table; no request is sent to it.
pub(super) async fn open(url: &StorageUrl) -> Result<DynamoDbStorage> {
    let StorageUrl::DynamoDb {
        table,
        region,
        endpoint,
        profile,
    } = url
    else {
        let message = "the storage URL names no DynamoDB table";
        return Err(Error::new(ErrorKind::Misconfigured, message).with_operation(Operation::Open));
    };
    let mut builder = DynamoDbStorage::builder(table);
    if let Some(region) = region {
        builder = builder.region(region);
    }
    if let Some(endpoint) = endpoint {
        builder = builder.endpoint(endpoint);
    }
    if let Some(profile) = profile {
        builder = builder.profile(profile);
    }
    builder.open().await
}

/// What the table's description tells. A table that cannot be reached is an error, one that is not as it should be a
/// finding.
pub(super) async fn examine(url: &StorageUrl) -> Result<Vec<Finding>> {
    let place = url.to_string();
    match open(url).await?.describe_table().await {
        Ok(table) => Ok(findings(&place, &table)),
        Err(error) if error.kind() == ErrorKind::Misconfigured => {
            let advice = "create it with `token-storage create-table`, or name another one";
            Ok(vec![Finding::new(
                Severity::Error,
                place,
                error.message().to_owned(),
                advice,
            )])
        }
        Err(error) => Err(error),
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
        "the table is {} and holds about {} items in {} bytes, as counted every six hours",
        table.status, table.items, table.bytes
    );
    let mut findings = vec![Finding::new(severity, place, message, advice)];
    if !table.deletion_protection {
        let message = "the table is not protected against deletion";
        let advice = "enable deletion protection if losing it would log people out";
        findings.push(Finding::new(Severity::Info, place, message, advice));
    }
    findings
}
