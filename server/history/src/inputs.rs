//! The inputs of each test's last recorded pass: all that its outcome depended on, with fingerprints.
//!
//! They are in a file of their own next to the history, since they can be lost without harm: a test without a record
//! counts as affected by every change. Inputs are numbered, and a test's record is a packed set of numbers. All
//! that the tests of a run share (the sources, the interpreter) is a *ground*: a text that the caller makes and reads.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::location::Location;
use crate::timing::BUSY_LIMIT;

const FORMAT: i64 = 1;

/// The most tests with records; those that were recorded last stay.
const MAX_TESTS: i64 = 100_000;

/// The most grounds; tests that were recorded on older ones lose their records.
const MAX_GROUNDS: i64 = 200;

/// Unused inputs are removed when there are this many more inputs than after the last time.
const MAX_GROWTH: i64 = 20_000;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS inputs(
        id INTEGER PRIMARY KEY,
        kind INTEGER NOT NULL,
        path TEXT NOT NULL,
        name TEXT NOT NULL,
        fingerprint INTEGER NOT NULL,
        UNIQUE(kind, path, name, fingerprint)
    );
    CREATE TABLE IF NOT EXISTS grounds(id INTEGER PRIMARY KEY AUTOINCREMENT, content TEXT NOT NULL UNIQUE);
    CREATE TABLE IF NOT EXISTS tests(
        node_id TEXT PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        ground INTEGER NOT NULL,
        inputs BLOB NOT NULL
    ) WITHOUT ROWID;
";

/// The kind of an input. The numbers are those in the file, and never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InputKind {
    /// The body of a function.
    Function = 0,
    /// The content of a file.
    File = 1,
    /// The names in a folder.
    Folder = 2,
    /// An environment variable.
    Variable = 3,
    /// Lines or texts of sources.
    Lines = 4,
    /// A process that it started: nobody knows what that read.
    Process = 5,
    /// A network address.
    Network = 6,
    /// Compiled code of the project.
    Extension = 7,
    /// The existence, size or time of some files.
    Stat = 8,
    /// Whether a file or folder exists, and of what kind it is.
    Exists = 9,
    /// Files of one folder of a library, and which modules are in that folder.
    Library = 10,
    /// A function that the interpreter calls for what it executes: nobody sees what that executes.
    Tracing = 11,
}

impl InputKind {
    /// Every kind.
    pub const ALL: [InputKind; 12] = [
        InputKind::Function,
        InputKind::File,
        InputKind::Folder,
        InputKind::Variable,
        InputKind::Lines,
        InputKind::Process,
        InputKind::Network,
        InputKind::Extension,
        InputKind::Stat,
        InputKind::Exists,
        InputKind::Library,
        InputKind::Tracing,
    ];
}

/// An input of a test, in the state in which the test used it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Input {
    /// Its kind.
    pub kind: InputKind,
    /// The path of a file or folder, relative to the root if it is below it; empty for other kinds.
    pub path: String,
    /// The qualified name of a function, or the name of a variable; empty for other kinds.
    pub name: String,
    /// Its content, or that of the body; 0 if there was none.
    pub fingerprint: u64,
}

/// The record of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestInputs {
    /// Node id.
    pub id: String,
    /// The time of the pass, in milliseconds since 1970.
    pub at_ms: u64,
    /// The ground of the run.
    pub ground: i64,
    /// The inputs, by their numbers.
    pub inputs: Vec<i64>,
}

/// All records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllInputs {
    /// The inputs by number.
    pub inputs: HashMap<i64, Input>,
    /// The grounds by number.
    pub grounds: HashMap<i64, String>,
    /// The tests, in order of their ids.
    pub tests: Vec<TestInputs>,
}

/// The file with the records. Its methods block, and so are called where that does not matter.
#[derive(Debug)]
pub struct InputStore {
    file: PathBuf,
    open: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    /// The number of inputs after the last removal of unused ones.
    kept: i64,
    /// The records as they were read last, with SQLite's count of other connections' commits.
    read: Option<(i64, Arc<AllInputs>)>,
}

impl InputStore {
    /// The records next to a history. No file is made before there is something to write.
    #[must_use]
    pub fn of(location: &Location) -> Self {
        InputStore { file: location.file.with_extension("inputs"), open: Mutex::default() }
    }

