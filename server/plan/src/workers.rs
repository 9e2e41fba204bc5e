//! Chooses the number of runners that makes a run fastest.

use std::collections::HashMap;

use crate::order::{Item, units};
use crate::weight::{recorded_us, weights};

/// The smallest gain, as a share of the time, that is worth another process.
const WORTH_WHILE: f64 = 0.95;

/// The number of workers, from 1 to `most`, that is estimated to finish `items` first.
///
/// The estimate: the units that the items are cut into, longest first, each to the worker that is free, by recorded
/// durations (a test without one is taken for a median one); and `start_ms` for each worker after the first. If two
/// numbers are about as fast, it is the smaller one.
#[must_use]
pub fn fastest(items: &[Item<'_>], start_ms: f64, most: usize) -> usize {
    let durations: Vec<_> = items.iter().map(|item| recorded_us(item.duration_ms)).collect();
    let weights = weights(&durations);
    // Items know only their own numbers.
    let by_index = items.iter().zip(&weights).map(|(item, weight)| (item.index, *weight)).collect();
    let mut best = 1;
    let mut shortest = estimate_ms(items, &by_index, 1);
    for workers in 2..=most.min(items.len()) {
        let estimate = estimate_ms(items, &by_index, workers) + start_ms * (workers - 1) as f64;
        if estimate < shortest * WORTH_WHILE {
            (best, shortest) = (workers, estimate);
        }
    }
    best
}

fn estimate_ms(items: &[Item<'_>], weights: &HashMap<usize, u64>, workers: usize) -> f64 {
    let mut loads = vec![0_u64; workers];
    for unit in units(items, workers) {
        let weight: u64 = unit.iter().filter_map(|index| weights.get(index)).sum();
        if let Some(free) = loads.iter_mut().min() {
            *free += weight;
        }
    }
    loads.into_iter().max().unwrap_or(0) as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items<'a>(files: &'a [(String, Option<f64>)]) -> Vec<Item<'a>> {
        let item = |(index, (file, duration_ms)): (usize, &'a (String, Option<f64>))| Item {
            index,
            node_id: file,
            file,
            class: None,
            group: None,
            duration_ms: *duration_ms,
        };
        files.iter().enumerate().map(item).collect()
    }

    fn files(durations: &[Option<f64>]) -> Vec<(String, Option<f64>)> {
        durations.iter().enumerate().map(|(at, duration)| (format!("test_{at}.py"), *duration)).collect()
    }

    #[test]
    fn long_tests_are_worth_processes_and_short_ones_are_not() {
        assert_eq!(fastest(&items(&files(&[Some(500.0); 8])), 15.0, 4), 4);
        assert_eq!(fastest(&items(&files(&[Some(2.0); 8])), 15.0, 4), 1);
    }

    #[test]
    fn one_long_test_is_not_made_shorter_by_more_than_one_other_worker() {
        let durations = [Some(1000.0), Some(500.0), Some(300.0)];
        assert_eq!(fastest(&items(&files(&durations)), 15.0, 8), 2);
    }

    #[test]
    fn a_single_test_and_nothing_have_one_worker() {
        assert_eq!(fastest(&items(&files(&[Some(9000.0)])), 15.0, 8), 1);
        assert_eq!(fastest(&[], 15.0, 8), 1);
    }

    #[test]
    fn each_further_worker_has_to_make_up_for_its_start() {
        assert_eq!(fastest(&items(&files(&[Some(100.0); 8])), 60.0, 8), 4);
        assert_eq!(fastest(&items(&files(&[Some(300.0); 2])), 150.0, 2), 2);
    }

    #[test]
    fn a_small_gain_is_not_worth_a_worker() {
        for (long, short) in [(980.0, 20.0), (950.0, 50.0)] {
            assert_eq!(fastest(&items(&files(&[Some(long), Some(short)])), 0.0, 2), 1);
        }
    }

    #[test]
    fn unknown_durations_are_taken_for_median_ones() {
        assert_eq!(fastest(&items(&files(&[Some(400.0), None, None, None])), 15.0, 2), 2);
        assert_eq!(fastest(&items(&files(&[None; 4])), 15.0, 2), 1);
    }

    proptest::proptest! {
        #[test]
        fn within_the_limit_and_never_slower_than_one(
            durations in proptest::collection::vec(proptest::option::of(0.0..2000.0), 0..40),
            start_ms in 0.0..500.0,
            most in 1_usize..12,
        ) {
            let files = files(&durations);
            let items = items(&files);
            let chosen = fastest(&items, start_ms, most);
            proptest::prop_assert!((1..=most).contains(&chosen));
            let weights: Vec<_> = durations.iter().map(|duration| recorded_us(*duration)).collect();
            let weights = crate::weight::weights(&weights).into_iter().enumerate().collect();
            let with = estimate_ms(&items, &weights, chosen) + start_ms * (chosen - 1) as f64;
            proptest::prop_assert!(with <= estimate_ms(&items, &weights, 1));
        }
    }
}
