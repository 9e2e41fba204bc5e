//! One figure of the table, next to its reference and its goal.

use chores::ui;
use std::time::Duration;

/// One measured figure.
pub(crate) struct Figure {
    /// The measured quantity.
    what: String,
    /// The project's own value.
    own: String,
    /// The reference, if there is one.
    other: String,
    /// The value that the goal concerns.
    value: f64,
    /// The value as it is shown.
    shown: String,
    /// The goal, if there is one.
    goal: Option<Goal>,
}

/// The value to reach.
#[derive(Clone, Copy)]
enum Goal {
    AtLeast(f64),
    Below(f64),
}

impl Figure {
    /// Compares with another value; at least `goal` times faster is promised.
    pub(crate) fn ratio(what: impl Into<String>, own: Duration, cold: Duration, goal: impl Into<Option<f64>>) -> Self {
        let value = cold.as_secs_f64() / own.as_secs_f64();
        let shown = format!("{value:.1} x");
        let goal = goal.into().map(Goal::AtLeast);
        Self { what: what.into(), own: ui::duration(own), other: ui::duration(cold), value, shown, goal }
    }

    /// A number of events a second; at least `goal` is promised.
    pub(crate) fn rate(what: impl Into<String>, value: f64, goal: f64) -> Self {
        let shown = format!("{value:.0} /s");
        Self::alone(what, value, shown, Some(Goal::AtLeast(goal)))
    }

    /// A value that must stay under `goal`.
    pub(crate) fn limit(what: impl Into<String>, value: f64, goal: impl Into<Option<f64>>, unit: &str) -> Self {
        Self::alone(what, value, format!("{value:.1} {unit}"), goal.into().map(Goal::Below))
    }

    /// A multiple of another value, which must stay under `goal`.
    pub(crate) fn multiple(what: impl Into<String>, (own, other): (f64, f64), goal: f64, unit: &str) -> Self {
        let value = own / other;
        let figure = Self::alone(what, value, format!("{value:.2} x"), Some(Goal::Below(goal)));
        Self { own: format!("{own:.1} {unit}"), ..figure }.next_to(format!("{other:.1} {unit}"))
    }

    /// A share of the best possible value, of which at least `goal` is promised.
    pub(crate) fn share(what: impl Into<String>, value: f64, (own, best): (String, String), goal: f64) -> Self {
        let figure = Self::alone(what, value, format!("{value:.2}"), Some(Goal::AtLeast(goal)));
        Self { own, ..figure }.next_to(best)
    }

    fn alone(what: impl Into<String>, value: f64, shown: String, goal: Option<Goal>) -> Self {
        Self { what: what.into(), own: shown.clone(), other: String::new(), value, shown, goal }
    }

    /// The same with a reference.
    pub(crate) fn next_to(self, other: impl Into<String>) -> Self {
        Self { other: other.into(), ..self }
    }

    /// Whether the goal is reached, if there is one.
    pub(crate) fn is_kept(&self) -> bool {
        match self.goal {
            Some(Goal::AtLeast(goal)) => self.value >= goal,
            Some(Goal::Below(goal)) => self.value < goal,
            None => true,
        }
    }

    /// As one object.
    pub(crate) fn as_json(&self) -> serde_json::Value {
        let target = self.goal.map(|(Goal::AtLeast(goal) | Goal::Below(goal))| goal);
        serde_json::json!({"what": self.what, "value": self.value, "target": target, "kept": self.is_kept()})
    }

    fn row(&self) -> Vec<String> {
        let (goal, kept) = match self.goal {
            Some(Goal::AtLeast(goal)) => (format!(">= {goal}"), self.is_kept()),
            Some(Goal::Below(goal)) => (format!("< {goal}"), self.is_kept()),
            None => return vec![self.what.clone(), self.own.clone(), self.other.clone(), self.shown.clone()],
        };
        let mark = if kept { "kept" } else { "MISSED" };
        let cells = [&self.what, &self.own, &self.other, &self.shown, &goal];
        cells.into_iter().cloned().chain([mark.to_owned()]).collect()
    }
}

/// All figures, one below the other.
pub(crate) fn table(figures: &[Figure]) -> String {
    let rows: Vec<Vec<String>> = figures.iter().map(Figure::row).collect();
    ui::table(&["median", "pytest-lens", "compared with", "figure", "goal", ""], &rows)
}

/// The middle of the values.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The value below which 99 of 100 values are.
pub(crate) fn percentile_99(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get((times.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_hundred_may_be_slower_than_the_99th_percentile() {
        let times = |count: u64| (1..=count).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile_99(times(100)), Duration::from_millis(99));
        assert_eq!(percentile_99(times(1000)), Duration::from_millis(990));
        assert_eq!(percentile_99(times(1)), Duration::from_millis(1));
    }

    #[test]
    fn a_row_shows_its_goal_and_whether_it_is_reached() {
        let (one, two) = (Duration::from_secs(1), Duration::from_secs(2));
        let end = |figure: Figure| figure.row().split_off(3);
        assert_eq!(end(Figure::ratio("a", one, two, 1.5)), ["2.0 x", ">= 1.5", "kept"]);
        assert_eq!(end(Figure::ratio("a", one, two, None::<f64>)), ["2.0 x"]);
        assert_eq!(end(Figure::multiple("a", (6.0, 4.0), 1.3, "MB")), ["1.50 x", "< 1.3", "MISSED"]);
    }
}
