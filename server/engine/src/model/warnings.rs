//! Merges the warnings of a run's processes into one list.

use std::path::Path;

use pytest_lens_protocol::{FileWarnings, Location, Range, Warning};
use serde::Deserialize;

use crate::model::item::uri_of;

/// From this number of occurrences on, a warning counts them by file, as in pytest's summary.
const MANY: usize = 10;

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
    /// Paths of test files, each with the number of occurrences.
    #[serde(default)]
    pub files: Vec<(String, usize)>,
}

/// Warnings of a run, in order of their arrival.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Vec<Warning>);

impl Warnings {
    /// Adds the warnings of a process. Those of the collection are counted once, since every process inherits them from
    /// the one it was forked from.
    pub(crate) fn add(&mut self, warnings: Vec<ReportedWarning>) {
        for ReportedWarning { category, message, path, line, count, ids, files } in warnings {
            let place = |path: String| Location { uri: uri_of(Path::new(&path)), range: Range::of_line(line) };
            let files = files.into_iter().map(|(path, count)| FileWarnings { path, count }).collect();
            let new = Warning { category, message, location: path.map(place), count, ids, files };
            let is_same = |old: &&mut Warning| {
                (&old.category, &old.message, &old.location) == (&new.category, &new.message, &new.location)
            };
            match self.0.iter_mut().find(is_same) {
                Some(old) if old.ids.is_empty() && new.ids.is_empty() => old.count = old.count.max(new.count),
                Some(old) => {
                    old.count = old.count.saturating_add(new.count);
                    old.ids.extend(new.ids.into_iter().take((MANY - 1).saturating_sub(old.ids.len())));
                    new.files.into_iter().for_each(|file| add_file(&mut old.files, file));
                }
                None => self.0.push(new),
            }
        }
    }

    /// Returns all warnings.
    pub(crate) fn take(&mut self) -> Vec<Warning> {
        let mut all = std::mem::take(&mut self.0);
        all.iter_mut().filter(|warning| warning.count < MANY).for_each(|warning| warning.files.clear());
        all
    }
}

fn add_file(files: &mut Vec<FileWarnings>, new: FileWarnings) {
    match files.iter_mut().find(|old| old.path == new.path) {
        Some(old) => old.count = old.count.saturating_add(new.count),
        None => files.push(new),
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
            files: ids.first().map(|_| ("t.py".to_owned(), count)).into_iter().collect(),
        }
    }

    #[test]
    fn many_occurrences_are_counted_by_file() {
        let mut warned = Warnings::default();
        warned.add(vec![warning("few", 4, &["a"]), warning("many", 4, &["a"])]);
        warned.add(vec![warning("few", 5, &["a"]), warning("many", 6, &["a"])]);
        let all = warned.take();
        assert_eq!(all[0].files, []);
        assert_eq!(all[1].files, [FileWarnings { path: "t.py".into(), count: 10 }]);
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
        warned.add(vec![warning("at import", 2, &[]), warning("in tests", 2, &["b", "b"])]);
        let told: Vec<_> = warned.take().into_iter().map(|w| (w.message, w.count, w.ids)).collect();
        assert_eq!(
            told,
            [("at import".into(), 2, vec![]), ("in tests".into(), 3, ["a", "b", "b"].map(str::to_owned).to_vec())]
        );
    }
}
