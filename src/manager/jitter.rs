use std::time::Duration;

/// Between half and one and a half times the duration.
pub(super) fn jittered(duration: Duration) -> Duration {
    let random = getrandom::u64().unwrap_or(u64::MAX / 2);
    duration.mul_f64(0.5 + random as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_its_bounds() {
        let base = Duration::from_millis(100);
        for _ in 0..1000 {
            let pause = jittered(base);
            assert!(pause >= base / 2 && pause <= base * 3 / 2, "{pause:?}");
        }
    }
}
