//! For how long an access token was good when it was issued: what says whether a minute more or less matters to it.

#[cfg(feature = "manager")]
use std::time::Duration;

use token_storage_core::Extra;
#[cfg(feature = "manager")]
use token_storage_core::TokenData;

/// The member of a record's [`extra`](TokenData::extra) that holds it, a number of seconds.
const LIFETIME: &str = "token_storage_lifetime";

/// What a record says, if it makes sense: more than nothing.
#[cfg(feature = "manager")]
pub(crate) fn of(data: &TokenData) -> Option<Duration> {
    let seconds = data.extra.get(LIFETIME)?.parse().ok().filter(|seconds| *seconds > 0);
    seconds.map(Duration::from_secs)
}

/// For a token that was issued at `now`.
#[cfg(feature = "manager")]
pub(crate) fn write(extra: &mut Extra, expires_at: Option<i64>, now: i64) {
    remove(extra);
    if let Some(seconds) = expires_at.and_then(|at| at.checked_sub(now)).filter(|left| *left > 0) {
        // The name is free, and this is JSON.
        let _ = extra.insert(LIFETIME, &seconds.to_string());
    }
}

/// It belongs to one access token and goes with it.
pub(crate) fn remove(extra: &mut Extra) {
    extra.remove(LIFETIME);
}

#[cfg(all(test, feature = "manager"))]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_not_known() {
        for (json, seconds) in [
            ("60", Some(60)),
            ("0", None),
            ("-1", None),
            ("1.5", None),
            ("\"60\"", None),
        ] {
            let mut data = TokenData::new("rs", "", "at");
            data.extra.insert(LIFETIME, json).unwrap();
            assert_eq!(of(&data), seconds.map(Duration::from_secs), "{json}");
        }
        let mut data = TokenData::new("rs", "", "at");
        for (expires_at, now, seconds) in [
            (Some(70), 10, Some(60)),
            (Some(10), 10, None),
            (None, 10, None),
            (Some(i64::MAX), -1, None),
        ] {
            write(&mut data.extra, expires_at, now);
            assert_eq!(of(&data), seconds.map(Duration::from_secs), "{expires_at:?} {now}");
        }
    }
}
