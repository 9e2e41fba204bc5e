//! Moments that later runs refer to: when a user cleared what runs are selected and ordered by, when a shard of some code
//! was first asked for, and when a file could not be collected. Each kind has a table.
//!
//! Older versions of the format lack these tables and never look here, as with the table of failures.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS cleared(id INTEGER PRIMARY KEY CHECK(id = 0), at_ms INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS shards(name TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS broken(name TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;
";

/// The number of distributions over shards, and of broken files, that are remembered: the newest ones.
const NAMES: usize = 500;

type Times = BTreeMap<Arc<str>, u64>;

/// Moments, each in Unix time in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Runs that started before don't count for what failed last; 0 if nothing was ever cleared.
    cleared_ms: u64,
    /// When the first shard of a distribution was asked for, by the name of the distribution.
    shards: Times,
    /// When a file could last not be collected for a run, by its path.
    broken: Times,
}

impl Marks {
    pub(crate) fn cleared_ms(&self) -> u64 {
        self.cleared_ms
    }

    /// Clears up to this time; a later clearing stays.
    pub(crate) fn clear(&mut self, at_ms: u64) {
        self.cleared_ms = self.cleared_ms.max(at_ms);
    }

    /// When a shard of this distribution was first asked for.
    pub(crate) fn first_asked_ms(&self, distribution: &str) -> Option<u64> {
        self.shards.get(distribution).copied()
    }

    /// A shard of this distribution is asked for; an earlier time stays.
    pub(crate) fn ask(&mut self, distribution: Arc<str>, at_ms: u64) {
        let first = self.shards.entry(distribution).or_insert(at_ms);
        *first = at_ms.min(*first);
        trim(&mut self.shards);
    }

    /// The files that could not be collected for a run since the last clearing, and when.
    pub(crate) fn broken(&self) -> impl Iterator<Item = (&Arc<str>, u64)> {
        self.broken.iter().map(|(file, at_ms)| (file, *at_ms)).filter(|(_, at_ms)| *at_ms >= self.cleared_ms)
    }

    /// A file can't be collected for a run; a later time stays.
    pub(crate) fn note_broken(&mut self, file: Arc<str>, at_ms: u64) {
        let last = self.broken.entry(file).or_insert(at_ms);
        *last = at_ms.max(*last);
        trim(&mut self.broken);
    }

    /// Adds the moments that another process or the file knows.
    pub(crate) fn merge(&mut self, other: &Marks) {
        self.clear(other.cleared_ms);
        for (distribution, at_ms) in &other.shards {
            self.ask(Arc::clone(distribution), *at_ms);
        }
        for (file, at_ms) in &other.broken {
            self.note_broken(Arc::clone(file), *at_ms);
        }
    }

    /// Whether these have a moment that the others lack.
    pub(crate) fn add_to(&self, others: &Marks) -> bool {
        let mut merged = others.clone();
        merged.merge(self);
        merged != *others
    }
}

/// Forgets the oldest if there are too many.
fn trim(times: &mut Times) {
    if times.len() > NAMES
        && let Some(oldest) = times.iter().min_by_key(|(name, at_ms)| (**at_ms, Reverse(Arc::clone(name))))
    {
        let oldest = Arc::clone(oldest.0);
        times.remove(&oldest);
    }
}

/// The moments in the file.
pub(crate) fn read(reading: &Connection) -> Result<Marks, rusqlite::Error> {
    let mut marks = Marks::default();
    if has_table(reading, "cleared")? {
        let at: Option<i64> = reading.query_row("SELECT at_ms FROM cleared", [], |row| row.get(0)).optional()?;
        marks.cleared_ms = at.and_then(|at| u64::try_from(at).ok()).unwrap_or_default();
    }
    marks.shards = read_times(reading, "shards")?;
    marks.broken = read_times(reading, "broken")?;
    Ok(marks)
}

fn read_times(reading: &Connection, table: &str) -> Result<Times, rusqlite::Error> {
    if !has_table(reading, table)? {
        return Ok(Times::new());
    }
    let mut statement = reading.prepare_cached(&format!("SELECT name, at_ms FROM {table}"))?;
    let times = |row: &Row<'_>| Ok((row.get(0)?, u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default()));
    statement.query_map([], times)?.collect()
}

fn has_table(reading: &Connection, name: &str) -> Result<bool, rusqlite::Error> {
    let sql = "SELECT EXISTS(SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?)";
    reading.prepare_cached(sql)?.query_row([name], |row| row.get(0))
}

/// Adds moments to those in the file; returns all of them.
pub(crate) fn add(writing: &Connection, marks: &Marks) -> Result<Marks, rusqlite::Error> {
    let mut all = read(writing)?;
    if !marks.add_to(&all) {
        return Ok(all);
    }
    all.merge(marks);
    writing.execute_batch(SCHEMA)?;
    let stored = |at_ms: u64| i64::try_from(at_ms).unwrap_or(i64::MAX);
    writing.execute("INSERT OR REPLACE INTO cleared VALUES(0, ?1)", params![stored(all.cleared_ms)])?;
    for (table, times) in [("shards", &all.shards), ("broken", &all.broken)] {
        writing.execute(&format!("DELETE FROM {table}"), [])?;
        let mut insert = writing.prepare_cached(&format!("INSERT INTO {table} VALUES(?, ?)"))?;
        for (name, at_ms) in times {
            insert.execute(params![name, stored(*at_ms)])?;
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> Arc<str> {
        format!("{number:04}").into()
    }

    #[test]
    fn the_newest_moments_are_kept() {
        let mut marks = Marks::default();
        // The oldest one is neither the first by name nor the first to come.
        let at_ms = |number: usize| if number == 7 { 1 } else { 10 + u64::try_from(number).unwrap() };
        for number in 0..NAMES {
            marks.ask(name(number), at_ms(number));
            marks.note_broken(name(number), at_ms(number));
        }
        let known = |marks: &Marks, number: usize| {
            let broken = marks.broken().find(|(file, _)| **file == name(number)).map(|(_, at_ms)| at_ms);
            (marks.first_asked_ms(&name(number)), broken)
        };
        assert_eq!((marks.broken().count(), known(&marks, 7)), (NAMES, (Some(1), Some(1))));
        for (number, gone) in [(NAMES, 7), (NAMES + 1, 0)] {
            marks.ask(name(number), at_ms(number));
            marks.note_broken(name(number), at_ms(number));
            assert_eq!(marks.broken().count(), NAMES);
            assert_eq!((known(&marks, gone), known(&marks, 1)), ((None, None), (Some(11), Some(11))));
            assert_eq!(known(&marks, number), (Some(at_ms(number)), Some(at_ms(number))));
        }
    }

    #[test]
    fn all_processes_keep_the_same_of_equal_moments() {
        let numbers: Vec<usize> = (0..NAMES + 20).collect();
        let marks = |numbers: &mut dyn Iterator<Item = &usize>| {
            let mut marks = Marks::default();
            numbers.for_each(|number| marks.ask(name(*number), 5));
            marks
        };
        let (forwards, backwards) = (marks(&mut numbers.iter()), marks(&mut numbers.iter().rev()));
        assert_eq!(forwards, backwards);
        assert!(!forwards.add_to(&backwards));
    }
}
