//! Durations as Prometheus writes them: `5m`, `1h30m`.

use std::time::Duration;

const UNITS: [(&str, u64); 6] = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1), ("ms", 0)];

/// Reads a duration of whole units.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (unit, after) = rest.split_at(letters);
        let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let part = if unit == "ms" {
            Duration::from_millis(number)
        } else {
            Duration::from_secs(number.checked_mul(*seconds)?)
        };
        total = total.checked_add(part)?;
        rest = after;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_units_alone_or_together() {
        for (text, seconds) in
            [("5m", 300.0), ("1h30m", 5400.0), ("3d", 259_200.0), ("250ms", 0.25), ("0s", 0.0)]
        {
            assert_eq!(parse(text).unwrap().as_secs_f64(), seconds);
        }
        for bad in ["", "5", "m", "5x", "-5m", "99999999999999999999s", "é"] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
