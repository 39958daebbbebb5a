//! Figures in words, for people.

/// A time in seconds with three digits and the unit that suits it: `1.23 ms`.
pub fn duration(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s < 1e-6 => (s * 1e9, "ns"),
        s if s < 1e-3 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    format!("{} {unit}", three_digits(value))
}

/// How often in a second, with three digits: `12.3 k`.
pub fn rate(per_second: f64) -> String {
    match per_second {
        r if r < 1e3 => three_digits(r),
        r if r < 1e6 => format!("{} k", three_digits(r / 1e3)),
        r => format!("{} M", three_digits(r / 1e6)),
    }
}

fn three_digits(value: f64) -> String {
    let digits = match value {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        for (seconds, words) in [
            (0.000_000_137, "137 ns"),
            (0.000_001_234, "1.23 µs"),
            (0.000_099_96, "100 µs"),
            (0.012_34, "12.3 ms"),
            (1.0, "1.00 s"),
        ] {
            assert_eq!(duration(seconds), words);
        }
        assert_eq!([rate(12.0), rate(12_345.0), rate(7.2e6)], ["12.0", "12.3 k", "7.20 M"]);
    }
}
