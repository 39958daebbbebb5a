//! `dynamodb:TABLE?region=..&endpoint=..&profile=..`

use token_storage_core::Result;
use url::form_urlencoded;

use super::{StorageUrl, misconfigured};

pub(super) fn dynamodb(rest: &str) -> Result<StorageUrl> {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (table, query) = rest.split_once('?').unwrap_or((rest, ""));
    if table.is_empty() {
        return Err(misconfigured(
            "`dynamodb:` names no table; write `dynamodb:TABLE?region=REGION`",
        ));
    }
    let (mut region, mut endpoint, mut profile) = (None, None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let slot = match &*name {
            "region" => &mut region,
            "endpoint" => &mut endpoint,
            "profile" => &mut profile,
            _ => {
                return Err(misconfigured(
                    "`dynamodb:` has a parameter that is unknown; known are `region`, `endpoint` and `profile`",
                ));
            }
        };
        if value.is_empty() || slot.replace(value.into_owned()).is_some() {
            return Err(misconfigured(format!("the parameter `{name}` is empty or given twice")));
        }
    }
    Ok(StorageUrl::DynamoDb {
        table: table.to_owned(),
        region,
        endpoint,
        profile,
    })
}
