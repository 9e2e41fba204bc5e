//! The SQLite file: runs, tests, and outcomes that are only ever added, or deleted by age.
//!
//! `user_version` holds the format's number. Ids are never used twice (AUTOINCREMENT), so that a process can't mistake
//! another row for one that a second process deleted.

use std::collections::HashMap;
use std::sync::Arc;

use pytest_lens_plan::outcome::Outcome;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::failure_table::{self, Kept};
use crate::ledger::{Ledger, Limits, Lost};
use crate::location::Location;
use crate::marks::{self, Marks};
use crate::record::{Attempt, Run, Source, Uid, code_of, now_ms, outcome_of};
use crate::timing::{AHEAD_MS, BUSY_LIMIT};
use crate::trouble::Trouble;

/// The format of this version.
const FORMAT: i64 = 1;

/// The word for a run of a continuous integration service on this machine: the source's own word is that of an imported
/// run, or of any such run with a code that an older version wrote.
const OWN_CI: &str = "ci_here";

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS runs(
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        uid BLOB NOT NULL UNIQUE,
        started_ms INTEGER NOT NULL,
        source TEXT NOT NULL,
        code TEXT
    );
    CREATE TABLE IF NOT EXISTS tests(id INTEGER PRIMARY KEY AUTOINCREMENT, node_id TEXT NOT NULL UNIQUE);
    CREATE TABLE IF NOT EXISTS outcomes(
        run INTEGER NOT NULL,
        test INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        outcome INTEGER NOT NULL,
        duration_us INTEGER NOT NULL,
        PRIMARY KEY(run, test, attempt)
    ) WITHOUT ROWID;
";

/// An open file.
pub(crate) struct Store {
    connection: Connection,
    location: Location,
    identity: Option<(u64, u64)>,
    /// Rows of tests that are known to exist.
    tests: HashMap<Arc<str>, i64>,
    /// The newest run that was read or written.
    last_run: i64,
    /// SQLite's count of other connections' commits, at the time when all of them had been read.
    version: i64,
    /// The moments that were read or written.
    marks: Marks,
}

/// The result of a write.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// The row of each run, in order; `None` if there was nothing to write.
    pub rows: Vec<Option<i64>>,
    /// Runs that others wrote meanwhile.
    pub others: Vec<(i64, Run)>,
}

