//! Decides what `--watch` does at a key, a save or the end of a run. Pure: its caller carries the actions out.

use std::collections::{BTreeMap, BTreeSet};

use pytest_lens_plan::select::Keyword;

use super::keys::Key;
use crate::failure::exit;

/// A file that is no source, and changed in this many runs in a row that it had started, starts no more: the tests
/// write it.
const OWN_CHANGES: u8 = 2;

/// The content of a file, for comparison; `None` if there is no file.
pub(crate) type Content = Option<u64>;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    Key(Key),
    /// Ctrl-C.
    Interrupt,
    /// The process must end.
    Terminate,
    /// Files changed.
    Changed {
        files: Vec<(String, Content)>,
        /// Changes were missed: any file may have changed.
        everything: bool,
        /// A run was going on, or had just ended: the tests may have made the changes.
        near_run: bool,
    },
    /// The run ended, with its exit status, if there was something to run.
    Ended(Option<i32>),
    /// The process has the terminal again.
    Resumed,
}

/// The tests of a run, among those of the command line that the filters leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    All,
    /// Those that failed when they last ran.
    Failed,
    /// Those that these files affect.
    Affected(BTreeSet<String>),
}

/// A filter that the user types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Path,
    Name,
}

/// A text for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Screen {
    /// It waits for changes.
    Ready,
    Help,
    /// The filter that is being typed, so far.
    Prompt(Asked, String),
    /// The line of the prompt is over.
    PromptDone,
    /// The reason why the typed filter can't be used.
    Invalid(String),
    /// A file starts no more runs, because the tests write it.
    Written(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Run(Scope),
    /// Stops the run; at the second time kills it.
    Stop,
    Kill,
    Show(Screen),
    Quit,
}

/// The filters of the user; empty = no filter.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Filters {
    /// A part of the paths of test files.
    pub path: String,
    /// An expression for `-k`.
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Idle,
    Running {
        /// The run or end that comes after the run, which was stopped for it; `None` if it was not stopped.
        then: Option<Then>,
    },
    Asking(Asked, String),
    Over,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Then {
    Run(Scope),
    Ask(Asked),
    Quit,
}

#[derive(Debug)]
pub(crate) struct Machine {
    state: State,
    filters: Filters,
    status: i32,
    /// The scope of the last run, which may have been empty.
    last: Scope,
    /// The scope of the last run of tests.
    repeated: Scope,
    /// Number of runs.
    runs: u64,
    /// The last thing on the screen is that it waits.
    is_ready_shown: bool,
    /// Changed files that no run has seen.
    pending: BTreeMap<String, Content>,
    /// One of them is a source, or changed when no run was near: a person has saved it.
    is_save_pending: bool,
    /// The run follows only changes that the run before may have made.
    is_aftermath: bool,
    is_everything_pending: bool,
    /// Changed files, as the last run of their tests saw them.
    seen: BTreeMap<String, Content>,
    /// In how many runs in a row files changed that had started them, and the last of these runs.
    own_changes: BTreeMap<String, (u8, u64)>,
}

impl Machine {
    /// The first action is a run of all tests.
    pub(crate) fn new() -> (Self, Vec<Action>) {
        let machine = Machine {
            state: State::Running { then: None },
            filters: Filters::default(),
            status: exit::OK,
            last: Scope::All,
            repeated: Scope::All,
            runs: 1,
            is_ready_shown: false,
            pending: BTreeMap::new(),
            is_save_pending: false,
            is_aftermath: false,
            is_everything_pending: false,
            seen: BTreeMap::new(),
            own_changes: BTreeMap::new(),
        };
        (machine, vec![Action::Run(Scope::All)])
    }

    pub(crate) fn filters(&self) -> &Filters {
        &self.filters
    }

    /// The exit status of the last run.
    pub(crate) fn status(&self) -> i32 {
        self.status
    }

    /// Whether the run follows only changes that the run before may have made: if they affect no test, nobody needs
    /// to know.
    pub(crate) fn is_aftermath(&self) -> bool {
        self.is_aftermath
    }

