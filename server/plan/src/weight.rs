//! The estimated costs by which tests are weighed against each other.
//!
//! Costs are whole microseconds, because sums of floats depend on their order and a plan must not.

/// The time that pytest itself needs for a test that does nothing, so that tests recorded as 0 ms are not free.
const FLOOR_US: u64 = 1_000;

/// A day: longer durations count as a day, so that sums can't overflow.
const CEILING_US: u64 = 86_400_000_000;

/// A recorded duration in microseconds; `None` if nothing valid was recorded.
pub(crate) fn recorded_us(duration_ms: Option<f64>) -> Option<u64> {
    let ms = duration_ms.filter(|ms| ms.is_finite() && *ms >= 0.0)?;
    let us = (ms * 1000.0).round() as u64;
    Some(us.min(CEILING_US))
}

/// The weight of each test: its duration, or the median of the known ones, or the floor if none is known.
pub(crate) fn weights(durations: &[Option<u64>]) -> Vec<u64> {
    let mut known: Vec<u64> = durations.iter().flatten().copied().collect();
    known.sort_unstable();
    let median = known.get(known.len() / 2).copied().unwrap_or(FLOOR_US);
    durations.iter().map(|duration| duration.unwrap_or(median).max(FLOOR_US)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_duration_is_valid_and_at_most_a_day() {
        for invalid in [None, Some(f64::NAN), Some(f64::INFINITY), Some(-0.001)] {
            assert_eq!(recorded_us(invalid), None, "{invalid:?}");
        }
        assert_eq!([0.0, 1.2344, 1.2346].map(|ms| recorded_us(Some(ms))), [0, 1234, 1235].map(Some));
        assert_eq!(recorded_us(Some(f64::MAX)), Some(24 * 60 * 60 * 1_000_000));
    }

    #[test]
    fn an_unknown_test_weighs_as_much_as_the_median_one_and_none_is_free() {
        let known = |ms: u64| Some(ms * 1000);
        assert_eq!(weights(&[known(900), None, known(5), known(7)]), [900_000, 7_000, 5_000, 7_000]);
        assert_eq!(weights(&[known(2), known(4), None]), [2_000, 4_000, 4_000]);
        assert_eq!(weights(&[Some(0), Some(999), None]), [1_000; 3]);
        assert_eq!(weights(&[None, None]), [1_000; 2]);
    }
}
