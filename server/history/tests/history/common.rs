//! A folder with a history in it, and short ways to make runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pytest_lens_history::{Attempt, History, HistoryOptions, Limits, Location, Run, Source, Uid};
use pytest_lens_plan::outcome::Outcome;
use tempfile::TempDir;

/// The deadline for anything; nothing comes near it. It is shorter than the time after which a mutant counts as hanging.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) struct Home {
    pub folder: TempDir,
    pub limits: Limits,
}

impl Home {
    pub(crate) fn new() -> Self {
        Home { folder: TempDir::with_prefix("lens-history-").unwrap(), limits: Limits::default() }
    }

    pub(crate) fn location(&self) -> Location {
        Location::of(&self.folder.path().join("state"), self.folder.path())
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.location().file
    }

    /// Opens the history without waiting for anything; it looks for other processes' runs all the time.
    pub(crate) fn start(&self) -> History {
        let watch = Some(Duration::from_millis(5));
        History::open(self.location(), HistoryOptions { watch, limits: self.limits })
    }

    /// Opens the history and waits until it was read.
    pub(crate) fn open(&self) -> History {
        let history = self.start();
        assert!(history.wait_loaded(DEADLINE), "{:?}", history.trouble());
        history
    }
}

/// A run of tests `a`, `b` ..., given as `a.` (passed), `aF` (failed), `as` (skipped); begun at that millisecond of now.
pub(crate) fn run(at: u64, code: Option<&str>, outcomes: &str) -> Run {
    let mut run = Run::new(Source::Cli, code.map(Arc::from));
    run.uid = Uid::of_content(format!("{at} {outcomes}").as_bytes());
    run.started_ms += at;
    for word in outcomes.split(' ') {
        let (id, outcome) = word.split_at(word.len() - 1);
        let outcome = match outcome {
            "." => Outcome::Passed,
            "F" => Outcome::Failed,
            _ => Outcome::Skipped,
        };
        let attempt = 1 + run.attempts.iter().filter(|attempt| &*attempt.id == id).count() as u32;
        run.attempts.push(Attempt { id: id.into(), outcome, attempt, duration_ms: 1.5, failure: None });
    }
    run
}

/// The last outcomes of a test, as letters.
pub(crate) fn recent(history: &History, id: &str) -> String {
    let verdict = history.verdict(id, 50);
    let outcomes = verdict.map(|verdict| verdict.recent_outcomes).unwrap_or_default();
    let letter = |outcome: &Outcome| match outcome {
        Outcome::Passed => '.',
        Outcome::Failed => 'F',
        _ => 's',
    };
    outcomes.iter().map(letter).collect()
}

/// Lets threads work until a condition holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::yield_now();
    }
}
