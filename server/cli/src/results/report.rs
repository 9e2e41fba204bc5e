//! Folds the events of a run into its state, from which progress, summary and exit status come.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pytest_lens_protocol::{
    CollectError, EventPayload, FileSkip, Location, NOT_COLLECTED, NodeId, Outcome, ReportStatus, RunEnd, RunEndStatus,
    TestOutcome,
};

use crate::failure::exit;
use crate::options::selectors::{is_selected_file, tidy};
use crate::paths::{from_folder, path_of_uri, relative_of_uri};
use crate::results::code::CodeWatch;
use crate::timing::SLOW;

/// A file that could not be collected.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileError {
    /// Path, relative to the root if it is below it.
    pub path: String,
    /// Line, from 1.
    pub line: u32,
    /// Python's or pytest's message.
    pub message: String,
    /// pytest's report of it, if there is one.
    pub longrepr: Option<String>,
}

impl FileError {
    fn new(told: &CollectError, root: &Path) -> Self {
        FileError {
            path: path_of_uri(&told.uri, root),
            line: told.range.start.line + 1,
            message: told.message.clone(),
            longrepr: told.longrepr.clone(),
        }
    }
}

/// Numbers of subtests.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SubtestCounts {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
    pub xfailed: usize,
}

/// The state of a run.
#[derive(Debug)]
pub(crate) struct Report {
    root: PathBuf,
    /// The folder from which paths are shown, if that is not the root.
    pub folder: Option<PathBuf>,
    /// The selected ids; empty = all tests.
    selected: Vec<String>,
    /// The lines with which pytest begins its output; empty if they are not known.
    pub header: Vec<String>,
    /// The lines of plugins and conftests on the collected tests.
    pub on_collected: Vec<String>,
    /// Number of tests that hooks took out of the collection; pytest counts them as collected.
    pub dropped: usize,
    /// Number of selected tests.
    pub total: usize,
    /// Number of final outcomes of each kind.
    pub outcomes: BTreeMap<String, usize>,
    /// Number of tests by their outcome before their teardown failed; pytest counts both.
    pub before_teardown: BTreeMap<String, usize>,
    /// Number of reports in each of pytest's categories, in the order in which these came. They are the outcomes of the
    /// tests, unless hooks decide otherwise.
    pub categories: Vec<(String, usize)>,
    /// Number of tests that hooks hide: pytest's figure of the progress leaves them out.
    pub hidden: usize,
    /// Tests that hooks have pytest list as failures though they are none, each with the number of failures before it.
    pub listed: Vec<(usize, TestOutcome)>,
    /// Number of attempts that were repeated.
    pub reruns: usize,
    /// The ids of these attempts.
    pub repeated: Vec<String>,
    /// The last of these attempts of each test.
    last_attempts: HashMap<String, u32>,
    /// The tests that took long, with their durations in milliseconds.
    pub slow: Vec<(String, f64)>,
    /// Number of tests that options of pytest deselected.
    pub deselected: usize,
    /// Files that skip themselves as a whole.
    pub skipped_files: Vec<FileSkip>,
    /// Number of failures after which the run stops, if the user gives one.
    pub limit: Option<u32>,
    /// The number of failures after which a stepwise run stops.
    pub step: Option<u32>,
    /// Files that could not be collected do not interrupt the run.
    pub continues: bool,
    /// The numbers of subtests whose statuses are the usual ones.
    pub subtests: SubtestCounts,
    /// All final outcomes, if the user asked for more than failures.
    pub all: Option<Vec<TestOutcome>>,
    /// The final outcomes that are failures, in the order of their events.
    pub failures: Vec<TestOutcome>,
    /// Errors of the run's own collection, or of a refused request.
    pub errors: Vec<FileError>,
    /// The tests use the terminal.
    pub has_terminal: bool,
    /// A remark to print before the run begins.
    pub note: Option<String>,
    /// A sentence on the tests that `--affected` left out; empty if there are none.
    pub left_out: String,
    /// The code before the run, if changes while it ran must be reported.
    pub code: Option<CodeWatch>,
    /// The time at which the command began.
    pub begun: Instant,
    /// The command's time before it requested the run.
    pub before: Duration,
    /// The command's time until the run ended.
    pub took: Duration,
    /// The end, if the run has ended.
    pub end: Option<RunEnd>,
}

