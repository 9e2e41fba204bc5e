//! Merges the warnings of a run's processes into one list.

use std::path::Path;

use pytest_lens_protocol::{Location, Range, Warning};
use serde::Deserialize;

use crate::model::item::uri_of;

/// Number of tests that one warning names.
const FEW: usize = 5;

/// Warnings of one process.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ReportedWarning {
    pub category: String,
    pub message: String,
    pub path: Option<String>,
    pub line: u32,
    pub count: usize,
    #[serde(default)]
    pub ids: Vec<String>,
}

/// Warnings of a run, in order of their arrival.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Vec<Warning>);

impl Warnings {
    /// Adds the warnings of a process. Those of the collection are counted once, since every process inherits them from
    /// the one it was forked from.
    pub(crate) fn add(&mut self, warnings: Vec<ReportedWarning>) {
        for ReportedWarning { category, message, path, line, count, ids } in warnings {
            let place = |path: String| Location { uri: uri_of(Path::new(&path)), range: Range::of_line(line) };
            let new = Warning { category, message, location: path.map(place), count, ids };
            let is_same = |old: &&mut Warning| {
                (&old.category, &old.message, &old.location) == (&new.category, &new.message, &new.location)
            };
            match self.0.iter_mut().find(is_same) {
                Some(old) if old.ids.is_empty() && new.ids.is_empty() => old.count = old.count.max(new.count),
                Some(old) => {
                    old.count = old.count.saturating_add(new.count);
                    let fresh: Vec<String> = new.ids.into_iter().filter(|id| !old.ids.contains(id)).collect();
                    old.ids.extend(fresh.into_iter().take(FEW.saturating_sub(old.ids.len())));
                }
                None => self.0.push(new),
            }
        }
    }

    /// Returns all warnings.
    pub(crate) fn take(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning(message: &str, count: usize, ids: &[&str]) -> ReportedWarning {
        ReportedWarning {
            category: "DeprecationWarning".into(),
            message: message.into(),
            path: Some("/r/a.py".into()),
            line: 3,
            count,
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        }
    }

    #[test]
    fn the_largest_counts_add_up_to_the_largest() {
        let mut warned = Warnings::default();
        warned.add(vec![warning("often", usize::MAX, &["a"]), warning("often", usize::MAX, &["b"])]);
        assert_eq!(warned.take()[0].count, usize::MAX);
    }

    #[test]
    fn v12_warnings_of_several_processes_are_one_list() {
        let mut warned = Warnings::default();
        warned.add(vec![warning("at import", 2, &[]), warning("in tests", 1, &["a"])]);
        warned.add(vec![warning("at import", 2, &[]), warning("in tests", 2, &["b", "a"])]);
        let told: Vec<_> = warned.take().into_iter().map(|w| (w.message, w.count, w.ids)).collect();
        assert_eq!(
            told,
            [("at import".into(), 2, vec![]), ("in tests".into(), 3, vec!["a".to_owned(), "b".to_owned()])]
        );
    }
}