impl Store {
    /// Opens the file, or creates it, and reads all of it.
    pub(crate) fn open(location: &Location, limits: Limits) -> Result<(Self, Ledger), Trouble> {
        location.make_folder()?;
        let connection = Connection::open(&location.file)?;
        connection.busy_timeout(BUSY_LIMIT)?;
        let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if found > FORMAT {
            return Err(Trouble::Newer(found));
        }
        connection.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(()))?;
        connection.execute_batch("PRAGMA synchronous=NORMAL")?;
        let pages = format!("PRAGMA max_page_count={}", limits.pages);
        connection.query_row(&pages, [], |_| Ok(()))?;
        if found < FORMAT {
            let script = format!("BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version={FORMAT}; COMMIT");
            connection.execute_batch(&script)?;
        }
        let mut store = Store {
            connection,
            identity: location.identity(),
            location: location.clone(),
            tests: HashMap::new(),
            last_run: 0,
            version: 0,
            marks: Marks::default(),
        };
        let ledger = store.load(limits)?;
        Ok((store, ledger))
    }

    /// Reads every page: whether the file is sound.
    pub(crate) fn check(&self) -> Result<(), Trouble> {
        let told: String = self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if told == "ok" { Ok(()) } else { Err(Trouble::Damaged(told)) }
    }

    /// Whether the file of this name is still the one that was opened.
    pub(crate) fn is_current(&self) -> bool {
        self.identity.is_some() && self.identity == self.location.identity()
    }

    fn load(&mut self, limits: Limits) -> Result<Ledger, Trouble> {
        let reading = self.connection.transaction()?;
        let version = data_version(&reading)?;
        let mut ledger = Ledger::new(limits);
        let (mut tests, mut numbers) = (HashMap::new(), HashMap::new());
        {
            let mut statement = reading.prepare("SELECT id, node_id FROM tests")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (row, id): (i64, Arc<str>) = (row.get(0)?, row.get(1)?);
                numbers.insert(row, ledger.test(&id));
                tests.insert(id, row);
            }
        }
        let runs = runs_after(&reading, 0)?;
        let last_run = runs.last().map_or(0, |(row, _)| *row);
        let mut runs = runs.into_iter().peekable();
        // The run of the next rows: its row, and its number if it has one.
        let mut current: (i64, Option<u32>) = (0, None);
        let mut statement = reading
            .prepare("SELECT run, test, attempt, outcome, duration_us FROM outcomes ORDER BY run, test, attempt")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let of_run: i64 = row.get(0)?;
            if current.0 != of_run {
                while runs.next_if(|(known, _)| *known < of_run).is_some() {}
                let run = runs.next_if(|(known, _)| *known == of_run);
                let begin = |(_, run): (i64, Run)| ledger.begin(&run, Some(of_run));
                current = (of_run, run.map(begin));
            }
            let Some(number) = current.1 else { continue };
            let Some(test) = numbers.get(&row.get::<_, i64>(1)?) else { continue };
            let (attempt, outcome, duration) = measured(row.get(2)?, row.get(3)?, row.get(4)?);
            if let Some(outcome) = outcome {
                ledger.observe(number, *test, attempt, outcome, duration);
            }
        }
        drop(rows);
        drop(statement);
        for Kept { test, run, attempt, failure } in failure_table::read(&reading, None)? {
            if let Some(test) = numbers.get(&test) {
                ledger.explain_row(*test, run, attempt, failure);
            }
        }
        self.marks = marks::read(&reading)?;
        ledger.marks = self.marks.clone();
        drop(reading);
        (self.tests, self.last_run, self.version) = (tests, last_run, version);
        Ok(ledger)
    }

    /// The moments in the file.
    pub(crate) fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Runs that others wrote since the last call.
    pub(crate) fn news(&mut self) -> Result<Vec<(i64, Run)>, Trouble> {
        if data_version(&self.connection)? == self.version {
            return Ok(Vec::new());
        }
        let reading = self.connection.transaction()?;
        let version = data_version(&reading)?;
        let others = whole_runs_after(&reading, self.last_run)?;
        let marks = marks::read(&reading)?;
        drop(reading);
        (self.version, self.marks) = (version, marks);
        self.last_run = others.last().map_or(self.last_run, |(row, _)| *row);
        Ok(others)
    }

    /// Adds runs and moments, and removes dropped runs, in one transaction.
    pub(crate) fn write(&mut self, runs: &[Arc<Run>], lost: &[Lost], marks: &Marks) -> Result<Written, Trouble> {
        match self.try_write(runs, lost, marks) {
            Ok(written) => Ok(written),
            Err(error) => {
                // The cache may hold rows of tests that were rolled back.
                self.tests.clear();
                Err(error.into())
            }
        }
    }

    fn try_write(&mut self, runs: &[Arc<Run>], lost: &[Lost], marks: &Marks) -> Result<Written, rusqlite::Error> {
        let writing = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version = data_version(&writing)?;
        let mut others = Vec::new();
        if version != self.version {
            self.tests.clear();
            others = whole_runs_after(&writing, self.last_run)?;
        }
        let mut last_run = others.last().map_or(self.last_run, |(row, _)| *row);
        let mut rows = Vec::with_capacity(runs.len());
        for run in runs {
            let row = insert(&writing, run, &mut self.tests)?;
            last_run = last_run.max(row.unwrap_or_default());
            rows.push(row);
        }
        let marks = marks::add(&writing, marks)?;
        remove(&writing, lost)?;
        if lost.iter().any(|lost| matches!(lost, Lost::Run { .. })) {
            failure_table::sweep(&writing)?;
            writing.execute("DELETE FROM tests WHERE id NOT IN (SELECT test FROM outcomes)", [])?;
            self.tests.clear();
        }
        writing.commit()?;
        (self.version, self.last_run, self.marks) = (version, last_run, marks);
        Ok(Written { rows, others })
    }
}

/// The word for the source of a run in its row.
fn word_of(run: &Run) -> &'static str {
    if run.source == Source::Ci && !run.is_imported { OWN_CI } else { run.source.as_str() }
}

fn insert(
    writing: &Transaction<'_>,
    run: &Run,
    tests: &mut HashMap<Arc<str>, i64>,
) -> Result<Option<i64>, rusqlite::Error> {
    let sql = "INSERT INTO runs(uid, started_ms, source, code) VALUES(?, ?, ?, ?) ON CONFLICT DO NOTHING";
    let started_ms = i64::try_from(run.started_ms).unwrap_or(i64::MAX);
    let values = params![run.uid.0, started_ms, word_of(run), run.code.as_deref()];
    if writing.prepare_cached(sql)?.execute(values)? == 0 {
        let known = writing.query_row("SELECT id FROM runs WHERE uid = ?", [run.uid.0], |row| row.get(0));
        return known.optional();
    }
    let row = writing.last_insert_rowid();
    if run.attempts.iter().any(|attempt| attempt.failure.is_some()) {
        failure_table::make(writing)?;
    }
    let mut outcome = writing.prepare_cached("INSERT OR REPLACE INTO outcomes VALUES(?, ?, ?, ?, ?)")?;
    for attempt in run.attempts.iter().filter(|attempt| attempt.outcome != Outcome::NotRun) {
        let test = match tests.get(&attempt.id) {
            Some(known) => *known,
            None => {
                let known = test_row(writing, &attempt.id)?;
                tests.insert(Arc::clone(&attempt.id), known);
                known
            }
        };
        let number = code_of(attempt.outcome);
        outcome.execute(params![row, test, attempt.number(), number, attempt.duration_us()])?;
        if let Some(failure) = &attempt.failure {
            let failure = Arc::clone(failure);
            failure_table::put(writing, &Kept { test, run: row, attempt: attempt.number(), failure })?;
        }
    }
    Ok(Some(row))
}

