//! Which files have changed since a run began, for outcomes of any age.
//!
//! Runs of this process note the code that they ran on. For older runs, of which only the time is known, a file
//! counts as changed if its last change is later. Both ways, a file that is as before again has not changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pytest_lens_history::{Code, is_code};

/// The most runs whose code is noted.
const MANY: usize = 10_000;

/// If more files differ than this, nobody looks at each.
const MANY_FILES: usize = 1_000;

/// The clock of the file system lags behind by up to a tick.
const TICK: Duration = Duration::from_millis(20);

/// The files that differ from those of a run, relative to the root; `None` if that can't be known.
pub(crate) type Differences = Option<Arc<BTreeSet<String>>>;

/// A file's content in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// There was no such file.
    Absent,
    Is([u8; 32]),
    /// The file has changed since the run began.
    Unsure,
}

/// The beginning of a run of which only the time is known, by the disk's clock: no file that changed later is older.
pub(crate) fn began_at(run_ms: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(run_ms).saturating_sub(TICK)
}

/// The code of a run, as it was read after the run's beginning.
#[derive(Debug)]
pub(crate) struct RunCode {
    /// The beginning, by the disk's clock.
    pub began: SystemTime,
    pub code: Code,
    /// Files that had changed since the run's process had read them.
    pub changed: BTreeSet<PathBuf>,
}

/// The versions of a project's files.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    /// The first look at the files, and its time in milliseconds since 1970.
    first: Option<(u64, Code)>,
    /// The runs whose code is noted, by their beginning in milliseconds since 1970.
    noted: BTreeSet<u64>,
    /// The contents of each file, each with the first noted run that had it.
    files: BTreeMap<PathBuf, Vec<(u64, Content)>>,
}

impl Versions {
    /// Notes the files as they are, if this is the first look at them.
    pub(crate) fn begin(&mut self, now_ms: u64, code: &Code) {
        if self.first.is_none() {
            self.first = Some((now_ms, code.clone()));
        }
    }

    /// Notes the code of a run, by its beginning in milliseconds since 1970.
    pub(crate) fn note(&mut self, run_ms: u64, run: &RunCode, root: &Path) {
        let code = &run.code;
        let changed: BTreeSet<&Path> = run.changed.iter().filter_map(|path| path.strip_prefix(root).ok()).collect();
        let paths: BTreeSet<&Path> = code.files().keys().map(PathBuf::as_path).chain(changed.iter().copied()).collect();
        let gone: Vec<PathBuf> = self.files.keys().filter(|path| !paths.contains(path.as_path())).cloned().collect();
        for path in paths.into_iter().chain(gone.iter().map(PathBuf::as_path)) {
            let content = match code.files().get(path) {
                _ if changed.contains(path) => Content::Unsure,
                None => Content::Absent,
                Some(file) if file.changed < run.began => Content::Is(file.content),
                Some(_) => Content::Unsure,
            };
            let versions = self.files.entry(path.to_owned()).or_default();
            let place = versions.partition_point(|(at, _)| *at < run_ms);
            let before = place.checked_sub(1).map_or(Content::Absent, |place| versions[place].1);
            if versions.get(place).is_some_and(|(at, _)| *at == run_ms) {
                versions[place].1 = content;
            } else if content != before {
                if versions.get(place).is_some_and(|(_, after)| *after == content) {
                    versions.remove(place);
                }
                versions.insert(place, (run_ms, content));
            }
        }
        self.noted.insert(run_ms);
        if self.noted.len() > MANY {
            self.noted.pop_first();
        }
    }

    /// Whether the code of the run that began at this time is noted.
    pub(crate) fn is_noted(&self, run_ms: u64) -> bool {
        self.noted.contains(&run_ms)
    }

    /// The files that runs had and that are not in `present`.
    pub(crate) fn missing<'a>(&'a self, present: &'a Code) -> impl Iterator<Item = &'a PathBuf> {
        let first = self.first.iter().flat_map(|(_, first)| first.files().keys());
        self.files.keys().chain(first).filter(|path| !present.files().contains_key(*path))
    }

