//! The history of a scenario, in memory or in a file whose folder may be away, and what it must hold.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pytest_lens_history::{History, HistoryOptions, Keeper, Location, NextTurn};
use pytest_lens_plan::outcome::Outcome;
use tokio::time::sleep;

use super::checks::Violation;
use super::machine::Machine;
use super::scenario::Scenario;
use crate::clock::Clock;

/// An attempt of a test, as clients have seen it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SeenAttempt {
    pub id: String,
    pub attempt: u32,
    pub outcome: Outcome,
}

#[derive(Default)]
struct Truth {
    /// The recorded runs that the history must hold, with the times of their beginnings.
    runs: Vec<(String, u64)>,
    /// The first of them that the file may lack.
    written: usize,
}

/// The history, and the truth about it.
pub(super) struct Records {
    history: Mutex<Option<Arc<History>>>,
    keeper: Mutex<Option<Keeper>>,
    has_file: bool,
    location: Location,
    /// The folder's name while it is away.
    away: PathBuf,
    truth: Mutex<Truth>,
}

impl Records {
    pub(super) fn new(scenario: &Scenario, folder: &Path, root: &Path) -> Arc<Self> {
        let state = folder.join(format!("state-{:x}", scenario.seed));
        let location = Location::of(&state, root);
        let (history, keeper) = History::open_with_keeper(location.clone(), HistoryOptions::default());
        Arc::new(Records {
            history: Mutex::new(Some(Arc::new(history))),
            keeper: Mutex::new(Some(keeper)),
            has_file: scenario.has_file,
            location,
            away: state.join("away"),
            truth: Mutex::default(),
        })
    }

    fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn history(&self) -> Arc<History> {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(history.as_ref().expect("it is taken at the end only"))
    }

    fn folder(&self) -> &Path {
        self.location.file.parent().expect("a file is in a folder")
    }

    /// One turn of the keeper; returns the pause before the next.
    fn turn(&self, now_ms: u64) -> Option<Duration> {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let keeper = keeper.as_mut()?;
        let next = keeper.turn(now_ms);
        let mut truth = self.truth();
        if keeper.has_written() {
            truth.written = truth.runs.len();
        }
        match next {
            NextTurn::WithWork => Some(Duration::from_millis(200)),
            NextTurn::After(pause) => Some(pause),
            NextTurn::Never => None,
        }
    }

    /// Gives the keeper its turns.
    pub(super) async fn keep(self: Arc<Self>, clock: Clock, machine: Arc<Machine>) {
        if !self.has_file {
            return;
        }
        while let Some(pause) = self.turn(clock.now_ms()) {
            machine.step("history", 0);
            sleep(pause).await;
            while self.keeper.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(Keeper::has_written) {
                sleep(pause).await;
            }
        }
    }

    /// The recorder has given a run to the history.
    pub(super) fn has_recorded(&self, run: &str, started_ms: u64) {
        self.truth().runs.push((run.to_owned(), started_ms));
    }

    /// The folder is away: a write fails.
    pub(super) fn go_away(&self) {
        if self.has_file && fs::rename(self.folder(), &self.away).is_ok() {
            let _ = fs::write(self.folder(), "in the way");
        }
    }

    /// The folder is back.
    pub(super) fn heal(&self) {
        if self.away.exists() {
            let _ = fs::remove_file(self.folder());
            let _ = fs::rename(&self.away, self.folder());
        }
    }

    /// Somebody removes the file: what was in it is gone, what waits to be written stays.
    pub(super) fn remove(&self) {
        if self.has_file && self.location.file.exists() {
            for suffix in ["", "-wal", "-shm"] {
                let mut name = self.location.file.clone().into_os_string();
                name.push(suffix);
                let _ = fs::remove_file(name);
            }
            let mut truth = self.truth();
            let written = truth.written;
            truth.runs.drain(..written);
            truth.written = 0;
        }
    }

    /// Checks that the history holds exactly the outcomes of the ended runs; a file, as another process reads it.
    /// `seen`: the attempts of each run.
    pub(super) fn check(&self, seen: &BTreeMap<String, Vec<SeenAttempt>>, now_ms: u64) -> Result<(), Violation> {
        if !self.has_file {
            return self.compare(&self.history(), seen);
        }
        for _ in 0..5 {
            self.turn(now_ms);
        }
        let (history, mut keeper) = History::open_with_keeper(self.location.clone(), HistoryOptions::default());
        if keeper.turn(now_ms) != NextTurn::WithWork {
            return Err(Violation(format!("the history can't be read: {:?}", history.trouble())));
        }
        self.compare(&self.history(), seen)?;
        self.compare(&history, seen)
    }

    fn compare(&self, history: &History, seen: &BTreeMap<String, Vec<SeenAttempt>>) -> Result<(), Violation> {
        let mut runs = self.truth().runs.clone();
        runs.sort_by_key(|(_, started_ms)| *started_ms);
        let mut last: BTreeMap<&str, &SeenAttempt> = BTreeMap::new();
        let mut count = 0;
        for attempt in runs.iter().filter_map(|(run, _)| seen.get(run)).flatten() {
            count += 1;
            last.insert(&attempt.id, attempt);
        }
        if history.len() != count {
            return Err(Violation(format!("the history holds {} attempts instead of {count}", history.len())));
        }
        let held: BTreeMap<String, SeenAttempt> = history
            .last_outcomes()
            .into_iter()
            .map(|last| {
                let (id, attempt, outcome) = (last.attempt.id.to_string(), last.attempt.attempt, last.attempt.outcome);
                (id.clone(), SeenAttempt { id, attempt, outcome })
            })
            .collect();
        for (id, attempt) in &last {
            if held.get(*id) != Some(attempt) {
                return Err(Violation(format!("the history holds {:?} instead of {attempt:?}", held.get(*id))));
            }
        }
        if held.len() != last.len() {
            return Err(Violation("the history holds tests that did not run".into()));
        }
        Ok(())
    }
}
