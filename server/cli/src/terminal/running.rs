//! The running tests, by their age: which one the bar shows, and which ones are slow.

use std::time::{Duration, Instant};

use crate::timing::{SHOW_AGE, SLOW};

/// The tests that run now, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Running {
    tests: Vec<Test>,
}

#[derive(Debug)]
struct Test {
    id: String,
    since: Instant,
    /// How often it was called slow.
    called: u32,
}

impl Running {
    pub(super) fn begin(&mut self, ids: &[String], now: Instant) {
        self.tests.extend(ids.iter().map(|id| Test { id: id.clone(), since: now, called: 0 }));
    }

    pub(super) fn end<'a>(&mut self, ids: impl Iterator<Item = &'a str>) {
        for id in ids {
            self.tests.retain(|test| test.id != id);
        }
    }

    /// The text for the bar: the oldest test with its age if it is old, otherwise the newest.
    pub(super) fn shown(&self, now: Instant) -> Option<String> {
        let oldest = self.tests.first()?;
        let age = now.saturating_duration_since(oldest.since);
        let others = match self.tests.len() - 1 {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        if age >= SHOW_AGE {
            return Some(format!("{}s in {}{others}", age.as_secs(), oldest.id));
        }
        self.tests.last().map(|test| test.id.clone())
    }

    /// The tests that have run for the time limit of a slow test once more since the last call, with their ages.
    pub(super) fn newly_slow(&mut self, now: Instant) -> Vec<(String, Duration)> {
        let mut slow = Vec::new();
        for test in &mut self.tests {
            let age = now.saturating_duration_since(test.since);
            let times = u32::try_from(age.as_secs() / SLOW.as_secs()).unwrap_or(u32::MAX);
            if times > test.called {
                test.called = times;
                slow.push((test.id.clone(), SLOW.saturating_mul(times)));
            }
        }
        slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_test_is_named_each_time_that_it_takes_so_long_again() {
        let start = Instant::now();
        let mut running = Running::default();
        running.begin(&["t.py::a".into(), "t.py::b".into()], start);
        running.end(["t.py::b"].into_iter());
        let at = |seconds| start + Duration::from_secs(seconds);
        let named = |running: &mut Running, seconds| {
            let slow = running.newly_slow(at(seconds));
            slow.into_iter().map(|(id, age)| format!("{id} {}", age.as_secs())).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(named(&mut running, 59), "");
        assert_eq!(named(&mut running, 60), "t.py::a 60");
        assert_eq!(named(&mut running, 61), "");
        assert_eq!(named(&mut running, 200), "t.py::a 180");
    }

    #[test]
    fn the_bar_shows_the_oldest_test_once_it_is_old() {
        let start = Instant::now();
        let mut running = Running::default();
        assert_eq!(running.shown(start), None);
        running.begin(&["t.py::a".into()], start);
        running.begin(&["t.py::b".into()], start + Duration::from_secs(1));
        let at = |seconds| running.shown(start + Duration::from_secs(seconds)).unwrap_or_default();
        assert_eq!(at(2), "t.py::b");
        assert_eq!(at(7), "7s in t.py::a and 1 more");
    }
}
