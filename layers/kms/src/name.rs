use token_storage_core::{Error, ErrorKind, Result, backend::Named};
use token_storage_encryption::WrappedKeyFile;

use crate::Kms;

const SCHEME: &str = "kms";
const KEY: &str = "KEY";
const FILE: &str = "file";
const REGION: &str = "region";
const ENDPOINT: &str = "endpoint";
const PROFILE: &str = "profile";
const CONTEXT: &str = "context";
const OLD: &str = "old";

/// Reads `kms:KEY?file=PATH&region=R&endpoint=URL&profile=P&context=TEXT&old=KEY`: a key of KMS (`alias/NAME`, its id, or its ARN),
/// and the key file that it wraps. All but `file` may be left out: region, profile and endpoint come from AWS's standard places
/// then; [`Kms`] says what the others are. [`Named`] tells how parameters are written. Nothing is asked, and no file looked at.
///
/// # Errors
/// - [`ErrorKind::Misconfigured`]: it is something else. Nothing of it is quoted: it may be a key itself.
pub fn key_file(text: &str) -> Result<WrappedKeyFile> {
    let rest = text.strip_prefix("kms:").ok_or_else(unnamed)?;
    let named = Named::parse(SCHEME, rest, KEY, &[FILE, REGION, ENDPOINT, PROFILE, CONTEXT, OLD])?;
    let file = named.get(FILE).ok_or_else(unnamed)?;
    let mut kms = Kms::new(named.name())?;
    if let Some(region) = named.get(REGION) {
        kms = kms.region(region);
    }
    if let Some(endpoint) = named.get(ENDPOINT) {
        kms = kms.endpoint(endpoint)?;
    }
    if let Some(profile) = named.get(PROFILE) {
        kms = kms.profile(profile);
    }
    if let Some(context) = named.get(CONTEXT) {
        kms = kms.context(context);
    }
    if let Some(old) = named.get(OLD) {
        kms = kms.old(old)?;
    }
    Ok(WrappedKeyFile::new(file, kms))
}

/// An alias, an id, or the ARN of either, and so nothing that could be a secret.
pub(crate) fn check_key(key: &str) -> Result<()> {
    let id = |text: &str| text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let plain = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/_-:".contains(&byte))
    };
    let alias = key
        .strip_prefix("alias/")
        .is_some_and(|name| !name.is_empty() && name.len() <= 250);
    let arn = key.starts_with("arn:aws") && key.contains(":kms:") && key.len() <= 2048;
    let replica = key.strip_prefix("mrk-").is_some_and(|id| id.len() == 32);
    if plain(key) && (id(key) || replica || alias || arn) {
        return Ok(());
    }
    Err(unnamed())
}

fn unnamed() -> Error {
    let message = "a key of KMS and the key file that it wraps are named by kms:KEY?file=PATH, where KEY is `alias/NAME`, an id or an \
                   ARN; the key itself does not stand there";
    Error::new(ErrorKind::Misconfigured, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_names() {
        let id = "1234abcd-12ab-34cd-56ef-1234567890ab";
        for key in [
            "alias/tokens",
            id,
            "mrk-1234abcd12ab34cd56ef1234567890ab",
            &format!("arn:aws:kms:eu-central-1:111122223333:key/{id}"),
            "arn:aws-us-gov:kms:us-gov-west-1:111122223333:alias/tokens",
        ] {
            let file = key_file(&format!("kms:{key}?file=/a%20b+c&region=eu-central-1&old={key}")).unwrap();
            assert_eq!(file.path().to_str(), Some("/a b c"));
            let place = file.place();
            assert!(
                place.ends_with(&format!("under KMS key {key} in eu-central-1")),
                "{place}"
            );
        }
    }

    #[test]
    fn what_is_refused_quotes_nothing() {
        for (text, says) in [
            ("kms:", "names no key"),
            ("kms:canary?file=x", "alias/NAME"),
            ("kms:alias/canary", "file=PATH"),
            ("kms:alias/?file=x", "alias/NAME"),
            ("kms:alias/can ary?file=x", "alias/NAME"),
            ("kms:alias/x?file=", "empty"),
            ("kms:alias/x?file=x&old=canary", "alias/NAME"),
            ("kms:alias/x?file=x&canary=x", "`context`"),
            ("kms:alias/x?file=x&endpoint=canary", "http://"),
            ("kms:alias/x?file=x&endpoint=http://canary", "this machine"),
            ("kms:+/canaryAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=?file=x", "alias/NAME"),
            ("canary", "kms:KEY?file=PATH"),
        ] {
            let error = key_file(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{text}");
            assert!(error.message().contains(says), "{text}: {error}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{text}");
        }
    }
}
