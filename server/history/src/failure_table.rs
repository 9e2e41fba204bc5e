//! The table of failures: one row for each test, for its last failure.
//!
//! Older versions of the format lack this table: they read and write the rest of the file, and never look here. So the
//! table is created with its first row, and a row counts only for the run and the attempt that it names.

use std::sync::Arc;

use rusqlite::{Connection, Row, params};

use crate::failure::{FailedAt, Failure};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS failures(
        test INTEGER PRIMARY KEY,
        run INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        message TEXT NOT NULL,
        file TEXT,
        line INTEGER,
        text TEXT
    );
";

/// One row: the test's, the run's, the attempt's number, and why it failed.
pub(crate) struct Kept {
    pub test: i64,
    pub run: i64,
    pub attempt: u16,
    pub failure: Arc<Failure>,
}

/// Whether the file has the table.
pub(crate) fn exists(connection: &Connection) -> Result<bool, rusqlite::Error> {
    let sql = "SELECT EXISTS(SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'failures')";
    connection.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

/// Creates the table if it is missing.
pub(crate) fn make(writing: &Connection) -> Result<(), rusqlite::Error> {
    writing.execute_batch(SCHEMA)
}

/// Replaces the test's older failure.
pub(crate) fn put(writing: &Connection, kept: &Kept) -> Result<(), rusqlite::Error> {
    let Kept { test, run, attempt, failure } = kept;
    let place = failure.place.as_ref();
    let (file, text) = (place.and_then(|place| place.file.as_deref()), place.and_then(|place| place.text.as_deref()));
    let values = params![test, run, attempt, &*failure.message, file, place.map(|place| place.line), text];
    writing.prepare_cached("INSERT OR REPLACE INTO failures VALUES(?, ?, ?, ?, ?, ?, ?)")?.execute(values)?;
    Ok(())
}

/// All failures, or those of one run.
pub(crate) fn read(reading: &Connection, run: Option<i64>) -> Result<Vec<Kept>, rusqlite::Error> {
    if !exists(reading)? {
        return Ok(Vec::new());
    }
    let sql = "SELECT test, run, attempt, message, file, line, text FROM failures WHERE ?1 IS NULL OR run = ?1";
    reading.prepare_cached(sql)?.query_map([run], row).and_then(Iterator::collect)
}

fn row(row: &Row<'_>) -> Result<Kept, rusqlite::Error> {
    let place = match row.get::<_, Option<i32>>(5)? {
        Some(line) => Some(FailedAt { file: row.get(4)?, line, text: row.get(6)? }),
        None => None,
    };
    let failure = Arc::new(Failure { message: row.get(3)?, place });
    let attempt = u16::try_from(row.get::<_, i64>(2)?).unwrap_or(u16::MAX);
    Ok(Kept { test: row.get(0)?, run: row.get(1)?, attempt, failure })
}

/// Removes the failure of a test; with a run and an attempt, only if it belongs to these.
pub(crate) fn remove(writing: &Connection, id: &str, of: Option<(i64, u16)>) -> Result<(), rusqlite::Error> {
    if !exists(writing)? {
        return Ok(());
    }
    let sql = "DELETE FROM failures WHERE test = (SELECT id FROM tests WHERE node_id = ?1)
               AND (?2 IS NULL OR (run = ?2 AND attempt = ?3))";
    let (run, attempt) = of.unzip();
    writing.prepare_cached(sql)?.execute(params![id, run, attempt]).map(drop)
}

/// Removes failures whose attempt is gone.
pub(crate) fn sweep(writing: &Connection) -> Result<(), rusqlite::Error> {
    if !exists(writing)? {
        return Ok(());
    }
    let sql = "DELETE FROM failures WHERE NOT EXISTS (SELECT 1 FROM outcomes WHERE outcomes.run = failures.run
               AND outcomes.test = failures.test AND outcomes.attempt = failures.attempt)";
    writing.prepare_cached(sql)?.execute([]).map(drop)
}