    pub(crate) fn step(&mut self, input: Input) -> Vec<Action> {
        if self.state == State::Over {
            return Vec::new();
        }
        let actions = self.answer(input);
        for action in &actions {
            match action {
                Action::Show(screen) => self.is_ready_shown = matches!(screen, Screen::Ready | Screen::Help),
                Action::Run(_) => self.is_ready_shown &= self.is_aftermath,
                Action::Stop | Action::Kill | Action::Quit => {}
            }
        }
        actions
    }

    fn answer(&mut self, input: Input) -> Vec<Action> {
        match input {
            Input::Changed { files, everything, near_run } => self.changed(files, everything, near_run),
            Input::Ended(status) => self.ended(status),
            Input::Key(key) => self.key(key),
            Input::Interrupt => match &self.state {
                State::Idle => self.quit(),
                State::Running { .. } => self.stop_for(Then::Quit),
                State::Asking(..) => self.asked(None),
                State::Over => Vec::new(),
            },
            Input::Terminate => match &mut self.state {
                State::Running { then } => {
                    *then = Some(Then::Quit);
                    vec![Action::Kill]
                }
                State::Over => Vec::new(),
                State::Idle | State::Asking(..) => self.quit(),
            },
            Input::Resumed => match &self.state {
                State::Idle => vec![Action::Show(Screen::Ready)],
                State::Asking(asked, text) => vec![Action::Show(Screen::Prompt(*asked, text.clone()))],
                State::Running { .. } | State::Over => Vec::new(),
            },
        }
    }

    fn changed(&mut self, files: Vec<(String, Content)>, everything: bool, near_run: bool) -> Vec<Action> {
        let mut actions = Vec::new();
        for (path, content) in files {
            if near_run && self.seen.get(&path) == Some(&content) {
                // Written again by the tests, or saved again without a change.
                self.pending.remove(&path);
                continue;
            }
            let is_cause = matches!(&self.last, Scope::Affected(cause) if cause.contains(&path));
            if near_run && is_cause && !path.ends_with(".py") {
                let (count, run) = self.own_changes.entry(path.clone()).or_default();
                let is_counted = std::mem::replace(run, self.runs) == self.runs;
                *count = count.saturating_add(u8::from(!is_counted));
                if *count > OWN_CHANGES {
                    if *count == OWN_CHANGES + 1 && !is_counted {
                        actions.push(Action::Show(Screen::Written(path)));
                    }
                    continue;
                }
            } else if !near_run {
                self.own_changes.remove(&path);
            }
            // Tests seldom write sources.
            self.is_save_pending |= !near_run || path.ends_with(".py");
            self.pending.insert(path, content);
        }
        self.is_everything_pending |= everything;
        if self.state == State::Idle {
            actions.extend(self.run_pending());
        }
        actions
    }

    fn ended(&mut self, status: Option<i32>) -> Vec<Action> {
        let State::Running { then } = std::mem::replace(&mut self.state, State::Idle) else { return Vec::new() };
        if let Some(status) = status {
            self.status = status;
            self.repeated = self.last.clone();
            self.is_ready_shown = false;
        }
        match then {
            Some(Then::Quit) => self.quit(),
            Some(Then::Run(scope)) => self.run(scope),
            Some(Then::Ask(asked)) => self.ask(asked),
            None => self.go_on(),
        }
    }

    fn key(&mut self, key: Key) -> Vec<Action> {
        match (&mut self.state, key) {
            (State::Over, _) => Vec::new(),
            (State::Asking(asked, text), key) => {
                match key {
                    Key::Char(letter) => text.push(letter),
                    Key::Backspace => drop(text.pop()),
                    Key::Clear => text.clear(),
                    Key::Enter => {
                        let text = std::mem::take(text);
                        return self.asked(Some(text));
                    }
                    Key::Escape | Key::End => return self.asked(None),
                }
                vec![Action::Show(Screen::Prompt(*asked, text.clone()))]
            }
            (_, Key::Char('a')) => {
                self.filters = Filters::default();
                self.stop_for(Then::Run(Scope::All))
            }
            (_, Key::Char('f')) => self.stop_for(Then::Run(Scope::Failed)),
            (_, Key::Char('p')) => self.stop_for(Then::Ask(Asked::Path)),
            (_, Key::Char('t')) => self.stop_for(Then::Ask(Asked::Name)),
            (_, Key::Enter) => self.stop_for(Then::Run(self.repeated.clone())),
            (_, Key::Char('q') | Key::End) => self.stop_for(Then::Quit),
            (State::Idle, Key::Char('h' | '?')) => vec![Action::Show(Screen::Help)],
            _ => Vec::new(),
        }
    }