fn test_row(writing: &Transaction<'_>, id: &str) -> Result<i64, rusqlite::Error> {
    let sql = "INSERT INTO tests(node_id) VALUES(?) ON CONFLICT DO NOTHING";
    if writing.prepare_cached(sql)?.execute([id])? == 1 {
        return Ok(writing.last_insert_rowid());
    }
    writing.prepare_cached("SELECT id FROM tests WHERE node_id = ?")?.query_row([id], |row| row.get(0))
}

fn remove(writing: &Transaction<'_>, lost: &[Lost]) -> Result<(), rusqlite::Error> {
    let one = "DELETE FROM outcomes WHERE run = ? AND attempt = ? AND test = (SELECT id FROM tests WHERE node_id = ?)";
    let empty = "DELETE FROM runs WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM outcomes WHERE run = ?1)";
    for lost in lost {
        let row = match lost {
            Lost::Attempt { row, id, attempt } => {
                writing.prepare_cached(one)?.execute(params![row, attempt, &**id])?;
                failure_table::remove(writing, id, Some((*row, *attempt)))?;
                row
            }
            Lost::Run { row } => {
                writing.prepare_cached("DELETE FROM outcomes WHERE run = ?")?.execute([row])?;
                row
            }
            Lost::Failure { id } => {
                failure_table::remove(writing, id, None)?;
                continue;
            }
        };
        writing.prepare_cached(empty)?.execute([row])?;
    }
    Ok(())
}

fn data_version(connection: &Connection) -> Result<i64, rusqlite::Error> {
    connection.query_row("PRAGMA data_version", [], |row| row.get(0))
}

/// Runs without their outcomes, in the order of their rows.
fn runs_after(reading: &Connection, row: i64) -> Result<Vec<(i64, Run)>, rusqlite::Error> {
    let sql = "SELECT id, uid, started_ms, source, code FROM runs WHERE id > ? ORDER BY id";
    let mut statement = reading.prepare_cached(sql)?;
    let read = |row: &rusqlite::Row<'_>| {
        let word: String = row.get(3)?;
        let code: Option<Arc<str>> = row.get(4)?;
        let source = if word == OWN_CI { Source::Ci } else { word.parse().unwrap_or(Source::Cli) };
        let run = Run {
            uid: Uid(row.get(1)?),
            started_ms: u64::try_from(row.get::<_, i64>(2)?).unwrap_or_default(),
            source,
            is_imported: word == Source::Ci.as_str() && code.is_none(),
            code,
            attempts: Vec::new(),
        };
        Ok((row.get(0)?, run))
    };
    let mut runs: Vec<_> = statement.query_map([row], read)?.collect::<Result<_, _>>()?;
    begin_by(now_ms(), runs.iter_mut().rev().map(|(_, run)| run));
    Ok(runs)
}

/// Lets no run begin ahead of now: one did if the clock was wrong, and would hide the outcomes of later runs. The time of
/// the run that was recorded next takes the place of its own, so that their order is the same at each reading. The runs
/// come in reverse.
fn begin_by<'a>(now_ms: u64, runs: impl Iterator<Item = &'a mut Run>) {
    let mut next_ms = now_ms;
    for run in runs {
        if run.started_ms > now_ms.saturating_add(AHEAD_MS) {
            run.started_ms = next_ms;
        } else if !run.is_imported {
            next_ms = run.started_ms;
        }
    }
}

fn whole_runs_after(reading: &Connection, row: i64) -> Result<Vec<(i64, Run)>, rusqlite::Error> {
    let mut runs = runs_after(reading, row)?;
    let sql = "SELECT tests.node_id, attempt, outcome, duration_us, test
               FROM outcomes JOIN tests ON tests.id = outcomes.test WHERE run = ? ORDER BY attempt";
    let mut statement = reading.prepare_cached(sql)?;
    for (row, run) in &mut runs {
        let mut failures: HashMap<(i64, u16), _> = failure_table::read(reading, Some(*row))?
            .into_iter()
            .map(|kept| ((kept.test, kept.attempt), kept.failure))
            .collect();
        let mut rows = statement.query([*row])?;
        while let Some(row) = rows.next()? {
            let (attempt, outcome, duration) = measured(row.get(1)?, row.get(2)?, row.get(3)?);
            let Some(outcome) = outcome else { continue };
            let duration_ms = f64::from(duration) / 1000.0;
            let failure = failures.remove(&(row.get(4)?, attempt));
            run.attempts.push(Attempt { id: row.get(0)?, outcome, attempt: attempt.into(), duration_ms, failure });
        }
    }
    Ok(runs)
}

/// An outcome of any numbers from the file; `None` if this version knows no such outcome.
fn measured(attempt: i64, outcome: i64, duration: i64) -> (u16, Option<Outcome>, u32) {
    let attempt = u16::try_from(attempt).unwrap_or(u16::MAX);
    (attempt, outcome_of(outcome), u32::try_from(duration).unwrap_or_default())
}
