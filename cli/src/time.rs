//! Clock and times for people.

use std::fmt::Write as _;

use jiff::Timestamp;
use token_storage::backend::{Clock as _, SystemClock};

/// Seconds since the Unix epoch.
pub(crate) fn now() -> i64 {
    SystemClock::default().now()
}

/// When a token expires, for people: the time in UTC, and how far away that is.
pub(crate) fn expiry(expires_at: Option<i64>, now: i64) -> String {
    let mut out = String::new();
    push_expiry(&mut out, expires_at, now);
    out
}

/// As [`expiry`], behind what is there.
pub(crate) fn push_expiry(out: &mut String, expires_at: Option<i64>, now: i64) {
    let Some(seconds) = expires_at else {
        return out.push_str("unknown");
    };
    // Writing to a string does not fail.
    let _ = match Timestamp::from_second(seconds) {
        Ok(time) => write!(out, "{time}"),
        Err(_) => write!(out, "{seconds} seconds after 1970"),
    };
    let left = i128::from(seconds) - i128::from(now);
    let (before, behind) = if left >= 0 { ("in", "") } else { ("expired", " ago") };
    let (count, unit) = span(left.abs());
    let _ = write!(out, " ({before} {count} {unit}{behind})");
}

/// A span in its largest unit that gives at least two of it.
fn span(seconds: i128) -> (i128, &'static str) {
    const UNITS: [(i128, &str); 3] = [(86_400, "days"), (3_600, "hours"), (60, "minutes")];
    let unit = UNITS.iter().find(|(size, _)| seconds >= 2 * size);
    unit.map_or((seconds, "s"), |(size, unit)| (seconds / size, *unit))
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
