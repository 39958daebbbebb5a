//! `expires_in` in all the shapes that servers send it.

use super::members::decode_string;

/// The largest `expires_in` that is believed, in seconds: a thousand years. What is beyond it is a mistake.
pub const MAX_EXPIRES_IN: i64 = 31_556_952_000;

/// When a token that arrived at `now` expires; the error says what the value should be.
pub(super) fn expires_at(json: &str, now: i64) -> Result<i64, &'static str> {
    let decoded = decode_string(json);
    let number = match json.as_bytes().first() {
        Some(b'"') => decoded.as_deref().map(str::trim),
        Some(b'-' | b'0'..=b'9') => Some(json),
        _ => None,
    };
    let seconds: f64 = number
        .and_then(|text| text.parse().ok())
        .ok_or("is not a number of seconds")?;
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