impl Report {
    /// The state before the run begins.
    pub(crate) fn new(root: &Path, selected: Vec<String>) -> Self {
        Report {
            root: root.to_owned(),
            folder: None,
            selected,
            header: Vec::new(),
            on_collected: Vec::new(),
            dropped: 0,
            total: 0,
            outcomes: BTreeMap::new(),
            before_teardown: BTreeMap::new(),
            categories: Vec::new(),
            hidden: 0,
            listed: Vec::new(),
            reruns: 0,
            repeated: Vec::new(),
            last_attempts: HashMap::new(),
            slow: Vec::new(),
            deselected: 0,
            skipped_files: Vec::new(),
            limit: None,
            step: None,
            continues: false,
            subtests: SubtestCounts::default(),
            all: None,
            failures: Vec::new(),
            errors: Vec::new(),
            has_terminal: false,
            note: None,
            left_out: String::new(),
            code: None,
            begun: Instant::now(),
            before: Duration::ZERO,
            took: Duration::ZERO,
            end: None,
        }
    }

    /// The root of the project.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The selected ids; empty = all tests.
    pub(crate) fn selected(&self) -> &[String] {
        &self.selected
    }

    /// Replaces the selected ids.
    pub(crate) fn select(&mut self, ids: Vec<String>) {
        self.selected = ids;
    }

    /// Applies an event; returns whether it belongs to the run.
    pub(crate) fn apply(&mut self, payload: &EventPayload, run_id: &str) -> bool {
        let of = match payload {
            // The inventory may know of changes since the run's collection.
            EventPayload::Inventory(_) | EventPayload::FlakinessHint(_) | EventPayload::StaleOutcomes(_) => {
                return false;
            }
            EventPayload::RunStarted(start) => &start.run_id,
            EventPayload::TestStarted(tests) => &tests.run_id,
            EventPayload::TestOutcome(tests) => &tests.run_id,
            EventPayload::Output(output) => &output.run_id,
            EventPayload::RunFinished(end) => &end.run_id,
        };
        if of != run_id {
            return false;
        }
        match payload {
            EventPayload::RunStarted(start) => {
                self.total = start.total;
                self.deselected = start.deselected;
                self.dropped = start.dropped;
                self.skipped_files.extend(start.skipped_files.iter().cloned());
                self.header.extend(start.header.iter().cloned());
                self.on_collected.extend(start.on_collected.iter().cloned());
                let errors = start.errors.iter().map(|error| FileError::new(error, &self.root));
                self.errors.extend(errors);
            }
            EventPayload::TestOutcome(tests) => tests.outcomes.iter().for_each(|outcome| self.apply_outcome(outcome)),
            EventPayload::RunFinished(end) => {
                self.took = self.begun.elapsed();
                self.end = Some(end.clone());
            }
            _ => {}
        }
        true
    }

    fn apply_outcome(&mut self, outcome: &TestOutcome) {
        if outcome.will_rerun {
            self.reruns += 1;
            self.repeated.push(outcome.id.clone());
            self.last_attempts.insert(outcome.id.clone(), outcome.attempt);
            return;
        }
        // Where no further attempt follows after all, the last one counts as the final one.
        if self.last_attempts.get(&outcome.id) == Some(&outcome.attempt) {
            self.reruns = self.reruns.saturating_sub(1);
            let last = self.repeated.iter().rposition(|id| *id == outcome.id);
            last.map(|last| self.repeated.remove(last));
        }
        if let Some(before) = &outcome.before_teardown {
            *self.before_teardown.entry(before.clone()).or_default() += 1;
        }
        match &outcome.statuses {
            Some(statuses) => {
                self.hidden += usize::from(statuses.iter().all(is_hidden));
                statuses.iter().for_each(|status| self.count(&status.category));
            }
            None => outcome.before_teardown.iter().chain([&outcome.outcome]).for_each(|known| self.count(known)),
        }
        if outcome.duration_ms >= SLOW.as_secs_f64() * 1_000.0 {
            self.slow.push((outcome.id.clone(), outcome.duration_ms));
        }
        *self.outcomes.entry(outcome.outcome.clone()).or_default() += 1;
        let shown_otherwise = |index| outcome.statuses.iter().flatten().any(|status| status.subtest == Some(index));
        let of = |wanted: &str| {
            let known = outcome.subtests.iter().enumerate().filter(|(_, subtest)| subtest.outcome == wanted);
            known.filter(|(index, _)| !shown_otherwise(*index)).count()
        };
        self.subtests = SubtestCounts {
            passed: self.subtests.passed + of("passed"),
            failed: self.subtests.failed + of("failed"),
            skipped: self.subtests.skipped + of("skipped"),
            xfailed: self.subtests.xfailed + of("xfailed"),
        };
        if let Some(all) = &mut self.all {
            all.push(outcome.clone());
        }
        if is_failure(&outcome.outcome) {
            self.failures.push(outcome.clone());
        } else if outcome.statuses.iter().flatten().any(|status| matches!(&*status.category, "failed" | "error")) {
            self.listed.push((self.failures.len(), outcome.clone()));
        }
    }

