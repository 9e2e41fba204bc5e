//! The time at which a user cleared what the next runs are selected and ordered by: a table of at most one row.
//!
//! Older versions of the format lack this table and never look here, as with the table of failures.

use rusqlite::{Connection, OptionalExtension, params};

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS cleared(id INTEGER PRIMARY KEY CHECK(id = 0), at_ms INTEGER NOT NULL)";

/// The time, Unix time in milliseconds; 0 if nothing was ever cleared.
pub(crate) fn read(reading: &Connection) -> Result<u64, rusqlite::Error> {
    let sql = "SELECT EXISTS(SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'cleared')";
    if !reading.prepare_cached(sql)?.query_row([], |row| row.get(0))? {
        return Ok(0);
    }
    let at: Option<i64> = reading.query_row("SELECT at_ms FROM cleared", [], |row| row.get(0)).optional()?;
    Ok(at.and_then(|at| u64::try_from(at).ok()).unwrap_or_default())
}

/// Replaces the time, unless the file has a later one.
pub(crate) fn write(writing: &Connection, at_ms: u64) -> Result<(), rusqlite::Error> {
    writing.execute_batch(SCHEMA)?;
    let sql = "INSERT INTO cleared VALUES(0, ?1) ON CONFLICT DO UPDATE SET at_ms = max(at_ms, ?1)";
    writing.execute(sql, params![i64::try_from(at_ms).unwrap_or(i64::MAX)]).map(drop)
}