    /// For runs that began at these times, the files that differ now, relative to the root; `None` if that can't be
    /// known. `written`: missing files that tests have written themselves, which don't count.
    pub(crate) fn changed_since(
        &self,
        runs: impl IntoIterator<Item = u64>,
        present: &Code,
        written: &BTreeSet<PathBuf>,
    ) -> BTreeMap<u64, Differences> {
        let now = |path: &Path| present.files().get(path).map_or(Content::Absent, |file| Content::Is(file.content));
        let counts = |path: &&PathBuf| !written.contains(*path);
        let earliest = self.noted.first().copied().unwrap_or_default();
        let is_moving = |(path, versions): &(&PathBuf, &Vec<_>)| **versions != [(earliest, now(path))];
        let moving = self.files.iter().filter(is_moving).map(|(path, _)| path);
        let new = present.files().keys().filter(|path| !self.files.contains_key(*path));
        let moving: Vec<&PathBuf> = moving.chain(new).filter(counts).collect();
        let noted = |run_ms: u64| differing(&moving, |path| self.content_in(path, run_ms), now);
        let older = Older::new(self.first.as_ref(), present, &counts);
        let mut known: HashMap<usize, Differences> = HashMap::new();
        let mut of = |run_ms: u64| match &older {
            _ if self.noted.contains(&run_ms) => noted(run_ms),
            Some(older) if run_ms < older.until_ms => {
                let later = older.changed_after(run_ms);
                known.entry(later).or_insert_with(|| older.differences(later, now)).clone()
            }
            _ => None,
        };
        runs.into_iter().map(|run_ms| (run_ms, of(run_ms))).collect()
    }

    fn content_in(&self, path: &Path, run_ms: u64) -> Content {
        let versions = self.files.get(path).map_or(&[][..], Vec::as_slice);
        let place = versions.partition_point(|(at, _)| *at <= run_ms);
        place.checked_sub(1).map_or(Content::Absent, |place| versions[place].1)
    }
}

/// The first look at the files, for runs before it.
struct Older<'a> {
    until_ms: u64,
    files: &'a Code,
    /// Those that changed last come first.
    by_change: Vec<(SystemTime, &'a PathBuf)>,
    /// The files that came since.
    new: Vec<&'a PathBuf>,
}

impl<'a> Older<'a> {
    fn new(first: Option<&'a (u64, Code)>, present: &'a Code, counts: &dyn Fn(&&'a PathBuf) -> bool) -> Option<Self> {
        let (until_ms, files) = first?;
        let counting = files.files().iter().filter(|(path, _)| counts(path));
        let mut by_change: Vec<(SystemTime, &PathBuf)> = counting.map(|(path, file)| (file.changed, path)).collect();
        by_change.sort_unstable_by(|one, other| other.cmp(one));
        let new = present.files().keys().filter(|path| !files.files().contains_key(*path)).filter(|path| counts(path));
        Some(Older { until_ms: *until_ms, by_change, files, new: new.collect() })
    }

    /// The number of files that changed after the beginning of a run.
    fn changed_after(&self, run_ms: u64) -> usize {
        let began = began_at(run_ms);
        self.by_change.partition_point(|(changed, _)| *changed >= began)
    }

    /// The differences to a run after whose beginning the `later` last of the files changed.
    fn differences(&self, later: usize, now: impl Fn(&Path) -> Content) -> Differences {
        let unsure: BTreeSet<&Path> = self.by_change[..later].iter().map(|(_, path)| path.as_path()).collect();
        let then = |path: &Path| match self.files.files().get(path) {
            None => Content::Absent,
            Some(_) if unsure.contains(path) => Content::Unsure,
            Some(file) => Content::Is(file.content),
        };
        let all: Vec<&PathBuf> = self.by_change.iter().map(|(_, path)| *path).chain(self.new.iter().copied()).collect();
        differing(&all, then, now)
    }
}

/// The files among `paths` that differ; `None` if they are too many to look at each.
fn differing(paths: &[&PathBuf], then: impl Fn(&Path) -> Content, now: impl Fn(&Path) -> Content) -> Differences {
    let differs = |path: &&&PathBuf| match (then(path), now(path)) {
        (Content::Unsure, _) => true,
        // Tests leave new data behind.
        (Content::Absent, Content::Is(_)) => is_code(path),
        (then, now) => then != now,
    };
    let found: BTreeSet<String> =
        paths.iter().filter(differs).take(MANY_FILES + 1).map(|path| path.to_string_lossy().into_owned()).collect();
    (found.len() <= MANY_FILES).then(|| Arc::new(found))
}

#[cfg(test)]
mod tests {
    use pytest_lens_history::CodeFile;

    use super::*;

    const MINUTE_MS: u64 = 60_000;

    fn time(ms: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
    }

    /// Files with their content and the minute of their last change.
    fn code(files: &[(&str, u8, u64)]) -> Code {
        let file = |&(path, content, minute): &(&str, u8, u64)| {
            (path.into(), CodeFile { content: [content; 32], changed: time(minute * MINUTE_MS) })
        };
        Code::new("name".into(), files.iter().map(file).collect())
    }

