//! Moments that later runs refer to: when a user cleared what runs are selected and ordered by, and when a shard of some
//! code was first asked for. Each kind has a table.
//!
//! Older versions of the format lack these tables and never look here, as with the table of failures.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS cleared(id INTEGER PRIMARY KEY CHECK(id = 0), at_ms INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS shards(name TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;
";

/// The number of distributions over shards that are remembered, the newest ones.
const DISTRIBUTIONS: usize = 200;

/// Moments, each in Unix time in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Runs that started before don't count for what failed last; 0 if nothing was ever cleared.
    cleared_ms: u64,
    /// When the first shard of a distribution was asked for, by the name of the distribution.
    shards: BTreeMap<Arc<str>, u64>,
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
    pub(crate) fn ask(&mut self, distribution: &str, at_ms: u64) {
        let first = self.shards.entry(distribution.into()).or_insert(at_ms);
        *first = at_ms.min(*first);
        self.trim();
    }

    /// Adds the moments that another process or the file knows.
    pub(crate) fn merge(&mut self, other: &Marks) {
        self.clear(other.cleared_ms);
        for (distribution, at_ms) in &other.shards {
            let first = self.shards.entry(Arc::clone(distribution)).or_insert(*at_ms);
            *first = (*first).min(*at_ms);
        }
        self.trim();
    }

    /// Whether these have a moment that the others lack.
    pub(crate) fn add_to(&self, others: &Marks) -> bool {
        let mut merged = others.clone();
        merged.merge(self);
        merged != *others
    }

    fn trim(&mut self) {
        let surplus = self.shards.len().saturating_sub(DISTRIBUTIONS);
        if surplus > 0 {
            let mut by_age: Vec<_> =
                self.shards.iter().map(|(name, at_ms)| (*at_ms, Reverse(Arc::clone(name)))).collect();
            by_age.sort_unstable();
            for (_, Reverse(name)) in by_age.into_iter().take(surplus) {
                self.shards.remove(&name);
            }
        }
    }
}

/// The moments in the file.
pub(crate) fn read(reading: &Connection) -> Result<Marks, rusqlite::Error> {
    let mut marks = Marks::default();
    if has_table(reading, "cleared")? {
        let at: Option<i64> = reading.query_row("SELECT at_ms FROM cleared", [], |row| row.get(0)).optional()?;
        marks.cleared_ms = at.and_then(|at| u64::try_from(at).ok()).unwrap_or_default();
    }
    if has_table(reading, "shards")? {
        let mut statement = reading.prepare_cached("SELECT name, at_ms FROM shards")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
        for row in rows {
            let (name, at_ms) = row?;
            marks.shards.insert(name, u64::try_from(at_ms).unwrap_or_default());
        }
    }
    Ok(marks)
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
    writing.execute("DELETE FROM shards", [])?;
    let mut insert = writing.prepare_cached("INSERT INTO shards VALUES(?, ?)")?;
    for (name, at_ms) in &all.shards {
        insert.execute(params![name, stored(*at_ms)])?;
    }
    Ok(all)
}
