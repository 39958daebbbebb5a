//! When a token expires, in all the shapes that servers and other programs write it.

use jiff::{Timestamp, fmt::rfc2822};

use super::members::decode_string;

/// The largest `expires_in` that is believed, in seconds: a thousand years. What is beyond it is a mistake.
pub const MAX_EXPIRES_IN: i64 = 31_556_952_000;

/// A number beyond this counts milliseconds: as seconds it would be in the year 5138.
const MILLISECONDS_FROM: f64 = 1e11;
/// `expires` below this is a number of seconds from now on, as Facebook wrote it: as a time it would be in 1979.
const RELATIVE_BELOW: f64 = 315_360_000.0;

/// When a token that arrived at `now` expires, by `expires_in`; the error says what is wrong with the value.
pub(super) fn relative(json: &str, now: i64) -> Result<i64, &'static str> {
    after(number(json).ok_or("is not a number of seconds")?, now)
}

/// When it expires by a member that names the time itself: seconds or milliseconds since the Unix epoch, as a number or as
/// text, or a date of RFC 3339 or RFC 9110. `None` is a zero time, with which some programs say that they know none.
pub(super) fn absolute(member: &str, json: &str, now: i64) -> Result<Option<i64>, &'static str> {
    let seconds = match number(json) {
        Some(number) if member == "expires" && number < RELATIVE_BELOW => return after(number, now).map(Some),
        Some(number) if number > MILLISECONDS_FROM => number / 1000.0,
        Some(number) => number,
        None => {
            let time = date(json).ok_or("is no time")?;
            if time.strftime("%Y").to_string() == "0001" {
                return Ok(None);
            }
            time.as_second() as f64
        }
    };
    if seconds == 0.0 {
        return Ok(None);
    }
    let latest = now.saturating_add(MAX_EXPIRES_IN) as f64;
    match seconds {
        s if !s.is_finite() => Err("is not a finite number of seconds"),
        s if s < 0.0 => Err("is before 1970"),
        s if s > latest => Err("is absurd: in more than a thousand years"),
        // Far below 2^53.
        s => Ok(Some(s as i64)),
    }
}

fn after(seconds: f64, now: i64) -> Result<i64, &'static str> {
    if !seconds.is_finite() {
        return Err("is not a finite number of seconds");
    }
    if seconds < 0.0 {
        return Err("is negative");
    }
    if seconds > MAX_EXPIRES_IN as f64 {
        return Err("is absurd: more than a thousand years");
    }
    // Exact: far below 2^53, and not negative.
    now.checked_add(seconds as i64)
        .ok_or("is absurd: the time of expiry is beyond 64 bits")
}

/// A JSON number, or one in a string.
fn number(json: &str) -> Option<f64> {
    let decoded = decode_string(json);
    let text = match json.as_bytes().first()? {
        b'"' => decoded.as_deref().map(str::trim),
        b'-' | b'0'..=b'9' => Some(json),
        _ => None,
    };
    text?.parse().ok()
}

fn date(json: &str) -> Option<Timestamp> {
    let text = decode_string(json)?;
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let zoned = rfc2822::parse(text).ok()?;
        Some(zoned.timestamp())
    })
}
