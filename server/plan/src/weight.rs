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
