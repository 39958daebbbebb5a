//! Clock and times for people.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Seconds since the Unix epoch.
pub(crate) fn now() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
    }
}

/// When a token expires, for people: the time in UTC, and how far away that is.
pub(crate) fn expiry(expires_at: Option<i64>, now: i64) -> String {
    let Some(seconds) = expires_at else {
        return "unknown".to_owned();
    };
    let time = match Timestamp::from_second(seconds) {
        Ok(time) => time.to_string(),
        Err(_) => format!("{seconds} seconds after 1970"),
    };
    let left = i128::from(seconds) - i128::from(now);
    if left >= 0 {
        format!("{time} (in {})", span(left))
    } else {
        format!("{time} (expired {} ago)", span(-left))
    }
}

/// A span in its largest unit that gives at least two of it.
fn span(seconds: i128) -> String {
    const UNITS: [(i128, &str); 3] = [(86_400, "days"), (3_600, "hours"), (60, "minutes")];
    let unit = UNITS.iter().find(|(size, _)| seconds >= 2 * size);
    match unit {
        Some((size, unit)) => format!("{} {unit}", seconds / size),
        None => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_for_people() {
        assert_eq!(expiry(None, 0), "unknown");
        assert_eq!(expiry(Some(7_200), 0), "1970-01-01T02:00:00Z (in 2 hours)");
        assert_eq!(expiry(Some(0), 0), "1970-01-01T00:00:00Z (in 0 s)");
        assert_eq!(expiry(Some(0), 119), "1970-01-01T00:00:00Z (expired 119 s ago)");
        assert!(expiry(Some(i64::MAX), i64::MIN).starts_with("9223372036854775807 seconds"));
        assert!(expiry(Some(i64::MIN), i64::MAX).contains("days ago"));
    }
}