    /// Replaces the records of these tests. They name their inputs by the places in `inputs`; others are no inputs.
    ///
    /// # Errors
    /// A sentence, if the file can't be written.
    pub fn write(
        &self,
        ground: &str,
        at_ms: u64,
        inputs: &[Input],
        tests: &[(String, Vec<u32>)],
    ) -> Result<(), String> {
        self.with(true, |open| {
            open.read = None;
            let writing = open.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            writing.execute("INSERT INTO grounds(content) VALUES(?) ON CONFLICT DO NOTHING", [ground])?;
            let ground: i64 =
                writing.query_row("SELECT id FROM grounds WHERE content = ?", [ground], |row| row.get(0))?;
            let at_ms = i64::try_from(at_ms).unwrap_or(i64::MAX);
            let mut known: Vec<Option<i64>> = vec![None; inputs.len()];
            for (id, used) in tests {
                let mut numbers = Vec::with_capacity(used.len());
                for place in used {
                    let place = *place as usize;
                    let (Some(input), Some(known)) = (inputs.get(place), known.get_mut(place)) else { continue };
                    let number = match known {
                        Some(number) => *number,
                        None => *known.insert(number_of(&writing, input)?),
                    };
                    numbers.push(number);
                }
                let sql = "INSERT OR REPLACE INTO tests VALUES(?, ?, ?, ?)";
                writing.prepare_cached(sql)?.execute(params![id, at_ms, ground, packed(numbers)])?;
            }
            remove_old(&writing)?;
            open.kept = remove_unused(&writing, open.kept)?;
            writing.commit()
        })
        .map(|_| ())
    }

    /// Removes the records of these tests.
    ///
    /// # Errors
    /// A sentence, if the file can't be written.
    pub fn forget(&self, ids: &[&str]) -> Result<(), String> {
        self.with(false, |open| {
            open.read = None;
            let writing = open.connection.transaction()?;
            for id in ids {
                writing.prepare_cached("DELETE FROM tests WHERE node_id = ?")?.execute([id])?;
            }
            writing.commit()
        })
        .map(|_| ())
    }

    /// Reads all records.
    ///
    /// # Errors
    /// A sentence, if the file can't be read.
    pub fn read(&self) -> Result<Arc<AllInputs>, String> {
        let read = self.with(false, |open| {
            let version = open.connection.query_row("PRAGMA data_version", [], |row| row.get(0))?;
            if let Some((_, known)) = open.read.as_ref().filter(|(known, _)| *known == version) {
                return Ok(Arc::clone(known));
            }
            let all = Arc::new(read(&open.connection)?);
            open.read = Some((version, Arc::clone(&all)));
            Ok(all)
        })?;
        Ok(read.unwrap_or_default())
    }

    /// Calls `work` with the open file; does nothing if there is none, and none is to be made.
    fn with<T>(
        &self,
        make: bool,
        work: impl FnOnce(&mut Open) -> Result<T, rusqlite::Error>,
    ) -> Result<Option<T>, String> {
        let sentence = |error: &dyn std::fmt::Display| {
            format!(
                "the inputs of tests in {} can't be used ({error}): every test counts as affected",
                self.file.display()
            )
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.file.exists() {
            *open = None;
            if !make {
                return Ok(None);
            }
        }
        let ready = match open.as_mut() {
            Some(ready) => ready,
            None => {
                let connected = self.connect().inspect_err(|error| self.discard_if_damaged(error));
                open.insert(connected.map_err(|error| sentence(&error))?)
            }
        };
        match work(ready) {
            Ok(done) => Ok(Some(done)),
            Err(error) => {
                *open = None;
                self.discard_if_damaged(&error);
                Err(sentence(&error))
            }
        }
    }

    /// Removes a damaged file: nothing of value is lost.
    fn discard_if_damaged(&self, error: &rusqlite::Error) {
        let code = error.sqlite_error_code();
        if matches!(code, Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)) {
            for end in ["", "-wal", "-shm"] {
                let mut name = self.file.clone().into_os_string();
                name.push(end);
                let _ = std::fs::remove_file(name);
            }
        }
    }