    fn count(&mut self, category: &str) {
        if category.is_empty() {
            return;
        }
        match self.categories.iter_mut().find(|(known, _)| known == category) {
            Some((_, count)) => *count += 1,
            None => self.categories.push((category.to_owned(), 1)),
        }
    }

    /// The tests of which pytest lists reports as failures or errors, or would if no hook decided otherwise.
    pub(crate) fn listed_failures(&self) -> Vec<&TestOutcome> {
        let mut tests: Vec<&TestOutcome> = self.failures.iter().collect();
        for (at, outcome) in self.listed.iter().rev() {
            tests.insert(*at, outcome);
        }
        tests
    }

    /// The test whose `pytest.exit` or `KeyboardInterrupt` ended the session, with pytest's name of the exception.
    pub(crate) fn interrupting(&self) -> Option<(&TestOutcome, String)> {
        // pytest shows no report of such a test, or only those that came before.
        let is_shown = |test: &&TestOutcome| {
            test.statuses.as_ref().is_none_or(|all| all.iter().any(|one| matches!(&*one.category, "failed" | "error")))
        };
        let test = self.failures.iter().rev().find(|test| !is_shown(test))?;
        let message = test.message.as_deref()?;
        let raised = match message.split(':').next()? {
            "Exit" => format!("_pytest.outcomes.{message}"),
            "KeyboardInterrupt" => message.to_owned(),
            _ => return None,
        };
        Some((test, raised))
    }

    /// The request was refused while the inventory has these errors: takes those in selected files.
    pub(crate) fn refuse(&mut self, inventory: &[CollectError]) {
        let errors = inventory.iter().map(|error| FileError::new(error, &self.root));
        self.errors = errors.filter(|error| is_selected_file(&self.selected, &error.path)).collect();
    }

    /// Whether a `conftest.py` does not import that pytest loads before it collects, because a selected path is in its
    /// folder or below it: pytest does not start then, and the engine has this from a collection of everything.
    fn lacks_conftest(&self) -> bool {
        let is_above = |error: &FileError| {
            let folder = error.path.strip_suffix("conftest.py").map(|folder| folder.trim_end_matches('/'));
            folder.is_some_and(|folder| {
                self.selected.iter().any(|id| Path::new(NodeId::new(id).file()).starts_with(folder))
            })
        };
        self.errors.iter().any(is_above)
    }

    /// Whether a selected file could not be collected.
    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Whether files that can't be collected reached the limit of failures before everything was collected.
    pub(crate) fn fails_by_collection(&self) -> bool {
        let limit = self.limit.is_some_and(|limit| self.errors.len() >= limit as usize);
        limit && self.end.as_ref().is_some_and(|end| end.exit_status == Some(exit::FAILED))
    }

    /// `path:line`, relative to the folder from which paths are shown.
    pub(crate) fn place(&self, location: &Location) -> String {
        let folder = self.folder.as_ref().unwrap_or(&self.root);
        format!("{}:{}", relative_of_uri(&location.uri, folder), location.range.start.line + 1)
    }

