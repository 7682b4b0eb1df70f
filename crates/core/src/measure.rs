//! Units as types: what an instrument takes, and how it is kept as an integer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bellwether_catalog::Unit;

/// A unit of measure. The wrong unit does not compile: a `Histogram<L, Seconds>` takes a
/// [`Duration`], a `Histogram<L, Bytes>` a `u64`.
///
/// Values are kept as integers (nanoseconds, bytes, things), so that recording is one integer
/// addition; they are divided by [`SCALE`](Self::SCALE) when they are exported.
pub trait Measure: Copy + Send + Sync + 'static {
    /// What the application passes.
    type Value: Copy;
    /// How the catalog names the unit.
    const UNIT: Unit;
    /// How many kept units make one exported unit.
    const SCALE: u64;
    /// The value as kept; a value that does not fit is the nearest one that does.
    fn raw(value: Self::Value) -> u64;
    /// The same for a gauge, which can be negative.
    fn signed(value: Self::Value) -> i64 {
        i64::try_from(Self::raw(value)).unwrap_or(i64::MAX)
    }
}

/// One exported second or ratio in kept units.
pub(crate) const NANO: u64 = 1_000_000_000;

/// A number of things.
#[derive(Clone, Copy, Debug)]
pub enum Count {}

impl Measure for Count {
    type Value = u64;
    const UNIT: Unit = Unit::None;
    const SCALE: u64 = 1;
    #[inline]
    fn raw(value: u64) -> u64 {
        value
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug)]
pub enum Bytes {}

impl Measure for Bytes {
    type Value = u64;
    const UNIT: Unit = Unit::Bytes;
    const SCALE: u64 = 1;
    #[inline]
    fn raw(value: u64) -> u64 {
        value
    }
}

/// A length of time, exported in seconds, kept in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub enum Seconds {}

impl Measure for Seconds {
    type Value = Duration;
    const UNIT: Unit = Unit::Seconds;
    const SCALE: u64 = NANO;
    #[inline]
    fn raw(value: Duration) -> u64 {
        // 64 bits of nanoseconds are 584 years.
        value.as_secs().saturating_mul(NANO).saturating_add(u64::from(value.subsec_nanos()))
    }
}

/// A fraction of 1, kept in billionths. Not-a-number is kept as 0.
#[derive(Clone, Copy, Debug)]
pub enum Ratio {}

impl Measure for Ratio {
    type Value = f64;
    const UNIT: Unit = Unit::Ratio;
    const SCALE: u64 = NANO;
    #[inline]
    fn raw(value: f64) -> u64 {
        // `as` saturates, and turns NaN into 0.
        (value * NANO as f64) as u64
    }
    #[inline]
    fn signed(value: f64) -> i64 {
        (value * NANO as f64) as i64
    }
}

/// A point in time, exported as seconds since 1970; earlier ones are 1970.
#[derive(Clone, Copy, Debug)]
pub enum Timestamp {}

impl Measure for Timestamp {
    type Value = SystemTime;
    const UNIT: Unit = Unit::Timestamp;
    const SCALE: u64 = NANO;
    #[inline]
    fn raw(value: SystemTime) -> u64 {
        Seconds::raw(value.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_the_nearest_value() {
        assert_eq!(Seconds::raw(Duration::MAX), u64::MAX);
        assert_eq!(Seconds::signed(Duration::MAX), i64::MAX);
        assert_eq!(Ratio::raw(f64::NAN), 0);
        assert_eq!(Ratio::raw(f64::INFINITY), u64::MAX);
        assert_eq!(Ratio::signed(-0.5), -500_000_000);
        assert_eq!(Timestamp::raw(UNIX_EPOCH - Duration::from_secs(1)), 0);
        assert_eq!(Seconds::raw(Duration::from_millis(1_500)), 1_500_000_000);
    }
}