    fn note(versions: &mut Versions, minute: u64, files: &[(&str, u8, u64)]) {
        let is_late = files.iter().any(|(path, ..)| *path == "late.py");
        let changed = is_late.then(|| PathBuf::from("/p/late.py")).into_iter().collect();
        let run = RunCode { began: time(minute * MINUTE_MS), code: code(files), changed };
        versions.note(minute * MINUTE_MS, &run, Path::new("/p"));
    }

    /// The differences to the run at this minute, in words.
    fn since(versions: &Versions, minute: u64, present: &[(&str, u8, u64)]) -> String {
        let at = minute * MINUTE_MS;
        let written = BTreeSet::from([PathBuf::from("written.db")]);
        let found = versions.changed_since([at], &code(present), &written).remove(&at).flatten();
        let words = |found: &BTreeSet<String>| found.iter().cloned().collect::<Vec<_>>().join(" ");
        found.map_or_else(|| "unknown".to_owned(), |found| words(&found))
    }

    #[test]
    fn a_run_of_this_process_knows_its_code() {
        let mut versions = Versions::default();
        let first = [("a.py", 1, 0), ("b.py", 1, 0), ("data.txt", 1, 0), ("written.db", 1, 0)];
        versions.begin(0, &code(&first));
        note(&mut versions, 10, &first);
        let second = [("a.py", 2, 11), ("b.py", 1, 0), ("data.txt", 1, 0)];
        assert_eq!(since(&versions, 10, &second), "a.py");
        note(&mut versions, 12, &second);
        assert_eq!((since(&versions, 10, &second), since(&versions, 12, &second)), ("a.py".into(), String::new()));
        // It is taken back.
        let third = [("a.py", 1, 13), ("b.py", 1, 0), ("data.txt", 1, 0)];
        assert_eq!((since(&versions, 10, &third), since(&versions, 12, &third)), (String::new(), "a.py".into()));
        // Files come and go; new data is what tests leave behind.
        let fourth = [("a.py", 1, 13), ("new.py", 1, 14), ("new.txt", 1, 14), ("data.txt", 2, 14)];
        assert_eq!(since(&versions, 10, &fourth), "b.py data.txt new.py");
        note(&mut versions, 15, &fourth);
        assert_eq!(since(&versions, 15, &fourth), "");
        assert_eq!(since(&versions, 10, &fourth), "b.py data.txt new.py");
        assert_eq!(since(&versions, 11, &fourth), "unknown", "nothing noted that run");
    }

    #[test]
    fn a_file_that_changed_during_a_run_counts_as_changed() {
        let mut versions = Versions::default();
        let files = [("a.py", 1, 11), ("b.py", 1, 0), ("late.py", 1, 0)];
        versions.begin(0, &code(&files));
        note(&mut versions, 10, &files);
        assert_eq!(since(&versions, 10, &files), "a.py late.py");
        note(&mut versions, 12, &files);
        assert_eq!(since(&versions, 12, &files), "late.py", "its process has not read it since");
    }

    #[test]
    fn runs_may_be_noted_in_any_order() {
        let (old, new) = ([("a.py", 1, 0), ("b.py", 1, 0)], [("a.py", 2, 15), ("b.py", 1, 0)]);
        let mut versions = Versions::default();
        versions.begin(0, &code(&old));
        note(&mut versions, 20, &new);
        note(&mut versions, 10, &old);
        note(&mut versions, 30, &new);
        assert_eq!([10, 20, 30].map(|run| since(&versions, run, &new)), ["a.py", "", ""]);
        assert_eq!([10, 20, 30].map(|run| since(&versions, run, &old)), ["", "a.py", "a.py"]);
        assert_eq!(versions.files[Path::new("b.py")].len(), 1);
    }

    #[test]
    fn older_runs_are_judged_by_the_times_of_files() {
        let files = [("a.py", 1, 5), ("b.py", 1, 20)];
        let mut versions = Versions::default();
        assert_eq!(since(&versions, 10, &files), "unknown");
        versions.begin(30 * MINUTE_MS, &code(&files));
        assert_eq!([4, 10, 25].map(|run| since(&versions, run, &files)), ["a.py b.py", "b.py", ""]);
        assert_eq!(since(&versions, 10, &[("b.py", 1, 20)]), "a.py b.py", "one was deleted since");
        let edited = [("a.py", 2, 31), ("b.py", 1, 20)];
        assert_eq!([10, 25].map(|run| since(&versions, run, &edited)), ["a.py b.py", "a.py"]);
        let taken_back = [("a.py", 1, 32), ("b.py", 1, 20)];
        assert_eq!([10, 25].map(|run| since(&versions, run, &taken_back)), ["b.py", ""]);
    }
}