    /// Stops the run, if there is one, and then goes on with this.
    fn stop_for(&mut self, wanted: Then) -> Vec<Action> {
        if let State::Running { then } = &mut self.state {
            let presses_again = *then == Some(Then::Quit) && wanted == Then::Quit;
            let is_first = then.is_none();
            *then = Some(wanted);
            return if is_first || presses_again { vec![Action::Stop] } else { Vec::new() };
        }
        match wanted {
            Then::Run(scope) => self.run(scope),
            Then::Ask(asked) => self.ask(asked),
            Then::Quit => self.quit(),
        }
    }

    fn ask(&mut self, asked: Asked) -> Vec<Action> {
        self.state = State::Asking(asked, String::new());
        vec![Action::Show(Screen::Prompt(asked, String::new()))]
    }

    /// The prompt is answered, or canceled.
    fn asked(&mut self, text: Option<String>) -> Vec<Action> {
        let State::Asking(asked, _) = std::mem::replace(&mut self.state, State::Idle) else { return Vec::new() };
        let mut actions = vec![Action::Show(Screen::PromptDone)];
        match text {
            // The filters stay as they were.
            Some(text)
                if asked == Asked::Name
                    && let Err(error) = Keyword::parse(text.trim()) =>
            {
                actions.push(Action::Show(Screen::Invalid(error.to_string())));
                actions.extend(self.go_on());
            }
            Some(text) => {
                let filter = match asked {
                    Asked::Path => &mut self.filters.path,
                    Asked::Name => &mut self.filters.name,
                };
                text.trim().clone_into(filter);
                actions.extend(self.run(Scope::All));
            }
            None => actions.extend(self.go_on()),
        }
        actions
    }

    /// Runs what has changed, or waits.
    fn go_on(&mut self) -> Vec<Action> {
        let actions = self.run_pending();
        if actions.is_empty() && !self.is_ready_shown { vec![Action::Show(Screen::Ready)] } else { actions }
    }

    fn run_pending(&mut self) -> Vec<Action> {
        if self.is_everything_pending {
            return self.run(Scope::All);
        }
        if self.pending.is_empty() {
            return Vec::new();
        }
        let is_aftermath = !self.is_save_pending;
        let actions = self.run(Scope::Affected(BTreeSet::new()));
        self.is_aftermath = is_aftermath;
        actions
    }

    fn run(&mut self, scope: Scope) -> Vec<Action> {
        let scope = match scope {
            Scope::Failed => Scope::Failed,
            Scope::All => {
                self.take_pending();
                Scope::All
            }
            Scope::Affected(_) if self.is_everything_pending => {
                self.take_pending();
                Scope::All
            }
            Scope::Affected(mut paths) => {
                paths.extend(self.take_pending());
                Scope::Affected(paths)
            }
        };
        self.last = scope.clone();
        self.runs += 1;
        self.is_aftermath = false;
        self.state = State::Running { then: None };
        vec![Action::Run(scope)]
    }

    /// The changes that a run sees.
    fn take_pending(&mut self) -> Vec<String> {
        self.is_everything_pending = false;
        self.is_save_pending = false;
        let pending = std::mem::take(&mut self.pending);
        let paths = pending.keys().cloned().collect();
        self.seen.extend(pending);
        paths
    }

    fn quit(&mut self) -> Vec<Action> {
        self.state = State::Over;
        vec![Action::Quit]
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