    /// A path or id of the root as it is shown.
    pub(crate) fn shown(&self, id: &str) -> String {
        let Some(folder) = self.folder.as_ref().filter(|_| !id.is_empty()) else { return id.to_owned() };
        let (path, test) = NodeId::new(id).split();
        let path = from_folder(&self.root.join(path), folder);
        test.map_or(path.clone(), |test| format!("{path}::{test}"))
    }

    /// The id of the root that is shown so.
    pub(crate) fn id_of_root(&self, shown: &str) -> String {
        let Some(folder) = &self.folder else { return shown.to_owned() };
        let (path, test) = NodeId::new(shown).split();
        let path = tidy(&folder.join(path)).and_then(|path| Some(path.strip_prefix(&self.root).ok()?.to_owned()));
        let path = path.unwrap_or_default().display().to_string();
        test.map_or(path.clone(), |test| format!("{path}::{test}"))
    }

    /// An event with the ids as they are shown.
    pub(crate) fn with_shown_ids<'e>(&self, payload: &'e EventPayload) -> Cow<'e, EventPayload> {
        if self.folder.is_none() {
            return Cow::Borrowed(payload);
        }
        let mut seen = payload.clone();
        let show = |id: &mut String| *id = self.shown(id);
        match &mut seen {
            EventPayload::RunStarted(start) => start.skipped_files.iter_mut().for_each(|file| show(&mut file.path)),
            EventPayload::TestStarted(tests) => tests.ids.iter_mut().for_each(show),
            EventPayload::TestOutcome(tests) => tests.outcomes.iter_mut().for_each(|test| show(&mut test.id)),
            // As in pytest, warnings name the ids of the root.
            _ => {}
        }
        Cow::Owned(seen)
    }

    /// Number of failures, as pytest counts them for its limits.
    pub(crate) fn failed(&self) -> usize {
        self.failures.len()
            + self
                .before_teardown
                .iter()
                .filter(|(outcome, _)| is_failure(outcome))
                .map(|(_, count)| count)
                .sum::<usize>()
    }

    /// Number of tests with a final outcome.
    pub(crate) fn done(&self) -> usize {
        self.outcomes.values().sum()
    }

    /// Number of tests that have run.
    pub(crate) fn have_run(&self) -> usize {
        self.done() - self.outcomes.get("not_run").copied().unwrap_or_default()
    }

    /// pytest's exit status.
    pub(crate) fn status(&self) -> i32 {
        let Some(end) = &self.end else { return exit::INTERNAL };
        // The hook of a session knows nothing of errors that other sessions found while they collected.
        if let Some(wanted) = end.exit_status.filter(|wanted| *wanted != exit::OK || !self.has_errors()) {
            return wanted;
        }
        match end.status {
            RunEndStatus::Passed | RunEndStatus::Failed if self.lacks_conftest() => exit::USAGE,
            RunEndStatus::Passed | RunEndStatus::Failed if self.has_errors() && self.continues => exit::FAILED,
            RunEndStatus::InternalError => exit::INTERNAL,
            RunEndStatus::Stopped | RunEndStatus::Killed => exit::INTERRUPTED,
            _ if self.has_errors() => exit::INTERRUPTED,
            RunEndStatus::Failed
                if end.counts.failed + end.counts.errors + end.counts.not_run == 0
                    && end.message.as_ref().is_some_and(|message| message.contains(NOT_COLLECTED)) =>
            {
                exit::INTERRUPTED
            }
            RunEndStatus::Failed | RunEndStatus::TimedOut => exit::FAILED,
            RunEndStatus::Passed if end.counts.failed + end.counts.errors > 0 => exit::FAILED,
            RunEndStatus::Passed if self.total == 0 => exit::NO_TESTS,
            RunEndStatus::Passed => exit::OK,
        }
    }
}

/// Whether pytest shows nothing for a report when it comes.
pub(crate) fn is_hidden(status: &ReportStatus) -> bool {
    status.letter.is_empty() && status.word.is_empty()
}

/// Whether an outcome makes a run fail.
pub(crate) fn is_failure(outcome: &str) -> bool {
    outcome.parse().is_ok_and(Outcome::is_failure)
}