    fn connect(&self) -> Result<Open, rusqlite::Error> {
        if let Some(folder) = self.file.parent() {
            let _ = std::fs::create_dir_all(folder);
        }
        let connection = Connection::open(&self.file)?;
        connection.busy_timeout(BUSY_LIMIT)?;
        let format: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if format > FORMAT {
            // A newer version made it.
            return Err(rusqlite::Error::InvalidQuery);
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(SCHEMA)?;
        connection.pragma_update(None, "user_version", FORMAT)?;
        let kept = connection.query_row("SELECT count(*) FROM inputs", [], |row| row.get(0))?;
        Ok(Open { connection, kept, read: None })
    }
}

fn number_of(writing: &Transaction<'_>, input: &Input) -> Result<i64, rusqlite::Error> {
    let values = params![input.kind as i64, input.path, input.name, input.fingerprint.cast_signed()];
    let find = "SELECT id FROM inputs WHERE kind = ? AND path = ? AND name = ? AND fingerprint = ?";
    let found: Option<i64> = writing.prepare_cached(find)?.query_row(values, |row| row.get(0)).optional()?;
    if let Some(number) = found {
        return Ok(number);
    }
    writing.prepare_cached("INSERT INTO inputs(kind, path, name, fingerprint) VALUES(?, ?, ?, ?)")?.execute(values)?;
    Ok(writing.last_insert_rowid())
}

fn remove_old(writing: &Transaction<'_>) -> Result<(), rusqlite::Error> {
    writing.execute(
        "DELETE FROM tests WHERE node_id IN (SELECT node_id FROM tests ORDER BY at_ms DESC LIMIT -1 OFFSET ?)",
        [MAX_TESTS],
    )?;
    writing.execute("DELETE FROM grounds WHERE id NOT IN (SELECT ground FROM tests)", [])?;
    writing.execute(
        "DELETE FROM tests WHERE ground IN (SELECT id FROM grounds ORDER BY id DESC LIMIT -1 OFFSET ?)",
        [MAX_GROUNDS],
    )?;
    writing.execute("DELETE FROM grounds WHERE id NOT IN (SELECT ground FROM tests)", [])?;
    Ok(())
}

fn remove_unused(writing: &Transaction<'_>, kept: i64) -> Result<i64, rusqlite::Error> {
    let count: i64 = writing.query_row("SELECT count(*) FROM inputs", [], |row| row.get(0))?;
    if count < kept.saturating_add(MAX_GROWTH) {
        return Ok(kept);
    }
    let mut used = HashSet::new();
    for inputs in writing.prepare("SELECT inputs FROM tests")?.query_map([], |row| row.get::<_, Vec<u8>>(0))? {
        used.extend(unpacked(&inputs?));
    }
    let all: Vec<i64> =
        writing.prepare("SELECT id FROM inputs")?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for id in all.iter().filter(|id| !used.contains(*id)) {
        writing.prepare_cached("DELETE FROM inputs WHERE id = ?")?.execute([id])?;
    }
    Ok(i64::try_from(used.len()).unwrap_or(i64::MAX))
}

fn read(connection: &Connection) -> Result<AllInputs, rusqlite::Error> {
    let mut all = AllInputs::default();
    let mut statement = connection.prepare("SELECT id, kind, path, name, fingerprint FROM inputs")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let kind: i64 = row.get(1)?;
        // One that this version does not know makes its tests affected: they name a number that is missing.
        let Some(kind) = InputKind::ALL.into_iter().find(|known| *known as i64 == kind) else { continue };
        let fingerprint = row.get::<_, i64>(4)?.cast_unsigned();
        all.inputs.insert(row.get(0)?, Input { kind, path: row.get(2)?, name: row.get(3)?, fingerprint });
    }
    let mut statement = connection.prepare("SELECT id, content FROM grounds")?;
    all.grounds = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut statement = connection.prepare("SELECT node_id, at_ms, ground, inputs FROM tests ORDER BY node_id")?;
    let test = |row: &rusqlite::Row<'_>| {
        let at_ms = u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default();
        Ok(TestInputs { id: row.get(0)?, at_ms, ground: row.get(2)?, inputs: unpacked(&row.get::<_, Vec<u8>>(3)?) })
    };
    all.tests = statement.query_map([], test)?.collect::<Result<_, _>>()?;
    Ok(all)
}

/// Packs numbers: sorted, each as the distance from the one before, seven bits a byte.
fn packed(mut numbers: Vec<i64>) -> Vec<u8> {
    numbers.sort_unstable();
    numbers.dedup();
    let mut bytes = Vec::with_capacity(numbers.len() * 2);
    let mut before = 0;
    for number in numbers {
        let mut distance = (number - before).cast_unsigned();
        before = number;
        while distance >= 0x80 {
            bytes.push((distance & 0x7f) as u8 | 0x80);
            distance >>= 7;
        }
        bytes.push((distance & 0x7f) as u8);
    }
    bytes
}

