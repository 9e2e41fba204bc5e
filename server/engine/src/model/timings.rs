//! Adds up the times that the processes of a run report, for a run that was asked to.

use std::collections::BTreeMap;

use pytest_lens_protocol::{RunTimings, TimeKind, TimeSpent};
use serde::Deserialize;

/// A process's report of one thing that took time: kind, name, number of times, time of its own, time with all that
/// went on in it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct ReportedTime(pub TimeKind, pub String, pub u64, pub f64, pub f64);

/// The most entries of one kind in a sum.
const MOST: usize = 100;

/// The time before a run's tests: of the request and of its collection.
#[derive(Debug, Clone, Default)]
pub(crate) struct TimeBefore {
    pub start_ms: f64,
    pub collect_ms: f64,
    pub collected_before_ms: Option<f64>,
    pub collection: Vec<TimeSpent>,
}

/// The times of a run so far.
#[derive(Debug, Default)]
pub(crate) struct Timings {
    runners: usize,
    run: Vec<ReportedTime>,
}

impl Timings {
    pub(crate) fn add(&mut self, times: Vec<ReportedTime>) {
        self.run.extend(times);
    }

    /// This number of runners started.
    pub(crate) fn add_runners(&mut self, runners: usize) {
        self.runners = self.runners.max(runners);
    }

    /// The sums at the end of the run, which took this long.
    pub(crate) fn finish(self, before: &TimeBefore, run_ms: f64) -> RunTimings {
        let TimeBefore { start_ms, collect_ms, collected_before_ms, collection } = before.clone();
        let (runners, run) = (self.runners.max(1), sums(self.run));
        #[expect(clippy::cast_precision_loss, reason = "there are few runners")]
        let runners_ms = run_ms * runners as f64;
        RunTimings {
            start_ms,
            collect_ms,
            collected_before_ms,
            run_ms,
            runners,
            runners_ms,
            projects: 1,
            collection,
            run,
        }
    }
}

/// Adds up the times of one thing, and those of all but the slowest things of a kind.
pub(crate) fn sums(times: impl IntoIterator<Item = ReportedTime>) -> Vec<TimeSpent> {
    let mut kinds: BTreeMap<TimeKind, BTreeMap<String, TimeSpent>> = BTreeMap::new();
    for ReportedTime(kind, name, count, own_ms, total_ms) in times {
        let spent = kinds.entry(kind).or_default().entry(name).or_insert_with_key(|name| TimeSpent {
            kind,
            name: name.clone(),
            count: 0,
            own_ms: 0.0,
            total_ms: 0.0,
        });
        spent.count = spent.count.saturating_add(count);
        spent.own_ms += own_ms;
        spent.total_ms += total_ms;
    }
    kinds.into_values().flat_map(|things| slowest(things.into_values().collect())).collect()
}

/// The slowest things of a kind, and the rest as one without a name.
fn slowest(mut things: Vec<TimeSpent>) -> Vec<TimeSpent> {
    things.sort_by(|a, b| {
        let named = a.name.is_empty().cmp(&b.name.is_empty());
        named.then(b.total_ms.total_cmp(&a.total_ms)).then_with(|| a.name.cmp(&b.name))
    });
    if things.len() > MOST {
        let rest = things.split_off(MOST);
        let mut all = TimeSpent { kind: rest[0].kind, name: String::new(), count: 0, own_ms: 0.0, total_ms: 0.0 };
        for spent in rest {
            all.count = all.count.saturating_add(spent.count);
            all.own_ms += spent.own_ms;
            // One may have gone on in another.
            all.total_ms += spent.own_ms;
        }
        things.push(all);
    }
    things
}

/// Adds the times of another project, whose ids and files begin with its folder already.
pub(crate) fn add_project(whole: &mut Option<Box<RunTimings>>, part: &RunTimings) {
    let Some(whole) = whole else {
        *whole = Some(Box::new(part.clone()));
        return;
    };
    whole.start_ms += part.start_ms;
    whole.collect_ms += part.collect_ms;
    if let Some(before) = part.collected_before_ms {
        *whole.collected_before_ms.get_or_insert_default() += before;
    }
    whole.run_ms += part.run_ms;
    whole.runners = whole.runners.max(part.runners);
    whole.runners_ms += part.runners_ms;
    whole.projects += part.projects;
    for (all, more) in [(&mut whole.collection, &part.collection), (&mut whole.run, &part.run)] {
        let reported =
            |spent: TimeSpent| ReportedTime(spent.kind, spent.name, spent.count, spent.own_ms, spent.total_ms);
        *all = sums(std::mem::take(all).into_iter().chain(more.iter().cloned()).map(reported));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(name: &str, ms: f64) -> ReportedTime {
        ReportedTime(TimeKind::Body, name.into(), 1, ms, ms)
    }

    fn own(spent: &[TimeSpent]) -> f64 {
        spent.iter().map(|spent| spent.own_ms).sum()
    }

    #[test]
    fn the_reports_of_several_runners_add_up_and_the_slowest_come_first() {
        let mut timings = Timings::default();
        timings.add_runners(2);
        timings.add(vec![body("a", 1.0), body("b", 2.0)]);
        timings.add_runners(1);
        timings.add(vec![body("a", 4.0)]);
        let whole = timings.finish(&TimeBefore::default(), 10.0);
        let names: Vec<_> = whole.run.iter().map(|spent| (&*spent.name, spent.count, spent.own_ms)).collect();
        assert_eq!(names, [("a", 2, 5.0), ("b", 1, 2.0)]);
        assert_eq!((whole.runners, whole.runners_ms), (2, 20.0));
    }

    #[test]
    fn the_largest_counts_add_up_to_the_largest() {
        let most = || ReportedTime(TimeKind::Body, "a".into(), u64::MAX, 1.0, 1.0);
        assert_eq!(sums([most(), most()])[0].count, u64::MAX);
        let many = (0..=MOST + 1).map(|number| ReportedTime(TimeKind::Body, number.to_string(), u64::MAX, 1.0, 1.0));
        assert_eq!(sums(many).last().map(|rest| rest.count), Some(u64::MAX));
    }

    #[test]
    fn many_things_are_cut_without_changing_the_sum() {
        let many: Vec<_> = (0..1000).map(|number| body(&format!("t{number}"), 1.0)).collect();
        let once = sums(many);
        assert_eq!((once.len(), own(&once)), (MOST + 1, 1000.0));
        let mut whole = None;
        let part = RunTimings { run: once, projects: 1, runners: 1, ..RunTimings::default() };
        add_project(&mut whole, &part);
        add_project(&mut whole, &part);
        let whole = whole.unwrap();
        assert_eq!((whole.run.len(), own(&whole.run), whole.projects), (MOST + 1, 2000.0, 2));
        assert!(whole.run.last().unwrap().name.is_empty());
    }
}