fn unpacked(bytes: &[u8]) -> Vec<i64> {
    let (mut numbers, mut before, mut distance, mut shift) = (Vec::new(), 0_i64, 0_u64, 0);
    for byte in bytes {
        distance |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or_default();
        shift += 7;
        if byte & 0x80 == 0 {
            before = before.wrapping_add(distance.cast_signed());
            numbers.push(before);
            (distance, shift) = (0, 0);
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn function(path: &str, name: &str, fingerprint: u64) -> Input {
        Input { kind: InputKind::Function, path: path.into(), name: name.into(), fingerprint }
    }

    fn store(folder: &tempfile::TempDir) -> InputStore {
        InputStore::of(&Location { file: folder.path().join("history/x.db"), root: folder.path().to_owned() })
    }

    fn inputs_of<'a>(all: &'a AllInputs, id: &str) -> Vec<&'a Input> {
        let test = all.tests.iter().find(|test| test.id == id).unwrap();
        let mut found: Vec<_> = test.inputs.iter().map(|number| &all.inputs[number]).collect();
        found.sort();
        found
    }

    #[test]
    fn numbers_survive_packing() {
        for numbers in [vec![], vec![0], vec![1, 2, 3], vec![127, 128, 129, 16_384, i64::from(u32::MAX), i64::MAX]] {
            assert_eq!(unpacked(&packed(numbers.clone())), numbers);
        }
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (function("a.py", "f", u64::MAX), function("a.py", "f", 2));
        let writing = store(&folder);
        assert_eq!(*writing.read().unwrap(), AllInputs::default());
        assert!(!folder.path().join("history").exists(), "nothing is written without need");
        let inputs = [one.clone(), other.clone()];
        writing.write("ground 1", 5, &inputs, &[("t::a".into(), vec![0, 1]), ("t::b".into(), vec![0])]).unwrap();
        writing.write("ground 2", 6, &inputs[1..], &[("t::b".into(), vec![0])]).unwrap();
        let read = store(&folder).read().unwrap();
        assert_eq!(inputs_of(&read, "t::a"), [&other, &one]);
        assert_eq!(inputs_of(&read, "t::b"), [&other]);
        assert_eq!(read.tests.iter().map(|test| test.at_ms).collect::<Vec<_>>(), [5, 6]);
        assert_eq!(read.grounds[&read.tests[1].ground], "ground 2");
        assert_eq!((read.inputs.len(), read.grounds.len()), (2, 2));
        writing.forget(&["t::a"]).unwrap();
        assert_eq!(store(&folder).read().unwrap().tests.len(), 1);
    }

    #[test]
    fn grounds_that_no_test_uses_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        for round in 0..MAX_GROUNDS + 5 {
            let (own, last) = ((format!("t::{round}"), vec![0]), ("t::last".to_owned(), vec![0]));
            store.write(&format!("ground {round}"), 1, &[function("a.py", "f", 1)], &[own, last]).unwrap();
        }
        let read = store.read().unwrap();
        assert_eq!(read.grounds.len(), usize::try_from(MAX_GROUNDS).unwrap());
        assert!(read.tests.iter().all(|test| read.grounds.contains_key(&test.ground)));
    }

    #[test]
    fn a_damaged_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        store.write("g", 1, &[], &[("t".into(), vec![])]).unwrap();
        drop(store);
        let file = folder.path().join("history/x.inputs");
        std::fs::write(&file, vec![b'x'; 8192]).unwrap();
        let other = InputStore::of(&Location { file: folder.path().join("history/x.db"), root: "/".into() });
        let error = other.read().unwrap_err();
        assert!(error.contains("every test counts as affected"), "{error}");
        other.write("g", 1, &[], &[("t".into(), vec![])]).unwrap();
        assert_eq!(other.read().unwrap().tests.len(), 1);
    }

    proptest! {
        #[test]
        fn any_numbers_survive_packing(numbers in prop::collection::btree_set(0..=i64::MAX, 0..40)) {
            let sorted: Vec<i64> = numbers.iter().copied().collect();
            let mixed: Vec<i64> = sorted.iter().rev().chain(&sorted).copied().collect();
            prop_assert_eq!(unpacked(&packed(mixed)), sorted);
        }

        #[test]
        fn any_bytes_can_be_unpacked(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            unpacked(&bytes);
        }
    }

    #[test]
    fn near_numbers_take_one_byte_each() {
        let numbers: Vec<i64> = (1..=100).map(|number| number * 127).collect();
        assert_eq!(packed(numbers).len(), 100);
        assert_eq!(packed(vec![128]), [0x80, 1]);
    }

    /// Adds inputs that no test uses.
    fn add_unused(folder: &tempfile::TempDir, start: i64, count: i64) {
        let connection = Connection::open(folder.path().join("history/x.inputs")).unwrap();
        let sql = "WITH RECURSIVE numbers(n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?1 + ?2)
                   INSERT INTO inputs(kind, path, name, fingerprint) SELECT 0, 'unused.py', 'f', n FROM numbers";
        assert_eq!(connection.execute(sql, [start, count]).unwrap(), usize::try_from(count).unwrap());
    }

    #[test]
    fn unused_inputs_are_removed_when_there_are_many() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        let inputs = [function("a.py", "f", 1), function("a.py", "g", 2), function("a.py", "h", 3)];
        let record = || {
            store.write("g", 1, &inputs, &[("t::a".into(), vec![0, 1]), ("t::b".into(), vec![1, 2])]).unwrap();
            i64::try_from(store.read().unwrap().inputs.len()).unwrap()
        };
        assert_eq!(record(), 3);
        // A new file had none.
        add_unused(&folder, 0, MAX_GROWTH - 4);
        assert_eq!(record(), MAX_GROWTH - 1, "there may be so many");
        add_unused(&folder, MAX_GROWTH, 1);
        assert_eq!(record(), 3);
        // The next time is counted from these three.
        add_unused(&folder, 0, MAX_GROWTH - 1);
        assert_eq!(record(), MAX_GROWTH + 2);
        add_unused(&folder, MAX_GROWTH, 1);
        assert_eq!(record(), 3);
        let read = store.read().unwrap();
        assert_eq!(inputs_of(&read, "t::a"), [&inputs[0], &inputs[1]]);
        assert_eq!(inputs_of(&read, "t::b"), [&inputs[1], &inputs[2]]);
    }

    #[test]
    fn a_place_without_an_input_is_no_input() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        let input = function("a.py", "f", 1);
        store.write("g", 1, std::slice::from_ref(&input), &[("t".into(), vec![1, 0, 9])]).unwrap();
        assert_eq!(inputs_of(&store.read().unwrap(), "t"), [&input]);
    }

    #[test]
    fn the_newest_records_are_read_whoever_wrote_them() {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = (store(&folder), store(&folder));
        let write = |store: &InputStore, id: &str| store.write("g", 1, &[], &[(id.into(), vec![])]).unwrap();
        write(&here, "a");
        let first = here.read().unwrap();
        assert!(Arc::ptr_eq(&first, &here.read().unwrap()), "nothing has changed");
        for (number, store) in [(2, &there), (3, &here), (4, &there)] {
            write(store, &number.to_string());
            assert_eq!(here.read().unwrap().tests.len(), number);
        }
        here.forget(&["a", "2"]).unwrap();
        assert_eq!((here.read().unwrap().tests.len(), there.read().unwrap().tests.len()), (2, 2));
        std::fs::remove_file(folder.path().join("history/x.inputs")).unwrap();
        assert_eq!(*here.read().unwrap(), AllInputs::default());
        here.forget(&["3"]).unwrap();
        assert!(!folder.path().join("history/x.inputs").exists(), "nothing is written without need");
    }

    #[test]
    fn the_file_of_a_newer_version_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        store(&folder).write("g", 1, &[], &[("t".into(), vec![])]).unwrap();
        let connection = Connection::open(folder.path().join("history/x.inputs")).unwrap();
        connection.pragma_update(None, "user_version", FORMAT + 1).unwrap();
        let other = store(&folder);
        assert!(other.read().unwrap_err().contains("every test counts as affected"));
        assert!(other.write("g", 2, &[], &[("u".into(), vec![])]).is_err());
        let tests: i64 = connection.query_row("SELECT count(*) FROM tests", [], |row| row.get(0)).unwrap();
        let format: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!((tests, format), (1, FORMAT + 1));
    }
}
